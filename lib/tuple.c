// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tuple.h"

#define ALWAYS_INLINE	inline __attribute__((always_inline))

/* where the tuple lies in the metadata of its interval */
enum place {
	ALONE,
	FIRST,
	LAST,
	NR_PLACES,
};

/*
 * What follows is compiled once for each size of tuple, place, way of treating
 * the bytes outside the tuple and way of transferring the metadata; SIZE,
 * PLACE, CHECK and EXTENDED are constants there.
 *
 * A tuple's tags but a 64-bit guard fit one big-endian word: guard 16,
 * application tag 16, reference tag 32 bits; or application tag 16, reference
 * tag 48 bits after the guard.
 */
#define APP_SHIFT(size)	((size) == 8 ? 32 : 48)

static ALWAYS_INLINE uint64_t load(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return be64toh(word);
}

static ALWAYS_INLINE void store(uint8_t *p, uint64_t word)
{
	word = htobe64(word);
	memcpy(p, &word, sizeof(word));
}

/* tags of interval @number other than the guard */
static ALWAYS_INLINE uint64_t tags(const struct pi_tuple *t, uint64_t number,
				   uint64_t ref, unsigned int size)
{
	uint16_t app = t->app ^ (number * t->app_multiply >> t->app_shift &
				 t->app_varies);

	app -= app == t->app_avoid;
	return (uint64_t)app << APP_SHIFT(size) |
	       ((ref & t->ref_varies) | t->ref);
}

static ALWAYS_INLINE uint64_t guard(const struct pi_tuple *t,
				    const uint8_t *data, const uint8_t *md,
				    enum place place, bool extended)
{
	const bool joined = place == LAST && extended;
	uint64_t value = t->guard(t->guard_seed, data,
				  t->interval + (joined ? t->pi_offset : 0));

	if (place == LAST && !extended)
		value = t->guard(value, md, t->pi_offset);
	return value;
}

/* opaque bytes are those of a little-endian word, over and over */
static ALWAYS_INLINE uint64_t opaque_word(const struct pi_tuple *t,
					  uint64_t number)
{
	return (number + 1) * t->opaque_multiply;
}

static ALWAYS_INLINE uint8_t opaque_byte(const struct pi_tuple *t,
					 uint64_t number, unsigned int offset)
{
	return opaque_word(t, number) >> (offset % 8 * 8);
}

static ALWAYS_INLINE void fill(uint8_t *p, unsigned int bytes, uint64_t word)
{
	const uint64_t le = htole64(word);

	for (; bytes >= sizeof(le); bytes -= sizeof(le), p += sizeof(le))
		memcpy(p, &le, sizeof(le));
	for (; bytes; bytes--, word >>= 8)
		*p++ = word;
}

static ALWAYS_INLINE bool differs(const uint8_t *p, unsigned int bytes,
				  uint64_t word)
{
	const uint64_t le = htole64(word);
	uint64_t is, difference = 0;

	for (; bytes >= sizeof(is); bytes -= sizeof(is), p += sizeof(is)) {
		memcpy(&is, p, sizeof(is));
		difference |= is ^ le;
	}
	for (; bytes; bytes--, word >>= 8)
		difference |= *p++ ^ (word & 0xff);
	return difference;
}

/*
 * Whether wrong_opaque() is to look: also, and always, where a tuple does not
 * end at a multiple of a word, as no drive has it.
 */
static ALWAYS_INLINE bool opaque_differs(const struct pi_tuple *t,
					 const uint8_t *m, uint64_t number,
					 unsigned int size, enum place place)
{
	const unsigned int before = place == LAST ? t->pi_offset : 0;
	const unsigned int after = before + size;
	const uint64_t word = opaque_word(t, number);

	return differs(m, before, word) ||
	       differs(m + after, t->md_size - after, word);
}

static ALWAYS_INLINE void generate(const struct pi_tuple *t, const void *data,
				   void *md, uint32_t blocks, uint64_t number,
				   uint64_t ref, unsigned int size,
				   enum place place, bool extended)
{
	const uint32_t data_stride = extended ? t->stride : t->interval;
	const uint32_t md_stride = extended ? t->stride : t->md_size;
	const uint8_t *d = data;
	uint8_t *m = extended ? (uint8_t *)data + t->interval : md;

	for (; blocks; blocks--) {
		uint8_t *pi = m + (place == LAST ? t->pi_offset : 0);
		uint64_t value;

		/* the tuple's place too, so that it is one run of words */
		if (place != ALONE)
			fill(m, t->md_size, opaque_word(t, number));
		value = guard(t, d, m, place, extended);
		if (size == 8) {
			store(pi, value << 48 | tags(t, number, ref, 8));
		} else if (size == 16) {
			store(pi, value);
			store(pi + 8, tags(t, number, ref, 16));
		}
		d += data_stride;
		m += md_stride;
		number++;
		ref++;
	}
}

static ALWAYS_INLINE int wrong(struct pi_mismatch *bad, enum pi_tag tag,
			       uint32_t block, uint64_t expected,
			       uint64_t actual)
{
	*bad = (struct pi_mismatch) {
		.tag		= tag,
		.block		= block,
		.expected	= expected,
		.actual		= actual,
	};
	return -EILSEQ;
}

static int wrong_opaque(const struct pi_tuple *t, const uint8_t *m,
			uint32_t block, uint64_t number, unsigned int size,
			struct pi_mismatch *bad)
{
	for (unsigned int i = 0; i < t->md_size; i++) {
		if ((i >= t->pi_offset && i < t->pi_offset + size) ||
		    m[i] == opaque_byte(t, number, i))
			continue;
		wrong(bad, PI_TAG_OPAQUE, block, opaque_byte(t, number, i),
		      m[i]);
		bad->offset = i;
		return -EILSEQ;
	}
	return 0;
}

/* @expected and @actual hold what tags() does */
static int wrong_tag(const struct pi_tuple *t, uint64_t expected,
		     uint64_t actual, uint32_t block, unsigned int size,
		     struct pi_mismatch *bad)
{
	const unsigned int shift = APP_SHIFT(size);
	const uint64_t ref_bits = (1ULL << shift) - 1;

	if ((expected ^ actual) >> shift & t->app_mask)
		return wrong(bad, PI_TAG_APP, block, expected >> shift & 0xffff,
			     actual >> shift & 0xffff);
	return wrong(bad, PI_TAG_REF, block, expected & ref_bits,
		     actual & ref_bits);
}

static ALWAYS_INLINE int verify(const struct pi_tuple *t, const void *data,
				const void *md, uint32_t blocks,
				uint64_t number, uint64_t ref,
				struct pi_mismatch *bad, unsigned int size,
				enum place place, bool check, bool extended)
{
	const uint32_t data_stride = extended ? t->stride : t->interval;
	const uint32_t md_stride = extended ? t->stride : t->md_size;
	const unsigned int shift = APP_SHIFT(size);
	const uint64_t compare = (uint64_t)t->app_mask << shift | t->ref_check;
	const uint8_t *d = data, *m = extended ? d + t->interval : md;

	for (uint32_t i = 0; i < blocks; i++) {
		const uint8_t *pi = m + (place == LAST ? t->pi_offset : 0);
		uint64_t value = guard(t, d, m, place, extended);
		uint64_t expected = 0, actual = 0, stored = value;
		bool escaped = false;
		int ret = 0;

		if (size == 8) {
			actual = load(pi);
			stored = actual >> 48;
		} else if (size == 16) {
			stored = load(pi);
			actual = load(pi + 8);
		}
		if (size) {
			expected = tags(t, number, ref, size);
			escaped = (actual >> shift & 0xffff) == 0xffff &&
				  (actual & t->ref_escape) == t->ref_escape;
		}
		if (check && place != ALONE && !escaped &&
		    opaque_differs(t, m, number, size, place))
			ret = wrong_opaque(t, m, i, number, size, bad);
		if (__builtin_expect(!ret &&
				     ((value ^ stored) & t->guard_check ||
				      (expected ^ actual) & compare), 0)) {
			if (escaped)
				ret = 0;
			else if ((value ^ stored) & t->guard_check)
				ret = wrong(bad, PI_TAG_GUARD, i, value, stored);
			else
				ret = wrong_tag(t, expected, actual, i, size, bad);
		}
		if (ret)
			return ret;
		d += data_stride;
		m += md_stride;
		number++;
		ref++;
	}
	return 0;
}

#define GENERATE(name, size, place, extended)				\
static void generate_##name(const struct pi_tuple *t, const void *data,	\
			    void *md, uint32_t blocks, uint64_t number,	\
			    uint64_t ref)				\
{									\
	generate(t, data, md, blocks, number, ref, size, place,		\
		 extended);						\
}

#define VERIFY(name, size, place, check, extended)			\
static int verify_##name(const struct pi_tuple *t, const void *data,	\
			 const void *md, uint32_t blocks,		\
			 uint64_t number, uint64_t ref,			\
			 struct pi_mismatch *bad)			\
{									\
	return verify(t, data, md, blocks, number, ref, bad, size,	\
		      place, check, extended);				\
}

#define FUNCTIONS(name, size, place)					\
GENERATE(name, size, place, false)					\
GENERATE(name##_extended, size, place, true)				\
VERIFY(name, size, place, false, false)					\
VERIFY(name##_extended, size, place, false, true)			\
VERIFY(name##_check, size, place, true, false)				\
VERIFY(name##_check_extended, size, place, true, true)

FUNCTIONS(8_alone, 8, ALONE)
FUNCTIONS(8_first, 8, FIRST)
FUNCTIONS(8_last, 8, LAST)
FUNCTIONS(16_alone, 16, ALONE)
FUNCTIONS(16_first, 16, FIRST)
FUNCTIONS(16_last, 16, LAST)
GENERATE(0, 0, FIRST, false)
GENERATE(0_extended, 0, FIRST, true)
VERIFY(0_check, 0, FIRST, true, false)
VERIFY(0_check_extended, 0, FIRST, true, true)

static void generate_nothing(const struct pi_tuple *t, const void *data,
			     void *md, uint32_t blocks, uint64_t number,
			     uint64_t ref)
{
	(void)t, (void)data, (void)md, (void)blocks, (void)number, (void)ref;
}

static int verify_nothing(const struct pi_tuple *t, const void *data,
			  const void *md, uint32_t blocks, uint64_t number,
			  uint64_t ref, struct pi_mismatch *bad)
{
	(void)t, (void)data, (void)md, (void)blocks, (void)number, (void)ref;
	(void)bad;
	return 0;
}

/* bytes of tuple, guard and reference tag: what loops put where */
struct shape {
	uint8_t pi_size;
	uint8_t guard_size;
	uint8_t ref_size;
};

#define SHAPE_0		{ 0, 0, 0 }
#define SHAPE_8		{ 8, 2, 4 }
#define SHAPE_16	{ 16, 8, 6 }

#define ROW(size, place, name)						\
	{ SHAPE_##size, place, false, generate_##name, {			\
	  verify_##name, verify_##name##_check } },			\
	{ SHAPE_##size, place, true, generate_##name##_extended, {	\
	  verify_##name##_extended, verify_##name##_check_extended } }

static const struct functions {
	struct shape shape;
	enum place place;
	bool extended;
	typeof(((struct pi_tuple *)0)->generate) generate;
	typeof(((struct pi_tuple *)0)->verify) verify[2];
} functions[] = {
	ROW(8, ALONE, 8_alone),
	ROW(8, FIRST, 8_first),
	ROW(8, LAST, 8_last),
	ROW(16, ALONE, 16_alone),
	ROW(16, FIRST, 16_first),
	ROW(16, LAST, 16_last),
	{ SHAPE_0, FIRST, false, generate_0, {
	  verify_nothing, verify_0_check } },
	{ SHAPE_0, FIRST, true, generate_0_extended, {
	  verify_nothing, verify_0_check_extended } },
};

static const struct functions *find(const struct pi_format *format)
{
	const struct pi_guard *guard = format->guard;
	const enum place place = format->md_size == guard->pi_size ? ALONE :
				 format->pi_offset ? LAST : FIRST;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		const struct functions *f = &functions[i];

		if (f->shape.pi_size == guard->pi_size &&
		    f->shape.guard_size == guard->guard_size &&
		    f->shape.ref_size == guard->ref_size &&
		    f->place == place && f->extended == format->extended)
			return f;
	}
	return NULL;
}

int pi_tuple_init(struct pi_tuple *t, const struct pi_format *format,
		  const struct pi_tuple_options *options)
{
	const struct functions *functions = find(format);
	const struct pi_guard *guard = format->guard;
	uint64_t ref_bits;

	if (!functions)
		return -EOPNOTSUPP;
	ref_bits = guard->ref_size ? (1ULL << guard->ref_size * 8) - 1 : 0;
	*t = (struct pi_tuple) {
		.generate	= functions->generate,
		.verify		= functions->verify[options->opaque],
		.guard		= guard->compute,
		.guard_seed	= guard->seed,
		.guard_check	= UINT64_MAX,
		.interval	= format->interval,
		.stride		= pi_format_stride(format),
		.extended	= format->extended,
		.opaque		= options->opaque,
		.md_size	= format->md_size,
		.pi_offset	= format->pi_offset,
		.app		= options->app,
		.app_mask	= options->app_mask,
		.app_avoid	= 0x10000,
		/* odd constants of the golden ratio and of pi */
		.app_multiply	= options->app_mode == PI_APP_LBA ? 1 :
				  0x9e3779b97f4a7c15,
		.app_shift	= options->app_mode == PI_APP_LBA ? 0 : 48,
		.opaque_multiply = options->opaque ? 0x243f6a8885a308d3 : 0,
		.ref_offset	= format->pi_offset + guard->pi_size -
				  guard->ref_size,
		.ref_size	= guard->ref_size,
	};
	if (options->app_mode != PI_APP_CONSTANT) {
		t->app_varies = 0xffff;
		t->app_avoid = 0xffff;
	}
	if (format->type == 3) {
		t->ref = options->ref & ref_bits;
		t->ref_check = options->ref_check ? ref_bits : 0;
		t->ref_escape = ref_bits;
	} else {
		t->ref_varies = ref_bits;
		t->ref_check = ref_bits;
	}
	if (options->unchecked >> PI_TAG_GUARD & 1)
		t->guard_check = 0;
	if (options->unchecked >> PI_TAG_APP & 1)
		t->app_mask = 0;
	if (options->unchecked >> PI_TAG_REF & 1)
		t->ref_check = 0;
	return 0;
}

uint64_t pi_tuple_ref(const struct pi_tuple *t, const void *md)
{
	const uint8_t *field = (const uint8_t *)md + t->ref_offset;
	uint64_t ref = 0;

	for (unsigned int i = 0; i < t->ref_size; i++)
		ref = ref << 8 | field[i];
	return ref;
}

void pi_tuple_set_ref(const struct pi_tuple *t, void *md, uint64_t ref)
{
	uint8_t *field = (uint8_t *)md + t->ref_offset;

	for (unsigned int i = t->ref_size; i--; ref >>= 8)
		field[i] = ref;
}

static uint64_t distance(const struct pi_tuple *t, const void *data,
			 const void *md, uint64_t ref, uint32_t block)
{
	return (pi_tuple_ref(t, pi_tuple_md(t, data, md, block)) - ref - block) &
	       t->ref_varies;
}

bool pi_tuple_ref_alone(const struct pi_tuple *t, const void *data,
			const void *md, uint32_t blocks, uint64_t ref,
			uint32_t block)
{
	uint64_t before, after;

	if (!block || block + 1 >= blocks)
		return false;
	before = distance(t, data, md, ref, block - 1);
	after = distance(t, data, md, ref, block + 1);
	return before == after && distance(t, data, md, ref, block) != after;
}

const struct pi_tuple pi_tuple_none = {
	.generate	= generate_nothing,
	.verify		= verify_nothing,
};

const char *pi_tag_name(enum pi_tag tag)
{
	static const char * const name[PI_NR_TAGS] = {
		[PI_TAG_GUARD]	= "guard",
		[PI_TAG_APP]	= "application tag",
		[PI_TAG_REF]	= "reference tag",
		[PI_TAG_OPAQUE]	= "opaque byte",
	};

	return name[tag];
}
