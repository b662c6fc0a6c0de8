/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TUPLE_H
#define PI_TUPLE_H

#include <stdint.h>

#include "format.h"

/**
 * enum pi_tag - what in the metadata of an interval can be wrong
 * @PI_TAG_GUARD:	guard
 * @PI_TAG_APP:		application tag
 * @PI_TAG_REF:		reference tag
 * @PI_TAG_OPAQUE:	a byte outside the tuple
 * @PI_TAG_STORAGE:	storage tag
 * @PI_NR_TAGS:		how many there are
 */
enum pi_tag {
	PI_TAG_GUARD,
	PI_TAG_APP,
	PI_TAG_REF,
	PI_TAG_OPAQUE,
	PI_TAG_STORAGE,
	PI_NR_TAGS,
};

/**
 * struct pi_mismatch - the first wrong tuple of a buffer
 * @tag:	which of its tags
 * @block:	interval within the buffer, from 0
 * @offset:	of an opaque byte, in the metadata of its interval
 * @expected:	value the tag, or the opaque byte, should have, host order
 * @actual:	value it has, host order
 */
struct pi_mismatch {
	enum pi_tag tag;
	uint32_t block;
	uint16_t offset;
	uint64_t expected;
	uint64_t actual;
};

/**
 * enum pi_app_mode - how the application tag changes from interval to interval
 * @PI_APP_CONSTANT:	it does not
 * @PI_APP_LBA:		low bits of the interval's number
 * @PI_APP_RANDOM:	a hash of the interval's number and a seed
 */
enum pi_app_mode {
	PI_APP_CONSTANT,
	PI_APP_LBA,
	PI_APP_RANDOM,
};

/**
 * struct pi_tuple_options - what the application decides
 * @app:	application tag to write and to expect, host order; where it
 *		changes, what the changing value is exclusive-ored with
 * @app_mask:	bits of it to compare; 0 leaves the tag unchecked
 * @app_mode:	whether it changes; then it is never 0xffff, the escape
 * @ref:	reference tag of type 3, the same for each interval
 * @ref_check:	compare that too
 * @storage:	storage tag to write and to expect, where the format has one;
 *		its mask is the format's
 * @opaque:	fill the bytes outside the tuple with a pattern that depends
 *		on the interval's number, and check it; else they are zeros
 *		and not looked at
 * @unchecked:	1 << PI_TAG_* of the tags not to compare: any of guard,
 *		application, reference and storage tag; all are generated
 */
struct pi_tuple_options {
	uint16_t app;
	uint16_t app_mask;
	enum pi_app_mode app_mode;
	uint64_t ref;
	bool ref_check;
	uint64_t storage;
	bool opaque;
	unsigned int unchecked;
};

/**
 * struct pi_tuple - everything needed to fill or check tuples of one format
 * @generate:	fills the metadata of @blocks intervals
 * @verify:	checks it; 0, or -EILSEQ with *@bad filled in
 * @interval:	bytes of data that one tuple protects
 * @stride:	from one interval to the next in the data
 * @md_size:	bytes of metadata per interval
 * @extended:	the metadata of an interval follows its data
 * @opaque:	bytes outside the tuple are a pattern, and compared
 * @guard_check: bits of the guard that are compared, 0 or all
 * @app_mask:	bits of the application tag that are compared
 * @app_varies:	bits of the application tag that change from interval to interval
 * @ref:	what is the same for each interval in the word that ends with
 *		the reference tag: all of that, or none, and the storage tag
 *		above it
 * @ref_top:	upper 16 bits of a storage tag that begins in the word before
 * @ref_varies:	bits of the reference tag that count up
 * @ref_check:	bits of the reference tag that are compared
 * @storage_check: bits of the storage tag that are compared, where they lie in
 *		that word
 * @top_check:	and in the word before
 *
 * Built once by pi_tuple_init() and not changed afterwards; any number of
 * threads may use it.  Where in @data and @md an interval lies is what
 * pi_tuple_data() and pi_tuple_md() say: @data holds @blocks x interval bytes
 * and @md @blocks x md_size bytes, or, of an extended format, @data holds both
 * and @md is not looked at.  Neither needs alignment.  @number is the number of
 * the first interval on the device, which application tags and opaque bytes
 * follow, and @ref its reference tag: type 1 tuples carry the low bits of that
 * counting up.  The guard covers opaque bytes before the tuple too.
 *
 * An application tag of 0xffff (on type 3 with a reference tag of all ones
 * too) escapes checking of that one interval: NVM Command Set 1.0, 5.2.3.
 */
struct pi_tuple {
	void (*generate)(const struct pi_tuple *t, const void *data, void *md,
			 uint32_t blocks, uint64_t number, uint64_t ref);
	int (*verify)(const struct pi_tuple *t, const void *data,
		      const void *md, uint32_t blocks, uint64_t number,
		      uint64_t ref, struct pi_mismatch *bad);
	uint32_t interval;
	uint32_t stride;
	uint16_t md_size;
	bool extended;
	bool opaque;
	uint64_t guard_check;
	uint16_t app_mask;
	uint16_t app_varies;
	uint64_t ref;
	uint64_t ref_varies;
	uint64_t ref_check;
	uint64_t storage_check;
	uint16_t ref_top;
	uint16_t top_check;
	/* private: how the functions above and those below do it */
	uint64_t (*guard)(uint64_t seed, const void *buf, size_t len);
	uint64_t guard_seed;
	uint64_t app_multiply;
	uint64_t ref_escape;
	uint64_t ref_bits;
	uint64_t opaque_multiply;
	uint32_t app_avoid;
	uint16_t app;
	uint16_t pi_offset;
	uint16_t ref_offset;
	uint8_t ref_size;
	uint8_t ref_width;
	uint8_t storage_bits;
	uint8_t app_shift;
};

/**
 * pi_tuple_data() - where the data of interval @block begins
 * @t:		of its format
 * @data:	of interval 0
 * @block:	number of the interval in the buffer
 *
 * Return: a place in @data.
 */
static inline uint8_t *pi_tuple_data(const struct pi_tuple *t, const void *data,
				     uint32_t block)
{
	return (uint8_t *)data + (size_t)block * t->stride;
}

/**
 * pi_tuple_md() - where the metadata of interval @block begins
 * @t:		of its format
 * @data:	of interval 0
 * @md:		of interval 0, where it is not in @data
 * @block:	number of the interval in the buffer
 *
 * Return: a place in @md, or in @data.
 */
static inline uint8_t *pi_tuple_md(const struct pi_tuple *t, const void *data,
				   const void *md, uint32_t block)
{
	if (t->extended)
		return pi_tuple_data(t, data, block) + t->interval;
	return (uint8_t *)md + (size_t)block * t->md_size;
}

/**
 * pi_tuple_ref() - the reference tag in the metadata @md of one interval
 * @t:		of its format
 * @md:		with a tuple
 *
 * Return: the tag, host order; 0 where there is none.
 */
uint64_t pi_tuple_ref(const struct pi_tuple *t, const void *md);

/**
 * pi_tuple_set_ref() - put another one there, its low bits
 * @t:		of its format
 * @md:		with a tuple
 * @ref:	the tag
 */
void pi_tuple_set_ref(const struct pi_tuple *t, void *md, uint64_t ref);

/**
 * pi_tuple_ref_alone() - whether the reference tag of interval @block is off
 *			  by another distance than both its neighbours' are
 * @t:		of their format
 * @data:	of interval 0
 * @md:		of interval 0, where it is not in @data
 * @blocks:	how many there are
 * @ref:	that interval 0 was given
 * @block:	which one
 *
 * Tags that the kernel has rewritten are all off by the same, from one boundary
 * between devices to the next; one that is alone among them was none of them.
 *
 * Return: whether it is; false of the first and the last of @blocks.
 */
bool pi_tuple_ref_alone(const struct pi_tuple *t, const void *data,
			const void *md, uint32_t blocks, uint64_t ref,
			uint32_t block);

/**
 * pi_tuple_init() - prepare for a format
 * @t:		set
 * @format:	of a device
 * @options:	what to write into its tuples, and to compare
 *
 * Return: 0, or -EOPNOTSUPP when no loop here has guard and tags where this
 * guard's tuple has them.
 */
int pi_tuple_init(struct pi_tuple *t, const struct pi_format *format,
		  const struct pi_tuple_options *options);

/* for I/O that carries no metadata: generates nothing and finds nothing */
extern const struct pi_tuple pi_tuple_none;

/**
 * pi_tag_name() - a tag's name for messages, "reference tag"
 * @tag:	which
 *
 * Return: a word or two.
 */
const char *pi_tag_name(enum pi_tag tag);

#endif
