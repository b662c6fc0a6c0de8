// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn-plugin - count the instructions of each function, by call stack
 *
 * A QEMU plugin for a guest with one CPU and -icount.  When the guest executes
 * the mark (insn-mark), the plugin reads the files "functions" and "code" from
 * the directory dir= and starts counting.  If there is no file "functions", it
 * writes count.1, count.2, and so on: the call tree, with the instructions of
 * each function since counting started.
 *
 * Each instruction increments a counter.  A callback runs only where the
 * function changes, and charges the count to the function that was left.  The
 * caller is derived from the stack pointer: a function has returned when its
 * frame is below the stack pointer, so calls, returns and jumps to other
 * functions need not be decoded.  A thunk is charged to the function that jumps
 * to it.  Each kernel stack and each thread has its own frames.  An instruction
 * that faults is counted once, when it completes.
 *
 * With d1=, i1= and l2= the plugin models the caches (insn-cache.h), and writes a
 * file cache.N next to each count.N, with the lines that the nodes of the tree
 * touched and missed.  A line that is touched repeatedly counts once per I/O.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "insn-cache.h"
#include "insn-dir.h"
#include "insn-kind.h"
#include "insn-ranges.h"

#define EXPORT		__attribute__((visibility("default")))
#define KERNEL_STACK	14	/* its size is 1 << this, and so is its alignment */
#define REGIONS		4096
#define MAX_NODES	(1u << 21)
#define NO_FUNCTION	UINT64_MAX

/* 32 bytes, so that two fit in a cache line */
struct node {
	uint32_t parent;
	uint32_t function;
	uint32_t child;		/* most recently called child */
	uint32_t next;		/* sibling called before this one */
	uint64_t instructions;
	uint64_t calls : 63;
	uint64_t job : 1;
};

struct frame {
	uint64_t sp;
	uint32_t node;
	uint32_t function;
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
	struct qemu_plugin_scoreboard *score;
	struct counters *counters;
	uint64_t charged;
	uint64_t counted;
	struct region *job;	/* stack of the running job */
	bool counting;
	bool has_begin;
	bool cache;
	struct node *nodes;
	uint32_t nr_nodes;
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

EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;

/*
 * QEMU refuses versions that it does not know or no longer supports, and reads
 * the version before it calls the plugin.  So scripts/guest passes the version
 * of QEMU.
 */
__attribute__((constructor)) static void choose_version(void)
{
	const char *qemu = getenv("PI_QEMU_VERSION");
	int major, minor;

	if (qemu && sscanf(qemu, "%d.%d", &major, &minor) == 2 &&
	    (major > 11 || (major == 11 && minor)))
		qemu_plugin_version = QEMU_PLUGIN_API_USERDATA;
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
	uint64_t value = 0;

	p.bytes->len = 0;
	qemu_plugin_read_register(handle, p.bytes);
	memcpy(&value, p.bytes->data, p.bytes->len < sizeof(value) ?
				      p.bytes->len : sizeof(value));
	return value;
}

static void find_registers(unsigned int vcpu, void *data)
{
	const struct qemu_plugin_reg_descriptor *each;
	struct g_array *found = qemu_plugin_get_registers();
	const unsigned int size = g_array_get_element_size(found);

	(void)data;
	if (vcpu)
		insn_fail("counts one processor; leave out -smp");
	p.counters = qemu_plugin_scoreboard_find(p.score, vcpu);
	p.bytes = g_byte_array_new();
	for (unsigned int i = 0; i < found->len; i++) {
		each = (const void *)(found->data + i * size);
		if (!strcmp(each->name, "rsp"))
			p.sp = each->handle;
		else if (!strcmp(each->name, "cr3"))
			p.cr3 = each->handle;
		else if (!strcmp(each->name, "fs_base"))
			p.fs = each->handle;
	}
	if (!p.sp || !p.cr3 || !p.fs)
		insn_fail("QEMU names no register rsp, cr3 or fs_base");
}

static void find_registers_by_id(uint64_t id, unsigned int vcpu)
{
	(void)id;
	find_registers(vcpu, NULL);
}

static uint32_t new_child(uint32_t parent, uint32_t function, bool job)
{
	if (p.nr_nodes == MAX_NODES)
		insn_fail("more than %u different stacks", MAX_NODES);
	p.nodes[p.nr_nodes].parent = parent;
	p.nodes[p.nr_nodes].function = function;
	p.nodes[p.nr_nodes].job = p.nodes[parent].job || job;
	return p.nr_nodes++;
}

static uint32_t child(uint32_t parent, uint32_t function, bool job)
{
	uint32_t *link = &p.nodes[parent].child;
	uint32_t found;

	while (*link && p.nodes[*link].function != function)
		link = &p.nodes[*link].next;
	found = *link;
	if (found)
		*link = p.nodes[found].next;
	else
		found = new_child(parent, function, job);
	p.nodes[found].next = p.nodes[parent].child;
	p.nodes[parent].child = found;
	return found;
}

static struct region *find_region(uint64_t key, uint64_t thread)
{
	uint64_t mix = (key ^ thread << 1) * 0x9e3779b97f4a7c15;
	struct region **list = &p.regions[mix >> 52];
	struct region *each;

	for (each = *list; each; each = each->next)
		if (each->key == key && each->thread == thread)
			return each;
	each = insn_room(NULL, 1, sizeof(*each));
	*each = (struct region) { .next = *list, .key = key, .thread = thread };
	*list = each;
	return each;
}

/* get the frames of the current stack */
static struct region *stack_of(bool kernel, uint64_t sp)
{
	uint64_t key;

	if (!kernel && p.region && !(p.region->key >> 63) &&
	    p.region != &p.entry)
		return p.region;
	if (!kernel)
		return find_region(read_register(p.cr3) >> 12,
				   read_register(p.fs));
	/* system calls start and end on the stack of the program */
	if (!(sp >> 63))
		return &p.entry;
	key = sp >> KERNEL_STACK | 1ull << 63;
	return p.region && p.region->key == key ? p.region :
						  find_region(key, 0);
}

static void push(struct region *region, uint64_t sp, uint32_t node)
{
	if (region->nr == region->room) {
		region->room = region->room ? 2 * region->room : 64;
		region->frames = insn_room(region->frames, region->room,
					  sizeof(*region->frames));
	}
	region->frames[region->nr++] = (struct frame) {
		sp, node, p.nodes[node].function
	};
}

/* drop frames that have returned; returns the frame that continues, or NULL */
static const struct frame *unwind(struct region *region, uint64_t sp,
				  const struct range *to, bool start)
{
	const struct frame *frames = region->frames;
	unsigned int nr = region->nr;

	while (nr && frames[nr - 1].sp < sp)
		nr--;
	region->nr = nr;
	for (; nr && (frames[nr - 1].sp == sp || !start); nr--) {
		if (frames[nr - 1].function == to->function) {
			region->nr = nr;
			return &frames[nr - 1];
		}
		if (frames[nr - 1].sp > sp)
			break;
		/* returning to a frame below also leaves functions that jumped here */
		if (!start)
			region->nr = nr - 1;
	}
	if (start && region->nr && region == p.region && p.flags & THUNK &&
	    frames[region->nr - 1].sp == sp)
		region->nr--;
	return NULL;
}

/* whether the last instruction faulted: with -icount it is counted again */
static bool faulted(const struct range *to, uint64_t sp)
{
	static const uint32_t fetch = 1 << 4;
	uint32_t error = 0;

	if (!(to->flags & FAULT))
		return false;
	if (qemu_plugin_read_memory_vaddr(sp, p.bytes, sizeof(error)))
		memcpy(&error, p.bytes->data, sizeof(error));
	return !(error & fetch);
}

static void charge(uint64_t uncounted)
{
	uint64_t since = p.counters->executed - p.charged - uncounted;

	p.charged = p.counters->executed;
	if (p.counting) {
		p.counted += since;
		p.nodes[p.node].instructions += since;
	}
}

/* get the frame of a program that was interrupted, if it continues now */
static const struct frame *resumed(const struct region *region, uint64_t sp,
				   const struct range *to)
{
	const struct frame *top = region->frames + region->nr - 1;

	if (to->start >> 63 || region == p.region || !region->nr ||
	    top->sp < sp || top->function != to->function)
		return NULL;
	return top;
}

static uint32_t parent_of(const struct region *region, const struct range *to)
{
	if (to->flags & INTERRUPT)
		return INTERRUPTS;
	if (to->flags & JOB)
		return PROGRAMS;
	return region->nr ? region->frames[region->nr - 1].node : region->base;
}

/* start or stop counting */
static void watch(struct region *region, const struct range *to, bool start)
{
	if (start && to->flags & (JOB | BEGIN))
		cache_next();
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

/* called before an instruction of another function than the previous one */
static void enter(unsigned int vcpu, void *data)
{
	const struct range *to = (void *)((uintptr_t)data & ~1ul);
	bool start = (uintptr_t)data & 1;
	bool kernel = to->start >> 63;
	uint64_t sp = read_register(p.sp);
	struct region *region = stack_of(kernel, sp);
	const struct frame *found;

	(void)vcpu;
	charge(start && faulted(to, sp));
	if (region != p.region) {
		bool program = p.region && !(p.region->key >> 63);

		/* a call starts with an empty stack, unless it returns to the one below */
		if (kernel && (start || program) && !(p.flags & SWITCH) &&
		    (!p.region || p.region->below != region)) {
			region->nr = 0;
			region->below = p.region;
		}
		if (!region->nr)
			region->base = !kernel ? PROGRAMS :
				       p.flags & SWITCH ? THREADS : p.node;
	}
	found = resumed(region, sp, to);
	start &= !found;
	if (!found)
		found = unwind(region, sp, to, start);
	if (found) {
		p.node = found->node;
	} else {
		uint32_t parent = parent_of(region, to);

		/* the function may continue on another stack */
		p.node = !start && p.nodes[parent].function == to->function ?
			 parent :
			 child(parent, to->function, to->flags & JOB);
		push(region, sp, p.node);
	}
	watch(region, to, start);
	p.nodes[p.node].calls += start && p.counting;
	if (p.cache)
		cache_charge(p.counting ? p.node : CACHE_NOBODY);
	p.counters->function = to->function;
	p.region = region;
	p.flags = to->flags;
}

static void mark(unsigned int vcpu, void *id);

static void add(struct qemu_plugin_insn *insn, unsigned int *pending)
{
	const struct qemu_plugin_u64 executed = {
		p.score, offsetof(struct counters, executed)
	};

	if (*pending)
		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
			insn, QEMU_PLUGIN_INLINE_ADD_U64, executed, *pending);
	*pending = 0;
}

/* call enter() if this instruction is executed after one of another function */
static void tell(struct qemu_plugin_insn *insn, const struct range *range,
		 bool start)
{
	const struct qemu_plugin_u64 function = {
		p.score, offsetof(struct counters, function)
	};
	/* thunks are charged to the caller, which is unknown only after RESUME */
	bool thunk = range->flags & THUNK;

	qemu_plugin_register_vcpu_insn_exec_cond_cb(
		insn, enter, QEMU_PLUGIN_CB_R_REGS,
		thunk ? QEMU_PLUGIN_COND_EQ : QEMU_PLUGIN_COND_NE, function,
		thunk ? NO_FUNCTION : range->function,
		(void *)((uintptr_t)range | start));
}

static void forget_function(struct qemu_plugin_insn *insn)
{
	const struct qemu_plugin_u64 function = {
		p.score, offsetof(struct counters, function)
	};

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
		insn, QEMU_PLUGIN_INLINE_STORE_U64, function, NO_FUNCTION);
}

/*
 * Count instructions that cannot fault together with the next one that can: a
 * block is left only there, after everything before it was executed.
 */
static void count(const struct qemu_plugin_tb *tb)
{
	size_t nr = qemu_plugin_tb_n_insns(tb);
	const struct range *before = NULL;
	unsigned int pending = 0;

	for (size_t i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum insn_kind kind = insn_kind(insn);
		bool start = false;
		const struct range *range = ranges_find(insn, &start);

		if (range != before) {
			add(insn, &pending);
			tell(insn, range, start);
		}
		if (kind == RESUME)
			forget_function(insn);
		pending++;
		if (kind != REGISTERS || i == nr - 1)
			add(insn, &pending);
		before = range;
	}
}

static void instrument(struct qemu_plugin_tb *tb, void *id)
{
	size_t nr = qemu_plugin_tb_n_insns(tb);
	uint64_t line = 0;

	if (p.nodes)
		count(tb);
	for (size_t i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (p.nodes && p.cache)
			cache_instrument(insn, &line);
		if (insn_kind(insn) == MARK)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, mark, QEMU_PLUGIN_CB_NO_REGS, id);
	}
}

static void instrument_by_id(uint64_t id, struct qemu_plugin_tb *tb)
{
	instrument(tb, (void *)(uintptr_t)id);
}

static void instrument_all(void *id)
{
	void (*cb)(void) = (void (*)(void))instrument_by_id;

	if (qemu_plugin_version == QEMU_PLUGIN_API_USERDATA)
		cb = (void (*)(void))instrument;
	qemu_plugin_register_vcpu_tb_trans_cb((uintptr_t)id, cb, id);
}

/* huge pages, because the nodes that an I/O visits are scattered */
static void make_nodes(void)
{
	static const size_t size = MAX_NODES * sizeof(*p.nodes);

	if (p.nodes)
		munmap(p.nodes, size);
	p.nodes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p.nodes == MAP_FAILED)
		insn_fail("no memory for %u stacks", MAX_NODES);
	madvise(p.nodes, size, MADV_HUGEPAGE);
}

static void begin(void *id)
{
	p.has_begin = ranges_read();
	if (unlink(insn_path("functions")))
		insn_fail("%s: %s", insn_path("functions"), strerror(errno));
	make_nodes();
	for (uint32_t i = ROOT; i <= PROGRAMS; i++)
		p.nodes[i] = (struct node) { .parent = ROOT, .function = i };
	if (p.cache)
		cache_begin(MAX_NODES);
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
	p.counters->function = NO_FUNCTION;
	instrument_all(id);
}

static void write_counts(void)
{
	char name[32];
	FILE *file;

	charge(0);
	snprintf(name, sizeof(name), "count.%u", ++p.marks);
	file = insn_open(name, "w");
	fprintf(file, "%" PRIu64 "\n", p.counted);
	for (uint32_t i = ROOT; i < p.nr_nodes; i++)
		fprintf(file, "%u %u %" PRIu64 " %" PRIu64 "\n",
			p.nodes[i].parent, p.nodes[i].function,
			p.nodes[i].instructions, (uint64_t)p.nodes[i].calls);
	if (fclose(file))
		insn_fail("%s: %s", insn_path(name), strerror(errno));
	if (!p.cache)
		return;
	snprintf(name, sizeof(name), "cache.%u", p.marks);
	cache_write(name, p.nr_nodes);
}

static void mark(unsigned int vcpu, void *id)
{
	(void)vcpu;
	/* flush translated code, so that it is instrumented again */
	if (!access(insn_path("functions"), F_OK))
		qemu_plugin_reset((uintptr_t)id, begin, id);
	else if (p.nodes)
		write_counts();
	else
		insn_fail("%s: %s", insn_path("functions"), strerror(errno));
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	void (*init)(void) = (void (*)(void))find_registers_by_id;

	(void)info;
	if (qemu_plugin_version == QEMU_PLUGIN_API_USERDATA)
		init = (void (*)(void))find_registers;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "dir=", 4))
			insn_dir(argv[i] + 4);
		else if (!cache_option(argv[i]))
			insn_fail("%s: takes dir=, d1=, i1= and l2=", argv[i]);
	}
	if (!argc || strncmp(argv[0], "dir=", 4))
		insn_fail("needs dir=DIRECTORY, first");
	p.cache = cache_modelled();
	p.score = qemu_plugin_scoreboard_new(sizeof(struct counters));
	qemu_plugin_register_vcpu_init_cb(id, init, NULL);
	instrument_all((void *)(uintptr_t)id);
	return 0;
}
