// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "insn-cache.h"
#include "insn-dir.h"

#define PAGE		4096
#define MEMORY		(8ull << 30)	/* of the guest, at most */
#define BUCKETS		(1u << 16)

enum { D1, I1, L2, NR_CACHES };

/* keep in sync with memory.py */
enum {
	DATA_LINES,
	CODE_LINES,
	D1_MISSES,
	I1_MISSES,
	L2_MISSES,
	NR_FIGURES,
};

struct cache {
	const char *name;
	uint64_t sets;
	uint64_t ways;
	uint64_t line;
	uint64_t *lines;	/* of each set, the one used last first */
};

struct figures {
	uint64_t of[NR_FIGURES];
};

struct code {
	struct code *next;
	uint64_t line;
	uint32_t seen;
};

static struct cache caches[NR_CACHES] = {
	[D1] = { .name = "d1=" },
	[I1] = { .name = "i1=" },
	[L2] = { .name = "l2=" },
};

static struct code *codes[BUCKETS];
static uint32_t *data_seen;
static uint32_t now;
static struct figures *figures;
static struct figures *current;

static bool is_power(uint64_t number)
{
	return number && !(number & (number - 1));
}

bool cache_option(const char *word)
{
	for (struct cache *c = caches; c < caches + NR_CACHES; c++) {
		uint64_t size;
		char more;

		if (strncmp(word, c->name, 3))
			continue;
		if (sscanf(word + 3, "%" SCNu64 ":%" SCNu64 ":%" SCNu64 "%c",
			   &size, &c->ways, &c->line, &more) != 3 ||
		    !c->ways || !is_power(c->line) || c->line > PAGE ||
		    size % (c->ways * c->line) ||
		    !is_power(size / c->ways / c->line))
			insn_fail("%s: no SIZE:WAYS:LINE of a cache", word);
		c->sets = size / c->ways / c->line;
		c->lines = insn_room(NULL, c->sets * c->ways, sizeof(*c->lines));
		memset(c->lines, 0, c->sets * c->ways * sizeof(*c->lines));
		return true;
	}
	return false;
}

bool cache_modelled(void)
{
	unsigned int given = 0;

	for (unsigned int i = 0; i < NR_CACHES; i++)
		given += !!caches[i].lines;
	if (given % NR_CACHES)
		insn_fail("d1=, i1= and l2= are given together");
	if (given && (caches[D1].line != caches[I1].line ||
		      caches[D1].line != caches[L2].line))
		insn_fail("d1=, i1= and l2= have lines of one size");
	return given;
}

void cache_begin(uint32_t nodes)
{
	free(figures);
	figures = calloc(nodes, sizeof(*figures));
	if (!data_seen)
		data_seen = calloc(MEMORY / caches[D1].line, sizeof(*data_seen));
	if (!figures || !data_seen)
		insn_fail("no memory for a model of the caches");
	current = NULL;
	now++;
}

void cache_charge(uint32_t node)
{
	current = node == CACHE_NOBODY ? NULL : &figures[node];
}

void cache_next(void)
{
	now++;
}

/* look up a line, and load it if it is not in the cache */
static bool hit(struct cache *c, uint64_t line)
{
	uint64_t *set = c->lines + (line & (c->sets - 1)) * c->ways;
	uint64_t at = 0;

	while (at < c->ways - 1 && set[at] != line)
		at++;
	if (set[at] == line) {
		memmove(set + 1, set, at * sizeof(*set));
		set[0] = line;
		return true;
	}
	memmove(set + 1, set, (c->ways - 1) * sizeof(*set));
	set[0] = line;
	return false;
}

static void touch(unsigned int first, uint64_t line, uint32_t *seen,
		  unsigned int lines, unsigned int misses)
{
	bool in_first = hit(&caches[first], line);
	bool in_second = in_first || hit(&caches[L2], line);

	if (!current)
		return;
	current->of[lines] += *seen != now;
	current->of[misses] += !in_first;
	current->of[L2_MISSES] += !in_second;
	*seen = now;
}

static void touch_data(uint32_t info, uint64_t address, uint64_t size)
{
	struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, address);
	uint64_t line = caches[D1].line;
	uint64_t at;

	/* device memory is not cached */
	if (!where || qemu_plugin_hwaddr_is_io(where))
		return;
	at = qemu_plugin_hwaddr_phys_addr(where);
	if (at + size > MEMORY)
		insn_fail("a guest of more than %llu GiB; give it less", MEMORY >> 30);
	for (uint64_t each = at / line; each <= (at + size - 1) / line; each++)
		touch(D1, each, &data_seen[each], DATA_LINES, D1_MISSES);
}

static void accessed(unsigned int vcpu, uint32_t info, uint64_t address,
		     void *data)
{
	uint64_t size = 1ull << qemu_plugin_mem_size_shift(info);
	uint64_t here = PAGE - address % PAGE;

	(void)vcpu;
	(void)data;
	if (size <= here) {
		touch_data(info, address, size);
	} else {
		touch_data(info, address, here);
		touch_data(info, address + here, size - here);
	}
}

static void fetched(unsigned int vcpu, void *data)
{
	struct code *code = data;

	(void)vcpu;
	touch(I1, code->line, &code->seen, CODE_LINES, I1_MISSES);
}

static struct code *code_of(uint64_t line)
{
	struct code **list = &codes[line % BUCKETS];
	struct code *each;

	for (each = *list; each; each = each->next)
		if (each->line == line)
			return each;
	each = insn_room(NULL, 1, sizeof(*each));
	*each = (struct code) { .next = *list, .line = line };
	*list = each;
	return each;
}

void cache_instrument(struct qemu_plugin_insn *insn, uint64_t *before)
{
	/* host addresses serve as physical ones; both have the same pages */
	uint64_t at = (uintptr_t)qemu_plugin_insn_haddr(insn);
	uint64_t end = at + qemu_plugin_insn_size(insn) - 1;
	uint64_t line = caches[I1].line;

	qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS,
					 QEMU_PLUGIN_MEM_RW, NULL);
	if (!at)
		return;
	if (end / PAGE != at / PAGE)
		end = at | (PAGE - 1);
	for (uint64_t each = at / line; each <= end / line; each++) {
		if (each == *before)
			continue;
		qemu_plugin_register_vcpu_insn_exec_cb(
			insn, fetched, QEMU_PLUGIN_CB_NO_REGS, code_of(each));
		*before = each;
	}
}

void cache_write(const char *name, uint32_t nodes)
{
	FILE *file = insn_open(name, "w");

	for (uint32_t i = 0; i < nodes; i++) {
		const uint64_t *of = figures[i].of;
		uint64_t any = 0;

		for (unsigned int k = 0; k < NR_FIGURES; k++)
			any |= of[k];
		if (!any)
			continue;
		fprintf(file, "%" PRIu32, i);
		for (unsigned int k = 0; k < NR_FIGURES; k++)
			fprintf(file, " %" PRIu64, of[k]);
		fputc('\n', file);
	}
	if (fclose(file))
		insn_fail("%s: cannot be written", insn_path(name));
}
