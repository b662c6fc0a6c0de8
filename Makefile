# SPDX-License-Identifier: GPL-2.0-only
#
# make              the engine, build/io_uring_pi.so, and a fio that loads it
# make bench        what PI costs compared with plain io_uring, in a guest
# make bench DEV=/dev/nvme0n1 [ALLOW_WRITE=/dev/nvme0n1]   ... on a drive
# make demo         flip a bit on the media and see who finds it, in a guest
# make kernel       build the lab kernel, which supports every attribute layout (scripts/kernel)
# make lab          what each layout of the PI attribute costs, in a guest with the lab kernel
# make lab DEV=/dev/nvme0n1 [ALLOW_WRITE=/dev/nvme0n1]   ... on a drive, in time
# make perf         what the engine costs compared with fio's own, in instructions, in guests
# make perf-host    what generating and verifying PI costs on top of the checksums, on this CPU
# make check        unit tests without a guest, under a minute
# make test         all tests, including those in guests
# make test-distros   build and test in a fresh Debian 12, 13 and testing, as root
# make test-long    make test, and tests that take minutes, such as every format
# make soak         random jobs with faults, for SECONDS=600; SEED= repeats a run
# make soak-debug   the same with registered metadata, on a lab kernel with KASAN, lockdep and kmemleak
# make test-fio     fio's own tests, with fio's engine and with this one
# make faults       100,000 injected faults, all found; 10 million clean blocks
# make fuzz         coverage-guided fuzzing of parsers and whole jobs, with clang, for SECONDS=3600
# make clean        remove what was built; make distclean: also what was fetched
# make help         print this list
#
# make install      install engine, tools, job files and man pages below PREFIX; make uninstall
# make deb          the same as a Debian package, for the fio whose source is in FIO=
#
# FIO=DIR           build for the fio whose configured source is in DIR
# ISAL=DIR          build with the ISA-L source in DIR, if the system's is too old
# E=DIR             put the engine into DIR instead of build/
# V=1               show the commands
# WERROR=1          treat compiler warnings as errors
# EXPECT_SKIP="chromium fio-3.42 pyflakes pycodestyle shellcheck checkpatch"
#                   tests that may be skipped because these are missing; any other skip is a failure

CC ?= cc
CFLAGS ?= -O2 -g
B := build
E := $(B)
FIO ?= $(B)/fio
FIO_DIR := $(if $(filter /%,$(firstword $(FIO))),,$(CURDIR)/)$(FIO)
# make splits names at blanks: use a link to a path that has one
ifneq ($(word 2,$(FIO)),)
$(shell mkdir -p $(E)/obj && ln -sfn "$(FIO_DIR)" $(E)/obj/fio)
override FIO := $(E)/obj/fio
endif
ENGINE := $(E)/io_uring_pi.so
# versions known to work, best first; otherwise Debian's newest
FIO_VERSIONS := 3.41 3.42 3.40
JOBS := $(shell getconf _NPROCESSORS_ONLN)
# make -n runs lines that name MAKE themselves, and these fetch things
SUBMAKE = $(MAKE)

# a line for each file; with V=1 the command
ifeq ($(V),)
RUN = @echo '  $(1)  $(patsubst $(B)/%,%,$@)';
else
RUN =
endif

WARN := -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)
LIB_FLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -MMD -MP -Ilib \
	$(ISAL_FLAGS)
# fio's callbacks have parameters that not every one needs
ENGINE_FLAGS = $(LIB_FLAGS) -Wno-unused-parameter -DFIO_INTERNAL \
	-include $(FIO)/config-host.h -I$(FIO) \
	-DPI_FIO_VERSION='"$(FIO_VERSION)"'
# a tree that was configured but not built has only FIO-VERSION-GEN
FIO_VERSION = $(shell sed -n 's/^\(FIO_VERSION *\|DEF_VER\)= *//p' \
	$(firstword $(wildcard $(FIO)/FIO-VERSION-FILE $(FIO)/FIO-VERSION-GEN)))
LIBS = $(ISAL_LIB) $(or $(shell pkg-config --libs liburing libnvme 2>/dev/null),-luring -lnvme)

# CRC64 NVMe needs ISA-L 2.31: if the system's is older, build Debian's source (or
# the one in ISAL) and link it in
ifeq ($(ISAL)$(shell pkg-config --atleast-version=2.31 libisal 2>/dev/null || echo old),)
ISAL_LIB := $(shell pkg-config --libs libisal)
ISAL_FLAGS := $(shell pkg-config --cflags libisal)
else
ISAL_LIB := $(B)/isal/isa-l.a
ISAL_FLAGS := -I$(B)/isal/include
endif

LIB_SRC := $(wildcard lib/*.c)
ENGINE_SRC := $(wildcard engines/*.c)
UNIT_SRC := $(wildcard t/unit/test_*.c)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(E)/obj/%.o)
# the newest heading
VERSION := $(shell sed -n '/^\#\# [0-9]/{s/^\#* \([0-9.]*\).*/\1/p;q}' doc/changes.md)
# small programs for users
TOOLS := $(B)/t/pi-info $(B)/t/attr-cost
# what programs are built for; this machine, if make has yet to install a compiler
MACHINE := $(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m)-linux-gnu)
# what counts instructions by function in a guest, which is always x86-64
INSN := $(if $(filter x86_64-%,$(MACHINE)),$(B)/t/insn-plugin.so $(B)/t/insn-mark)
UNIT := $(UNIT_SRC:t/unit/%.c=$(B)/unit/%)
UNIT_SAN := $(UNIT_SRC:t/unit/%.c=$(B)/unit-san/%)
SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all

all: $(ENGINE) $(TOOLS) $(INSN)

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

# runs every time; takes a few milliseconds if nothing is missing
deps:
	@mkdir -p $(B)
	@scripts/deps

NO_APT = command -v apt-get >/dev/null || { echo '$(1)' >&2; exit 2; }

$(B)/fio/fio: | deps
	@$(call NO_APT,fio: no apt here to fetch its source; type: make FIO=DIR$(comma) a fio source tree where ./configure was run)
	@dir=$$(scripts/debian source fio $(FIO_VERSIONS)) || exit 2; \
	tree=$$PWD; cd "$$dir" && echo "building $${dir##*/}, which takes a few minutes" >&2 && \
	{ ./configure --disable-native --disable-isal --disable-isal64 && \
		$(SUBMAKE) -j$(JOBS) fio; } >build.log 2>&1 || \
		{ tail -n 3 build.log >&2; echo "fio: building it failed; see $$dir/build.log" >&2; exit 1; } && \
	ln -sfn "$$dir" "$$tree/$(B)/fio"

$(B)/isal/isa-l.a: $(B)/isal/tree | deps
	@$(if $(ISAL),,$(call NO_APT,ISA-L: 2.31 or newer is needed$(comma) here is $(or $(shell pkg-config --modversion \
		libisal 2>/dev/null),none); install it or type: make ISAL=DIR$(comma) with the source of such a version))
	@dir=$(if $(ISAL),"$$(realpath -m "$(ISAL)")",$$(scripts/debian source libisal 2.31)) || exit 2; \
	[ -f "$$dir/Makefile.unx" ] || { echo "ISAL=$(ISAL): no source of ISA-L; give its directory" >&2; exit 2; }; \
	mkdir -p $(@D)/include && \
	echo "building $${dir##*/}, its CRC functions only" >&2 && \
	{ $(SUBMAKE) -C "$$dir" -f Makefile.unx -j$(JOBS) units=crc lib; } \
		>$(@D)/build.log 2>&1 || \
		{ tail -n 3 $(@D)/build.log >&2; echo "ISA-L: building it failed; see $(@D)/build.log" >&2; exit 1; } && \
	ln -sfn "$$dir/include" $(@D)/include/isa-l && \
	cp --remove-destination "$$dir/bin/isa-l.a" $@

$(B)/isal/tree: FORCE
	@mkdir -p $(@D)
	@echo "$(ISAL)" | cmp -s - $@ || echo "$(ISAL)" >$@

$(B)/obj/lib/%.o: lib/%.c | deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(LIB_FLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -c $< -o $@
$(LIB_OBJ): $(filter $(B)/%,$(ISAL_LIB))

$(E)/obj/engines/%.o: engines/%.c | deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(ENGINE_FLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -c $< -o $@

ifeq ($(FIO),$(B)/fio)
$(ENGINE_OBJ): $(B)/fio/fio
else
$(ENGINE_OBJ): $(FIO)/config-host.h
$(FIO)/config-host.h:
	@echo "FIO=$(FIO): no configured fio source; run ./configure there" >&2; exit 2
endif

# rebuild the engine for another fio
$(E)/obj/fio-tree: FORCE
	@mkdir -p $(@D)
	@echo "$(FIO_DIR)" | cmp -s - $@ || echo "$(FIO_DIR)" >$@
$(ENGINE_OBJ): $(E)/obj/fio-tree

# rebuild with WERROR=1 what was built without it
$(B)/obj/warnings: FORCE
	@mkdir -p $(@D)
	@echo '$(WARN)' | cmp -s - $@ || echo '$(WARN)' >$@
$(LIB_OBJ) $(ENGINE_OBJ) $(UNIT_SAN): $(B)/obj/warnings

$(ENGINE): $(LIB_OBJ) $(ENGINE_OBJ)
	$(call RUN,LD)$(CC) $(CFLAGS) -shared -Wl,-Bsymbolic -Wl,-z,nodelete \
		-Wl,-z,noexecstack -Wl,--exclude-libs,ALL $(LDFLAGS) \
		-o $@ $^ $(LIBS)

# for fuzzing, in a fio built without sanitizers
$(B)/san/io_uring_pi.so: $(LIB_SRC) $(ENGINE_SRC) $(wildcard lib/*.h engines/*.h) $(B)/io_uring_pi.so
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(filter-out -MMD -MP,$(ENGINE_FLAGS)) $(SAN) -fPIC -fvisibility=hidden \
		-shared -Wl,-Bsymbolic -Wl,-z,nodelete -o $@ $(LIB_SRC) $(ENGINE_SRC) $(LIBS)

# t/unit/test_x.c may list functions that it replaces after "wrap:"
WRAP = $(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n 's/.*wrap: *//p' $<))
comma := ,
HEADERS := $(wildcard lib/*.h t/unit/*.h)
$(B)/unit/%: t/unit/%.c $(LIB_OBJ) $(HEADERS) | deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(LIB_FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB_OBJ) $(WRAP) -lcmocka $(LIBS)

$(B)/unit-san/%: t/unit/%.c $(LIB_SRC) $(HEADERS) | deps $(filter $(B)/%,$(ISAL_LIB))
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(LIB_FLAGS) $(SAN) -o $@ $< $(LIB_SRC) $(WRAP) -lcmocka $(LIBS)

vpath %.c t/tools t/bench t/guest
$(B)/t/%: %.c $(wildcard t/tools/*.h t/bench/*.h t/guest/*.h) $(LIB_OBJ) | deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(LIB_FLAGS) -It/bench $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(LIB_OBJ) $(LIBS)
$(B)/t/layout-refuse: t/guest/layout-io.c t/guest/layout-md.c
$(B)/t/attr-cost: t/tools/attr-variant.c
$(TOOLS): LIB_FLAGS += -DPI_VERSION='"$(VERSION)"'
$(TOOLS): doc/changes.md
$(B)/t/attr-cost $(B)/t/tuple-cost $(B)/t/floor: t/bench/measure.c

INSN_SRC := $(addprefix t/bench/insn-,plugin.c ranges.c kind.c cache.c dir.c)
$(B)/t/insn-plugin.so: $(INSN_SRC) $(wildcard t/bench/*.h) | deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(WARN) $(CFLAGS) -fPIC -fvisibility=hidden -shared $(LDFLAGS) -o $@ $(INSN_SRC)

$(B)/t/insn-mark: t/bench/insn-mark.c | deps
$(B)/t/insn-known: t/guest/insn-known.S | deps
$(B)/t/insn-mark $(B)/t/insn-known:
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(WARN) $(CFLAGS) -static -nostdlib -o $@ $<

kernel:
	@mkdir -p $(B)
	@scripts/deps kernel
	@scripts/lab-kernel

EXPECT_SKIP ?= chromium fio-3.42 pyflakes pycodestyle shellcheck checkpatch
check test test-long: export PI_EXPECT_SKIP = $(EXPECT_SKIP)

CHECKS := $(UNIT) $(UNIT_SAN) t/pibench/run.t \
	$(addprefix t/host/,options.t lint.t kernel-doc.t attr-cost.t tuple-cost.t)
CHECKS_NEED := $(UNIT) $(UNIT_SAN) $(B)/san/io_uring_pi.so $(TOOLS) $(B)/t/tuple-cost

check test faults: export PI_FIO = $(FIO_DIR)/fio
check: $(CHECKS_NEED)
	@PYTHONDONTWRITEBYTECODE=1 CMOCKA_MESSAGE_OUTPUT=TAP \
		prove -j$(JOBS) --exec '' $(CHECKS)

# 12 s for each of five random and five coverage-guided tests: a minute for each five
test: export PI_FUZZ_SECONDS ?= 12
test: $(CHECKS_NEED) $(B)/io_uring_pi.so $(B)/t/pi-poke $(INSN) $(B)/t/insn-known \
		$(B)/t/layout-refuse $(B)/t/layout-seed $(B)/t/pi-ublk kernel fuzzers
	@scripts/guest fetch
	@PYTHONDONTWRITEBYTECODE=1 CMOCKA_MESSAGE_OUTPUT=TAP \
		prove -j$(JOBS) --exec '' $(CHECKS) $(filter-out $(CHECKS),$(wildcard t/host/*.t)) t/guest/*.t

test-distros:
	@mkdir -p $(B)
	@[ "$$(id -u)" -eq 0 ] || { echo "test-distros: chroots are made by root; type: sudo make test-distros" >&2; exit 2; }
	@scripts/deps distros
	@prove --exec '' t/distros/run.t $(if $(RELEASES),:: $(RELEASES))

# the engine with sanitizers, and with allocations that can be made to fail
SOAK_ALLOC := malloc calloc realloc aligned_alloc posix_memalign
$(B)/soak/io_uring_pi.so: $(LIB_SRC) $(ENGINE_SRC) t/long/soak_memory.c $(wildcard lib/*.h engines/*.h) $(ENGINE)
	@mkdir -p $(@D)
	$(call RUN,CC)$(CC) $(filter-out -MMD -MP,$(ENGINE_FLAGS)) $(SAN) -fPIC -fvisibility=hidden -shared \
		-Wl,-Bsymbolic -Wl,-z,nodelete $(SOAK_ALLOC:%=-Wl,--wrap=%) \
		-o $@ $(LIB_SRC) $(ENGINE_SRC) t/long/soak_memory.c $(LIBS)

SECONDS ?= 600
soak soak-debug test-long test-fio: export PI_FIO = $(FIO_DIR)/fio
soak: $(B)/soak/io_uring_pi.so
	@PI_SOAK_SECONDS=$(SECONDS) PI_TEST_SEED=$(SEED) t/long/soak.t

soak-debug: $(B)/soak/io_uring_pi.so $(B)/t/layout-churn $(TOOLS)
	@scripts/deps kernel
	@scripts/lab-kernel --debug
	@PI_SOAK_KERNEL=$(B)/kernel-debug/bzImage PI_SOAK_SECONDS=$(SECONDS) PI_TEST_SEED=$(SEED) t/long/soak.t

test-long: test $(B)/soak/io_uring_pi.so
	@PYTHONDONTWRITEBYTECODE=1 prove --exec '' t/long/*.t

test-fio: $(B)/io_uring_pi.so
	@scripts/guest fetch
	@PYTHONDONTWRITEBYTECODE=1 prove -v --exec '' t/long/fio.t

faults: $(B)/io_uring_pi.so
	@scripts/guest fetch
	@PYTHONDONTWRITEBYTECODE=1 prove -v --exec '' t/long/faults.t

# clang instruments the code under test with a counter on each edge, but not the fuzzers themselves
FUZZ_CC ?= clang
FUZZ := $(B)/fuzz
FUZZ_SAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_TARGETS := $(patsubst t/fuzz/fuzz_%.c,%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_LIB := $(LIB_SRC:%.c=$(FUZZ)/%.o)
FUZZ_ENGINE := $(ENGINE_SRC:%.c=$(FUZZ)/%.o)
FUZZ_FLAGS = $(filter-out -MMD -MP,$(LIB_FLAGS)) -It/fuzz $(FUZZ_SAN)
FUZZ_FIO_FLAGS = -Iengines $(filter-out -MMD -MP,$(ENGINE_FLAGS)) -It/fuzz $(FUZZ_SAN)
FUZZ_HEADERS := $(wildcard lib/*.h engines/*.h t/fuzz/*.h)
# the objects that fio itself is linked from
FIO_PARTS = $(shell $(MAKE) -s --no-print-directory -C $(FIO) --eval='pi-parts: ; @echo $$($(1))' pi-parts)
.SECONDARY: $(FUZZ_LIB) $(FUZZ_ENGINE) $(patsubst t/fuzz/%.c,$(FUZZ)/%.o,$(wildcard t/fuzz/*.c))

fuzz-deps:
	@mkdir -p $(B)
	@scripts/deps fuzz

# put the code into a section, which tells whether a crash is in the engine or in fio; clang gives each function its own
IN_SECTION = objcopy $$(objdump -h $@ | sed -n 's/.* \(\.text[^ ]*\) .*/--rename-section \1=$(1)_text/p') $@

$(FUZZ)/lib/%.o: lib/%.c $(FUZZ_HEADERS) | fuzz-deps deps $(filter $(B)/%,$(ISAL_LIB))
	@mkdir -p $(@D)
	$(call RUN,CC)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c $< -o $@ && \
		$(call IN_SECTION,pi)

$(FUZZ)/engines/%.o: engines/%.c $(FUZZ_HEADERS) | fuzz-deps deps $(FIO)/fio
	@mkdir -p $(@D)
	$(call RUN,CC)$(FUZZ_CC) $(FUZZ_FIO_FLAGS) -fsanitize=fuzzer-no-link -c $< -o $@ && \
		$(call IN_SECTION,pi)

$(FUZZ)/fio.o: $(FIO)/fio | fuzz-deps
	@mkdir -p $(@D)
	$(call RUN,LD)ld -r -o $@ $(addprefix $(FIO)/,$(filter-out helper_thread.o,$(call FIO_PARTS,OBJS))) && \
		$(call IN_SECTION,fio)

$(FUZZ)/fuzz_job.o: t/fuzz/fuzz_job.c $(FUZZ_HEADERS) | fuzz-deps deps $(FIO)/fio
	@mkdir -p $(@D)
	$(call RUN,CC)$(FUZZ_CC) $(FUZZ_FIO_FLAGS) -c $< -o $@

$(FUZZ)/%.o: t/fuzz/%.c $(FUZZ_HEADERS) | fuzz-deps deps
	@mkdir -p $(@D)
	$(call RUN,CC)$(FUZZ_CC) $(FUZZ_FLAGS) -c $< -o $@

FUZZ_LINK = $(FUZZ_CC) $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $^ \
	$(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n 's/.*wrap: *//p' $(1))) $(LIBS)

$(FUZZ)/job: $(FUZZ)/fuzz_job.o $(FUZZ)/kernel.o $(FUZZ)/reach.o $(FUZZ)/fio.o $(FUZZ_LIB) $(FUZZ_ENGINE)
	$(call RUN,LD)$(call FUZZ_LINK,t/fuzz/kernel.c) $(call FIO_PARTS,LIBS)

$(FUZZ)/%: $(FUZZ)/fuzz_%.o $(FUZZ)/reach.o $(FUZZ_LIB)
	$(call RUN,LD)$(call FUZZ_LINK,t/fuzz/fuzz_$*.c)

fuzzers: $(FUZZ_TARGETS:%=$(FUZZ)/%)

fuzz: SECONDS = 3600
fuzz: fuzzers
	@nice -n 19 t/fuzz/run.py --seconds $(SECONDS) --seed=$(SEED)

bench: $(B)/io_uring_pi.so $(TOOLS) $(INSN)
	@scripts/pi-bench run --fio $(FIO)/fio --engine $(B)/io_uring_pi.so \
		--out $(B)/report --history $(B)/bench-history.jsonl $(if $(DEV),--dut $(DEV) \
		$(if $(ALLOW_WRITE),--allow-write $(ALLOW_WRITE)),--guest)

demo: $(ENGINE) $(TOOLS) $(B)/t/pi-poke
	@PI_FIO="$(FIO)/fio" PI_ENGINE="$(ENGINE)" scripts/demo

lab: $(B)/io_uring_pi.so $(TOOLS) $(INSN) $(if $(DEV),,kernel)
	@scripts/pi-bench lab --fio $(FIO)/fio --engine $(B)/io_uring_pi.so --out $(B)/lab $(if $(DEV),--dut $(DEV) \
		$(if $(ALLOW_WRITE),--allow-write $(ALLOW_WRITE)))

# fio with ISA-L, so that its checksums are as fast as this engine's
$(B)/perf/fio-isal/fio: $(FIO)/fio $(filter $(B)/%,$(ISAL_LIB))
	@rm -rf $(@D) && mkdir -p $(@D) $(B)/perf/lib && cp -r $(FIO)/. $(@D)
	@$(if $(filter $(B)/%,$(ISAL_LIB)),ln -sf "$(CURDIR)/$(ISAL_LIB)" $(B)/perf/lib/libisal.a &&) \
	cd $(@D) && echo "building fio with ISA-L" >&2 && \
	{ $(SUBMAKE) clean && LDFLAGS=-L../lib ./configure --disable-native \
		--extra-cflags="$(ISAL_FLAGS:-I$(B)/%=-I../../%) -L../lib" && grep -q CONFIG_LIBISAL64 config-host.h && \
		$(SUBMAKE) -j$(JOBS) LDFLAGS=-L../lib fio; } >build.log 2>&1 || \
		{ tail -n 3 build.log >&2; echo "fio with ISA-L: building it failed; see $(@D)/build.log" >&2; exit 1; }

perf: perf-host $(ENGINE) $(TOOLS) $(INSN) $(B)/t/floor $(B)/perf/fio-isal/fio kernel
	@scripts/pi-bench perf --fio $(FIO)/fio --engine $(ENGINE)

perf-host: $(B)/t/tuple-cost
	@$< --limit
	@$< --limit --apart
	@$< --limit --sse --only "4096+8 type"

PREFIX ?= /usr/local
# where that fio looks for engines if it has dynamic engines
ENGDIR ?= $(shell sed -n 's/^\#define FIO_EXT_ENG_DIR[^"]*"\(.*\)"/\1/p' $(FIO)/os/os-linux.h 2>/dev/null)
SHARE := $(PREFIX)/share/fio-pi
# the fio that pi-bench runs unless told otherwise
FIO_PROGRAM ?= $(or $(shell command -v fio),$(PREFIX)/bin/fio)
# pi-bench finds its files relative to itself
SHARED := $(wildcard doc/changes.md configs/* scripts/pi-bench scripts/pibench/*.py scripts/plots/*)
MAN := $(wildcard man/*.[17])
COMPLETED := $(PREFIX)/share/bash-completion/completions
INSTALLED = $(ENGDIR)/fio-io_uring_pi.so $(TOOLS:$(B)/t/%=$(PREFIX)/bin/%) $(PREFIX)/bin/pi-bench \
	$(patsubst %,$(COMPLETED)/%,pi-bench pi-info attr-cost) \
	$(foreach page,$(notdir $(MAN)),$(PREFIX)/share/man/man$(subst .,,$(suffix $(page)))/$(page))

install: all
	install -D $(ENGINE) "$(DESTDIR)$(ENGDIR)/fio-io_uring_pi.so"
	install -D -t "$(DESTDIR)$(PREFIX)/bin" $(TOOLS)
	install -d "$(DESTDIR)$(SHARE)/build/fio"
	umask 022 && tar -c --mode=u=rwX,go=rX $(SHARED) | tar -x --no-same-owner -C "$(DESTDIR)$(SHARE)"
	ln -sfn "$(FIO_PROGRAM)" "$(DESTDIR)$(SHARE)/build/fio/fio"
	ln -srfn "$(DESTDIR)$(ENGDIR)/fio-io_uring_pi.so" "$(DESTDIR)$(SHARE)/build/io_uring_pi.so"
	ln -srfn "$(DESTDIR)$(SHARE)/scripts/pi-bench" "$(DESTDIR)$(PREFIX)/bin/pi-bench"
	install -D -m 644 scripts/completion.bash "$(DESTDIR)$(COMPLETED)/pi-bench"
	ln -sfn pi-bench "$(DESTDIR)$(COMPLETED)/pi-info"
	ln -sfn pi-bench "$(DESTDIR)$(COMPLETED)/attr-cost"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man1" $(filter %.1,$(MAN))
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man7" $(filter %.7,$(MAN))
	@echo 'for $(FIO_VERSION): ioengine=external:$(ENGDIR)/fio-io_uring_pi.so'

uninstall:
	rm -f $(foreach file,$(INSTALLED),"$(DESTDIR)$(file)")
	rm -rf "$(DESTDIR)$(SHARE)"

deb: all
	@scripts/deb $(B) $(FIO_VERSION) $(VERSION)

clean:
	rm -rf $(B)/obj $(B)/t $(B)/unit $(B)/unit-san $(B)/san $(B)/fuzz $(B)/abi $(B)/install $(B)/elsewhere $(B)/soak $(B)/deb $(B)/*.deb \
		$(B)/io_uring_pi.so $(B)/report $(B)/compare $(B)/compare-builds $(B)/selftest $(B)/selftest-engines \
		$(B)/lab $(B)/perf $(B)/explain $(B)/history

distclean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(ENGINE_OBJ:.o=.d)

.PHONY: all help deps fuzz fuzzers fuzz-deps kernel check test test-distros test-long test-fio faults soak soak-debug bench demo lab perf perf-host install uninstall deb clean distclean FORCE
