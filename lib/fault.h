/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FAULT_H
#define PI_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"
#include "tuple.h"

/**
 * enum pi_fault_id - the rows of pi_fault_kinds
 * @PI_FAULT_DATA:	a bit of the data
 * @PI_FAULT_GUARD:	a bit of the guard
 * @PI_FAULT_APPTAG:	a bit of the application tag
 * @PI_FAULT_REFTAG:	a bit of the reference tag
 * @PI_FAULT_OPAQUE:	a bit of the metadata outside the tuple
 * @PI_FAULT_MISPLACE:	the tuple of a block meant for another place
 * @PI_FAULT_DROP:	the block and metadata that were there before
 * @PI_FAULT_TEAR:	the second half of the data is the old one
 * @PI_FAULT_STORTAG:	a bit of the storage tag
 * @PI_NR_FAULT_KINDS:	how many rows
 */
enum pi_fault_id {
	PI_FAULT_DATA,
	PI_FAULT_GUARD,
	PI_FAULT_APPTAG,
	PI_FAULT_REFTAG,
	PI_FAULT_OPAQUE,
	PI_FAULT_MISPLACE,
	PI_FAULT_DROP,
	PI_FAULT_TEAR,
	PI_FAULT_STORTAG,
	PI_NR_FAULT_KINDS,
};

/**
 * enum pi_fault_place - where on its way a block is damaged
 * @PI_INJECT_OUT:	a write, after its tuples were generated
 * @PI_INJECT_BEFORE:	a write, before that
 * @PI_INJECT_BACK:	a read, before it is verified
 */
enum pi_fault_place {
	PI_INJECT_OUT,
	PI_INJECT_BEFORE,
	PI_INJECT_BACK,
};

/**
 * struct pi_fault_block - the block to damage
 * @format:	of its device
 * @tuple:	of that format, which generated its metadata
 * @number:	on the disk
 * @ref:	reference tag that the host gives it
 * @tag:	reference tag that it should have where the fault is: what @ref is
 *		rewritten to on its way
 * @data:	its data
 * @md:		its metadata, with a good tuple
 * @old_data:	what the media holds, for kinds that need it
 * @old_md:	likewise
 */
struct pi_fault_block {
	const struct pi_format *format;
	const struct pi_tuple *tuple;
	uint64_t number;
	uint64_t ref;
	uint64_t tag;
	uint8_t *data;
	uint8_t *md;
	const uint8_t *old_data;
	const uint8_t *old_md;
};

/**
 * struct pi_fault_kind - one way to damage a block
 * @name:	as pi_inject= has it
 * @places:	1 << PI_INJECT_* for each place where it can happen
 * @needs_old:	it takes what the media holds; data that has the same checksum
 *		shows nothing
 * @moves_ref:	it leaves a reference tag that is not the block's
 * @visible:	whether protection information of a format can show it, with what
 *		a tuple of that compares
 * @shows_as:	whether a mismatch of @tag is what it should show as
 * @apply:	damage a block, in a way that depends on @random: false when that
 *		changed nothing
 *
 * A further kind is a further row in fault.c.
 */
struct pi_fault_kind {
	const char *name;
	unsigned int places;
	bool needs_old;
	bool moves_ref;
	bool (*visible)(const struct pi_format *format,
			const struct pi_tuple *t);
	bool (*shows_as)(const struct pi_tuple *t, enum pi_tag tag);
	bool (*apply)(const struct pi_fault_block *block, uint64_t random);
};

/* by PI_FAULT_* */
extern const struct pi_fault_kind pi_fault_kinds[PI_NR_FAULT_KINDS];

/**
 * struct pi_fault - one fault
 * @kind:	what it does
 * @random:	what decides between the bits and the places there are
 */
struct pi_fault {
	enum pi_fault_id kind;
	uint64_t random;
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
 * pi_fault_list() - the names of all kinds, "data,guard"
 * @buf:	gets them
 * @size:	of it
 *
 * Return: @buf.
 */
const char *pi_fault_list(char *buf, size_t size);

/**
 * pi_fault_possible() - the kinds that can happen in a place
 * @place:	which one
 *
 * Return: bits 1 << PI_FAULT_*.
 */
unsigned int pi_fault_possible(enum pi_fault_place place);

/**
 * pi_fault_visible() - the kinds that protection information can show
 * @format:	of the device
 * @t:		what is compared
 *
 * Return: bits 1 << PI_FAULT_*.
 */
unsigned int pi_fault_visible(const struct pi_format *format,
			      const struct pi_tuple *t);

/**
 * pi_fault_apply() - damage one block
 * @fault:	how
 * @block:	which one; no fault makes its reference tag its own number or
 *		@ref, either of which is right to the kernel
 *
 * Return: false when that changed nothing.
 */
bool pi_fault_apply(const struct pi_fault *fault,
		    const struct pi_fault_block *block);

#endif
