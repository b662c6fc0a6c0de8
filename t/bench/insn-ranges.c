// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "insn-dir.h"
#include "insn-ranges.h"

#define NOWHERE		UINT64_MAX
#define PAGE		4096

struct page {
	uint64_t hash;
	uint64_t place;
};

static struct page *pages;
static size_t nr_pages;
static struct range *ranges;
static size_t nr_ranges;

static const struct range unknown[] = {
	{ .function = UNKNOWN_KERNEL, .start = 1ull << 63 },
	{ .function = UNKNOWN_USER },
};

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
 * Identify pages by their contents rather than their address, because QEMU
 * translates a page once for all processes that map it.
 */
static uint64_t place_of(const struct qemu_plugin_insn *insn)
{
	uintptr_t at = (uintptr_t)qemu_plugin_insn_haddr(insn);
	uint64_t hash;
	const struct page *found;

	if (!at)
		return NOWHERE;
	hash = hash_of((void *)(at & -PAGE));
	found = bsearch(&hash, pages, nr_pages, sizeof(*pages),
			compare_pages);
	return found ? found->place + at % PAGE : NOWHERE;
}

const struct range *ranges_find(const struct qemu_plugin_insn *insn,
				bool *start)
{
	uint64_t at = qemu_plugin_insn_vaddr(insn);
	const struct range *none = &unknown[at >> 63 ? UNKNOWN_KERNEL :
						       UNKNOWN_USER];
	size_t low = 0, high = nr_ranges;

	if (!(at >> 63))
		at = place_of(insn);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == nr_ranges || at < ranges[low].start || at == NOWHERE)
		return none;
	*start = at == ranges[low].start && ranges[low].flags & ENTRY;
	return &ranges[low];
}

/* read the executable pages of programs and libraries */
static void read_code(void)
{
	FILE *file = insn_open("code", "r");
	static uint64_t page[PAGE / sizeof(uint64_t)];
	size_t room = 0;

	for (nr_pages = 0; fread(page, sizeof(page), 1, file); nr_pages++) {
		if (nr_pages == room) {
			room = room ? 2 * room : 1024;
			pages = insn_room(pages, room, sizeof(*pages));
		}
		pages[nr_pages] = (struct page) {
			hash_of(page), nr_pages * PAGE
		};
	}
	fclose(file);
	qsort(pages, nr_pages, sizeof(*pages), compare_pages);
}

/* sorted lines: START END FUNCTION FLAGS */
static bool read_functions(void)
{
	FILE *file = insn_open("functions", "r");
	struct range each;
	size_t room = 0;
	bool has_begin = false;

	nr_ranges = 0;
	while (fscanf(file, "%" SCNx64 " %" SCNx64 " %u %u\n", &each.start,
		      &each.end, &each.function, &each.flags) == 4) {
		if (nr_ranges == room) {
			room = room ? 2 * room : 1 << 16;
			ranges = insn_room(ranges, room, sizeof(*ranges));
		}
		has_begin |= each.flags & BEGIN;
		ranges[nr_ranges++] = each;
	}
	if (!feof(file))
		insn_fail("%s: line %zu is none", insn_path("functions"),
			  nr_ranges + 1);
	fclose(file);
	return has_begin;
}

bool ranges_read(void)
{
	read_code();
	return read_functions();
}
