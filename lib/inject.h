/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_INJECT_H
#define PI_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "reason.h"

/**
 * struct pi_block_range - blocks that follow each other
 * @first:	number of the first
 * @last:	number of the last, which belongs to them
 */
struct pi_block_range {
	uint64_t first;
	uint64_t last;
};

/**
 * pi_block_range_read() - read "7" or "100-120"
 * @text:	what was given, set to what comes behind it
 * @range:	set
 *
 * Return: whether it is one.
 */
bool pi_block_range_read(const char **text, struct pi_block_range *range);

/**
 * struct pi_inject - which blocks are to be damaged, and how
 * @kinds:	bit 1 << PI_FAULT_* for each kind to choose from
 * @one_in:	one block in as many, on average; not looked at with @ranges
 * @seed:	the same seed damages the same blocks in the same way, whatever
 *		order they come in
 * @ranges:	the blocks to damage, if there are any
 * @nr_ranges:	how many those are
 */
struct pi_inject {
	unsigned int kinds;
	uint64_t one_in;
	uint64_t seed;
	struct pi_block_range *ranges;
	unsigned int nr_ranges;
};

/**
 * pi_inject_kinds() - parse kinds, "data,guard" or "all"
 * @text:	what pi_inject= says
 * @kinds:	set to their bits
 * @reason:	says what is wrong with it
 *
 * Return: 0, or -EINVAL with a @reason.
 */
int pi_inject_kinds(const char *text, unsigned int *kinds,
		    struct pi_reason *reason);

/**
 * pi_inject_blocks() - parse block numbers, "7,100-120"
 * @text:	what pi_inject_blocks= says
 * @inject:	gets them as @ranges, to be released with free()
 * @reason:	says what is wrong with it
 *
 * Return: 0, -ENOMEM, or -EINVAL with a @reason.
 */
int pi_inject_blocks(const char *text, struct pi_inject *inject,
		     struct pi_reason *reason);

/**
 * pi_inject_choose() - whether a block is to be damaged
 * @inject:	which, and how
 * @kinds:	those of @inject that are possible here
 * @block:	its number on the disk
 * @fault:	set to what to do when it is
 *
 * Return: whether it is.
 */
bool pi_inject_choose(const struct pi_inject *inject, unsigned int kinds,
		      uint64_t block, struct pi_fault *fault);

#endif
