// SPDX-License-Identifier: GPL-2.0-only
/* pi_inject= and pi_inject_blocks=: any text */
#include <stdlib.h>
#include <string.h>

#include "inject.h"
#include "reach.h"

static void check_reason(const struct pi_reason *reason)
{
	CHECK(memchr(reason->text, '\0', sizeof(reason->text)));
	CHECK(reason->text[0]);
}

static void kinds(const char *text)
{
	struct pi_reason reason;
	unsigned int bits, bit;

	if (pi_inject_kinds(text, &bits, &reason)) {
		check_reason(&reason);
		return;
	}
	CHECK(bits && bits < 1U << PI_NR_FAULT_KINDS);
	for (bit = 0; bit < PI_NR_FAULT_KINDS; bit++)
		if (bits >> bit & 1 && strcmp(text, "all"))
			CHECK(strstr(text, pi_fault_kinds[bit].name));
}

static void blocks(const char *text)
{
	struct pi_inject inject = { .kinds = 1, .seed = 1 };
	unsigned int items = 1;
	struct pi_reason reason;
	struct pi_fault fault;

	if (pi_inject_blocks(text, &inject, &reason)) {
		check_reason(&reason);
		CHECK(!inject.ranges);
		return;
	}
	for (const char *p = text; *p; p++)
		items += *p == ',';
	CHECK(inject.nr_ranges == items);
	for (unsigned int i = 0; i < inject.nr_ranges; i++) {
		const struct pi_block_range *range = &inject.ranges[i];

		CHECK(range->first <= range->last);
		CHECK(pi_inject_choose(&inject, 1, range->first, &fault));
		CHECK(pi_inject_choose(&inject, 1, range->last, &fault));
	}
	free(inject.ranges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	kinds(text);
	blocks(text);
	free(text);
	fuzz_reached();
	return 0;
}
