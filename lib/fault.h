/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FAULT_H
#define PI_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"
#include "tuple.h"

/**
 * enum pi_fault_id - kinds of faults, indexes into pi_fault_kinds
 * @PI_FAULT_DATA: flip a bit of the data
 * @PI_FAULT_GUARD: flip a bit of the guard
 * @PI_FAULT_APPTAG: flip a bit of the application tag
 * @PI_FAULT_REFTAG: flip a bit of the reference tag
 * @PI_FAULT_OPAQUE: flip a bit of the metadata outside the tuple
 * @PI_FAULT_MISPLACE: give the block the tuple of another block (misdirected
 *		write)
 * @PI_FAULT_DROP: keep the old data and metadata (lost write)
 * @PI_FAULT_TEAR: keep the second half of the old data (torn write)
 * @PI_FAULT_STORTAG: flip a bit of the storage tag
 * @PI_NR_FAULT_KINDS: number of kinds
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
 * enum pi_fault_place - where in the I/O path a block is damaged
 * @PI_INJECT_OUT: in a write, after its tuples were generated
 * @PI_INJECT_BEFORE: in a write, before its tuples are generated
 * @PI_INJECT_BACK: in a read, before it is verified
 */
enum pi_fault_place {
	PI_INJECT_OUT,
	PI_INJECT_BEFORE,
	PI_INJECT_BACK,
};

/**
 * struct pi_fault_block - the block to damage
 * @format:	format of its device
 * @tuple:	tuple functions of that format, which generated the metadata
 * @number:	block number on the disk
 * @ref:	reference tag that the host gives the block
 * @tag:	correct reference tag at the place of the fault, where @ref has
 *		been remapped to it
 * @data:	data of the block
 * @md:		metadata of the block, with a correct tuple
 * @old_data:	data on the media, for kinds with @needs_old
 * @old_md:	metadata on the media, for kinds with @needs_old
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
 * @name:	name in pi_inject=
 * @places:	bits 1 << PI_INJECT_* of the places where the fault can occur
 * @needs_old:	needs the block's contents on the media; nothing can show if
 *		their checksum is the same
 * @moves_ref:	leaves a reference tag that is not the block's own
 * @visible:	whether PI of @format can show the fault, given what @t compares
 * @shows_as:	whether a mismatch of @tag is how the fault is expected to show
 * @apply:	damages a block as selected by @random; false if nothing changed
 *
 * To add a kind, add a row to the table in fault.c.
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
 * @kind:	kind of the fault
 * @random:	random number that selects the bit or place
 */
struct pi_fault {
	enum pi_fault_id kind;
	uint64_t random;
};

/**
 * pi_fault_mix() - step a sequence of pseudo-random numbers
 * @x:		previous number, or a seed
 *
 * This is the finalizer of splitmix64.
 *
 * Return: the next number.
 */
static inline uint64_t pi_fault_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/**
 * pi_fault_list() - list the names of all kinds, as in "data,guard"
 * @buf:	where the list is stored
 * @size:	size of @buf in bytes
 *
 * Return: @buf.
 */
const char *pi_fault_list(char *buf, size_t size);

/**
 * pi_fault_possible() - the kinds of faults that can occur at a place
 * @place:	place in the I/O path
 *
 * Return: bits 1 << PI_FAULT_*.
 */
unsigned int pi_fault_possible(enum pi_fault_place place);

/**
 * pi_fault_visible() - the kinds of faults that PI of a format can show
 * @format:	format of the device
 * @t:		tuple functions, which say what is compared
 *
 * Return: bits 1 << PI_FAULT_*.
 */
unsigned int pi_fault_visible(const struct pi_format *format,
			      const struct pi_tuple *t);

/**
 * pi_fault_apply() - damage one block
 * @fault:	how to damage it
 * @block:	the block. No fault gives it a reference tag equal to its own
 *		number or to @ref, because the kernel accepts both.
 *
 * Return: false if nothing changed.
 */
bool pi_fault_apply(const struct pi_fault *fault,
		    const struct pi_fault_block *block);

#endif
