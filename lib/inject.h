/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_INJECT_H
#define PI_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "reason.h"
#include "tuple.h"

enum pi_fault_kind {
	PI_FAULT_DATA,		/* a bit of the data */
	PI_FAULT_GUARD,		/* a bit of the guard */
	PI_FAULT_APPTAG,	/* a bit of the application tag */
	PI_FAULT_REFTAG,	/* a bit of the reference tag */
	PI_FAULT_OPAQUE,	/* a bit of the metadata outside the tuple */
	PI_FAULT_MISPLACE,	/* the tuple of a block meant for another place */
	PI_FAULT_DROP,		/* the block and metadata that were there before */
	PI_FAULT_TEAR,		/* the second half of the data is the old one */
	PI_NR_FAULT_KINDS,
};

struct pi_block_range {
	uint64_t first;
	uint64_t last;
};

/**
 * struct pi_inject - which blocks are to be damaged, and how
 * @kinds:	bit 1 << PI_FAULT_* for each kind to choose from
 * @one_in:	one block in as many, on average; not looked at with @ranges
 * @seed:	the same seed damages the same blocks in the same way, whatever
 *		order they come in
 * @ranges:	the blocks to damage, if there are any
 */
struct pi_inject {
	unsigned int kinds;
	uint64_t one_in;
	uint64_t seed;
	struct pi_block_range *ranges;
	unsigned int nr_ranges;
};

/**
 * struct pi_fault - one fault
 * @kind:	what it does
 * @random:	what decides between the bits and the places there are
 */
struct pi_fault {
	enum pi_fault_kind kind;
	uint64_t random;
};

/**
 * struct pi_fault_block - what the block to damage is called
 * @number:	on the disk
 * @ref:	reference tag that the host gives it
 * @tag:	reference tag that it should have where the fault is: what @ref is
 *		rewritten to on its way
 */
struct pi_fault_block {
	uint64_t number;
	uint64_t ref;
	uint64_t tag;
};

/**
 * pi_fault_name() - a kind as pi_inject= has it, "guard"
 */
const char *pi_fault_name(enum pi_fault_kind kind);

/**
 * pi_inject_kinds() - parse kinds, "data,guard" or "all"
 * @kinds:	set to their bits
 *
 * Return: 0, or -EINVAL with a @reason.
 */
int pi_inject_kinds(const char *text, unsigned int *kinds,
		    struct pi_reason *reason);

/**
 * pi_inject_blocks() - parse block numbers, "7,100-120"
 * @inject:	gets them as @ranges, to be released with free()
 *
 * Return: 0, -ENOMEM, or -EINVAL with a @reason.
 */
int pi_inject_blocks(const char *text, struct pi_inject *inject,
		     struct pi_reason *reason);

/**
 * pi_inject_choose() - whether a block is to be damaged
 * @kinds:	those of @inject that are possible here
 * @block:	its number on the disk
 * @fault:	set to what to do when it is
 */
bool pi_inject_choose(const struct pi_inject *inject, unsigned int kinds,
		      uint64_t block, struct pi_fault *fault);

/**
 * pi_fault_visible() - the kinds that protection information can show
 *
 * A block left behind by a dropped write is in order by itself: it shows only
 * when it was written with another application tag.
 *
 * Return: bits 1 << PI_FAULT_*.
 */
unsigned int pi_fault_visible(const struct pi_format *format,
			      const struct pi_tuple *t);

/**
 * pi_fault_shows_as() - whether a mismatch is what a fault should show as
 */
bool pi_fault_shows_as(enum pi_fault_kind kind, const struct pi_tuple *t,
		       enum pi_tag tag);

/**
 * pi_fault_apply() - damage one block
 * @block:	which one; no fault makes its reference tag its own number or @ref,
 *		either of which is right to the kernel
 * @data:	its data
 * @md:		its metadata, with a good tuple
 * @old_data:	what the media holds, for PI_FAULT_DROP and PI_FAULT_TEAR
 * @old_md:	likewise
 *
 * Return: false when that changed nothing.
 */
bool pi_fault_apply(const struct pi_fault *fault, const struct pi_format *format,
		    const struct pi_tuple *t,
		    const struct pi_fault_block *block, uint8_t *data,
		    uint8_t *md, const uint8_t *old_data,
		    const uint8_t *old_md);

#endif
