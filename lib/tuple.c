// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tuple.h"

#define ALWAYS_INLINE	inline __attribute__((always_inline))

/* position of the tuple in the metadata of its interval */
enum place {
	ALONE,
	FIRST,
	LAST,
	NR_PLACES,
};

/*
 * The functions below are compiled once for each combination of guard width,
 * position of the tuple, checking of the bytes outside it, and separate or
 * extended metadata: their arguments bits, place, check and extended are
 * constants.
 *
 * A tuple consists of one or two big-endian 64-bit words:
 *	16: guard 16, application tag 16, storage and reference tag 32 bits
 *	32: guard 32, application tag 16, top of the storage tag 16 bits;
 *	    rest of the storage tag and reference tag 64 bits
 *	64: guard 64 bits; application tag 16, storage and reference tag 48 bits
 */
#define SIZE(bits)	((bits) ? (bits) == 16 ? 8U : 16U : 0U)

/* the tuple without its guard; only 32-bit guards use the first word */
struct words {
	uint64_t first;
	uint64_t last;
};

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

/* combine the application tag with the other fields except the guard */
static ALWAYS_INLINE struct words place_app(uint16_t app, uint16_t top,
					    uint64_t last, unsigned int bits)
{
	if (bits == 32)
		return (struct words) { (uint64_t)app << 16 | top, last };
	return (struct words) {
		0, (uint64_t)app << (bits == 16 ? 32 : 48) | last,
	};
}

static ALWAYS_INLINE uint16_t app_of(struct words w, unsigned int bits)
{
	return bits == 32 ? w.first >> 16 : w.last >> (bits == 16 ? 32 : 48);
}

/* all fields of interval @number except the guard */
static ALWAYS_INLINE struct words tags(const struct pi_tuple *t, uint64_t number,
				       uint64_t ref, unsigned int bits)
{
	uint16_t app = t->app ^ (number * t->app_multiply >> t->app_shift &
				 t->app_varies);

	app -= app == t->app_avoid;
	return place_app(app, t->ref_top, (ref & t->ref_varies) | t->ref, bits);
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

/* opaque bytes repeat the bytes of a little-endian word */
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
 * Whether an opaque byte may be wrong, which wrong_opaque() then determines.
 * This is always true if the tuple does not end on a multiple of the word size,
 * but no drive has such a format.
 */
static ALWAYS_INLINE bool opaque_differs(const struct pi_tuple *t,
					 const uint8_t *m, uint64_t number,
					 unsigned int bits, enum place place)
{
	const unsigned int before = place == LAST ? t->pi_offset : 0;
	const unsigned int after = before + SIZE(bits);
	const uint64_t word = opaque_word(t, number);

	return differs(m, before, word) ||
	       differs(m + after, t->md_size - after, word);
}

static ALWAYS_INLINE void generate(const struct pi_tuple *t, const void *data,
				   void *md, uint32_t blocks, uint64_t number,
				   uint64_t ref, unsigned int bits,
				   enum place place, bool extended)
{
	const uint32_t data_stride = extended ? t->stride : t->interval;
	const uint32_t md_stride = extended ? t->stride : t->md_size;
	const uint8_t *d = data;
	uint8_t *m = extended ? (uint8_t *)data + t->interval : md;

	for (; blocks; blocks--) {
		uint8_t *pi = m + (place == LAST ? t->pi_offset : 0);
		struct words w;
		uint64_t value;

		/* including the tuple, so that all of it is whole words */
		if (place != ALONE)
			fill(m, t->md_size, opaque_word(t, number));
		value = guard(t, d, m, place, extended);
		w = tags(t, number, ref, bits);
		if (bits == 16) {
			store(pi, value << 48 | w.last);
		} else if (bits) {
			store(pi, value << (64 - bits) | w.first);
			store(pi + 8, w.last);
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
			uint32_t block, uint64_t number, unsigned int bits,
			struct pi_mismatch *bad)
{
	for (unsigned int i = 0; i < t->md_size; i++) {
		if ((i >= t->pi_offset && i < t->pi_offset + SIZE(bits)) ||
		    m[i] == opaque_byte(t, number, i))
			continue;
		wrong(bad, PI_TAG_OPAQUE, block, opaque_byte(t, number, i),
		      m[i]);
		bad->offset = i;
		return -EILSEQ;
	}
	return 0;
}

static uint64_t storage_of(const struct pi_tuple *t, struct words w,
			   unsigned int bits)
{
	const uint64_t low = t->ref_width < 64 ? w.last >> t->ref_width : 0;

	if (bits == 32)
		return (w.first & 0xffff) << (t->storage_bits - 16) | low;
	return low & pi_low_bits(t->storage_bits);
}

/* @expected and @actual are like the result of tags() */
static int wrong_tag(const struct pi_tuple *t, struct words expected,
		     struct words actual, uint32_t block, unsigned int bits,
		     struct pi_mismatch *bad)
{
	const uint16_t app = app_of(expected, bits), is = app_of(actual, bits);

	if ((app ^ is) & t->app_mask)
		return wrong(bad, PI_TAG_APP, block, app, is);
	if ((expected.first ^ actual.first) & t->top_check ||
	    (expected.last ^ actual.last) & t->storage_check)
		return wrong(bad, PI_TAG_STORAGE, block,
			     storage_of(t, expected, bits),
			     storage_of(t, actual, bits));
	return wrong(bad, PI_TAG_REF, block, expected.last & t->ref_bits,
		     actual.last & t->ref_bits);
}

static ALWAYS_INLINE int verify(const struct pi_tuple *t, const void *data,
				const void *md, uint32_t blocks,
				uint64_t number, uint64_t ref,
				struct pi_mismatch *bad, unsigned int bits,
				enum place place, bool check, bool extended)
{
	const uint32_t data_stride = extended ? t->stride : t->interval;
	const uint32_t md_stride = extended ? t->stride : t->md_size;
	const struct words compare = place_app(t->app_mask, t->top_check,
					       t->ref_check | t->storage_check,
					       bits);
	const uint8_t *d = data, *m = extended ? d + t->interval : md;

	for (uint32_t i = 0; i < blocks; i++) {
		const uint8_t *pi = m + (place == LAST ? t->pi_offset : 0);
		uint64_t value = guard(t, d, m, place, extended);
		struct words expected = { 0 }, actual = { 0 };
		uint64_t stored = value;
		bool escaped = false;
		int ret = 0;

		if (bits == 16) {
			actual.last = load(pi);
			stored = actual.last >> 48;
		} else if (bits) {
			stored = load(pi);
			actual.last = load(pi + 8);
		}
		if (bits == 32) {
			actual.first = (uint32_t)stored;
			stored >>= 32;
		}
		if (bits) {
			expected = tags(t, number, ref, bits);
			escaped = app_of(actual, bits) == 0xffff &&
				  (actual.last & t->ref_escape) == t->ref_escape;
		}
		if (check && place != ALONE && !escaped &&
		    opaque_differs(t, m, number, bits, place))
			ret = wrong_opaque(t, m, i, number, bits, bad);
		if (__builtin_expect(!ret &&
				     ((value ^ stored) & t->guard_check ||
				      (expected.first ^ actual.first) & compare.first ||
				      (expected.last ^ actual.last) & compare.last), 0)) {
			if (escaped)
				ret = 0;
			else if ((value ^ stored) & t->guard_check)
				ret = wrong(bad, PI_TAG_GUARD, i, value, stored);
			else
				ret = wrong_tag(t, expected, actual, i, bits, bad);
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

#define GENERATE(name, bits, place, extended)				\
static void generate_##name(const struct pi_tuple *t, const void *data,	\
			    void *md, uint32_t blocks, uint64_t number,	\
			    uint64_t ref)				\
{									\
	generate(t, data, md, blocks, number, ref, bits, place,		\
		 extended);						\
}

#define VERIFY(name, bits, place, check, extended)			\
static int verify_##name(const struct pi_tuple *t, const void *data,	\
			 const void *md, uint32_t blocks,		\
			 uint64_t number, uint64_t ref,			\
			 struct pi_mismatch *bad)			\
{									\
	return verify(t, data, md, blocks, number, ref, bad, bits,	\
		      place, check, extended);				\
}

#define FUNCTIONS(name, bits, place)					\
GENERATE(name, bits, place, false)					\
GENERATE(name##_extended, bits, place, true)				\
VERIFY(name, bits, place, false, false)					\
VERIFY(name##_extended, bits, place, false, true)			\
VERIFY(name##_check, bits, place, true, false)				\
VERIFY(name##_check_extended, bits, place, true, true)

FUNCTIONS(16_alone, 16, ALONE)
FUNCTIONS(16_first, 16, FIRST)
FUNCTIONS(16_last, 16, LAST)
FUNCTIONS(32_alone, 32, ALONE)
FUNCTIONS(32_first, 32, FIRST)
FUNCTIONS(32_last, 32, LAST)
FUNCTIONS(64_alone, 64, ALONE)
FUNCTIONS(64_first, 64, FIRST)
FUNCTIONS(64_last, 64, LAST)
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

/* sizes in bytes of the tuple, the guard, and storage and reference tag */
struct shape {
	uint8_t pi_size;
	uint8_t guard_size;
	uint8_t ref_size;
};

#define SHAPE_0		{ 0, 0, 0 }
#define SHAPE_16	{ 8, 2, 4 }
#define SHAPE_32	{ 16, 4, 10 }
#define SHAPE_64	{ 16, 8, 6 }

#define ROW(bits, place, name)						\
	{ SHAPE_##bits, place, false, generate_##name, {			\
	  verify_##name, verify_##name##_check } },			\
	{ SHAPE_##bits, place, true, generate_##name##_extended, {	\
	  verify_##name##_extended, verify_##name##_check_extended } }

static const struct functions {
	struct shape shape;
	enum place place;
	bool extended;
	typeof(((struct pi_tuple *)0)->generate) generate;
	typeof(((struct pi_tuple *)0)->verify) verify[2];
} functions[] = {
	ROW(16, ALONE, 16_alone),
	ROW(16, FIRST, 16_first),
	ROW(16, LAST, 16_last),
	ROW(32, ALONE, 32_alone),
	ROW(32, FIRST, 32_first),
	ROW(32, LAST, 32_last),
	ROW(64, ALONE, 64_alone),
	ROW(64, FIRST, 64_first),
	ROW(64, LAST, 64_last),
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

/* the storage tag takes the upper bits, the reference tag the rest */
static void set_storage(struct pi_tuple *t, const struct pi_format *format,
			const struct pi_tuple_options *options)
{
	const unsigned int above = t->ref_width;
	const uint64_t bits = pi_low_bits(t->storage_bits);
	const uint64_t check = options->unchecked >> PI_TAG_STORAGE & 1 ? 0 :
			       format->storage_mask & bits;
	const uint64_t tag = options->storage & bits;

	if (above < 64) {
		t->ref |= tag << above;
		t->storage_check = check << above;
	}
	if (format->guard->ref_size > sizeof(t->ref)) {
		t->ref_top = tag >> (t->storage_bits - 16);
		t->top_check = check >> (t->storage_bits - 16);
	}
}

int pi_tuple_init(struct pi_tuple *t, const struct pi_format *format,
		  const struct pi_tuple_options *options)
{
	const struct functions *functions = find(format);
	const struct pi_guard *guard = format->guard;
	const unsigned int width = pi_format_ref_bits(format);
	const uint64_t ref_bits = pi_low_bits(width);

	if (!functions)
		return -EOPNOTSUPP;
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
		/* odd multipliers: digits of the golden ratio, and of pi below */
		.app_multiply	= options->app_mode == PI_APP_LBA ? 1 :
				  0x9e3779b97f4a7c15,
		.app_shift	= options->app_mode == PI_APP_LBA ? 0 : 48,
		.opaque_multiply = options->opaque ? 0x243f6a8885a308d3 : 0,
		.ref_bits	= ref_bits,
		.ref_width	= width,
		.storage_bits	= format->storage_bits,
		.ref_size	= guard->ref_size > 8 ? 8 : guard->ref_size,
	};
	t->ref_offset = format->pi_offset + guard->pi_size - t->ref_size;
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
	set_storage(t, format, options);
	if (options->unchecked >> PI_TAG_GUARD & 1)
		t->guard_check = 0;
	if (options->unchecked >> PI_TAG_APP & 1)
		t->app_mask = 0;
	if (options->unchecked >> PI_TAG_REF & 1)
		t->ref_check = 0;
	return 0;
}

/* the field of the reference tag, with the storage tag above it */
static uint64_t ref_field(const struct pi_tuple *t, const void *md)
{
	const uint8_t *field = (const uint8_t *)md + t->ref_offset;
	uint64_t ref = 0;

	for (unsigned int i = 0; i < t->ref_size; i++)
		ref = ref << 8 | field[i];
	return ref;
}

uint64_t pi_tuple_ref(const struct pi_tuple *t, const void *md)
{
	return ref_field(t, md) & t->ref_bits;
}

void pi_tuple_set_ref(const struct pi_tuple *t, void *md, uint64_t ref)
{
	uint8_t *field = (uint8_t *)md + t->ref_offset;

	ref = (ref & t->ref_bits) | (ref_field(t, md) & ~t->ref_bits);
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
		[PI_TAG_STORAGE] = "storage tag",
	};

	return name[tag];
}
