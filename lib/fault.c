// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "fault.h"

static const char * const names[PI_NR_FAULT_KINDS] = {
	[PI_FAULT_DATA]		= "data",
	[PI_FAULT_GUARD]	= "guard",
	[PI_FAULT_APPTAG]	= "apptag",
	[PI_FAULT_REFTAG]	= "reftag",
	[PI_FAULT_OPAQUE]	= "opaque",
	[PI_FAULT_MISPLACE]	= "misplace",
	[PI_FAULT_DROP]		= "drop",
	[PI_FAULT_TEAR]		= "tear",
};

const char *pi_fault_name(enum pi_fault_kind kind)
{
	return names[kind];
}

unsigned int pi_fault_visible(const struct pi_format *format,
			      const struct pi_tuple *t)
{
	const bool pi = format->guard->pi_size;
	const bool opaque = format->md_size > format->guard->pi_size;
	const bool pattern = opaque && t->opaque_multiply;
	unsigned int kinds = 0;

	if (pi && t->guard_check)
		kinds |= 1U << PI_FAULT_DATA | 1U << PI_FAULT_GUARD |
			 1U << PI_FAULT_TEAR;
	if (pi && t->app_mask)
		kinds |= 1U << PI_FAULT_APPTAG | 1U << PI_FAULT_DROP;
	if (pi && t->ref_check)
		kinds |= 1U << PI_FAULT_REFTAG;
	if (pattern || (format->pi_offset && t->guard_check))
		kinds |= 1U << PI_FAULT_OPAQUE;
	if (t->ref_varies & t->ref_check || (pi && t->app_varies & t->app_mask) || pattern)
		kinds |= 1U << PI_FAULT_MISPLACE;
	return kinds;
}

bool pi_fault_shows_as(enum pi_fault_kind kind, const struct pi_tuple *t,
		       enum pi_tag tag)
{
	switch (kind) {
	case PI_FAULT_APPTAG:
		return tag == PI_TAG_APP;
	case PI_FAULT_REFTAG:
		return tag == PI_TAG_REF;
	case PI_FAULT_OPAQUE:
		return tag == (t->opaque_multiply ? PI_TAG_OPAQUE : PI_TAG_GUARD);
	case PI_FAULT_MISPLACE:
		return tag != PI_TAG_GUARD;
	case PI_FAULT_DROP:
		return true;
	default:
		return tag == PI_TAG_GUARD;
	}
}

/* bit 0 is the lowest of the last byte: fields are big-endian */
static void flip(uint8_t *field, unsigned int size, unsigned int bit)
{
	field[size - 1 - bit / 8] ^= 1U << bit % 8;
}

static uint64_t field_value(const uint8_t *field, unsigned int size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | *field++;
	return value;
}

/* neither an unmasked bit nor the escape, which would hide the fault */
static bool flip_app(uint8_t *app, uint16_t mask, uint64_t random)
{
	const unsigned int start = random % 16;

	for (unsigned int i = 0; i < 16; i++) {
		const unsigned int bit = (start + i) % 16;

		if (!(mask >> bit & 1))
			continue;
		flip(app, 2, bit);
		if (field_value(app, 2) != 0xffff)
			return true;
		flip(app, 2, bit);
	}
	return false;
}

/* whether the kernel would take a reference tag for this block's own */
static bool own(const struct pi_tuple *t, const struct pi_fault_block *block,
		uint64_t tag)
{
	return !((tag ^ block->number) & t->ref_varies) ||
	       !((tag ^ block->ref) & t->ref_varies);
}

/* the first bit from a random one on that leaves a wrong tag */
static void flip_ref(const struct pi_tuple *t,
		     const struct pi_fault_block *block, uint8_t *md,
		     uint64_t random)
{
	const unsigned int bits = t->ref_size * 8;
	const uint64_t tag = t->ref_varies ? block->tag & t->ref_varies :
					     pi_tuple_ref(t, md);
	uint64_t flipped;

	do
		flipped = tag ^ 1ULL << random++ % bits;
	while (t->ref_varies && own(t, block, flipped));
	pi_tuple_set_ref(t, md, flipped);
}

static void flip_opaque(const struct pi_format *format, uint8_t *md,
			uint64_t random)
{
	const unsigned int pi_size = format->guard->pi_size;
	/* without a pattern only those before the tuple show, in the guard */
	const unsigned int bytes = format->pi_offset ?:
				   format->md_size - pi_size;
	unsigned int byte = random % bytes;

	if (!format->pi_offset)
		byte += pi_size;
	md[byte] ^= 1U << (random >> 32) % 8;
}

/*
 * Another block's tuple, of those that differ in what is compared, and whose
 * tag the kernel does not take for the block's own.  With one bit of the
 * application tag to compare, each other block is so with a chance of a half.
 */
static bool misplace(const struct pi_tuple *t,
		     const struct pi_fault_block *block, uint64_t random,
		     const uint8_t *data, uint8_t *md)
{
	struct pi_mismatch bad;

	for (unsigned int tries = 0; tries < 64; tries++, random = pi_fault_mix(random)) {
		const uint64_t by = 1 + random % 0xffff;

		if (t->ref_varies && own(t, block, block->tag + by))
			continue;
		t->generate(t, data, md, 1, block->number + by, block->tag + by);
		if (t->verify(t, data, md, 1, block->number, block->ref, &bad))
			return true;
	}
	t->generate(t, data, md, 1, block->number, block->ref);
	return false;
}

static bool replace(uint8_t *buf, const uint8_t *with, size_t len)
{
	if (!memcmp(buf, with, len))
		return false;
	memcpy(buf, with, len);
	return true;
}

bool pi_fault_apply(const struct pi_fault *fault, const struct pi_format *format,
		    const struct pi_tuple *t,
		    const struct pi_fault_block *block, uint8_t *data,
		    uint8_t *md, const uint8_t *old_data,
		    const uint8_t *old_md)
{
	const struct pi_guard *g = format->guard;
	const unsigned int half = format->interval / 2;
	uint8_t *guard = md + format->pi_offset, *app = guard + g->guard_size;
	bool changed;

	switch (fault->kind) {
	case PI_FAULT_DATA:
		data[fault->random % format->interval] ^=
			1U << (fault->random >> 32) % 8;
		return true;
	case PI_FAULT_GUARD:
		flip(guard, g->guard_size, fault->random % (g->guard_size * 8));
		return true;
	case PI_FAULT_APPTAG:
		return flip_app(app, t->app_mask, fault->random);
	case PI_FAULT_REFTAG:
		flip_ref(t, block, md, fault->random);
		return true;
	case PI_FAULT_OPAQUE:
		flip_opaque(format, md, fault->random);
		return true;
	case PI_FAULT_MISPLACE:
		return misplace(t, block, fault->random, data, md);
	case PI_FAULT_TEAR:
		return replace(data + half, old_data + half, half);
	case PI_FAULT_DROP:
		changed = replace(data, old_data, format->interval);
		return replace(md, old_md, format->md_size) || changed;
	default:
		return false;
	}
}
