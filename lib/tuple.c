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
 * An 8-byte tuple as one big-endian word: guard 16, application tag 16,
 * reference tag 32 bits.
 */
#define GUARD_SHIFT	48
#define APP_SHIFT	32

static ALWAYS_INLINE uint64_t tuple_word(const struct pi_tuple *t,
					 const uint8_t *data, const uint8_t *md,
					 uint64_t ref, enum place place)
{
	uint64_t guard = t->guard(t->guard_seed, data, t->interval);

	if (place == LAST)
		guard = t->guard(guard, md, t->pi_offset);
	return guard << GUARD_SHIFT | (uint64_t)t->app << APP_SHIFT |
	       (ref & t->ref_mask);
}

static ALWAYS_INLINE void generate(const struct pi_tuple *t, const void *data,
				   void *md, uint32_t blocks, uint64_t ref,
				   enum place place)
{
	const uint8_t *d = data;
	uint8_t *m = md;

	for (; blocks; blocks--) {
		uint64_t word;

		if (place != ALONE)
			memset(m, 0, t->md_size);
		word = htobe64(tuple_word(t, d, m, ref, place));
		memcpy(m + (place == LAST ? t->pi_offset : 0), &word, sizeof(word));
		d += t->interval;
		m += t->md_size;
		ref += t->ref_step;
	}
}

static int mismatch(const struct pi_tuple *t, uint64_t expected,
		    uint64_t actual, uint64_t diff, uint32_t block,
		    struct pi_mismatch *bad)
{
	static const struct {
		uint8_t shift;
		uint32_t mask;
	} field[PI_NR_TAGS] = {
		[PI_TAG_GUARD]	= { GUARD_SHIFT, 0xffff },
		[PI_TAG_APP]	= { APP_SHIFT, 0xffff },
		[PI_TAG_REF]	= { 0, 0xffffffff },
	};
	uint16_t app = actual >> APP_SHIFT;
	enum pi_tag tag = PI_TAG_GUARD;

	if (app == 0xffff && (actual & t->ref_escape) == t->ref_escape)
		return 0;
	while (!(diff >> field[tag].shift & field[tag].mask))
		tag++;
	*bad = (struct pi_mismatch) {
		.tag		= tag,
		.block		= block,
		.expected	= expected >> field[tag].shift & field[tag].mask,
		.actual		= actual >> field[tag].shift & field[tag].mask,
	};
	return -EILSEQ;
}

static ALWAYS_INLINE int verify(const struct pi_tuple *t, const void *data,
				const void *md, uint32_t blocks, uint64_t ref,
				struct pi_mismatch *bad, enum place place)
{
	const uint64_t check = 0xffffULL << GUARD_SHIFT |
			       (uint64_t)t->app_mask << APP_SHIFT | t->ref_check;
	const uint8_t *d = data, *m = md;

	for (uint32_t i = 0; i < blocks; i++) {
		uint64_t expected = tuple_word(t, d, m, ref, place);
		uint64_t actual, diff;

		memcpy(&actual, m + (place == LAST ? t->pi_offset : 0), sizeof(actual));
		actual = be64toh(actual);
		diff = (expected ^ actual) & check;
		if (__builtin_expect(diff != 0, 0)) {
			int ret = mismatch(t, expected, actual, diff, i, bad);

			if (ret)
				return ret;
		}
		d += t->interval;
		m += t->md_size;
		ref += t->ref_step;
	}
	return 0;
}

#define TUPLE_FUNCTIONS(name, place)					\
static void generate_##name(const struct pi_tuple *t, const void *data,	\
			    void *md, uint32_t blocks, uint64_t ref)	\
{									\
	generate(t, data, md, blocks, ref, place);			\
}									\
									\
static int verify_##name(const struct pi_tuple *t, const void *data,	\
			 const void *md, uint32_t blocks, uint64_t ref,	\
			 struct pi_mismatch *bad)			\
{									\
	return verify(t, data, md, blocks, ref, bad, place);		\
}

TUPLE_FUNCTIONS(8_alone, ALONE)
TUPLE_FUNCTIONS(8_first, FIRST)
TUPLE_FUNCTIONS(8_last, LAST)

static const struct {
	typeof(((struct pi_tuple *)0)->generate) generate;
	typeof(((struct pi_tuple *)0)->verify) verify;
} functions[NR_PLACES] = {
	[ALONE]	= { generate_8_alone, verify_8_alone },
	[FIRST]	= { generate_8_first, verify_8_first },
	[LAST]	= { generate_8_last, verify_8_last },
};

static void generate_none(const struct pi_tuple *t, const void *data, void *md,
			  uint32_t blocks, uint64_t ref)
{
	(void)t, (void)data, (void)md, (void)blocks, (void)ref;
}

static int verify_none(const struct pi_tuple *t, const void *data,
		       const void *md, uint32_t blocks, uint64_t ref,
		       struct pi_mismatch *bad)
{
	(void)t, (void)data, (void)md, (void)blocks, (void)ref, (void)bad;
	return 0;
}

void pi_tuple_init(struct pi_tuple *t, const struct pi_format *format,
		   uint16_t app, uint16_t app_mask)
{
	enum place place = format->md_size == format->guard->pi_size ? ALONE :
			   format->pi_offset ? LAST : FIRST;

	*t = (struct pi_tuple) {
		.generate	= functions[place].generate,
		.verify		= functions[place].verify,
		.guard		= format->guard->compute,
		.guard_seed	= format->guard->seed,
		.interval	= format->interval,
		.md_size	= format->md_size,
		.pi_offset	= format->pi_offset,
		.app		= app,
		.app_mask	= app_mask,
	};
	if (format->type == 3) {
		t->ref_escape = 0xffffffff;
	} else {
		t->ref_mask = 0xffffffff;
		t->ref_check = 0xffffffff;
		t->ref_step = 1;
	}
}

const struct pi_tuple pi_tuple_none = {
	.generate	= generate_none,
	.verify		= verify_none,
};

const char *pi_tag_name(enum pi_tag tag)
{
	static const char * const name[PI_NR_TAGS] = {
		[PI_TAG_GUARD]	= "guard",
		[PI_TAG_APP]	= "application tag",
		[PI_TAG_REF]	= "reference tag",
	};

	return name[tag];
}
