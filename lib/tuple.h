/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TUPLE_H
#define PI_TUPLE_H

#include <stdint.h>

#include "format.h"

/**
 * enum pi_tag - fields of the metadata that can be wrong
 * @PI_TAG_GUARD: guard
 * @PI_TAG_APP:	application tag
 * @PI_TAG_REF:	reference tag
 * @PI_TAG_OPAQUE: a byte outside the tuple
 * @PI_TAG_STORAGE: storage tag
 * @PI_NR_TAGS:	number of fields
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
 * struct pi_mismatch - the first mismatch in a buffer
 * @tag:	field that does not match
 * @block:	index of the interval in the buffer
 * @offset:	PI_TAG_OPAQUE: offset of the byte in the metadata of its
 *		interval
 * @expected:	expected value, in host byte order
 * @actual:	actual value, in host byte order
 */
struct pi_mismatch {
	enum pi_tag tag;
	uint32_t block;
	uint16_t offset;
	uint64_t expected;
	uint64_t actual;
};

/**
 * enum pi_app_mode - how the application tag changes between intervals
 * @PI_APP_CONSTANT: it does not
 * @PI_APP_LBA:	low 16 bits of the interval's number
 * @PI_APP_RANDOM: hash of the interval's number and a seed
 */
enum pi_app_mode {
	PI_APP_CONSTANT,
	PI_APP_LBA,
	PI_APP_RANDOM,
};

/**
 * struct pi_tuple_options - contents of the tuples that the application chooses
 * @app:	application tag to write and expect, in host byte order; with
 *		another @app_mode than PI_APP_CONSTANT, a seed that the changing
 *		value is XORed with
 * @app_mask:	bits of the application tag to compare; 0 for none
 * @app_mode:	how the application tag changes; if it does, it is never 0xffff,
 *		which escapes checking
 * @ref:	type 3: reference tag of each interval
 * @ref_check:	type 3: compare the reference tag
 * @storage:	storage tag to write and expect, if the format has one; the
 *		format says which bits are compared
 * @opaque:	fill the bytes outside the tuple with a pattern derived from the
 *		interval's number and compare them; otherwise they are zeroed
 *		and not compared
 * @unchecked:	bits 1 << PI_TAG_* of the fields not to compare: any of guard,
 *		application tag, reference tag and storage tag. They are
 *		generated regardless.
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
 * struct pi_tuple - everything needed to generate or verify tuples of one
 *		     format
 * @generate:	fills in the metadata of @blocks intervals
 * @verify:	compares the metadata of @blocks intervals; returns 0, or
 *		-EILSEQ with @bad filled in
 * @interval:	bytes of data that one tuple protects
 * @stride:	bytes from one interval to the next in the data buffer
 * @md_size:	bytes of metadata per interval
 * @extended:	the metadata of each interval follows its data
 * @opaque:	the bytes outside the tuple hold a pattern and are compared
 * @guard_check: bits of the guard to compare, none or all
 * @app_mask:	bits of the application tag to compare
 * @app_varies:	bits of the application tag that change between intervals
 * @ref:	constant part of the last word of the tuple: the storage tag,
 *		and with type 3 the reference tag
 * @ref_top:	upper 16 bits of a storage tag that starts in the first word
 * @ref_varies:	bits of the reference tag that count up
 * @ref_check:	bits of the reference tag to compare
 * @storage_check: bits of the storage tag to compare, in the last word
 * @top_check:	bits of the storage tag to compare, in the first word
 *
 * Initialized by pi_tuple_init() and constant from then on, so any number of
 * threads may share it.
 *
 * @data holds @blocks * @interval bytes and @md holds @blocks * @md_size bytes;
 * with an extended format @data holds both and @md is ignored. See
 * pi_tuple_data() and pi_tuple_md(). Neither buffer needs to be aligned.
 * @number is the number of the first interval on the device; application tags
 * and opaque bytes are derived from it. @ref is the reference tag of the first
 * interval; with type 1 the low bits of the tag count up from there. The guard
 * also covers the opaque bytes before the tuple.
 *
 * An application tag of 0xffff disables checking of an interval; with type 3
 * the reference tag must be all ones too (NVM Command Set 1.0, 5.2.3).
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
	/* private: */
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
 * pi_tuple_data() - locate the data of an interval
 * @t:		tuple functions of the format
 * @data:	data buffer
 * @block:	index of the interval in the buffer
 *
 * Return: pointer into @data.
 */
static inline uint8_t *pi_tuple_data(const struct pi_tuple *t, const void *data,
				     uint32_t block)
{
	return (uint8_t *)data + (size_t)block * t->stride;
}

/**
 * pi_tuple_md() - locate the metadata of an interval
 * @t:		tuple functions of the format
 * @data:	data buffer
 * @md:		metadata buffer, ignored if the format is extended
 * @block:	index of the interval in the buffer
 *
 * Return: pointer into @md, or into @data if the format is extended.
 */
static inline uint8_t *pi_tuple_md(const struct pi_tuple *t, const void *data,
				   const void *md, uint32_t block)
{
	if (t->extended)
		return pi_tuple_data(t, data, block) + t->interval;
	return (uint8_t *)md + (size_t)block * t->md_size;
}

/**
 * pi_tuple_ref() - get the reference tag of an interval
 * @t:		tuple functions of the format
 * @md:		metadata of the interval
 *
 * Return: the tag in host byte order, 0 if the tuple has none.
 */
uint64_t pi_tuple_ref(const struct pi_tuple *t, const void *md);

/**
 * pi_tuple_set_ref() - set the reference tag of an interval
 * @t:		tuple functions of the format
 * @md:		metadata of the interval
 * @ref:	the tag in host byte order; only its low bits are used
 */
void pi_tuple_set_ref(const struct pi_tuple *t, void *md, uint64_t ref);

/**
 * pi_tuple_ref_alone() - test whether the reference tag of one interval is
 *			  shifted differently than those of its neighbours
 * @t:		tuple functions of the format
 * @data:	data buffer
 * @md:		metadata buffer, ignored if the format is extended
 * @blocks:	number of intervals in the buffers
 * @ref:	reference tag that the host gave the first interval
 * @block:	index of the interval to test
 *
 * Reference tags that the kernel has remapped are all shifted by the same
 * amount, up to the next boundary between underlying devices. A single tag that
 * is shifted differently was not remapped.
 *
 * Return: whether both neighbours are shifted alike and this one is not; false
 * for the first and last interval.
 */
bool pi_tuple_ref_alone(const struct pi_tuple *t, const void *data,
			const void *md, uint32_t blocks, uint64_t ref,
			uint32_t block);

/**
 * pi_tuple_init() - prepare to generate and verify tuples of a format
 * @t:		where the result is stored
 * @format:	format of the device
 * @options:	contents of the tuples, and what to compare
 *
 * Return: 0, or -EOPNOTSUPP if no function supports this layout of the tuple.
 */
int pi_tuple_init(struct pi_tuple *t, const struct pi_format *format,
		  const struct pi_tuple_options *options);

/* for I/O without metadata: @generate and @verify do nothing */
extern const struct pi_tuple pi_tuple_none;

/**
 * pi_tag_name() - name of a field in messages, such as "reference tag"
 * @tag:	field
 *
 * Return: the name.
 */
const char *pi_tag_name(enum pi_tag tag);

#endif
