/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_INJECT_H
#define PI_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "reason.h"

/**
 * struct pi_block_range - a range of consecutive blocks
 * @first:	number of the first block
 * @last:	number of the last block, inclusive
 */
struct pi_block_range {
	uint64_t first;
	uint64_t last;
};

/**
 * pi_block_range_read() - parse a block or range of blocks, "7" or "100-120"
 * @text:	text to parse; advanced past what was parsed
 * @range:	where the range is stored
 *
 * Return: whether @text started with a valid range.
 */
bool pi_block_range_read(const char **text, struct pi_block_range *range);

/**
 * struct pi_inject - which blocks to damage, and how
 * @kinds:	bits 1 << PI_FAULT_* of the kinds to choose from
 * @one_in:	damage one block in this many on average; ignored if @ranges is
 *		set
 * @seed:	the same seed damages the same blocks in the same way,
 *		regardless of the order of the I/Os
 * @ranges:	blocks to damage instead of random ones, or NULL
 * @nr_ranges:	number of entries in @ranges
 */
struct pi_inject {
	unsigned int kinds;
	uint64_t one_in;
	uint64_t seed;
	struct pi_block_range *ranges;
	unsigned int nr_ranges;
};

/**
 * pi_inject_kinds() - parse fault kinds, such as "data,guard" or "all"
 * @text:	value of pi_inject=
 * @kinds:	set to bits 1 << PI_FAULT_*
 * @reason:	filled in on failure
 *
 * Return: 0, or -EINVAL if a kind is unknown.
 */
int pi_inject_kinds(const char *text, unsigned int *kinds,
		    struct pi_reason *reason);

/**
 * pi_inject_blocks() - parse a list of blocks such as "7,100-120"
 * @text:	value of pi_inject_blocks=
 * @inject:	gets the list as @ranges, to be released with free()
 * @reason:	filled in on failure
 *
 * Return: 0, -EINVAL if @text is malformed, or -ENOMEM.
 */
int pi_inject_blocks(const char *text, struct pi_inject *inject,
		     struct pi_reason *reason);

/**
 * pi_inject_choose() - decide whether to damage a block, and how
 * @inject:	which blocks to damage, and how
 * @kinds:	bits 1 << PI_FAULT_* of the kinds that can show on this device
 * @block:	block number on the disk
 * @fault:	set to the fault to apply if the block is to be damaged
 *
 * Return: whether the block is to be damaged.
 */
bool pi_inject_choose(const struct pi_inject *inject, unsigned int kinds,
		      uint64_t block, struct pi_fault *fault);

#endif
