/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_CHECKS_H
#define PI_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "inject.h"
#include "reason.h"
#include "uapi.h"

/* beside PI_IO_INTEGRITY_CHK_*: what NVMe commands can have checked */
#define PI_CHK_STORTAG	(1U << 3)

/* parts of pi_chk=, the one for all other blocks included */
#define PI_CHECKS_PARTS	9

/**
 * struct pi_checks - which tags are checked, and in which I/Os
 * @nr:		how many parts; 1: the same in each I/O
 * @by_block:	parts are ranges of blocks, the last one all others; else they
 *		are shares of the I/Os
 * @chk:	of each part, PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG
 * @blocks:	of each part, where they are ranges
 * @turns:	how many I/Os until the shares begin again
 * @turn:	the part that each of these belongs to, evenly spread
 */
struct pi_checks {
	unsigned int nr;
	bool by_block;
	uint16_t chk[PI_CHECKS_PARTS];
	struct pi_block_range blocks[PI_CHECKS_PARTS];
	unsigned int turns;
	uint8_t turn[100];
};

/**
 * pi_checks_tags() - read tags, "GUARD,REFTAG"
 * @text:	what was given
 * @len:	of it
 * @chk:	set, PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG
 * @reason:	says why not
 *
 * Return: 0, or -EINVAL with a @reason.
 */
int pi_checks_tags(const char *text, size_t len, unsigned int *chk,
		   struct pi_reason *reason);

/**
 * pi_checks_parse() - read tags, shares, "GUARD,REFTAG/10:none/90", or ranges of
 *		       blocks, "REFTAG@0-999:GUARD"
 * @text:	what was given
 * @checks:	set
 * @reason:	says why not
 *
 * A share without a number gets what is left, some of them equal parts of that;
 * tags without a range are for all other blocks, of which nothing is checked
 * where there are none.
 *
 * Return: 0, or -EINVAL with a @reason.
 */
int pi_checks_parse(const char *text, struct pi_checks *checks,
		    struct pi_reason *reason);

/**
 * pi_checks_all() - tags that some part has
 * @checks:	of pi_checks_parse()
 *
 * Return: PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG.
 */
unsigned int pi_checks_all(const struct pi_checks *checks);

/**
 * pi_checks_at() - the part that a block belongs to, where they are ranges
 * @checks:	of pi_checks_parse(), by_block
 * @block:	its number
 *
 * Return: an index of chk.
 */
static inline unsigned int pi_checks_at(const struct pi_checks *checks,
					uint64_t block)
{
	unsigned int i = 0;

	while (i < checks->nr - 1 &&
	       block - checks->blocks[i].first >
	       checks->blocks[i].last - checks->blocks[i].first)
		i++;
	return i;
}

#endif
