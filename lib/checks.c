// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

/* in struct parts: no percentage was given */
#define OPEN	-1

/* the parts as parsed, in the order given */
struct parts {
	unsigned int nr;
	unsigned int chk[PI_CHECKS_PARTS];
	int percent[PI_CHECKS_PARTS];
	bool ranged[PI_CHECKS_PARTS];
	struct pi_block_range blocks[PI_CHECKS_PARTS];
};

static int find_tag(const char *text, size_t len)
{
	static const char * const tags[] = {
		"GUARD", "REFTAG", "APPTAG", "STORTAG",
	};

	_Static_assert(PI_IO_INTEGRITY_CHK_REFTAG == 1 << 1 &&
		       PI_IO_INTEGRITY_CHK_APPTAG == 1 << 2 &&
		       PI_CHK_STORTAG == 1 << 3, "in the order of their bits");
	for (int i = 0; i < 4; i++)
		if (len == strlen(tags[i]) && !strncmp(text, tags[i], len))
			return i;
	return -1;
}

int pi_checks_tags(const char *text, size_t len, unsigned int *chk,
		   struct pi_reason *reason)
{
	const char *end = text + len;

	*chk = 0;
	while (text < end) {
		size_t word = strcspn(text, ",| ");
		int tag;

		if (word > (size_t)(end - text))
			word = end - text;
		tag = find_tag(text, word);
		if (tag < 0)
			return pi_reason_set(reason, -EINVAL,
				"'%.*s' is not a tag; give some of GUARD,REFTAG,APPTAG,STORTAG, or pi_verify=none for none",
				word > 40 ? 40 : (int)word, text);
		*chk |= 1U << tag;
		text += word;
		text += strspn(text, ",| ");
	}
	return 0;
}

/* parse "/30" or "@0-99" after the tags; returns the rest of @text, or NULL */
static const char *read_extent(const char *text, struct parts *parts)
{
	const unsigned int i = parts->nr;
	unsigned long percent;
	char *end;

	parts->percent[i] = OPEN;
	parts->ranged[i] = *text == '@';
	if (*text == '@') {
		text++;
		return pi_block_range_read(&text, &parts->blocks[i]) ? text : NULL;
	}
	if (*text != '/')
		return text;
	if (!isdigit((unsigned char)text[1]))
		return NULL;
	percent = strtoul(text + 1, &end, 10);
	parts->percent[i] = percent;
	return percent <= 100 ? end : NULL;
}

static int read_parts(const char *text, struct parts *parts,
		      struct pi_reason *reason)
{
	const char *at = text;

	for (;;) {
		const size_t len = strcspn(at, "/@:");
		const bool none = len == 4 && !strncmp(at, "none", len);
		int ret;

		if (parts->nr == PI_CHECKS_PARTS - 1)
			return pi_reason_set(reason, -EINVAL,
				"there are more than %d parts; give fewer",
				PI_CHECKS_PARTS - 1);
		parts->chk[parts->nr] = 0;
		ret = none ? 0 : pi_checks_tags(at, len, &parts->chk[parts->nr],
						reason);
		if (ret)
			return ret;
		at = len ? read_extent(at + len, parts) : NULL;
		if (!at || (*at && *at != ':'))
			return pi_reason_set(reason, -EINVAL,
				"'%.80s' is not a valid pattern; give shares that add up to 100, as in GUARD,REFTAG/30:none/70, or blocks, as in REFTAG@0-999:GUARD",
				text);
		parts->nr++;
		if (!*at++)
			return 0;
	}
}

/* spread the parts evenly, in the same order in every run */
static void take_turns(struct pi_checks *checks, const int *percent)
{
	int debt[PI_CHECKS_PARTS] = { 0 };

	for (unsigned int t = 0; t < checks->turns; t++) {
		unsigned int next = 0;

		for (unsigned int i = 0; i < checks->nr; i++) {
			debt[i] += percent[i];
			if (debt[i] > debt[next])
				next = i;
		}
		debt[next] -= checks->turns;
		checks->turn[t] = next;
	}
}

static int set_shares(struct pi_checks *checks, struct parts *parts,
		      struct pi_reason *reason)
{
	int total = 0, open = 0;

	for (unsigned int i = 0; i < parts->nr; i++) {
		total += parts->percent[i] == OPEN ? 0 : parts->percent[i];
		open += parts->percent[i] == OPEN;
	}
	if (total > 100 || (!open && total != 100))
		return pi_reason_set(reason, -EINVAL,
			"the shares add up to %d; give some that add up to 100",
			total);
	for (unsigned int i = 0; i < parts->nr; i++) {
		if (parts->percent[i] == OPEN)
			parts->percent[i] = (100 - total) / open;
		checks->turns += parts->percent[i];
		checks->chk[i] = parts->chk[i];
	}
	checks->nr = parts->nr;
	take_turns(checks, parts->percent);
	return 0;
}

static bool overlap(const struct pi_block_range *a,
		    const struct pi_block_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static int set_ranges(struct pi_checks *checks, const struct parts *parts,
		      struct pi_reason *reason)
{
	unsigned int others = 0, chk = 0;

	for (unsigned int i = 0; i < parts->nr; i++) {
		const struct pi_block_range *range = &parts->blocks[i];

		if (parts->percent[i] != OPEN || (!parts->ranged[i] && others++))
			return pi_reason_set(reason, -EINVAL,
				"shares and blocks cannot be mixed, and only one part can cover all other blocks; give each of the others its blocks");
		if (!parts->ranged[i]) {
			chk = parts->chk[i];
			continue;
		}
		for (unsigned int j = 0; j < checks->nr; j++)
			if (overlap(range, &checks->blocks[j]))
				return pi_reason_set(reason, -EINVAL,
					"block %" PRIu64 " is in two parts; give each block to one",
					range->first > checks->blocks[j].first ?
					range->first : checks->blocks[j].first);
		checks->chk[checks->nr] = parts->chk[i];
		checks->blocks[checks->nr++] = *range;
	}
	checks->by_block = true;
	checks->chk[checks->nr++] = chk;
	return 0;
}

int pi_checks_parse(const char *text, struct pi_checks *checks,
		    struct pi_reason *reason)
{
	struct parts parts = { 0 };
	unsigned int chk;
	int ret;

	*checks = (struct pi_checks) { .nr = 1 };
	if (!strpbrk(text, "/@:")) {
		ret = pi_checks_tags(text, strlen(text), &chk, reason);
		checks->chk[0] = chk;
		return ret;
	}
	ret = read_parts(text, &parts, reason);
	if (ret)
		return ret;
	checks->nr = 0;
	for (unsigned int i = 0; i < parts.nr; i++)
		if (parts.ranged[i])
			return set_ranges(checks, &parts, reason);
	return set_shares(checks, &parts, reason);
}

unsigned int pi_checks_all(const struct pi_checks *checks)
{
	unsigned int all = 0;

	for (unsigned int i = 0; i < checks->nr; i++)
		all |= checks->chk[i];
	return all;
}
