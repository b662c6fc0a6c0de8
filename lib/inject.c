// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inject.h"

/* length of the first item of a list, cut to what fits in a message */
static int shown(const char *item)
{
	const size_t len = strcspn(item, ",");

	return len > 40 ? 40 : len;
}

int pi_inject_kinds(const char *text, unsigned int *kinds,
		    struct pi_reason *reason)
{
	char list[128];

	*kinds = 0;
	if (!strcmp(text, "all")) {
		*kinds = (1U << PI_NR_FAULT_KINDS) - 1;
		return 0;
	}
	do {
		size_t len = strcspn(text, ",");
		unsigned int i = 0;

		while (i < PI_NR_FAULT_KINDS &&
		       (strlen(pi_fault_kinds[i].name) != len ||
			strncmp(pi_fault_kinds[i].name, text, len)))
			i++;
		if (i == PI_NR_FAULT_KINDS)
			return pi_reason_set(reason, -EINVAL,
				"'%.*s' is not a kind of fault; give some of %s, or all",
				shown(text), text,
				pi_fault_list(list, sizeof(list)));
		*kinds |= 1U << i;
		text += len;
	} while (*text++);
	return 0;
}

static bool parse_number(const char **text, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	/* as in fio, a leading zero does not mean octal */
	*number = strtoull(*text, &end, strncasecmp(*text, "0x", 2) ? 10 : 16);
	*text = end;
	return !errno;
}

bool pi_block_range_read(const char **text, struct pi_block_range *range)
{
	bool good = parse_number(text, &range->first);

	range->last = range->first;
	if (good && **text == '-') {
		++*text;
		good = parse_number(text, &range->last) &&
		       range->last >= range->first;
	}
	return good;
}

int pi_inject_blocks(const char *text, struct pi_inject *inject,
		     struct pi_reason *reason)
{
	inject->ranges = NULL;
	inject->nr_ranges = 0;
	for (;;) {
		struct pi_block_range range, *grown;
		const char *item = text;

		if (!pi_block_range_read(&text, &range) || (*text && *text != ',')) {
			free(inject->ranges);
			inject->ranges = NULL;
			return pi_reason_set(reason, -EINVAL,
				"'%.*s' is not a block or a range of blocks; write for example 7,100-120",
				shown(item), item);
		}
		grown = realloc(inject->ranges, (inject->nr_ranges + 1) *
						sizeof(*grown));
		if (!grown) {
			free(inject->ranges);
			inject->ranges = NULL;
			return pi_reason_set(reason, -ENOMEM, "no memory");
		}
		inject->ranges = grown;
		inject->ranges[inject->nr_ranges++] = range;
		if (!*text++)
			return 0;
	}
}

static bool chosen(const struct pi_inject *inject, uint64_t block,
		   uint64_t random)
{
	if (!inject->nr_ranges)
		return random % inject->one_in == 0;
	for (unsigned int i = 0; i < inject->nr_ranges; i++)
		if (block >= inject->ranges[i].first &&
		    block <= inject->ranges[i].last)
			return true;
	return false;
}

bool pi_inject_choose(const struct pi_inject *inject, unsigned int kinds,
		      uint64_t block, struct pi_fault *fault)
{
	uint64_t random = pi_fault_mix(block * 0x9e3779b97f4a7c15 + pi_fault_mix(inject->seed));
	unsigned int nth;

	kinds &= inject->kinds;
	if (!kinds || !chosen(inject, block, random))
		return false;
	random = pi_fault_mix(random);
	nth = random % __builtin_popcount(kinds);
	while (nth--)
		kinds &= kinds - 1;
	*fault = (struct pi_fault) {
		.kind	= __builtin_ctz(kinds),
		.random	= pi_fault_mix(random),
	};
	return true;
}
