// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test_format.h"
#include "pi_test_guard.h"

#include "tuple.h"

#define MAX_INTERVAL	4096
#define MAX_MD		255
#define MAX_BLOCKS	9

#define APP		0x5aa5
#define REF		0x1234567890ULL
/* difference between block number and reference tag, to tell them apart */
#define AHEAD		0x7edcba9876543210ULL
#define TYPE3_REF	0xfedc5a5a12345678ULL

static const struct pi_tuple_options plain = {
	.app = APP, .app_mask = 0xffff,
};

static const struct pi_tuple_options checked = {
	.app = APP, .app_mask = 0xffff,
	.ref = TYPE3_REF, .ref_check = true, .opaque = true,
};

static const struct pi_tuple_options every[] = {
	{ .app = APP, .app_mask = 0xffff },
	{ .app = APP, .app_mask = 0xffff, .ref = TYPE3_REF, .opaque = true },
	{ .app = APP, .app_mask = 0xffff, .ref = TYPE3_REF, .ref_check = true },
	{ .app_mask = 0xffff, .app_mode = PI_APP_LBA },
	{ .app = APP, .app_mask = 0xfff0, .app_mode = PI_APP_LBA, .opaque = true },
	{ .app = APP, .app_mask = 0xffff, .app_mode = PI_APP_RANDOM },
	{ .app_mode = PI_APP_RANDOM, .ref_check = true, .opaque = true },
};

#define for_each_options(o) \
	for (const struct pi_tuple_options *o = every; \
	     o < every + ARRAY_SIZE(every); o++)

static void put_be(uint8_t *p, unsigned int bytes, uint64_t value)
{
	while (bytes--) {
		p[bytes] = value;
		value >>= 8;
	}
}

static void flip(uint8_t *p, unsigned int bit)
{
	p[bit / 8] ^= 0x80 >> bit % 8;
}

static const struct pi_test_guard *guard(const struct pi_format *f)
{
	return pi_test_guard(f->guard->csum);
}

static unsigned int pi_size(const struct pi_format *f)
{
	return guard(f)->pi_size;
}

static uint64_t ref_bits(const struct pi_format *f)
{
	return (1ULL << 8 * guard(f)->ref_size) - 1;
}

/* tags and opaque bytes of one interval, following the specification and tuple.h */
static uint64_t want_guard(const struct pi_format *f, const void *data,
			   const void *md)
{
	const struct pi_test_guard *g = guard(f);

	return g->compute(g->compute(g->seed, data, f->interval), md,
			  f->pi_offset);
}

static uint16_t want_app(const struct pi_tuple_options *o, uint64_t number)
{
	uint16_t varies = o->app_mode == PI_APP_LBA ? number :
			  number * 0x9e3779b97f4a7c15 >> 48;

	if (o->app_mode == PI_APP_CONSTANT)
		return o->app;
	varies ^= o->app;
	return varies == 0xffff ? 0xfffe : varies;
}

static uint64_t want_ref(const struct pi_format *f,
			 const struct pi_tuple_options *o, uint64_t ref)
{
	return (f->type == 3 ? o->ref : ref) & ref_bits(f);
}

static bool ref_checked(const struct pi_format *f,
			const struct pi_tuple_options *o)
{
	return f->type != 3 || o->ref_check;
}

static uint8_t want_opaque(const struct pi_tuple_options *o, uint64_t number,
			   unsigned int offset)
{
	uint64_t word = (number + 1) * 0x243f6a8885a308d3;

	return o->opaque ? word >> (offset % 8 * 8) : 0;
}

static bool is_opaque(const struct pi_format *f, unsigned int offset)
{
	return offset < f->pi_offset || offset >= f->pi_offset + pi_size(f);
}

static void reference_md(const struct pi_format *f,
			 const struct pi_tuple_options *o, const uint8_t *data,
			 uint64_t number, uint64_t ref, uint8_t *md)
{
	const struct pi_test_guard *g = guard(f);
	uint8_t *pi = md + f->pi_offset;

	for (unsigned int i = 0; i < f->md_size; i++)
		if (is_opaque(f, i))
			md[i] = want_opaque(o, number, i);
	if (!g->pi_size)
		return;
	put_be(pi, g->guard_size, want_guard(f, data, md));
	put_be(pi + g->guard_size, 2, want_app(o, number));
	put_be(pi + g->guard_size + 2, g->ref_size, want_ref(f, o, ref));
}

static bool reference_escaped(const struct pi_format *f, uint16_t app,
			      uint64_t ref)
{
	return pi_size(f) && app == 0xffff &&
	       (f->type != 3 || ref == ref_bits(f));
}

/* of one interval: expected and actual are equal where nothing is wrong */
static struct pi_mismatch reference_check(const struct pi_format *f,
					  const struct pi_tuple_options *o,
					  const uint8_t *data,
					  const uint8_t *md, uint64_t number,
					  uint64_t ref)
{
	const struct pi_test_guard *g = guard(f);
	const uint8_t *pi = md + f->pi_offset;
	uint16_t app = pi_test_get_be(pi + g->guard_size, g->pi_size ? 2 : 0);
	uint16_t want = want_app(o, number);
	uint64_t tag = pi_test_get_be(pi + g->guard_size + 2, g->ref_size);
	uint64_t value = pi_test_get_be(pi, g->guard_size);

	if (reference_escaped(f, app, tag))
		return (struct pi_mismatch) { 0 };
	for (unsigned int i = 0; i < f->md_size && o->opaque; i++)
		if (is_opaque(f, i) && md[i] != want_opaque(o, number, i))
			return (struct pi_mismatch) {
				PI_TAG_OPAQUE, 0, i, want_opaque(o, number, i),
				md[i],
			};
	if (value != want_guard(f, data, md))
		return (struct pi_mismatch) {
			PI_TAG_GUARD, 0, 0, want_guard(f, data, md), value,
		};
	if (pi_size(f) && (app ^ want) & o->app_mask)
		return (struct pi_mismatch) { PI_TAG_APP, 0, 0, want, app };
	if (ref_checked(f, o))
		return (struct pi_mismatch) {
			PI_TAG_REF, 0, 0, want_ref(f, o, ref), tag,
		};
	return (struct pi_mismatch) { 0 };
}

/* @blocks intervals of random data, in memory of exactly that size */
struct sample {
	struct pi_format format;
	struct pi_tuple_options options;
	struct pi_tuple tuple;
	uint32_t blocks;
	uint64_t number;
	uint64_t ref;
	size_t data_bytes;
	size_t md_bytes;
	uint8_t *data;
	uint8_t *md;
};

static void sample_init(struct sample *s, const struct pi_format *f,
			uint32_t blocks, uint64_t ref,
			const struct pi_tuple_options *options)
{
	*s = (struct sample) {
		.format		= *f,
		.options	= *options,
		.blocks		= blocks,
		.number		= ref + AHEAD,
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
	assert_int_equal(pi_tuple_init(&s->tuple, f, options), 0);
	s->tuple.generate(&s->tuple, s->data, s->md, blocks, s->number, ref);
}

static void sample_exit(struct sample *s)
{
	free(s->data);
	free(s->md);
}

static uint8_t *sample_data(const struct sample *s, uint32_t block)
{
	return s->data + (size_t)block * s->format.interval;
}

static uint8_t *sample_md(const struct sample *s, uint32_t block)
{
	return s->md + (size_t)block * s->format.md_size;
}

static uint8_t *sample_pi(const struct sample *s, uint32_t block)
{
	return sample_md(s, block) + s->format.pi_offset;
}

/* where a tag lies in a tuple, and in how many bytes */
static unsigned int tag_bytes(const struct pi_format *f, enum pi_tag tag)
{
	const unsigned int bytes[] = {
		guard(f)->guard_size, pi_size(f) ? 2 : 0, guard(f)->ref_size,
	};

	return bytes[tag];
}

static uint8_t *sample_tag(const struct sample *s, uint32_t block,
			   enum pi_tag tag)
{
	uint8_t *p = sample_pi(s, block);

	for (enum pi_tag before = 0; before < tag; before++)
		p += tag_bytes(&s->format, before);
	return p;
}

static uint64_t sample_get(const struct sample *s, uint32_t block,
			   enum pi_tag tag)
{
	return pi_test_get_be(sample_tag(s, block, tag),
			      tag_bytes(&s->format, tag));
}

static void sample_put(struct sample *s, uint32_t block, enum pi_tag tag,
		       uint64_t value)
{
	put_be(sample_tag(s, block, tag), tag_bytes(&s->format, tag), value);
}

static int sample_verify(const struct sample *s, struct pi_mismatch *bad)
{
	return s->tuple.verify(&s->tuple, s->data, s->md, s->blocks, s->number,
			       s->ref, bad);
}

static void expect_good(const struct sample *s)
{
	struct pi_mismatch bad;

	assert_int_equal(sample_verify(s, &bad), 0);
}

static void expect_bad_at(const struct sample *s, enum pi_tag tag,
			  uint32_t block, uint16_t offset, uint64_t expected,
			  uint64_t actual)
{
	struct pi_mismatch bad;

	memset(&bad, PI_TEST_CANARY, sizeof(bad));
	assert_int_equal(sample_verify(s, &bad), -EILSEQ);
	assert_int_equal(bad.tag, tag);
	assert_int_equal(bad.block, block);
	assert_int_equal(bad.offset, offset);
	assert_int_equal(bad.expected, expected);
	assert_int_equal(bad.actual, actual);
}

static void expect_bad(const struct sample *s, enum pi_tag tag, uint32_t block,
		       uint64_t expected, uint64_t actual)
{
	expect_bad_at(s, tag, block, 0, expected, actual);
}

/* compare with the reference */
static void expect_reference(const struct sample *s)
{
	for (uint32_t b = 0; b < s->blocks; b++) {
		struct pi_mismatch bad =
			reference_check(&s->format, &s->options,
					sample_data(s, b), sample_md(s, b),
					s->number + b, s->ref + b);

		if (bad.expected == bad.actual)
			continue;
		expect_bad_at(s, bad.tag, b, bad.offset, bad.expected,
			      bad.actual);
		return;
	}
	expect_good(s);
}

static const struct pi_tuple_options literal = {
	.app = 0x1234, .app_mask = 0xffff, .ref = 0x7755cafe01234567,
};

static const struct pi_tuple_options literal_pattern = {
	.app = 0x1234, .app_mask = 0xffff, .opaque = true,
};

static void test_literal_bytes(void **state)
{
	static const struct {
		uint8_t csum, md_size, type;
		const struct pi_tuple_options *options;
		uint64_t ref;
		const char *md;
	} row[] = {
		/* zeroes before it do not change a CRC that starts at 0 */
		{ CRC16, 8, 1, &literal, 0x0123456789abcdef,
		  "\xd0\xdb\x12\x34\x89\xab\xcd\xef"
		  "\x00\x00\x12\x34\x89\xab\xcd\xf0" },
		{ CRC16, 8, 3, &literal, 0x0123456789abcdef,
		  "\xd0\xdb\x12\x34\x01\x23\x45\x67"
		  "\x00\x00\x12\x34\x01\x23\x45\x67" },
		/* 0031 + 3233 + 3435 + 3637 + 3839 and its complement */
		{ IP, 8, 1, &literal, 0x0123456789abcdef,
		  "\x2a\xf6\x12\x34\x89\xab\xcd\xef"
		  "\xff\xff\x12\x34\x89\xab\xcd\xf0" },
		/* the first digits of pi after the point, then twice that */
		{ NONE, 10, 3, &literal_pattern, 0,
		  "\xd3\x08\xa3\x85\x88\x6a\x3f\x24\xd3\x08"
		  "\xa6\x11\x46\x0b\x11\xd5\x7e\x48\xa6\x11" },
		{ CRC16, 12, 1, &literal_pattern, 0,
		  "\xd0\xdb\x12\x34\x00\x00\x00\x00\xd3\x08\xa3\x85"
		  "\x00\x00\x12\x34\x00\x00\x00\x01\xa6\x11\x46\x0b" },
	};
	uint8_t data[2 * 512] = { 0 }, md[2 * 12];

	(void)state;
	memcpy(data + 512 - 9, "123456789", 9);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct pi_format f =
			pi_test_format(row[i].csum, 512, row[i].md_size, 0,
				       row[i].type);
		struct pi_mismatch bad;
		struct pi_tuple t;

		assert_int_equal(pi_tuple_init(&t, &f, row[i].options), 0);
		t.generate(&t, data, md, 2, row[i].ref, row[i].ref);
		assert_memory_equal(md, row[i].md, 2 * f.md_size);
		assert_int_equal(t.verify(&t, data, md, 2, row[i].ref,
					  row[i].ref, &bad), 0);
	}
}

/* 16 bytes: guard 8, application tag 2, reference tag 6 */
static void literal_crc64(uint8_t type, uint8_t fill, const char *expected)
{
	const struct pi_format f = pi_test_format(CRC64, 4096, 16, 0, type);
	uint8_t data[4096], md[16];
	struct pi_tuple t;

	memset(data, fill, sizeof(data));
	assert_int_equal(pi_tuple_init(&t, &f, &literal), 0);
	t.generate(&t, data, md, 1, 0, 0x0123456789abcdef);
	assert_memory_equal(md, expected, 16);
}

static void test_literal_crc64(void **state)
{
	(void)state;
	literal_crc64(1, 0, "\x64\x82\xd3\x67\xeb\x22\xb6\x4e"
			    "\x12\x34\x45\x67\x89\xab\xcd\xef");
	literal_crc64(3, 0xff, "\xc0\xdd\xba\x73\x02\xec\xa3\xac"
			       "\x12\x34\xca\xfe\x01\x23\x45\x67");
}

/* a tuple that is last is guarded together with the metadata before it */
static void test_literal_opaque(void **state)
{
	const struct pi_tuple_options o = { .app_mask = 0xffff };
	struct pi_format f = pi_test_format(CRC16, 512, 24, 16, 1);
	uint8_t data[512] = { 0 }, md[24] = { 0 };
	struct pi_mismatch bad;
	struct pi_tuple t;

	(void)state;
	memcpy(md + 16 - 9, "123456789", 9);
	memcpy(md + 16, "\xd0\xdb\x00\x00\x00\x00\x00\x07", 8);
	assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
	assert_int_equal(t.verify(&t, data, md, 1, 9, 7, &bad), 0);
	md[0] = 1;
	assert_int_equal(t.verify(&t, data, md, 1, 9, 7, &bad), -EILSEQ);
}

static void expect_generated(const struct sample *s)
{
	for (uint32_t b = 0; b < s->blocks; b++) {
		uint8_t expected[MAX_MD];

		reference_md(&s->format, &s->options, sample_data(s, b),
			     s->number + b, s->ref + b, expected);
		assert_memory_equal(sample_md(s, b), expected,
				    s->format.md_size);
	}
	expect_good(s);
}

static void test_every_format(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for_each_options(o) {
			struct sample s;

			sample_init(&s, f, 3, REF, o);
			expect_generated(&s);
			sample_exit(&s);
		}
}

/*
 * With inaccessible pages on either side and read-only data: nothing outside the
 * buffers is read and only the metadata is written, at any alignment.
 */
static void fenced(const struct pi_format *f, const uint8_t *data, uint8_t *md,
		   const struct pi_test_fence *fence)
{
	size_t md_bytes = 2 * f->md_size;
	uint8_t good[2 * MAX_MD];
	struct pi_mismatch bad;
	struct pi_tuple t;

	memset(fence->begin, PI_TEST_CANARY, fence->end - fence->begin);
	assert_int_equal(pi_tuple_init(&t, f, &checked), 0);

	t.generate(&t, data, md, 2, REF + AHEAD, REF);
	reference_md(f, &checked, data, REF + AHEAD, REF, good);
	reference_md(f, &checked, data + f->interval, REF + AHEAD + 1, REF + 1,
		     good + f->md_size);
	assert_memory_equal(md, good, md_bytes);

	assert_int_equal(t.verify(&t, data, md, 2, REF + AHEAD, REF, &bad), 0);
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
	pi_test_for_each_format(f) {
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
	pi_test_for_each_format(f)
		for_each_options(o) {
			struct pi_mismatch bad;
			struct pi_tuple t;

			assert_int_equal(pi_tuple_init(&t, f, o), 0);
			t.generate(&t, NULL, NULL, 0, REF, REF);
			assert_int_equal(t.verify(&t, NULL, NULL, 0, REF, REF,
						  &bad), 0);
		}
}

static void reference_tag_wraps(const struct pi_format *f, uint64_t seed,
				const uint64_t first[3])
{
	const uint64_t beyond = ~ref_bits(f);
	struct sample s;

	sample_init(&s, f, 3, seed, &plain);
	for (uint32_t b = 0; b < s.blocks; b++)
		assert_int_equal(sample_get(&s, b, PI_TAG_REF), first[b]);
	expect_good(&s);

	/* only its low bits are on the media, and all of them */
	for (uint64_t bit = 1; bit; bit <<= 1) {
		s.ref = seed ^ bit;
		if (bit & beyond)
			expect_good(&s);
		else
			expect_bad(&s, PI_TAG_REF, 0, s.ref & ~beyond, first[0]);
	}
	sample_exit(&s);
}

static void test_reference_tag_wraps(void **state)
{
	static const struct {
		uint64_t seed, first[3];
	} bits32[] = {
		{ 0, { 0, 1, 2 } },
		{ 0xffffffff, { 0xffffffff, 0, 1 } },
		{ 0xfffffffe, { 0xfffffffe, 0xffffffff, 0 } },
		{ 0x100000000, { 0, 1, 2 } },
		{ 0x7ffffffff, { 0xffffffff, 0, 1 } },
		{ 0xabcdef0123456789, { 0x23456789, 0x2345678a, 0x2345678b } },
		{ UINT64_MAX, { 0xffffffff, 0, 1 } },
	}, bits48[] = {
		{ 0, { 0, 1, 2 } },
		{ 0xffffffff, { 0xffffffff, 0x100000000, 0x100000001 } },
		{ 0xffffffffffff, { 0xffffffffffff, 0, 1 } },
		{ 0xfffffffffffe, { 0xfffffffffffe, 0xffffffffffff, 0 } },
		{ 0x1000000000000, { 0, 1, 2 } },
		{ 0xabcdef0123456789,
		  { 0xef0123456789, 0xef012345678a, 0xef012345678b } },
		{ UINT64_MAX, { 0xffffffffffff, 0, 1 } },
	};
	const struct pi_format crc16 = pi_test_format(CRC16, 512, 16, 8, 1);
	const struct pi_format ip = pi_test_format(IP, 512, 8, 0, 1);
	const struct pi_format crc64 = pi_test_format(CRC64, 512, 32, 16, 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bits32); i++) {
		reference_tag_wraps(&crc16, bits32[i].seed, bits32[i].first);
		reference_tag_wraps(&ip, bits32[i].seed, bits32[i].first);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bits48); i++)
		reference_tag_wraps(&crc64, bits48[i].seed, bits48[i].first);
}

/* constant, truncated to its width, and compared only on request */
static void test_type3_reference_tag(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct pi_tuple_options o = plain;
		const uint64_t tag = TYPE3_REF & ref_bits(f);
		struct sample s;

		if (f->type != 3 || !pi_size(f))
			continue;
		for (int set = 0; set < 2; set++) {
			o.ref = set ? TYPE3_REF : 0;
			sample_init(&s, f, 3, REF, &o);
			for (uint32_t b = 0; b < s.blocks; b++)
				assert_int_equal(sample_get(&s, b, PI_TAG_REF),
						 set ? tag : 0);
			sample_put(&s, 1, PI_TAG_REF, pi_test_rand());
			sample_put(&s, 2, PI_TAG_REF, UINT64_MAX);
			s.ref = 0;
			expect_good(&s);
			sample_exit(&s);
		}

		o.ref_check = true;
		sample_init(&s, f, 3, REF, &o);
		s.ref = pi_test_rand();
		expect_good(&s);
		sample_put(&s, 2, PI_TAG_REF, UINT64_MAX);
		expect_bad(&s, PI_TAG_REF, 2, tag, ref_bits(f));
		sample_put(&s, 1, PI_TAG_REF, 0);
		expect_bad(&s, PI_TAG_REF, 1, tag, 0);
		sample_exit(&s);
	}
}

/* with type 1 the application does not set the reference tag */
static void test_type1_reference_tag(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct pi_tuple_options o = plain;
		struct sample s;

		if (f->type != 1)
			continue;
		o.ref = TYPE3_REF;
		for (int check = 0; check < 2; check++) {
			o.ref_check = check;
			sample_init(&s, f, 2, REF, &o);
			for (uint32_t b = 0; b < s.blocks; b++)
				assert_int_equal(sample_get(&s, b, PI_TAG_REF),
						 (REF + b) & ref_bits(f));
			sample_put(&s, 1, PI_TAG_REF, 0);
			expect_bad(&s, PI_TAG_REF, 1, (REF + 1) & ref_bits(f), 0);
			sample_exit(&s);
		}
	}
}

/* the mask affects comparing only: the whole tag is written and reported */
static void app_mask(const struct pi_format *f, uint16_t mask)
{
	const struct pi_tuple_options o = { .app = 0x1234, .app_mask = mask };
	struct sample s;
	uint8_t *app;

	sample_init(&s, f, 2, REF, &o);
	app = sample_tag(&s, 1, PI_TAG_APP);
	assert_int_equal(pi_test_get_be(app, 2), 0x1234);
	for (unsigned int bit = 0; bit < 16; bit++) {
		flip(app, bit);
		if (mask & 0x8000 >> bit)
			expect_bad(&s, PI_TAG_APP, 1, 0x1234,
				   pi_test_get_be(app, 2));
		else
			expect_good(&s);
		flip(app, bit);
	}
	sample_exit(&s);
}

/* wrong tags that are not compared do not hide others */
static void unchecked(const struct pi_format *f, unsigned int tags)
{
	const struct pi_tuple_options o = {
		.app = 0x1234, .app_mask = 0xffff,
		.ref = TYPE3_REF, .ref_check = true, .unchecked = tags,
	};
	struct sample s;

	for (unsigned int wrong = 0; wrong < 8; wrong++) {
		struct pi_mismatch bad;

		sample_init(&s, f, 3, REF, &o);
		for (enum pi_tag tag = 0; tag < PI_TAG_OPAQUE; tag++) {
			assert_int_equal(sample_get(&s, 1, tag),
				tag == PI_TAG_GUARD ?
				want_guard(f, sample_data(&s, 1), sample_md(&s, 1)) :
				tag == PI_TAG_APP ? 0x1234 :
				want_ref(f, &o, REF + 1));
			if (wrong >> tag & 1)
				flip(sample_tag(&s, 1, tag), 5);
		}
		if (wrong & ~tags) {
			assert_int_equal(sample_verify(&s, &bad), -EILSEQ);
			assert_int_equal(bad.block, 1);
			assert_int_equal(bad.tag, __builtin_ctz(wrong & ~tags));
		} else {
			expect_good(&s);
		}
		sample_exit(&s);
	}
}

static void test_unchecked(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for (unsigned int tags = 0; tags < 8 && pi_size(f); tags++)
			unchecked(f, tags);
}

static void test_app_mask(void **state)
{
	static const uint16_t mask[] = {
		0, 0xffff, 0x0ff0, 0xf00f, 0x00ff, 0xff00, 0x0001, 0x8000,
	};

	(void)state;
	pi_test_for_each_format(f)
		for (size_t i = 0; i < ARRAY_SIZE(mask) && pi_size(f); i++)
			app_mask(f, mask[i]);
}

/* get the tags of many intervals, from the same small buffer */
static uint16_t *app_tags(const struct pi_tuple_options *o, uint64_t number,
			  uint32_t blocks)
{
	const struct pi_format f = pi_test_format(CRC16, 512, 8, 0, 1);
	uint16_t *tag = malloc(blocks * sizeof(*tag));
	uint8_t data[512] = { 0 }, md[8];
	struct pi_tuple t;

	assert_non_null(tag);
	assert_int_equal(pi_tuple_init(&t, &f, o), 0);
	for (uint32_t b = 0; b < blocks; b++) {
		t.generate(&t, data, md, 1, number + b, 0);
		tag[b] = pi_test_get_be(md + 2, 2);
	}
	return tag;
}

static void test_app_lba(void **state)
{
	static const struct {
		uint64_t ref;
		uint16_t app, tag[3];
	} row[] = {
		{ 0, 0, { 0, 1, 2 } },
		{ 0xabcdef, 0, { 0xcdef, 0xcdf0, 0xcdf1 } },
		{ 0xfffe, 0, { 0xfffe, 0xfffe, 0 } },
		{ 0xffff, 0, { 0xfffe, 0, 1 } },
		{ 0x7fffffffffffe, 0, { 0xfffe, 0xfffe, 0 } },
		{ UINT64_MAX, 0, { 0xfffe, 0, 1 } },
		{ 0x10000, 0x00ff, { 0x00ff, 0x00fe, 0x00fd } },
		{ 0xff00, 0x00ff, { 0xfffe, 0xfffe, 0xfffd } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct pi_tuple_options o = {
			.app = row[i].app, .app_mode = PI_APP_LBA,
		};
		uint16_t *tag = app_tags(&o, row[i].ref, 3);

		for (int b = 0; b < 3; b++)
			assert_int_equal(tag[b], row[i].tag[b]);
		free(tag);
	}
}

/*
 * 2^18 intervals in 2^8 bins are 1024 per bin; random numbers stay within 160 of
 * that (5 sigma), and a low-discrepancy sequence is much closer.
 */
static void spread(const uint16_t *tag, unsigned int shift)
{
	unsigned int bins[256] = { 0 };

	for (unsigned int b = 0; b < 1 << 18; b++)
		bins[tag[b] >> shift & 0xff]++;
	for (unsigned int i = 0; i < 256; i++)
		pi_test_in_range(bins[i], 1024 - 160, 1024 + 160);
}

static void test_app_random(void **state)
{
	const uint64_t from[] = { 0, 0xffff0000, 0x123456789abcd, pi_test_rand() };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(from); i++) {
		const struct pi_tuple_options o = {
			.app = i % 2 ? 0xffff : pi_test_rand(),
			.app_mode = PI_APP_RANDOM,
		};
		uint16_t *tag = app_tags(&o, from[i / 2], 1 << 18);
		unsigned int distinct = 0, same = 0, up = 0;
		static bool seen[0x10000];

		memset(seen, 0, sizeof(seen));
		for (unsigned int b = 0; b < 1 << 18; b++) {
			assert_int_not_equal(tag[b], 0xffff);
			assert_int_equal(tag[b], want_app(&o, from[i / 2] + b));
			distinct += !seen[tag[b]];
			seen[tag[b]] = true;
			same += b && tag[b] == tag[b - 1];
			up += b && tag[b] > tag[b - 1];
		}
		spread(tag, 0);
		spread(tag, 8);
		pi_test_in_range(distinct, 0xf000, 0xffff);
		pi_test_in_range(same, 0, 16);
		pi_test_in_range(up, 1 << 16, 3 << 16);
		free(tag);
	}
}

/* the tags depend on the seed */
static void test_app_random_seed(void **state)
{
	const struct pi_tuple_options a = { .app = 1, .app_mode = PI_APP_RANDOM };
	const struct pi_tuple_options b = { .app = 2, .app_mode = PI_APP_RANDOM };
	uint16_t *tag_a = app_tags(&a, REF, 1000);
	uint16_t *tag_b = app_tags(&b, REF, 1000);
	unsigned int same = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		same += tag_a[i] == tag_b[i];
	pi_test_in_range(same, 0, 5);
	free(tag_a);
	free(tag_b);
}

/* each interval has its own tag, which is enough to detect another's */
static void test_app_expected(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for (int mode = PI_APP_LBA; mode <= PI_APP_RANDOM; mode++) {
			const struct pi_tuple_options o = {
				.app = APP, .app_mask = 0xffff, .app_mode = mode,
			};
			struct sample s;
			uint16_t was;

			if (!pi_size(f))
				continue;
			sample_init(&s, f, 4, (0xffff ^ APP) - AHEAD, &o);
			assert_int_equal(sample_get(&s, 0, PI_TAG_APP),
					 want_app(&o, s.number));
			expect_good(&s);
			was = sample_get(&s, 2, PI_TAG_APP);
			sample_put(&s, 2, PI_TAG_APP, want_app(&o, s.number + 3));
			expect_bad(&s, PI_TAG_APP, 2, was,
				   want_app(&o, s.number + 3));
			sample_exit(&s);
		}
}

/* the tuple as a number: flipped bits, and the tags that must be reported */
static void flip_tuple(struct sample *s, uint32_t block)
{
	for (enum pi_tag tag = PI_TAG_GUARD; tag <= PI_TAG_REF; tag++) {
		uint8_t *p = sample_tag(s, block, tag);
		uint64_t good = sample_get(s, block, tag);

		for (unsigned int bit = 0; bit < 8 * tag_bytes(&s->format, tag);
		     bit++) {
			flip(p, bit);
			if (tag == PI_TAG_REF &&
			    !ref_checked(&s->format, &s->options))
				expect_good(s);
			else
				expect_bad(s, tag, block, good,
					   sample_get(s, block, tag));
			flip(p, bit);
		}
	}
}

/*
 * Update the guard for one flipped bit without recomputing it.  A CRC is linear,
 * so the change only depends on the position of the bit; go from the last bit to
 * the first.  The IP checksum changes according to RFC 1624.
 */
struct delta {
	uint8_t csum;
	uint64_t crc;
};

static struct delta delta_init(const struct pi_format *f)
{
	uint8_t csum = guard(f)->csum;

	return (struct delta) {
		csum, csum == CRC64 ? PI_TEST_POLY64 : PI_TEST_POLY16,
	};
}

/* flip the bit that is @back bits before the end of @p, which is @bytes long */
static unsigned int delta_bit(const struct delta *d, size_t bytes,
			      unsigned int back)
{
	unsigned int bit = 8 * bytes - 1 - back;

	return d->csum == CRC64 ? bit ^ 7 : bit;
}

/* flip @bit of @p, and update the guard */
static uint64_t delta_guard(struct delta *d, const uint8_t *p,
			    unsigned int bit, uint64_t value)
{
	unsigned int now = pi_test_get_be(p + bit / 16 * 2, 2);
	uint64_t crc = d->crc;

	if (d->csum == IP)
		return 0xffff ^ pi_test_ip_add(
			pi_test_ip_add(value ^ 0xffff,
				       0xffff ^ now ^ 0x8000 >> bit % 16), now);
	d->crc = d->csum == CRC64 ? pi_test_crc64_bit(crc) :
				    pi_test_crc16_bit(crc);
	return value ^ crc;
}

/* flip bits in @bytes bytes that the guard covers, last byte first */
static void flip_guarded(struct sample *s, uint32_t block, uint8_t *p,
			 size_t bytes, struct delta *delta)
{
	uint64_t value = sample_get(s, block, PI_TAG_GUARD);

	for (unsigned int i = 0; i < 8 * bytes; i++) {
		unsigned int bit = delta_bit(delta, bytes, i);
		uint64_t expected;

		flip(p, bit);
		expected = delta_guard(delta, p, bit, value);
		if (s->options.opaque && p == sample_md(s, block))
			expect_bad_at(s, PI_TAG_OPAQUE, block, bit / 8,
				      p[bit / 8] ^ 0x80 >> bit % 8, p[bit / 8]);
		else
			expect_bad(s, PI_TAG_GUARD, block, expected, value);
		flip(p, bit);
	}
}

static void flip_unguarded(struct sample *s, uint32_t block, unsigned int begin,
			   unsigned int end)
{
	uint8_t *md = sample_md(s, block);

	for (unsigned int bit = 8 * begin; bit < 8 * end; bit++) {
		uint8_t was = md[bit / 8];

		flip(md, bit);
		if (s->options.opaque)
			expect_bad_at(s, PI_TAG_OPAQUE, block, bit / 8, was,
				      md[bit / 8]);
		else
			expect_good(s);
		flip(md, bit);
	}
}

static void flip_unnoticed(struct sample *s, uint8_t *p, size_t bytes)
{
	for (unsigned int bit = 0; bit < 8 * bytes; bit++) {
		flip(p, bit);
		expect_good(s);
		flip(p, bit);
	}
}

static void every_bit(const struct pi_format *f,
		      const struct pi_tuple_options *o)
{
	struct sample s;

	sample_init(&s, f, 2, REF, o);
	for (uint32_t b = 0; b < s.blocks; b++) {
		struct delta delta = delta_init(f);

		flip_tuple(&s, b);
		if (pi_size(f)) {
			flip_guarded(&s, b, sample_md(&s, b), f->pi_offset,
				     &delta);
			flip_guarded(&s, b, sample_data(&s, b), f->interval,
				     &delta);
		} else {
			flip_unnoticed(&s, sample_data(&s, b), f->interval);
		}
		flip_unguarded(&s, b, f->pi_offset + pi_size(f), f->md_size);
	}
	expect_good(&s);
	sample_exit(&s);
}

static void test_every_bit(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		every_bit(f, &plain);
		if (f->interval == 512)
			every_bit(f, &checked);
	}
}

/* opaque bytes before guard before application tag before reference tag */
static void which_is_named(const struct pi_format *f)
{
	uint64_t value, app, ref;
	struct sample s;
	uint8_t *md;

	sample_init(&s, f, 4, REF, &checked);
	md = sample_md(&s, 2);
	value = sample_get(&s, 2, PI_TAG_GUARD);
	app = sample_get(&s, 2, PI_TAG_APP);
	ref = sample_get(&s, 2, PI_TAG_REF);
	sample_md(&s, 3)[f->md_size - 1] ^= 1;
	sample_md(&s, 3)[0] ^= 1;

	sample_put(&s, 2, PI_TAG_REF, ref ^ 0x80);
	expect_bad(&s, PI_TAG_REF, 2, ref, ref ^ 0x80);
	sample_put(&s, 2, PI_TAG_APP, app ^ 0x100);
	expect_bad(&s, PI_TAG_APP, 2, app, app ^ 0x100);
	sample_put(&s, 2, PI_TAG_GUARD, value ^ 0x10);
	expect_bad(&s, PI_TAG_GUARD, 2, value, value ^ 0x10);

	for (unsigned int i = f->md_size; i--;) {
		uint8_t was = md[i];

		if (!is_opaque(f, i))
			continue;
		md[i] = ~was;
		expect_bad_at(&s, PI_TAG_OPAQUE, 2, i, was, md[i]);
	}
	sample_exit(&s);
}

static void test_which_is_named(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		if (pi_size(f))
			which_is_named(f);
}

/* the first wrong block is reported, regardless of those after it */
static void test_block_before_tag(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct sample s;
		uint64_t app;

		if (!pi_size(f))
			continue;
		sample_init(&s, f, 4, REF, &checked);
		app = sample_get(&s, 1, PI_TAG_APP);
		sample_put(&s, 1, PI_TAG_APP, app ^ 2);
		memset(sample_md(&s, 2), 0xaa, 2 * f->md_size);
		memset(sample_data(&s, 2), 0xaa, 2 * f->interval);
		expect_bad(&s, PI_TAG_APP, 1, app, app ^ 2);
		sample_exit(&s);
	}
}

/* the pattern of another block, or at another offset, does not pass */
static void test_opaque_moves(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		unsigned int at = f->pi_offset ? 0 : pi_size(f);
		struct sample s;
		uint8_t was;

		if (at == f->md_size)
			continue;
		sample_init(&s, f, 3, REF, &checked);
		was = sample_md(&s, 1)[at];
		for (unsigned int i = 0; i < f->md_size; i++)
			if (is_opaque(f, i))
				sample_md(&s, 1)[i] = sample_md(&s, 2)[i];
		expect_bad_at(&s, PI_TAG_OPAQUE, 1, at, was,
			      sample_md(&s, 2)[at]);

		s.tuple.generate(&s.tuple, s.data, s.md, s.blocks, s.number, REF);
		expect_good(&s);
		s.number++;
		expect_bad_at(&s, PI_TAG_OPAQUE, 0, at, was, sample_md(&s, 0)[at]);
		sample_exit(&s);
	}
}

/* 2^16 consecutive patterns all differ, and single bytes match 1 time in 256 */
static void test_opaque_spread(void **state)
{
	const struct pi_format f = pi_test_format(NONE, 512, 8, 0, 3);
	static const uint8_t data[512];
	unsigned int same[8] = { 0 };
	uint8_t md[2][8] = { { 0 } };
	struct pi_tuple t;

	(void)state;
	assert_int_equal(pi_tuple_init(&t, &f, &checked), 0);
	for (unsigned int b = 0; b < 1 << 16; b++) {
		uint8_t *now = md[b & 1], *before = md[~b & 1];

		t.generate(&t, data, now, 1, REF + b, 0);
		assert_memory_not_equal(now, before, 8);
		for (unsigned int i = 0; i < 8; i++)
			same[i] += now[i] == before[i];
	}
	for (unsigned int i = 0; i < 8; i++)
		pi_test_in_range(same[i], 0, 1024);
}

/* escape checking in interval @b */
static void escape(struct sample *s, uint32_t b)
{
	pi_test_fill(sample_data(s, b), s->format.interval);
	pi_test_fill(sample_md(s, b), s->format.md_size);
	sample_put(s, b, PI_TAG_APP, 0xffff);
	if (s->format.type == 3)
		sample_put(s, b, PI_TAG_REF, UINT64_MAX);
}

static void spoil_app(struct sample *s, uint32_t b, uint16_t bits)
{
	uint16_t app = sample_get(s, b, PI_TAG_APP);

	sample_put(s, b, PI_TAG_APP, app ^ bits);
	expect_bad(s, PI_TAG_APP, b, app, app ^ bits);
}

/* nothing in it is checked, not even opaque bytes; other intervals are */
static void escapes(const struct pi_format *f, const struct pi_tuple_options *o)
{
	struct sample s;

	sample_init(&s, f, 4, REF, o);
	escape(&s, 0);
	escape(&s, 2);
	expect_good(&s);
	spoil_app(&s, 3, 1);
	spoil_app(&s, 1, 2);
	escape(&s, 1);
	escape(&s, 3);
	expect_good(&s);
	sample_exit(&s);
}

static void test_escape(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for_each_options(o)
			if (pi_size(f) && o->app_mask == 0xffff)
				escapes(f, o);
}

/* the application tag alone escapes, but not with type 3 */
static void escape_needs(const struct pi_format *f,
			 const struct pi_tuple_options *o)
{
	struct sample s;
	uint8_t *ref;

	sample_init(&s, f, 2, REF, o);
	ref = sample_tag(&s, 1, PI_TAG_REF);
	sample_put(&s, 1, PI_TAG_APP, 0xffff);
	if (f->type != 3)
		expect_good(&s);
	else
		expect_bad(&s, PI_TAG_APP, 1, APP, 0xffff);

	sample_put(&s, 1, PI_TAG_REF, UINT64_MAX);
	expect_good(&s);
	for (unsigned int bit = 0; bit < 8U * guard(f)->ref_size; bit++) {
		flip(ref, bit);
		if (f->type != 3)
			expect_good(&s);
		else
			expect_bad(&s, PI_TAG_APP, 1, APP, 0xffff);
		flip(ref, bit);
	}

	/* a reference tag of all ones alone does not escape */
	for (unsigned int bit = 0; bit < 16; bit++) {
		sample_put(&s, 1, PI_TAG_APP, 0xffff ^ 1 << bit);
		expect_bad(&s, PI_TAG_APP, 1, APP, 0xffff ^ 1 << bit);
	}
	sample_exit(&s);
}

static void test_escape_needs(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		if (pi_size(f)) {
			escape_needs(f, &plain);
			escape_needs(f, &checked);
		}
}

/* an application that writes 0xffff turns checking off, as on a device */
static void escape_own_tag(const struct pi_format *f, uint64_t ref)
{
	const struct pi_tuple_options o = {
		.app = 0xffff, .app_mask = 0xffff, .ref = ref, .opaque = true,
	};
	uint64_t value;
	struct sample s;

	sample_init(&s, f, 2, REF, &o);
	assert_int_equal(sample_get(&s, 1, PI_TAG_APP), 0xffff);
	expect_good(&s);
	value = sample_get(&s, 0, PI_TAG_GUARD);
	sample_put(&s, 0, PI_TAG_GUARD, value ^ 0x100);
	if (f->type != 3 || ref == UINT64_MAX)
		expect_good(&s);
	else
		expect_bad(&s, PI_TAG_GUARD, 0, value, value ^ 0x100);
	sample_exit(&s);
}

static void test_escape_own_tag(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		if (pi_size(f)) {
			escape_own_tag(f, 0);
			escape_own_tag(f, UINT64_MAX);
			escape_own_tag(f, UINT64_MAX - 1);
		}
}

/* without a tuple, bytes that look like an escape have no meaning */
static void test_no_guard(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct sample s;

		if (pi_size(f))
			continue;
		sample_init(&s, f, 3, REF, &plain);
		for (size_t i = 0; i < s.md_bytes; i++)
			assert_int_equal(s.md[i], 0);
		pi_test_fill(s.md, s.md_bytes);
		pi_test_fill(s.data, s.data_bytes);
		expect_good(&s);
		sample_exit(&s);

		sample_init(&s, f, 3, REF, &checked);
		pi_test_fill(s.data, s.data_bytes);
		expect_good(&s);
		memset(sample_md(&s, 1), 0xff, f->md_size);
		expect_bad_at(&s, PI_TAG_OPAQUE, 1, 0,
			      want_opaque(&checked, s.number + 1, 0), 0xff);
		sample_exit(&s);
	}
}

static void random_format(struct pi_format *f)
{
	const struct pi_test_guard *g =
		&pi_test_guards[pi_test_below(ARRAY_SIZE(pi_test_guards))];
	unsigned int least = g->pi_size ?: 1;
	uint16_t md_size = least + pi_test_below(MAX_MD - least + 1);

	if (pi_test_below(2))
		md_size = least << pi_test_below(4);
	*f = pi_test_format(g->csum, 512 << pi_test_below(4), md_size, 0,
			    g->pi_size && pi_test_below(2) ? 1 : 3);
	if (g->alone || !g->pi_size)
		return;
	switch (pi_test_below(3)) {
	case 0:
		f->pi_offset = md_size - g->pi_size;
		break;
	case 1:
		f->pi_offset = pi_test_below(md_size - g->pi_size + 1);
	}
}

static struct pi_tuple_options random_options(void)
{
	return (struct pi_tuple_options) {
		.app		= pi_test_below(8) ? pi_test_rand() : 0xffff,
		.app_mask	= pi_test_below(2) ? 0xffff : pi_test_rand(),
		.app_mode	= pi_test_below(3),
		.ref		= pi_test_below(4) ? pi_test_rand() : UINT64_MAX,
		.ref_check	= pi_test_below(2),
		.opaque		= pi_test_below(2),
	};
}

/* random changes: data, opaque bytes, tags, escapes */
static void corrupt(struct sample *s)
{
	const unsigned int bytes = pi_size(&s->format);
	uint32_t block = pi_test_below(s->blocks);
	uint8_t *pi = sample_pi(s, block);

	switch (pi_test_below(bytes ? 6 : 2)) {
	case 0:
		flip(s->data, pi_test_below(8 * s->data_bytes));
		break;
	case 1:
		flip(s->md, pi_test_below(8 * s->md_bytes));
		break;
	case 2:
		flip(pi, pi_test_below(8 * bytes));
		break;
	case 3:
		sample_put(s, block, PI_TAG_REF, UINT64_MAX);
		/* fall through */
	case 4:
		sample_put(s, block, PI_TAG_APP, 0xffff);
		break;
	case 5:
		pi_test_fill(pi, bytes);
	}
}

static void test_random_round_trips(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t blocks = 1 + pi_test_below(MAX_BLOCKS);
		struct pi_tuple_options o = random_options();
		struct pi_format f;
		struct sample s;

		random_format(&f);
		sample_init(&s, &f, blocks, pi_test_rand(), &o);
		expect_generated(&s);
		expect_reference(&s);
		for (unsigned int n = pi_test_below(3) + 1; n; n--)
			corrupt(&s);
		expect_reference(&s);
		sample_exit(&s);
	}
}

/* combine the two buffers of @s into one extended buffer of exactly that size */
static uint8_t *interleave(const struct sample *s)
{
	const uint32_t interval = s->format.interval, md = s->format.md_size;
	uint8_t *buf = malloc(s->data_bytes + s->md_bytes);

	assert_non_null(buf);
	for (uint32_t i = 0; i < s->blocks; i++) {
		memcpy(buf + (size_t)i * (interval + md), sample_data(s, i),
		       interval);
		memcpy(buf + (size_t)i * (interval + md) + interval,
		       sample_md(s, i), md);
	}
	return buf;
}

static void expect_same(const struct sample *s, const struct pi_tuple *extended)
{
	struct pi_mismatch separate = { 0 }, found = { 0 };
	uint8_t *buf = interleave(s);

	assert_int_equal(extended->verify(extended, buf, NULL, s->blocks,
					  s->number, s->ref, &found),
			 sample_verify(s, &separate));
	assert_memory_equal(&found, &separate, sizeof(found));
	free(buf);
}

/* metadata of an extended LBA equals that in a separate buffer */
static void test_extended(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		const uint32_t blocks = 1 + pi_test_below(MAX_BLOCKS);
		struct pi_tuple_options o = random_options();
		struct pi_tuple extended;
		struct pi_format f;
		struct sample s;
		uint8_t *buf, *want;

		random_format(&f);
		sample_init(&s, &f, blocks, pi_test_rand(), &o);
		want = interleave(&s);
		f.extended = true;
		assert_int_equal(pi_tuple_init(&extended, &f, &o), 0);

		buf = malloc(s.data_bytes + s.md_bytes);
		assert_non_null(buf);
		memset(buf, PI_TEST_CANARY, s.data_bytes + s.md_bytes);
		for (uint32_t b = 0; b < blocks; b++) {
			assert_ptr_equal(pi_tuple_data(&s.tuple, s.data, b),
					 sample_data(&s, b));
			assert_ptr_equal(pi_tuple_md(&s.tuple, s.data, s.md, b),
					 sample_md(&s, b));
			assert_ptr_equal(pi_tuple_data(&extended, buf, b),
					 buf + b * (f.interval + f.md_size));
			assert_ptr_equal(pi_tuple_md(&extended, buf, NULL, b),
					 buf + b * (f.interval + f.md_size) +
					 f.interval);
			memcpy(pi_tuple_data(&extended, buf, b),
			       sample_data(&s, b), f.interval);
		}
		extended.generate(&extended, buf, NULL, blocks, s.number,
				  s.ref);
		assert_memory_equal(buf, want, s.data_bytes + s.md_bytes);

		expect_same(&s, &extended);
		for (unsigned int n = pi_test_below(3) + 1; n; n--)
			corrupt(&s);
		expect_same(&s, &extended);
		free(want);
		free(buf);
		sample_exit(&s);
	}
}

/* only the low bits are set, and nothing else changes */
static void test_set_reference_tag(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		const uint64_t bits = pi_size(f) ? ref_bits(f) : 0;
		struct sample s, was;

		sample_init(&s, f, 1, REF, &plain);
		sample_init(&was, f, 1, REF, &plain);
		memcpy(was.md, s.md, s.md_bytes);
		for (unsigned int i = 0; i < 20; i++) {
			const uint64_t ref = pi_test_rand();

			pi_tuple_set_ref(&s.tuple, s.md, ref);
			assert_int_equal(pi_tuple_ref(&s.tuple, s.md),
					 ref & bits);
			if (bits)
				sample_put(&was, 0, PI_TAG_REF, ref);
			assert_memory_equal(s.md, was.md, s.md_bytes);
		}
		sample_exit(&s);
		sample_exit(&was);
	}
}

static bool alone(const struct sample *s, uint32_t block)
{
	return pi_tuple_ref_alone(&s->tuple, s->data, s->md, s->blocks, s->ref,
				  block);
}

/* remapped by the kernel: consecutive, in one or two sequences */
static void test_reference_tag_alone(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for (unsigned int part = 0; part < MAX_BLOCKS; part++) {
			const uint64_t by[2] = { pi_test_rand(), pi_test_rand() };
			struct sample s;

			if (f->type != 1)
				continue;
			sample_init(&s, f, MAX_BLOCKS, pi_test_rand(), &plain);
			for (uint32_t b = 0; b < MAX_BLOCKS; b++)
				sample_put(&s, b, PI_TAG_REF,
					   s.ref + b + by[b >= part]);
			for (uint32_t b = 0; b < MAX_BLOCKS; b++)
				assert_false(alone(&s, b));
			for (uint32_t b = 0; b < MAX_BLOCKS; b++) {
				const uint64_t was = sample_get(&s, b, PI_TAG_REF);
				const bool edge = !b || b == MAX_BLOCKS - 1 ||
						  b == part || b + 1 == part;

				sample_put(&s, b, PI_TAG_REF, was ^ 1ULL <<
					   pi_test_below(8 * tag_bytes(f, PI_TAG_REF)));
				assert_int_equal(alone(&s, b), !edge);
				sample_put(&s, b, PI_TAG_REF, was);
			}
			sample_exit(&s);
		}
}

/* same size as the 64-bit guard, but another layout */
static void test_guard_without_loops(void **state)
{
	const struct pi_guard guard48 = {
		.name = "CRC48", .pi_size = 16, .guard_size = 6, .ref_size = 8,
		.compute = pi_test_none,
	};
	const struct pi_guard *known = pi_guard_by_csum(CRC64);

	(void)state;
	for (unsigned int last = 0; last < 2; last++)
		for (unsigned int md_size = 16; md_size <= 64; md_size *= 4) {
			struct pi_format f =
				pi_test_format(CRC64, 4096, md_size,
					       last ? md_size - 16 : 0, 1);
			struct pi_guard other = *known;
			struct pi_tuple t;

			f.guard = &guard48;
			assert_int_equal(pi_tuple_init(&t, &f, &plain),
					 -EOPNOTSUPP);
			f.extended = true;
			assert_int_equal(pi_tuple_init(&t, &f, &plain),
					 -EOPNOTSUPP);
			/* another checksum with the same layout is supported */
			other.compute = pi_test_none;
			f.guard = &other;
			assert_int_equal(pi_tuple_init(&t, &f, &plain), 0);
		}
}

static void test_none(void **state)
{
	struct pi_mismatch bad;

	(void)state;
	pi_tuple_none.generate(&pi_tuple_none, NULL, NULL, 5, REF, REF);
	assert_int_equal(pi_tuple_none.verify(&pi_tuple_none, NULL, NULL, 5, REF,
					      REF, &bad), 0);
}

static void test_tag_names(void **state)
{
	(void)state;
	assert_string_equal(pi_tag_name(PI_TAG_GUARD), "guard");
	assert_string_equal(pi_tag_name(PI_TAG_APP), "application tag");
	assert_string_equal(pi_tag_name(PI_TAG_REF), "reference tag");
	assert_string_equal(pi_tag_name(PI_TAG_OPAQUE), "opaque byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literal_bytes),
		cmocka_unit_test(test_literal_crc64),
		cmocka_unit_test(test_literal_opaque),
		pi_test_with_random(test_every_format),
		pi_test_with_random(test_bounds),
		cmocka_unit_test(test_no_blocks),
		pi_test_with_random(test_reference_tag_wraps),
		pi_test_with_random(test_type3_reference_tag),
		pi_test_with_random(test_type1_reference_tag),
		pi_test_with_random(test_app_mask),
		pi_test_with_random(test_unchecked),
		cmocka_unit_test(test_app_lba),
		pi_test_with_random(test_app_random),
		cmocka_unit_test(test_app_random_seed),
		pi_test_with_random(test_app_expected),
		pi_test_with_random(test_every_bit),
		pi_test_with_random(test_which_is_named),
		pi_test_with_random(test_block_before_tag),
		pi_test_with_random(test_opaque_moves),
		cmocka_unit_test(test_opaque_spread),
		pi_test_with_random(test_escape),
		pi_test_with_random(test_escape_needs),
		pi_test_with_random(test_escape_own_tag),
		pi_test_with_random(test_no_guard),
		pi_test_with_random(test_random_round_trips),
		pi_test_with_random(test_extended),
		pi_test_with_random(test_set_reference_tag),
		pi_test_with_random(test_reference_tag_alone),
		cmocka_unit_test(test_guard_without_loops),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_tag_names),
	};

	return cmocka_run_group_tests_name("tuple", tests, pi_test_formats_init,
					   NULL);
}
