/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FAULT_H
#define PI_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
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
 * pi_fault_mix() - the next of a series of random numbers
 * @x:		the one before
 *
 * Return: what the finalizer of splitmix64 makes of it.
 */
static inline uint64_t pi_fault_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/**
 * pi_fault_name() - a kind as pi_inject= has it, "guard"
 */
const char *pi_fault_name(enum pi_fault_kind kind);

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
