// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "fault.h"

#define ON_THE_WAY_OUT	(1U << PI_INJECT_OUT)
#define EITHER_WAY	(1U << PI_INJECT_OUT | 1U << PI_INJECT_BACK)
#define ANYWHERE	(EITHER_WAY | 1U << PI_INJECT_BEFORE)

static bool guard_checked(const struct pi_format *format,
			  const struct pi_tuple *t)
{
	return format->guard->pi_size && t->guard_check;
}

static bool app_checked(const struct pi_format *format,
			const struct pi_tuple *t)
{
	return format->guard->pi_size && t->app_mask;
}

static bool ref_checked(const struct pi_format *format,
			const struct pi_tuple *t)
{
	return format->guard->pi_size && t->ref_check;
}

static bool storage_checked(const struct pi_format *format,
			    const struct pi_tuple *t)
{
	(void)format;
	return t->storage_check || t->top_check;
}

static bool pattern_checked(const struct pi_format *format,
			    const struct pi_tuple *t)
{
	return format->md_size > format->guard->pi_size && t->opaque;
}

/* without a pattern only bytes before the tuple can show, through the guard */
static bool opaque_checked(const struct pi_format *format,
			   const struct pi_tuple *t)
{
	return pattern_checked(format, t) ||
	       (format->pi_offset && t->guard_check);
}

/* whether any of the compared fields changes from block to block */
static bool place_checked(const struct pi_format *format,
			  const struct pi_tuple *t)
{
	return t->ref_varies & t->ref_check ||
	       (format->guard->pi_size && t->app_varies & t->app_mask) ||
	       pattern_checked(format, t);
}

static bool as_guard(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t;
	return tag == PI_TAG_GUARD;
}

static bool as_app(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t;
	return tag == PI_TAG_APP;
}

static bool as_ref(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t;
	return tag == PI_TAG_REF;
}

static bool as_storage(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t;
	return tag == PI_TAG_STORAGE;
}

static bool as_opaque(const struct pi_tuple *t, enum pi_tag tag)
{
	return tag == (t->opaque ? PI_TAG_OPAQUE : PI_TAG_GUARD);
}

static bool as_other_place(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t;
	return tag != PI_TAG_GUARD;
}

static bool as_any(const struct pi_tuple *t, enum pi_tag tag)
{
	(void)t, (void)tag;
	return true;
}

static uint8_t *guard_of(const struct pi_fault_block *block)
{
	return block->md + block->format->pi_offset;
}

/* fields are big-endian: bit 0 is the lowest bit of the last byte */
static void flip(uint8_t *field, unsigned int size, unsigned int bit)
{
	field[size - 1 - bit / 8] ^= 1U << bit % 8;
}

static bool flip_data(const struct pi_fault_block *block, uint64_t random)
{
	block->data[random % block->format->interval] ^=
		1U << (random >> 32) % 8;
	return true;
}

static bool flip_guard(const struct pi_fault_block *block, uint64_t random)
{
	const unsigned int size = block->format->guard->guard_size;

	flip(guard_of(block), size, random % (size * 8));
	return true;
}

/* only bits that are compared, and never the escape value: both hide a fault */
static bool flip_app(const struct pi_fault_block *block, uint64_t random)
{
	uint8_t *app = guard_of(block) + block->format->guard->guard_size;

	for (unsigned int i = 0; i < 16; i++) {
		const unsigned int bit = (random + i) % 16;

		if (!(block->tuple->app_mask >> bit & 1))
			continue;
		flip(app, 2, bit);
		if ((app[0] & app[1]) != 0xff)
			return true;
		flip(app, 2, bit);
	}
	return false;
}

/* whether the kernel would accept @tag as this block's reference tag */
static bool own(const struct pi_fault_block *block, uint64_t tag)
{
	const uint64_t varies = block->tuple->ref_varies;

	return !((tag ^ block->number) & varies) ||
	       !((tag ^ block->ref) & varies);
}

/* flip the first bit, starting at a random one, that leaves a wrong tag */
static bool flip_ref(const struct pi_fault_block *block, uint64_t random)
{
	const struct pi_tuple *t = block->tuple;
	const unsigned int bits = pi_format_ref_bits(block->format);
	const uint64_t tag = t->ref_varies ? block->tag & t->ref_varies :
					     pi_tuple_ref(t, block->md);

	/* with a storage tag, the reference tag may have few bits */
	for (unsigned int tries = 0; tries < bits; tries++) {
		const uint64_t flipped = tag ^ 1ULL << random++ % bits;

		if (t->ref_varies && own(block, flipped))
			continue;
		pi_tuple_set_ref(t, block->md, flipped);
		return true;
	}
	return false;
}

/* flip a bit that the device compares according to its mask */
static bool flip_storage(const struct pi_fault_block *block, uint64_t random)
{
	const struct pi_format *format = block->format;
	uint8_t *field = guard_of(block) + format->guard->guard_size + 2;
	unsigned int bit = random % format->storage_bits;

	while (!(format->storage_mask >> bit & 1))
		bit = (bit + 1) % format->storage_bits;
	flip(field, format->guard->ref_size, pi_format_ref_bits(format) + bit);
	return true;
}

static bool flip_opaque(const struct pi_fault_block *block, uint64_t random)
{
	const struct pi_format *format = block->format;
	const unsigned int pi_size = format->guard->pi_size;
	const unsigned int bytes = format->pi_offset ?:
				   format->md_size - pi_size;
	unsigned int byte = random % bytes;

	if (!format->pi_offset)
		byte += pi_size;
	block->md[byte] ^= 1U << (random >> 32) % 8;
	return true;
}

/*
 * Give the block the tuple of another block, chosen so that a compared field
 * differs and the kernel does not accept the reference tag as this block's.
 * This may take several tries: if only one bit of the application tag is
 * compared, every second block has the same.
 */
static bool misplace(const struct pi_fault_block *block, uint64_t random)
{
	const struct pi_tuple *t = block->tuple;
	struct pi_mismatch bad;

	for (int tries = 0; tries < 64; tries++, random = pi_fault_mix(random)) {
		const uint64_t by = 1 + random % 0xffff;

		if (t->ref_varies && own(block, block->tag + by))
			continue;
		t->generate(t, block->data, block->md, 1, block->number + by,
			    block->tag + by);
		if (t->verify(t, block->data, block->md, 1, block->number,
			      block->ref, &bad))
			return true;
	}
	t->generate(t, block->data, block->md, 1, block->number, block->ref);
	return false;
}

static bool replace(uint8_t *buf, const uint8_t *with, size_t len)
{
	if (!memcmp(buf, with, len))
		return false;
	memcpy(buf, with, len);
	return true;
}

static bool drop(const struct pi_fault_block *block, uint64_t random)
{
	const struct pi_format *format = block->format;
	bool changed = replace(block->data, block->old_data, format->interval);

	(void)random;
	return replace(block->md, block->old_md, format->md_size) || changed;
}

static bool tear(const struct pi_fault_block *block, uint64_t random)
{
	const unsigned int half = block->format->interval / 2;

	(void)random;
	return replace(block->data + half, block->old_data + half, half);
}

const struct pi_fault_kind pi_fault_kinds[PI_NR_FAULT_KINDS] = {
	[PI_FAULT_DATA] = {
		.name		= "data",
		.places		= ANYWHERE,
		.visible	= guard_checked,
		.shows_as	= as_guard,
		.apply		= flip_data,
	},
	[PI_FAULT_GUARD] = {
		.name		= "guard",
		.places		= EITHER_WAY,
		.visible	= guard_checked,
		.shows_as	= as_guard,
		.apply		= flip_guard,
	},
	[PI_FAULT_APPTAG] = {
		.name		= "apptag",
		.places		= EITHER_WAY,
		.visible	= app_checked,
		.shows_as	= as_app,
		.apply		= flip_app,
	},
	[PI_FAULT_REFTAG] = {
		.name		= "reftag",
		.places		= EITHER_WAY,
		.moves_ref	= true,
		.visible	= ref_checked,
		.shows_as	= as_ref,
		.apply		= flip_ref,
	},
	[PI_FAULT_OPAQUE] = {
		.name		= "opaque",
		.places		= EITHER_WAY,
		.visible	= opaque_checked,
		.shows_as	= as_opaque,
		.apply		= flip_opaque,
	},
	[PI_FAULT_MISPLACE] = {
		.name		= "misplace",
		.places		= ON_THE_WAY_OUT,
		.moves_ref	= true,
		.visible	= place_checked,
		.shows_as	= as_other_place,
		.apply		= misplace,
	},
	/* the old block is consistent; only a different application tag shows */
	[PI_FAULT_DROP] = {
		.name		= "drop",
		.places		= ON_THE_WAY_OUT,
		.needs_old	= true,
		.visible	= app_checked,
		.shows_as	= as_any,
		.apply		= drop,
	},
	[PI_FAULT_TEAR] = {
		.name		= "tear",
		.places		= ON_THE_WAY_OUT,
		.needs_old	= true,
		.visible	= guard_checked,
		.shows_as	= as_guard,
		.apply		= tear,
	},
	[PI_FAULT_STORTAG] = {
		.name		= "stortag",
		.places		= EITHER_WAY,
		.visible	= storage_checked,
		.shows_as	= as_storage,
		.apply		= flip_storage,
	},
};

const char *pi_fault_list(char *buf, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; i < PI_NR_FAULT_KINDS && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? "," : "",
				pi_fault_kinds[i].name);
	return buf;
}

unsigned int pi_fault_possible(enum pi_fault_place place)
{
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < PI_NR_FAULT_KINDS; i++)
		kinds |= (pi_fault_kinds[i].places >> place & 1) << i;
	return kinds;
}

unsigned int pi_fault_visible(const struct pi_format *format,
			      const struct pi_tuple *t)
{
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < PI_NR_FAULT_KINDS; i++)
		kinds |= (unsigned int)pi_fault_kinds[i].visible(format, t) << i;
	return kinds;
}

bool pi_fault_apply(const struct pi_fault *fault,
		    const struct pi_fault_block *block)
{
	return pi_fault_kinds[fault->kind].apply(block, fault->random);
}
