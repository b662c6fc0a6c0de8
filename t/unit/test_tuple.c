// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test.h"

#include "tuple.h"

#define MAX_INTERVAL	4096
#define MAX_MD		255
#define MAX_BLOCKS	9
#define PI_SIZE		8

#define APP		0x5aa5
#define APP_MASK	0xffff
#define REF		0x1234567890ULL

static struct pi_format format(uint32_t interval, uint16_t md_size,
			       uint16_t pi_offset, uint8_t type)
{
	return (struct pi_format) {
		.guard		= pi_guard_by_csum(PI_LBMD_CSUM_CRC16_T10DIF),
		.interval	= interval,
		.md_size	= md_size,
		.pi_offset	= pi_offset,
		.shift		= __builtin_ctz(interval),
		.type		= type,
	};
}

static struct pi_format formats[64];
static unsigned int nr_formats;

#define for_each_format(f)						\
	for (const struct pi_format *f = formats; f < formats + nr_formats; f++)

/* tuple alone, first, last and, which the ioctl can express, in between */
static int setup(void **state)
{
	static const uint16_t place[][2] = {
		{ 8, 0 }, { 16, 0 }, { 16, 8 }, { 64, 0 }, { 64, 56 },
		{ 64, 24 }, { 128, 0 }, { 128, 120 },
	};

	for (uint32_t interval = 512; interval <= 4096; interval <<= 3)
		for (uint8_t type = 1; type <= 3; type += 2)
			for (size_t i = 0; i < ARRAY_SIZE(place); i++)
				formats[nr_formats++] = format(interval,
					place[i][0], place[i][1], type);
	return pi_test_seed(state);
}

static uint64_t get_be(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

static uint16_t guard_of(const struct pi_format *f, const void *data,
			 const void *md)
{
	return pi_test_crc(pi_test_crc(0, data, f->interval), md, f->pi_offset);
}

/* one interval's metadata as the specification draws it */
static void reference_md(const struct pi_format *f, const uint8_t *data,
			 uint16_t app, uint64_t ref, uint8_t *md)
{
	uint8_t *pi = md + f->pi_offset;
	uint16_t guard;

	memset(md, 0, f->md_size);
	guard = guard_of(f, data, md);
	pi[0] = guard >> 8;
	pi[1] = guard;
	pi[2] = app >> 8;
	pi[3] = app;
	for (int i = 0; i < 4 && f->type != 3; i++)
		pi[4 + i] = ref >> (24 - 8 * i);
}

static int wrong(struct pi_mismatch *bad, enum pi_tag tag, uint32_t block,
		 uint64_t expected, uint64_t actual)
{
	*bad = (struct pi_mismatch) { tag, block, expected, actual };
	return -EILSEQ;
}

static int reference_verify(const struct pi_format *f, const uint8_t *data,
			    const uint8_t *md, uint32_t blocks, uint64_t ref,
			    uint16_t app, uint16_t mask, struct pi_mismatch *bad)
{
	for (uint32_t i = 0; i < blocks; i++, md += f->md_size) {
		const uint8_t *pi = md + f->pi_offset;
		uint16_t guard = guard_of(f, data + i * f->interval, md);
		uint32_t want_ref = ref + i, got_ref = get_be(pi + 4, 4);
		uint16_t got_app = get_be(pi + 2, 2);

		if (got_app == 0xffff && (f->type != 3 || got_ref == 0xffffffff))
			continue;
		if (get_be(pi, 2) != guard)
			return wrong(bad, PI_TAG_GUARD, i, guard, get_be(pi, 2));
		if ((got_app ^ app) & mask)
			return wrong(bad, PI_TAG_APP, i, app, got_app);
		if (f->type != 3 && got_ref != want_ref)
			return wrong(bad, PI_TAG_REF, i, want_ref, got_ref);
	}
	return 0;
}

/* @blocks intervals of random data in memory of exactly their size */
struct sample {
	struct pi_format format;
	struct pi_tuple tuple;
	uint32_t blocks;
	uint64_t ref;
	size_t data_bytes;
	size_t md_bytes;
	uint8_t *data;
	uint8_t *md;
};

static void sample_init(struct sample *s, const struct pi_format *f,
			uint32_t blocks, uint64_t ref, uint16_t app,
			uint16_t app_mask)
{
	*s = (struct sample) {
		.format		= *f,
		.blocks		= blocks,
		.ref		= ref,
		.data_bytes	= (size_t)blocks * f->interval,
		.md_bytes	= (size_t)blocks * f->md_size,
	};
	s->data = malloc(s->data_bytes);
	s->md = malloc(s->md_bytes);
	assert_non_null(s->data);
	assert_non_null(s->md);
	pi_test_fill(s->data, s->data_bytes);
	memset(s->md, PI_TEST_CANARY, s->md_bytes);
	pi_tuple_init(&s->tuple, f, app, app_mask);
	s->tuple.generate(&s->tuple, s->data, s->md, blocks, ref);
}

static void sample_exit(struct sample *s)
{
	free(s->data);
	free(s->md);
}

static int sample_verify(const struct sample *s, struct pi_mismatch *bad)
{
	return s->tuple.verify(&s->tuple, s->data, s->md, s->blocks, s->ref, bad);
}

static uint8_t *sample_pi(const struct sample *s, uint32_t block)
{
	return s->md + block * s->format.md_size + s->format.pi_offset;
}

static void expect_good(const struct sample *s)
{
	struct pi_mismatch bad;

	assert_int_equal(sample_verify(s, &bad), 0);
}

static void expect_bad(const struct sample *s, enum pi_tag tag, uint32_t block,
		       uint64_t expected, uint64_t actual)
{
	struct pi_mismatch bad;

	memset(&bad, PI_TEST_CANARY, sizeof(bad));
	assert_int_equal(sample_verify(s, &bad), -EILSEQ);
	assert_int_equal(bad.tag, tag);
	assert_int_equal(bad.block, block);
	assert_int_equal(bad.expected, expected);
	assert_int_equal(bad.actual, actual);
}

static void test_literal_bytes(void **state)
{
	static const uint8_t type1[] = { 0xd0, 0xdb, 0x12, 0x34,
					 0x89, 0xab, 0xcd, 0xef };
	static const uint8_t type3[] = { 0xd0, 0xdb, 0x12, 0x34, 0, 0, 0, 0 };
	static const uint8_t next[] = { 0x00, 0x00, 0x12, 0x34,
					0x89, 0xab, 0xcd, 0xf0 };
	struct pi_format f = format(512, 8, 0, 1);
	uint8_t data[1024] = { 0 }, md[16];
	struct pi_tuple t;

	(void)state;
	/* zeroes before it do not change a CRC that starts at 0 */
	memcpy(data + 512 - 9, "123456789", 9);
	pi_tuple_init(&t, &f, 0x1234, 0xffff);
	t.generate(&t, data, md, 2, 0x0123456789abcdef);
	assert_memory_equal(md, type1, 8);
	assert_memory_equal(md + 8, next, 8);

	f.type = 3;
	pi_tuple_init(&t, &f, 0x1234, 0xffff);
	t.generate(&t, data, md, 1, 0x0123456789abcdef);
	assert_memory_equal(md, type3, 8);
}

/* a tuple that is last is guarded together with the metadata before it */
static void test_literal_opaque(void **state)
{
	struct pi_format f = format(512, 24, 16, 1);
	uint8_t data[512] = { 0 }, md[24] = { 0 };
	struct pi_mismatch bad;
	struct pi_tuple t;

	(void)state;
	memcpy(md + 16 - 9, "123456789", 9);
	memcpy(md + 16, "\xd0\xdb\x00\x00\x00\x00\x00\x07", 8);
	pi_tuple_init(&t, &f, 0, 0xffff);
	assert_int_equal(t.verify(&t, data, md, 1, 7, &bad), 0);
	md[0] = 1;
	assert_int_equal(t.verify(&t, data, md, 1, 7, &bad), -EILSEQ);
}

static void test_every_format(void **state)
{
	(void)state;
	for_each_format(f) {
		struct sample s;

		sample_init(&s, f, 3, REF, APP, APP_MASK);
		for (uint32_t b = 0; b < s.blocks; b++) {
			uint8_t expected[MAX_MD];

			reference_md(f, s.data + b * f->interval, APP, REF + b,
				     expected);
			assert_memory_equal(s.md + b * f->md_size, expected,
					    f->md_size);
		}
		expect_good(&s);
		sample_exit(&s);
	}
}

/*
 * From a page that faults and up to one, the data not writable: nothing outside
 * is read, nothing but the metadata is written, wherever the two begin.
 */
static void fenced(const struct pi_format *f, const uint8_t *data, uint8_t *md,
		   const struct pi_test_fence *fence)
{
	size_t md_bytes = 2 * f->md_size;
	uint8_t good[2 * MAX_MD];
	struct pi_mismatch bad;
	struct pi_tuple t;

	memset(fence->begin, PI_TEST_CANARY, fence->end - fence->begin);
	pi_tuple_init(&t, f, APP, APP_MASK);

	t.generate(&t, data, md, 2, REF);
	reference_md(f, data, APP, REF, good);
	reference_md(f, data + f->interval, APP, REF + 1, good + f->md_size);
	assert_memory_equal(md, good, md_bytes);

	assert_int_equal(t.verify(&t, data, md, 2, REF, &bad), 0);
	assert_memory_equal(md, good, md_bytes);
	for (uint8_t *p = fence->begin; p < fence->end; p++)
		assert_true((p >= md && p < md + md_bytes) ||
			    *p == PI_TEST_CANARY);
}

static void test_bounds(void **state)
{
	struct pi_test_fence data = pi_test_fence(3 * MAX_INTERVAL);
	struct pi_test_fence md = pi_test_fence(4 * MAX_MD);

	(void)state;
	pi_test_fill(data.begin, data.end - data.begin);
	assert_return_code(mprotect(data.begin, data.end - data.begin,
				    PROT_READ), 0);
	for_each_format(f) {
		uint8_t *data_last = data.end - 2 * f->interval;
		uint8_t *md_last = md.end - 2 * f->md_size;

		for (unsigned int odd = 0; odd < 8; odd++) {
			fenced(f, data.begin + odd, md.begin + odd, &md);
			fenced(f, data_last - odd, md_last - odd, &md);
			fenced(f, data_last, md.begin + odd, &md);
		}
	}
	pi_test_fence_free(&data);
	pi_test_fence_free(&md);
}

static void test_no_blocks(void **state)
{
	(void)state;
	for_each_format(f) {
		struct pi_mismatch bad;
		struct pi_tuple t;

		pi_tuple_init(&t, f, APP, APP_MASK);
		t.generate(&t, NULL, NULL, 0, REF);
		assert_int_equal(t.verify(&t, NULL, NULL, 0, REF, &bad), 0);
	}
}

static void test_reference_tag_wraps(void **state)
{
	static const struct {
		uint64_t seed;
		uint32_t first[3];
	} row[] = {
		{ 0, { 0, 1, 2 } },
		{ 0xffffffff, { 0xffffffff, 0, 1 } },
		{ 0xfffffffe, { 0xfffffffe, 0xffffffff, 0 } },
		{ 0x100000000, { 0, 1, 2 } },
		{ 0x7ffffffff, { 0xffffffff, 0, 1 } },
		{ 0xabcdef0123456789, { 0x23456789, 0x2345678a, 0x2345678b } },
		{ UINT64_MAX, { 0xffffffff, 0, 1 } },
	};
	const struct pi_format f = format(512, 16, 8, 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct sample s;

		sample_init(&s, &f, 3, row[i].seed, APP, APP_MASK);
		for (uint32_t b = 0; b < s.blocks; b++)
			assert_int_equal(get_be(sample_pi(&s, b) + 4, 4),
					 row[i].first[b]);
		expect_good(&s);

		/* only its low bits are on the media */
		s.ref ^= 0xf00000000;
		expect_good(&s);
		s.ref ^= 1;
		expect_bad(&s, PI_TAG_REF, 0, (uint32_t)s.ref, row[i].first[0]);
		sample_exit(&s);
	}
}

static void test_type3_reference_tag(void **state)
{
	const struct pi_format f = format(512, 8, 0, 3);
	struct sample s;

	(void)state;
	sample_init(&s, &f, 3, REF, APP, APP_MASK);
	for (uint32_t b = 0; b < s.blocks; b++)
		assert_int_equal(get_be(sample_pi(&s, b) + 4, 4), 0);
	pi_test_fill(sample_pi(&s, 1) + 4, 4);
	memset(sample_pi(&s, 2) + 4, 0xff, 4);
	s.ref = 0;
	expect_good(&s);
	sample_exit(&s);
}

static void flip(uint8_t *p, unsigned int bit)
{
	p[bit / 8] ^= 0x80 >> bit % 8;
}

/* the mask is for comparing: the whole tag is written, and told when wrong */
static void test_app_mask(void **state)
{
	static const uint16_t mask[] = {
		0, 0xffff, 0x0ff0, 0xf00f, 0x00ff, 0xff00, 0x0001, 0x8000,
	};
	const struct pi_format f = format(512, 16, 0, 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mask); i++) {
		struct sample s;
		uint8_t *app;

		sample_init(&s, &f, 2, REF, 0x1234, mask[i]);
		app = sample_pi(&s, 1) + 2;
		assert_int_equal(get_be(app, 2), 0x1234);
		for (unsigned int bit = 0; bit < 16; bit++) {
			flip(app, bit);
			if (mask[i] & 0x8000 >> bit)
				expect_bad(&s, PI_TAG_APP, 1, 0x1234,
					   get_be(app, 2));
			else
				expect_good(&s);
			flip(app, bit);
		}
		sample_exit(&s);
	}
}

/* the tuple as one number: flips of its bits, and what they must be called */
static void flip_tuple(struct sample *s, uint32_t block)
{
	static const struct {
		enum pi_tag tag;
		unsigned int from, bytes;
	} tag[] = {
		{ PI_TAG_GUARD, 0, 2 }, { PI_TAG_APP, 2, 2 }, { PI_TAG_REF, 4, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tag); i++) {
		uint8_t *p = sample_pi(s, block) + tag[i].from;
		uint64_t good = get_be(p, tag[i].bytes);

		for (unsigned int bit = 0; bit < 8 * tag[i].bytes; bit++) {
			flip(p, bit);
			if (tag[i].tag == PI_TAG_REF && s->format.type == 3)
				expect_good(s);
			else
				expect_bad(s, tag[i].tag, block, good,
					   get_be(p, tag[i].bytes));
			flip(p, bit);
		}
	}
}

/*
 * @bytes of what the guard covers, the last first.  A CRC is linear: one
 * flipped bit changes it by what that bit alone would give, @delta.
 */
static uint16_t flip_guarded(struct sample *s, uint32_t block, uint8_t *p,
			     size_t bytes, uint16_t delta)
{
	uint16_t guard = get_be(sample_pi(s, block), 2);

	for (unsigned int bit = 8 * bytes; bit--; delta = pi_test_crc_bit(delta)) {
		flip(p, bit);
		expect_bad(s, PI_TAG_GUARD, block, guard ^ delta, guard);
		flip(p, bit);
	}
	return delta;
}

static void flip_unguarded(struct sample *s, uint8_t *p, size_t bytes)
{
	for (unsigned int bit = 0; bit < 8 * bytes; bit++) {
		flip(p, bit);
		expect_good(s);
		flip(p, bit);
	}
}

static void test_every_bit(void **state)
{
	(void)state;
	for_each_format(f) {
		struct sample s;

		sample_init(&s, f, 2, REF, APP, APP_MASK);
		for (uint32_t b = 0; b < s.blocks; b++) {
			uint8_t *md = s.md + b * f->md_size;
			uint16_t delta;

			flip_tuple(&s, b);
			delta = flip_guarded(&s, b, md, f->pi_offset, PI_TEST_POLY);
			flip_guarded(&s, b, s.data + b * f->interval,
				     f->interval, delta);
			flip_unguarded(&s, sample_pi(&s, b) + PI_SIZE,
				       f->md_size - f->pi_offset - PI_SIZE);
		}
		expect_good(&s);
		sample_exit(&s);
	}
}

/* guard before application tag before reference tag, first block first */
static void test_which_is_named(void **state)
{
	const struct pi_format f = format(512, 8, 0, 1);
	uint64_t guard, app, ref;
	struct sample s;
	uint8_t *pi;

	(void)state;
	sample_init(&s, &f, 4, REF, APP, APP_MASK);
	pi = sample_pi(&s, 2);
	guard = get_be(pi, 2), app = get_be(pi + 2, 2), ref = get_be(pi + 4, 4);
	sample_pi(&s, 3)[0] ^= 1;

	pi[7] ^= 0x80;
	expect_bad(&s, PI_TAG_REF, 2, ref, ref ^ 0x80);
	pi[2] ^= 0x01;
	expect_bad(&s, PI_TAG_APP, 2, app, app ^ 0x100);
	pi[1] ^= 0x10;
	expect_bad(&s, PI_TAG_GUARD, 2, guard, guard ^ 0x10);
	sample_exit(&s);
}

static void test_escape(void **state)
{
	(void)state;
	for_each_format(f) {
		struct sample s;

		sample_init(&s, f, 4, REF, APP, APP_MASK);
		for (uint32_t b = 0; b < s.blocks; b += 2) {
			pi_test_fill(s.data + b * s.format.interval,
				     s.format.interval);
			memset(s.md + b * s.format.md_size, 0xff,
			       s.format.md_size);
		}
		expect_good(&s);

		/* the next block is checked as ever, and counted on */
		sample_pi(&s, 3)[3] ^= 1;
		expect_bad(&s, PI_TAG_APP, 3, APP, APP ^ 1);
		sample_pi(&s, 1)[3] ^= 2;
		expect_bad(&s, PI_TAG_APP, 1, APP, APP ^ 2);
		sample_exit(&s);
	}
}

/* the application tag alone escapes, but not on type 3 */
static void test_escape_needs(void **state)
{
	(void)state;
	for_each_format(f) {
		struct sample s;
		uint8_t *pi;

		sample_init(&s, f, 2, REF, APP, APP_MASK);
		pi = sample_pi(&s, 1);
		memset(pi + 2, 0xff, 2);
		if (s.format.type != 3)
			expect_good(&s);
		else
			expect_bad(&s, PI_TAG_APP, 1, APP, 0xffff);

		memset(pi + 4, 0xff, 4);
		expect_good(&s);
		for (unsigned int bit = 0; bit < 32; bit++) {
			flip(pi + 4, bit);
			if (s.format.type != 3)
				expect_good(&s);
			else
				expect_bad(&s, PI_TAG_APP, 1, APP, 0xffff);
			flip(pi + 4, bit);
		}

		/* a reference tag of all ones escapes nothing by itself */
		memset(pi + 2, 0xfe, 2);
		expect_bad(&s, PI_TAG_APP, 1, APP, 0xfefe);
		sample_exit(&s);
	}
}

/* an application that writes 0xffff turns checking off, as on a device */
static void test_escape_own_tag(void **state)
{
	(void)state;
	for_each_format(f) {
		uint16_t guard;
		struct sample s;

		sample_init(&s, f, 2, REF, 0xffff, APP_MASK);
		expect_good(&s);
		guard = get_be(sample_pi(&s, 0), 2);
		sample_pi(&s, 0)[0] ^= 1;
		if (s.format.type != 3)
			expect_good(&s);
		else
			expect_bad(&s, PI_TAG_GUARD, 0, guard, guard ^ 0x100);
		sample_exit(&s);
	}
}

static void random_format(struct pi_format *f)
{
	uint16_t md_size = PI_SIZE + pi_test_below(MAX_MD - PI_SIZE + 1);

	if (pi_test_below(2))
		md_size = PI_SIZE << pi_test_below(5);
	*f = format(512 << pi_test_below(4), md_size, 0,
		    pi_test_below(2) ? 1 : 3);
	switch (pi_test_below(3)) {
	case 0:
		f->pi_offset = md_size - PI_SIZE;
		break;
	case 1:
		f->pi_offset = pi_test_below(md_size - PI_SIZE + 1);
	}
}

/* some of everything: data, opaque bytes, tags, escapes */
static void corrupt(struct sample *s)
{
	uint8_t *pi = sample_pi(s, pi_test_below(s->blocks));

	switch (pi_test_below(5)) {
	case 0:
		flip(s->data, pi_test_below(8 * s->data_bytes));
		break;
	case 1:
		flip(s->md, pi_test_below(8 * s->md_bytes));
		break;
	case 2:
		flip(pi, pi_test_below(8 * PI_SIZE));
		break;
	case 3:
		memset(pi + 2, 0xff, pi_test_below(2) ? 2 : 6);
		break;
	case 4:
		pi_test_fill(pi, PI_SIZE);
	}
}

static void test_random_round_trips(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		uint32_t blocks = 1 + pi_test_below(MAX_BLOCKS);
		uint16_t app = pi_test_rand();
		uint16_t mask = pi_test_below(2) ? 0xffff : pi_test_rand();
		struct pi_mismatch bad, expected;
		struct pi_format f;
		struct sample s;

		random_format(&f);
		sample_init(&s, &f, blocks, pi_test_rand(), app, mask);
		expect_good(&s);
		assert_int_equal(reference_verify(&f, s.data, s.md, blocks,
						  s.ref, app, mask, &bad), 0);

		for (unsigned int n = pi_test_below(3) + 1; n; n--)
			corrupt(&s);
		if (reference_verify(&f, s.data, s.md, blocks, s.ref, app, mask,
				     &expected))
			expect_bad(&s, expected.tag, expected.block,
				   expected.expected, expected.actual);
		else
			expect_good(&s);
		sample_exit(&s);
	}
}

static void test_none(void **state)
{
	struct pi_mismatch bad;

	(void)state;
	pi_tuple_none.generate(&pi_tuple_none, NULL, NULL, 5, REF);
	assert_int_equal(pi_tuple_none.verify(&pi_tuple_none, NULL, NULL, 5, REF,
					      &bad), 0);
}

static void test_tag_names(void **state)
{
	(void)state;
	assert_string_equal(pi_tag_name(PI_TAG_GUARD), "guard");
	assert_string_equal(pi_tag_name(PI_TAG_APP), "application tag");
	assert_string_equal(pi_tag_name(PI_TAG_REF), "reference tag");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literal_bytes),
		cmocka_unit_test(test_literal_opaque),
		pi_test_with_random(test_every_format),
		pi_test_with_random(test_bounds),
		cmocka_unit_test(test_no_blocks),
		pi_test_with_random(test_reference_tag_wraps),
		pi_test_with_random(test_type3_reference_tag),
		pi_test_with_random(test_app_mask),
		pi_test_with_random(test_every_bit),
		pi_test_with_random(test_which_is_named),
		pi_test_with_random(test_escape),
		pi_test_with_random(test_escape_needs),
		pi_test_with_random(test_escape_own_tag),
		pi_test_with_random(test_random_round_trips),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_tag_names),
	};

	return cmocka_run_group_tests_name("tuple", tests, setup, NULL);
}
