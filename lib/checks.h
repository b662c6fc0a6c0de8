/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_CHECKS_H
#define PI_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "inject.h"
#include "reason.h"
#include "uapi.h"

/* extends PI_IO_INTEGRITY_CHK_*; only NVMe commands can check storage tags */
#define PI_CHK_STORTAG	(1U << 3)

/* most parts of a pi_chk= pattern, including the one for all other blocks */
#define PI_CHECKS_PARTS	9

/**
 * struct pi_checks - which tags are checked, and in which I/Os
 * @nr:		number of parts; with 1 every I/O is checked alike
 * @by_block:	the parts are block ranges and the last one covers all other
 *		blocks; otherwise the parts are shares of the I/Os
 * @chk:	tags to check for each part, PI_IO_INTEGRITY_CHK_* and
 *		PI_CHK_STORTAG
 * @blocks:	block range of each part, if @by_block
 * @turns:	number of entries in @turn, after which the sequence repeats
 * @turn:	the part that each successive I/O belongs to; parts are evenly
 *		spread
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
 * pi_checks_tags() - parse a list of tags such as "GUARD,REFTAG"
 * @text:	text to parse, not necessarily NUL-terminated
 * @len:	length of @text in bytes
 * @chk:	where the tags are stored, as PI_IO_INTEGRITY_CHK_* and
 *		PI_CHK_STORTAG
 * @reason:	filled in on failure
 *
 * Return: 0, or -EINVAL if a word is not the name of a tag.
 */
int pi_checks_tags(const char *text, size_t len, unsigned int *chk,
		   struct pi_reason *reason);

/**
 * pi_checks_parse() - parse a value of pi_chk=
 * @text:	tags, shares of the I/Os such as "GUARD,REFTAG/10:none/90", or
 *		block ranges such as "REFTAG@0-999:GUARD"
 * @checks:	where the result is stored
 * @reason:	filled in on failure
 *
 * Shares without a percentage divide what the others leave equally. Tags
 * without a range apply to all blocks outside the ranges; if there are none,
 * those blocks are not checked.
 *
 * Return: 0, or -EINVAL if @text is malformed.
 */
int pi_checks_parse(const char *text, struct pi_checks *checks,
		    struct pi_reason *reason);

/**
 * pi_checks_all() - the union of the tags of all parts
 * @checks:	parsed by pi_checks_parse()
 *
 * Return: PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG.
 */
unsigned int pi_checks_all(const struct pi_checks *checks);

/**
 * pi_checks_at() - find the part that a block belongs to
 * @checks:	parsed by pi_checks_parse(), with @by_block set
 * @block:	block number
 *
 * Return: index into @checks->chk.
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
