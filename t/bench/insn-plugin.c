// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn-plugin - what each function executed, exactly, and who called it
 *
 * A plugin for QEMU with one processor that counts instructions (-icount).
 * At a mark of the guest (insn-mark) it takes what lies in the directory dir=:
 * the list "functions" with their "code", and begins to count.  Where there is
 * no such list it writes count.1, count.2, ...: the tree of calls, with the
 * instructions of each function in it since the list was taken.
 *
 * Each instruction adds one to a counter.  Only where the function changes is
 * anything called: there what was counted goes to the function that was left.
 * Who called is told by the stack pointer: a function is over when its frame
 * lies below.  So calls, returns, jumps to other functions and thunks need no
 * decoding.  Each kernel stack and each thread has frames of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu-plugin.h"

#define EXPORT		__attribute__((visibility("default")))
#define NOWHERE		UINT64_MAX
#define KERNEL_STACK	14	/* its size is 1 << this, and so is its alignment */
#define REGIONS		4096
#define MAX_NODES	(1u << 21)
#define HASH_NODES	(1u << 22)
#define INSN_BYTES	16
#define PAGE		4096

/* profile.py has the same */
enum {
	UNKNOWN_KERNEL,
	UNKNOWN_USER,
	ROOT,
	INTERRUPTS,
	THREADS,
	PROGRAMS,
};

enum {
	ENTRY = 1,	/* the range begins with the function's first instruction */
	INTERRUPT = 2,	/* entered by an interrupt */
	SWITCH = 4,	/* goes from the stack of one task to that of another */
	THUNK = 8,	/* jumps to what its caller wants to call */
	JOB = 16,	/* counted is from its call to its return */
	BEGIN = 32,	/* or in it from the first call of this */
	END = 64,	/* to the first of that */
};

/* of the kernel's addresses, or of places in the file "code" */
struct range {
	uint64_t start;
	uint64_t end;
	uint32_t function;
	uint32_t flags;
};

struct page {
	uint64_t hash;
	uint64_t place;
};

struct node {
	uint32_t parent;
	uint32_t function;
	uint64_t instructions;
	uint64_t calls;
	bool job;
};

struct frame {
	uint64_t sp;
	uint32_t node;
};

struct region {
	struct region *next;
	struct region *below;
	uint64_t key;
	uint64_t thread;
	uint32_t base;
	unsigned int nr;
	unsigned int room;
	struct frame *frames;
};

struct counters {
	uint64_t executed;
	uint64_t function;
};

static struct {
	const char *dir;
	struct qemu_plugin_scoreboard *score;
	struct counters *counters;
	uint64_t charged;
	uint64_t counted;
	struct region *job;	/* the stack of a job that runs */
	bool counting;
	bool has_begin;
	struct page *pages;
	size_t nr_pages;
	struct range *ranges;
	size_t nr_ranges;
	struct node *nodes;
	uint32_t nr_nodes;
	uint32_t *hash;
	struct region *regions[REGIONS];
	struct region entry;
	struct region *region;
	uint32_t node;
	uint32_t flags;
	unsigned int marks;
	struct qemu_plugin_register *sp;
	struct qemu_plugin_register *cr3;
	struct qemu_plugin_register *fs;
	struct g_byte_array *bytes;
} p;

static const struct range unknown[] = {
	{ .function = UNKNOWN_KERNEL },
	{ .function = UNKNOWN_USER },
};

EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	va_list args;

	fputs("qemu-insn-plugin: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_Exit(1);
}

static const char *path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", p.dir, name);
	return path;
}

static FILE *open_file(const char *name, const char *mode)
{
	FILE *file = fopen(path_of(name), mode);

	if (!file)
		fail("%s: %s", path_of(name), strerror(errno));
	return file;
}

static void *room_for(void *old, size_t nr, size_t size)
{
	void *new = reallocarray(old, nr, size);

	if (!new)
		fail("no memory for %zu of %zu bytes", nr, size);
	return new;
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
	uint64_t value = 0;

	g_byte_array_set_size(p.bytes, 0);
	qemu_plugin_read_register(handle, p.bytes);
	memcpy(&value, p.bytes->data, p.bytes->len < sizeof(value) ?
				      p.bytes->len : sizeof(value));
	return value;
}

static void find_registers(uint64_t id, unsigned int vcpu)
{
	const struct qemu_plugin_reg_descriptor *each;
	struct g_array *found = qemu_plugin_get_registers();

	(void)id;
	if (vcpu)
		fail("counts one processor; leave out -smp");
	p.counters = qemu_plugin_scoreboard_find(p.score, vcpu);
	p.bytes = g_byte_array_new();
	each = (const void *)found->data;
	for (unsigned int i = 0; i < found->len; i++, each++) {
		if (!strcmp(each->name, "rsp"))
			p.sp = each->handle;
		else if (!strcmp(each->name, "cr3"))
			p.cr3 = each->handle;
		else if (!strcmp(each->name, "fs_base"))
			p.fs = each->handle;
	}
	if (!p.sp || !p.cr3 || !p.fs)
		fail("QEMU names no register rsp, cr3 or fs_base");
}

static uint32_t child(uint32_t parent, uint32_t function, bool job)
{
	uint64_t mix = ((uint64_t)parent << 32 | function) * 0x9e3779b97f4a7c15;
	uint32_t slot = mix >> 42;

	for (;; slot = (slot + 1) % HASH_NODES) {
		const struct node *found = &p.nodes[p.hash[slot]];

		if (!p.hash[slot])
			break;
		if (found->parent == parent && found->function == function)
			return p.hash[slot];
	}
	if (p.nr_nodes == MAX_NODES)
		fail("more than %u different stacks", MAX_NODES);
	p.hash[slot] = p.nr_nodes;
	p.nodes[p.nr_nodes].parent = parent;
	p.nodes[p.nr_nodes].function = function;
	p.nodes[p.nr_nodes].job = p.nodes[parent].job || job;
	return p.nr_nodes++;
}

static struct region *find_region(uint64_t key, uint64_t thread)
{
	uint64_t mix = (key ^ thread << 1) * 0x9e3779b97f4a7c15;
	struct region **list = &p.regions[mix >> 52];
	struct region *each;

	for (each = *list; each; each = each->next)
		if (each->key == key && each->thread == thread)
			return each;
	each = room_for(NULL, 1, sizeof(*each));
	*each = (struct region) { .next = *list, .key = key, .thread = thread };
	*list = each;
	return each;
}

/* the frames of the stack that is in use */
static struct region *stack_of(bool kernel, uint64_t sp)
{
	if (!kernel && p.region && !(p.region->key >> 63) &&
	    p.region != &p.entry)
		return p.region;
	if (!kernel)
		return find_region(read_register(p.cr3) >> 12,
				   read_register(p.fs));
	/* the first and the last instructions of a system call are on the program's */
	if (!(sp >> 63))
		return &p.entry;
	return find_region(sp >> KERNEL_STACK | 1ull << 63, 0);
}

static void push(struct region *region, uint64_t sp, uint32_t node)
{
	if (region->nr == region->room) {
		region->room = region->room ? 2 * region->room : 64;
		region->frames = room_for(region->frames, region->room,
					  sizeof(*region->frames));
	}
	region->frames[region->nr++] = (struct frame) { sp, node };
}

/* the frame that goes on, or NULL: then all that is over is gone */
static const struct frame *unwind(struct region *region, uint64_t sp,
				  const struct range *to, bool start)
{
	const struct frame *frames = region->frames;
	unsigned int nr = region->nr;

	while (nr && frames[nr - 1].sp < sp)
		nr--;
	region->nr = nr;
	for (; nr && (frames[nr - 1].sp == sp || !start); nr--) {
		if (p.nodes[frames[nr - 1].node].function == to->function) {
			region->nr = nr;
			return &frames[nr - 1];
		}
		if (frames[nr - 1].sp > sp)
			break;
		/* a return to what is below leaves what had jumped to it */
		if (!start)
			region->nr = nr - 1;
	}
	if (start && region->nr && region == p.region && p.flags & THUNK &&
	    frames[region->nr - 1].sp == sp)
		region->nr--;
	return NULL;
}

static void charge(void)
{
	uint64_t since = p.counters->executed - p.charged;

	p.charged += since;
	if (p.counting) {
		p.counted += since;
		p.nodes[p.node].instructions += since;
	}
}

static uint32_t parent_of(const struct region *region, const struct range *to)
{
	if (to->flags & INTERRUPT)
		return INTERRUPTS;
	if (to->flags & JOB)
		return PROGRAMS;
	return region->nr ? region->frames[region->nr - 1].node : region->base;
}

/* whether what comes now is counted */
static void watch(struct region *region, const struct range *to, bool start)
{
	if (start && to->flags & JOB) {
		p.job = region;
		p.counting = !p.has_begin;
	} else if (p.job && start && to->flags & BEGIN) {
		p.counting = true;
	} else if (p.job && start && to->flags & END) {
		p.job = NULL;
	} else if (region == p.job && !p.nodes[p.node].job) {
		p.job = NULL;
	}
	p.counting &= !!p.job;
}

/* another function than before is about to execute its instruction */
static void enter(unsigned int vcpu, void *data)
{
	const struct range *to = (void *)((uintptr_t)data & ~1ul);
	bool start = (uintptr_t)data & 1;
	bool kernel = to->start >> 63 || to == &unknown[UNKNOWN_KERNEL];
	uint64_t sp = read_register(p.sp);
	struct region *region = stack_of(kernel, sp);
	const struct frame *found;

	(void)vcpu;
	charge();
	if (region != p.region) {
		bool program = p.region && !(p.region->key >> 63);

		/* a call begins another stack anew, unless it is the one below */
		if (kernel && (start || program) && !(p.flags & SWITCH) &&
		    (!p.region || p.region->below != region)) {
			region->nr = 0;
			region->below = p.region;
		}
		if (!region->nr)
			region->base = !kernel ? PROGRAMS :
				       p.flags & SWITCH ? THREADS : p.node;
	}
	found = unwind(region, sp, to, start);
	if (found) {
		p.node = found->node;
	} else {
		uint32_t parent = parent_of(region, to);

		/* it may continue on another stack */
		p.node = !start && p.nodes[parent].function == to->function ?
			 parent :
			 child(parent, to->function, to->flags & JOB);
		push(region, sp, p.node);
	}
	watch(region, to, start);
	p.nodes[p.node].calls += start && p.counting;
	p.counters->function = to->function;
	p.region = region;
	p.flags = to->flags;
}

static uint64_t hash_of(const void *page)
{
	const uint64_t *words = page;
	uint64_t hash = 0;

	for (unsigned int i = 0; i < PAGE / sizeof(*words); i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15 + (hash >> 29);
	return hash;
}

static int compare_pages(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

/*
 * By what the page holds and not by its address: QEMU translates a page once
 * for all processes that have it.
 */
static uint64_t place_of(const struct qemu_plugin_insn *insn)
{
	uintptr_t at = (uintptr_t)qemu_plugin_insn_haddr(insn);
	uint64_t hash;
	const struct page *found;

	if (!at)
		return NOWHERE;
	hash = hash_of((void *)(at & -PAGE));
	found = bsearch(&hash, p.pages, p.nr_pages, sizeof(*p.pages),
			compare_pages);
	return found ? found->place + at % PAGE : NOWHERE;
}

static const struct range *find_range(const struct qemu_plugin_insn *insn,
				      bool *start)
{
	uint64_t at = qemu_plugin_insn_vaddr(insn);
	const struct range *none = &unknown[at >> 63 ? UNKNOWN_KERNEL :
						       UNKNOWN_USER];
	size_t low = 0, high = p.nr_ranges;

	if (!(at >> 63))
		at = place_of(insn);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (p.ranges[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == p.nr_ranges || at < p.ranges[low].start || at == NOWHERE)
		return none;
	*start = at == p.ranges[low].start && p.ranges[low].flags & ENTRY;
	return &p.ranges[low];
}

static bool is_mark(const struct qemu_plugin_insn *insn)
{
	static const uint8_t mark[] = {
		0x0f, 0x1f, 0x84, 0x00, 0x50, 0x49, 0x4d, 0x4b
	};
	uint8_t bytes[INSN_BYTES];

	return qemu_plugin_insn_data(insn, bytes, sizeof(bytes)) ==
	       sizeof(mark) && !memcmp(bytes, mark, sizeof(mark));
}

static void mark(unsigned int vcpu, void *id);

/* the range of an instruction that is counted; before is that of the one before */
static const struct range *count(struct qemu_plugin_insn *insn,
				 const struct range *before)
{
	const struct qemu_plugin_u64 executed = {
		p.score, offsetof(struct counters, executed)
	};
	const struct qemu_plugin_u64 function = {
		p.score, offsetof(struct counters, function)
	};
	bool start = false;
	const struct range *range = find_range(insn, &start);

	if (range != before)
		qemu_plugin_register_vcpu_insn_exec_cond_cb(
			insn, enter, QEMU_PLUGIN_CB_R_REGS,
			QEMU_PLUGIN_COND_NE, function, range->function,
			(void *)((uintptr_t)range | start));
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
		insn, QEMU_PLUGIN_INLINE_ADD_U64, executed, 1);
	return range;
}

static void instrument(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t nr = qemu_plugin_tb_n_insns(tb);
	const struct range *range = NULL;

	for (size_t i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (p.nodes)
			range = count(insn, range);
		if (is_mark(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, mark, QEMU_PLUGIN_CB_NO_REGS,
				(void *)(uintptr_t)id);
	}
}

/* the pages of programs and libraries from which they execute */
static void read_code(void)
{
	FILE *file = open_file("code", "r");
	static uint64_t page[PAGE / sizeof(uint64_t)];
	size_t room = 0;

	for (p.nr_pages = 0; fread(page, sizeof(page), 1, file); p.nr_pages++) {
		if (p.nr_pages == room) {
			room = room ? 2 * room : 1024;
			p.pages = room_for(p.pages, room, sizeof(*p.pages));
		}
		p.pages[p.nr_pages] = (struct page) {
			hash_of(page), p.nr_pages * PAGE
		};
	}
	fclose(file);
	qsort(p.pages, p.nr_pages, sizeof(*p.pages), compare_pages);
}

/* sorted lines: START END FUNCTION FLAGS */
static void read_functions(void)
{
	FILE *file = open_file("functions", "r");
	struct range each;
	size_t room = 0;

	p.nr_ranges = 0;
	p.has_begin = false;
	while (fscanf(file, "%" SCNx64 " %" SCNx64 " %u %u\n", &each.start,
		      &each.end, &each.function, &each.flags) == 4) {
		if (p.nr_ranges == room) {
			room = room ? 2 * room : 1 << 16;
			p.ranges = room_for(p.ranges, room, sizeof(*p.ranges));
		}
		p.has_begin |= each.flags & BEGIN;
		p.ranges[p.nr_ranges++] = each;
	}
	if (!feof(file))
		fail("%s/functions: line %zu is none", p.dir, p.nr_ranges + 1);
	fclose(file);
}

static void begin(uint64_t id)
{
	read_code();
	read_functions();
	if (unlink(path_of("functions")))
		fail("%s: %s", path_of("functions"), strerror(errno));
	free(p.nodes);
	free(p.hash);
	p.nodes = calloc(MAX_NODES, sizeof(*p.nodes));
	p.hash = calloc(HASH_NODES, sizeof(*p.hash));
	if (!p.nodes || !p.hash)
		fail("no memory for %u stacks", MAX_NODES);
	for (uint32_t i = ROOT; i <= PROGRAMS; i++)
		p.nodes[i] = (struct node) { .parent = ROOT, .function = i };
	p.nr_nodes = PROGRAMS + 1;
	p.node = ROOT;
	for (unsigned int i = 0; i < REGIONS; i++)
		for (struct region *each = p.regions[i]; each; each = each->next)
			each->nr = 0;
	p.entry.nr = 0;
	p.region = NULL;
	p.flags = 0;
	p.charged = p.counters->executed;
	p.counted = 0;
	p.job = NULL;
	p.counters->function = UINT64_MAX;
	qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
}

static void write_counts(void)
{
	char name[32];
	FILE *file;

	charge();
	snprintf(name, sizeof(name), "count.%u", ++p.marks);
	file = open_file(name, "w");
	fprintf(file, "%" PRIu64 "\n", p.counted);
	for (uint32_t i = ROOT; i < p.nr_nodes; i++)
		fprintf(file, "%u %u %" PRIu64 " %" PRIu64 "\n",
			p.nodes[i].parent, p.nodes[i].function,
			p.nodes[i].instructions, p.nodes[i].calls);
	if (fclose(file))
		fail("%s/%s: %s", p.dir, name, strerror(errno));
}

static void mark(unsigned int vcpu, void *id)
{
	(void)vcpu;
	/* what was translated before must be translated anew */
	if (!access(path_of("functions"), F_OK))
		qemu_plugin_reset((uintptr_t)id, begin);
	else if (p.nodes)
		write_counts();
	else
		fail("%s: %s", path_of("functions"), strerror(errno));
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "dir=", 4))
		fail("takes dir=DIRECTORY and nothing else");
	p.dir = argv[0] + 4;
	p.score = qemu_plugin_scoreboard_new(sizeof(struct counters));
	qemu_plugin_register_vcpu_init_cb(id, find_registers);
	qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
	return 0;
}
