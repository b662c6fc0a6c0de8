// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test_fault.h"
#include "pi_test_format.h"
#include "pi_test_guard.h"

#define APP		0x5aa5
#define REF		0x1234567890ULL
#define AHEAD		0x7edcba9876543210ULL
#define TYPE3_REF	0xfedc5a5a12345678ULL

#define KIND(kind)	(1U << PI_FAULT_##kind)

static const struct pi_tuple_options every[] = {
	{ .app = APP, .app_mask = 0xffff },
	{ .app = APP, .app_mask = 0xffff, .opaque = true },
	{ .app = APP, .app_mask = 0xffff, .ref = TYPE3_REF, .ref_check = true },
	{ .app_mask = 0xffff, .app_mode = PI_APP_LBA },
	{ .app_mask = 0xff00, .app_mode = PI_APP_LBA, .ref_check = true },
	{ .app = APP, .app_mask = 0xffff, .app_mode = PI_APP_RANDOM },
	{ .app = APP, .app_mask = 0x0010, .app_mode = PI_APP_RANDOM },
	{ .app = 0xfffe, .app_mask = 0x00ff, .opaque = true, .ref_check = true },
	{ .app_mode = PI_APP_RANDOM },
	{ .app_mode = PI_APP_LBA, .ref_check = true, .opaque = true },
};

#define for_each_options(o) \
	for (const struct pi_tuple_options *o = every; \
	     o < every + ARRAY_SIZE(every); o++)

static const struct {
	uint8_t csum, md_size, pi_offset, type;
	struct pi_tuple_options options;
	const char *kinds;
} visible[] = {
	/* type 1: the reference tag is always checked */
	{ CRC16, 8, 0, 1, { .app_mask = 0xffff },
	  "data,guard,apptag,reftag,misplace,drop,tear" },
	{ CRC64, 16, 0, 1, { .app_mask = 0xffff },
	  "data,guard,apptag,reftag,misplace,drop,tear" },
	{ IP, 8, 0, 1, { .app_mask = 1 },
	  "data,guard,apptag,reftag,misplace,drop,tear" },
	{ CRC16, 8, 0, 1, { .app_mask = 0 },
	  "data,guard,reftag,misplace,tear" },
	/* type 3: on request */
	{ CRC16, 8, 0, 3, { .app_mask = 0xffff },
	  "data,guard,apptag,drop,tear" },
	{ CRC64, 16, 0, 3, { .app_mask = 0xffff, .ref_check = true },
	  "data,guard,apptag,reftag,drop,tear" },
	{ IP, 8, 0, 3, { .app_mask = 0 }, "data,guard,tear" },
	{ CRC16, 8, 0, 3, { .ref_check = true },
	  "data,guard,reftag,tear" },
	/* type 3, but each block has its own application tag */
	{ CRC16, 8, 0, 3, { .app_mask = 0xffff, .app_mode = PI_APP_LBA },
	  "data,guard,apptag,misplace,drop,tear" },
	{ CRC64, 16, 0, 3, { .app_mask = 2, .app_mode = PI_APP_RANDOM },
	  "data,guard,apptag,misplace,drop,tear" },
	{ CRC16, 8, 0, 3, { .app_mode = PI_APP_RANDOM },
	  "data,guard,tear" },
	/* the guard covers what is before it */
	{ CRC16, 64, 0, 3, { .app_mask = 0 }, "data,guard,tear" },
	{ CRC16, 64, 56, 3, { .app_mask = 0 }, "data,guard,opaque,tear" },
	{ CRC64, 64, 48, 3, { .app_mask = 0 }, "data,guard,opaque,tear" },
	{ CRC64, 64, 24, 3, { .app_mask = 0 }, "data,guard,opaque,tear" },
	{ IP, 64, 0, 1, { .app_mask = 0 },
	  "data,guard,reftag,misplace,tear" },
	/* a pattern shows where it is, and whose it is */
	{ CRC16, 64, 0, 3, { .opaque = true },
	  "data,guard,opaque,misplace,tear" },
	{ IP, 9, 0, 3, { .opaque = true },
	  "data,guard,opaque,misplace,tear" },
	{ CRC64, 64, 48, 3, { .opaque = true },
	  "data,guard,opaque,misplace,tear" },
	{ CRC16, 8, 0, 1, { .opaque = true },
	  "data,guard,reftag,misplace,tear" },
	{ CRC64, 128, 112, 1, { .app_mask = 0x8000, .opaque = true },
	  "data,guard,apptag,reftag,opaque,misplace,drop,tear" },
	/* what is not compared shows nothing */
	{ CRC16, 8, 0, 1, { .app_mask = 0xffff,
			    .unchecked = 1 << PI_TAG_GUARD },
	  "apptag,reftag,misplace,drop" },
	{ CRC64, 16, 0, 1, { .app_mask = 0xffff,
			     .unchecked = 1 << PI_TAG_APP },
	  "data,guard,reftag,misplace,tear" },
	{ IP, 8, 0, 1, { .app_mask = 0xffff,
			 .unchecked = 1 << PI_TAG_REF },
	  "data,guard,apptag,drop,tear" },
	{ CRC16, 8, 0, 1, { .app_mask = 0xffff, .app_mode = PI_APP_RANDOM,
			    .unchecked = 1 << PI_TAG_REF },
	  "data,guard,apptag,misplace,drop,tear" },
	{ CRC16, 64, 56, 1, { .app_mask = 0xffff,
			      .unchecked = 1 << PI_TAG_GUARD },
	  "apptag,reftag,misplace,drop" },
	/* without a tuple there is only that */
	{ NONE, 8, 0, 3, { .opaque = true, .app_mask = 0xffff },
	  "opaque,misplace" },
	{ NONE, 1, 0, 3, { .opaque = true, .ref_check = true,
			   .app_mode = PI_APP_LBA, .app_mask = 0xffff },
	  "opaque,misplace" },
	{ NONE, 8, 0, 3, { .app_mask = 0xffff, .ref_check = true,
			   .app_mode = PI_APP_RANDOM }, NULL },
};

static void test_visible(void **state)
{
	(void)state;
	for (uint32_t interval = 512; interval <= 4096; interval <<= 3)
		for (size_t i = 0; i < ARRAY_SIZE(visible); i++) {
			const struct pi_format f =
				pi_test_format(visible[i].csum, interval,
					       visible[i].md_size, visible[i].pi_offset,
					       visible[i].type);
			struct pi_tuple t;

			assert_int_equal(pi_tuple_init(&t, &f, &visible[i].options), 0);
			assert_int_equal(pi_fault_visible(&f, &t),
					 visible[i].kinds ? pi_test_kinds(visible[i].kinds) : 0);
		}
}

/* a pattern needs bytes to be in */
static void test_visible_no_room(void **state)
{
	static const struct pi_tuple_options pattern = {
		.app_mask = 0xffff, .opaque = true,
	};
	static const uint8_t alone[][2] = {
		{ CRC16, 8 }, { IP, 8 }, { CRC64, 16 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		const struct pi_format f =
			pi_test_format(alone[i][0], 512, alone[i][1], 0, 3);
		struct pi_tuple t;

		assert_int_equal(pi_tuple_init(&t, &f, &pattern), 0);
		assert_int_equal(pi_fault_visible(&f, &t),
				 pi_test_kinds("data,guard,apptag,drop,tear"));
	}
}

static void test_list(void **state)
{
	char list[128], cut[9];

	(void)state;
	assert_string_equal(pi_fault_list(list, sizeof(list)),
			    "data,guard,apptag,reftag,opaque,misplace,drop,tear,stortag");
	assert_string_equal(pi_fault_list(cut, sizeof(cut)), "data,gua");
}

static void test_possible(void **state)
{
	(void)state;
	assert_int_equal(pi_fault_possible(PI_INJECT_OUT),
			 pi_test_kinds("all"));
	assert_int_equal(pi_fault_possible(PI_INJECT_BEFORE),
			 pi_test_kinds("data"));
	assert_int_equal(pi_fault_possible(PI_INJECT_BACK),
			 pi_test_kinds("data,guard,apptag,reftag,opaque,stortag"));
}

/* kinds that need the old block, and kinds that change the reference tag */
static void test_flags(void **state)
{
	const unsigned int old = pi_test_kinds("drop,tear");
	const unsigned int ref = pi_test_kinds("reftag,misplace");

	(void)state;
	for (unsigned int i = 0; i < PI_NR_FAULT_KINDS; i++) {
		assert_int_equal(pi_fault_kinds[i].needs_old, old >> i & 1);
		assert_int_equal(pi_fault_kinds[i].moves_ref, ref >> i & 1);
	}
}

static void test_shows_as(void **state)
{
	/* a letter for each tag, without and with a pattern */
	static const struct {
		const char *kind, *tags[2];
	} row[] = {
		{ "data", { "g", "g" } },
		{ "guard", { "g", "g" } },
		{ "apptag", { "a", "a" } },
		{ "reftag", { "r", "r" } },
		{ "opaque", { "g", "o" } },
		{ "misplace", { "aros", "aros" } },
		{ "drop", { "garos", "garos" } },
		{ "tear", { "g", "g" } },
		{ "stortag", { "s", "s" } },
	};
	static const char letter[PI_NR_TAGS] = {
		[PI_TAG_GUARD]	= 'g',
		[PI_TAG_APP]	= 'a',
		[PI_TAG_REF]	= 'r',
		[PI_TAG_OPAQUE]	= 'o',
		[PI_TAG_STORAGE] = 's',
	};

	(void)state;
	for (int pattern = 0; pattern < 2; pattern++) {
		const struct pi_format f = pi_test_format(CRC16, 512, 64, 56, 1);
		const struct pi_tuple_options o = { .opaque = pattern };
		struct pi_tuple t;

		assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
		for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
			enum pi_fault_id kind = __builtin_ctz(pi_test_kinds(row[i].kind));

			for (enum pi_tag tag = 0; tag < PI_NR_TAGS; tag++)
				assert_int_equal(pi_fault_kinds[kind].shows_as(&t, tag),
					strchr(row[i].tags[pattern],
					       letter[tag]) != NULL);
		}
	}
}

/* one block: as it should be, as it is, and its previous contents */
struct sample {
	struct pi_format format;
	struct pi_tuple tuple;
	struct pi_fault_block called;
	uint8_t *good_data, *good_md;
	uint8_t *data, *md;
	uint8_t *old_data, *old_md;
};

static void sample_restore(struct sample *s)
{
	memcpy(s->data, s->good_data, s->format.interval);
	memcpy(s->md, s->good_md, s->format.md_size);
}

/* a tear fits a 16-bit guard once in 65536 times: two in a row are not expected */
static void fill_old_data(struct sample *s)
{
	const size_t half = s->format.interval / 2;
	struct pi_mismatch bad;

	pi_test_fill(s->old_data, 2 * half);
	memcpy(s->data, s->good_data, half);
	memcpy(s->data + half, s->old_data + half, half);
	if (!s->tuple.verify(&s->tuple, s->data, s->good_md, 1,
			     s->called.number, s->called.ref, &bad))
		pi_test_fill(s->old_data, 2 * half);
}

static void sample_init(struct sample *s, const struct pi_format *f,
			const struct pi_tuple_options *o, uint64_t ref)
{
	struct pi_tuple_options before = *o;
	struct pi_tuple old;

	*s = (struct sample) {
		.format		= *f,
		.called		= { .number = ref + AHEAD, .ref = ref, .tag = ref },
		.good_data	= malloc(f->interval),
		.good_md	= malloc(f->md_size),
		.data		= malloc(f->interval),
		.md		= malloc(f->md_size),
		.old_data	= malloc(f->interval),
		.old_md		= malloc(f->md_size),
	};
	assert_true(s->good_data && s->good_md && s->data && s->md &&
		    s->old_data && s->old_md);
	assert_int_equal(pi_tuple_init(&s->tuple, f, o), 0);
	pi_test_fill(s->good_data, f->interval);
	s->tuple.generate(&s->tuple, s->good_data, s->good_md, 1,
			  s->called.number, ref);
	fill_old_data(s);
	before.app ^= o->app_mask;
	assert_int_equal(pi_tuple_init(&old, f, &before), 0);
	old.generate(&old, s->old_data, s->old_md, 1, s->called.number, ref);
	sample_restore(s);
}

static void sample_exit(struct sample *s)
{
	free(s->good_data);
	free(s->good_md);
	free(s->data);
	free(s->md);
	free(s->old_data);
	free(s->old_md);
}

static bool apply(struct sample *s, enum pi_fault_id kind, uint64_t random)
{
	const struct pi_fault fault = { .kind = kind, .random = random };
	const bool needs_old = kind == PI_FAULT_DROP || kind == PI_FAULT_TEAR;
	struct pi_fault_block block = s->called;

	block.format = &s->format;
	block.tuple = &s->tuple;
	block.data = s->data;
	block.md = s->md;
	block.old_data = needs_old ? s->old_data : NULL;
	block.old_md = needs_old ? s->old_md : NULL;
	return pi_fault_apply(&fault, &block);
}

static int verify(const struct sample *s, struct pi_mismatch *bad)
{
	return s->tuple.verify(&s->tuple, s->data, s->md, 1, s->called.number,
			       s->called.ref, bad);
}

static unsigned int app_at(const struct sample *s)
{
	return s->format.pi_offset + s->format.guard->guard_size;
}

static uint16_t app_tag(const struct sample *s)
{
	return pi_test_get_be(s->md + app_at(s), 2);
}

static uint64_t ref_bits(const struct pi_format *f)
{
	return (1ULL << 8 * f->guard->ref_size) - 1;
}

static uint64_t ref_tag(const struct sample *s)
{
	return pi_test_get_be(s->md + app_at(s) + 2, s->format.guard->ref_size);
}

/* the field that a kind flips a bit of */
static void field(const struct sample *s, enum pi_fault_id kind,
		  unsigned int *begin, unsigned int *end)
{
	const struct pi_format *f = &s->format;

	switch (kind) {
	case PI_FAULT_GUARD:
		*begin = f->pi_offset;
		*end = app_at(s);
		break;
	case PI_FAULT_APPTAG:
		*begin = app_at(s);
		*end = *begin + 2;
		break;
	case PI_FAULT_REFTAG:
		*begin = app_at(s) + 2;
		*end = f->pi_offset + f->guard->pi_size;
		break;
	default:
		*begin = f->pi_offset ? 0 : f->guard->pi_size;
		*end = f->pi_offset ?: f->md_size;
	}
}

/* where the one bit is that differs */
static unsigned int the_bit(const uint8_t *good, const uint8_t *now, size_t len)
{
	unsigned int bits = 0, at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned int byte = good[i] ^ now[i];

		bits += __builtin_popcount(byte);
		if (byte)
			at = 8 * i + __builtin_ctz(byte);
	}
	assert_int_equal(bits, 1);
	return at;
}

/* a flip is one bit of its field; returns which of it */
static unsigned int expect_flip(const struct sample *s, enum pi_fault_id kind)
{
	const size_t interval = s->format.interval, md_size = s->format.md_size;
	unsigned int begin, end, bit;

	if (kind == PI_FAULT_DATA) {
		assert_memory_equal(s->md, s->good_md, md_size);
		return the_bit(s->good_data, s->data, interval);
	}
	assert_memory_equal(s->data, s->good_data, interval);
	bit = the_bit(s->good_md, s->md, md_size);
	field(s, kind, &begin, &end);
	pi_test_in_range(bit, 8 * begin, 8 * end - 1);
	return bit - 8 * begin;
}

static void expect_change(const struct sample *s, enum pi_fault_id kind)
{
	const size_t interval = s->format.interval, md_size = s->format.md_size;

	switch (kind) {
	case PI_FAULT_MISPLACE:
		assert_memory_equal(s->data, s->good_data, interval);
		assert_memory_not_equal(s->md, s->good_md, md_size);
		break;
	case PI_FAULT_DROP:
		assert_memory_equal(s->data, s->old_data, interval);
		assert_memory_equal(s->md, s->old_md, md_size);
		break;
	case PI_FAULT_TEAR:
		assert_memory_equal(s->data, s->good_data, interval / 2);
		assert_memory_equal(s->data + interval / 2,
				    s->old_data + interval / 2, interval / 2);
		assert_memory_equal(s->md, s->good_md, md_size);
		break;
	default:
		expect_flip(s, kind);
	}
}

static void expect_found(const struct sample *s, enum pi_fault_id kind)
{
	struct pi_mismatch bad;

	memset(&bad, PI_TEST_CANARY, sizeof(bad));
	assert_int_equal(verify(s, &bad), -EILSEQ);
	assert_int_equal(bad.block, 0);
	assert_true(pi_fault_kinds[kind].shows_as(&s->tuple, bad.tag));
	/* whatever the mask: both were generated with different tags */
	if (kind == PI_FAULT_DROP)
		assert_int_equal(bad.tag, PI_TAG_APP);
}

static uint64_t random_ref(void)
{
	return pi_test_below(2) ? pi_test_rand() :
	       pi_test_rand() << pi_test_below(64);
}

/*
 * Faults that are reported as visible are found, as the expected tag; all others
 * are not found.
 */
static void every_kind(const struct pi_format *f,
		       const struct pi_tuple_options *o, unsigned int times)
{
	const bool pi = f->guard->pi_size, room = f->md_size > f->guard->pi_size;
	const unsigned int possible = KIND(DATA) | (room ? KIND(OPAQUE) : 0) |
		(pi ? KIND(GUARD) | KIND(APPTAG) | KIND(REFTAG) |
		      KIND(MISPLACE) | KIND(TEAR) : 0);
	unsigned int visible, applied = 0;
	struct sample s;

	sample_init(&s, f, o, random_ref());
	visible = pi_fault_visible(f, &s.tuple);
	for (unsigned int i = 0; i < times; i++) {
		const enum pi_fault_id kind = pi_test_below(8);
		struct pi_mismatch bad;

		if (visible >> kind & 1) {
			assert_true(apply(&s, kind, pi_test_rand()));
			expect_change(&s, kind);
			expect_found(&s, kind);
			if (pi)
				assert_int_not_equal(app_tag(&s), 0xffff);
			applied |= 1U << kind;
		} else if (possible >> kind & 1) {
			apply(&s, kind, pi_test_rand());
			assert_int_equal(verify(&s, &bad), 0);
		}
		sample_restore(&s);
	}
	/* each is left out once in e^80 */
	assert_true(times < 600 || applied == visible);
	sample_exit(&s);
}

static void test_apply(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for_each_options(o)
			every_kind(f, o, f->interval == 512 ? 640 : 40);
}

/* every bit that may be flipped is flipped eventually */
static void every_bit(const struct pi_format *f, enum pi_fault_id kind,
		      const struct pi_tuple_options *o, unsigned int bits)
{
	static bool hit[8 * 4096];
	unsigned int left = bits;
	struct sample s;

	memset(hit, 0, sizeof(hit));
	sample_init(&s, f, o, REF);
	/* each is missed once in e^40 */
	for (unsigned int i = 0; i < 40 * bits; i++) {
		unsigned int bit;

		assert_true(apply(&s, kind, pi_test_rand()));
		bit = expect_flip(&s, kind);
		left -= !hit[bit];
		hit[bit] = true;
		sample_restore(&s);
	}
	assert_int_equal(left, 0);
	sample_exit(&s);
}

static void test_apply_every_bit(void **state)
{
	static const struct pi_tuple_options o = {
		.app = APP, .app_mask = 0xffff, .opaque = true,
	};
	static const struct pi_tuple_options masked = {
		.app = APP, .app_mask = 0x8421, .ref_check = true,
	};

	(void)state;
	pi_test_for_each_format(f) {
		const struct pi_guard *g = f->guard;
		unsigned int opaque = f->pi_offset ?: f->md_size - g->pi_size;

		if (f->interval != 512)
			continue;
		if (opaque)
			every_bit(f, PI_FAULT_OPAQUE, &o, 8 * opaque);
		if (!g->pi_size)
			continue;
		every_bit(f, PI_FAULT_GUARD, &o, 8 * g->guard_size);
		every_bit(f, PI_FAULT_APPTAG, &o, 16);
		every_bit(f, PI_FAULT_APPTAG, &masked, 4);
		every_bit(f, PI_FAULT_REFTAG, &o, 8 * g->ref_size);
	}
	/* a page of data takes long, and is the same for all */
	for (uint32_t interval = 512; interval <= 1024; interval *= 2) {
		const struct pi_format f = pi_test_format(CRC16, interval, 8, 0, 1);

		every_bit(&f, PI_FAULT_DATA, &o, 8 * interval);
	}
}

/* the same fault is the same change */
static void test_apply_again(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for (enum pi_fault_id kind = 0; kind < 8; kind++) {
			const uint64_t random = pi_test_rand();
			uint8_t data[4096], md[255];
			struct sample s;

			if (f->interval != 512)
				continue;
			sample_init(&s, f, &every[1], REF);
			if (pi_fault_visible(f, &s.tuple) >> kind & 1) {
				assert_true(apply(&s, kind, random));
				memcpy(data, s.data, f->interval);
				memcpy(md, s.md, f->md_size);
				sample_restore(&s);
				assert_true(apply(&s, kind, random));
				assert_memory_equal(data, s.data, f->interval);
				assert_memory_equal(md, s.md, f->md_size);
			}
			sample_exit(&s);
		}
}

/*
 * A tag that is one bit away from the escape: that bit is not flipped; another
 * one that is checked is, and if there is none, nothing changes.
 */
static void near_escape(const struct pi_format *f, unsigned int bit,
			uint16_t mask)
{
	const struct pi_tuple_options o = {
		.app = 0xffff ^ 1 << bit, .app_mask = mask,
	};
	struct sample s;

	sample_init(&s, f, &o, REF);
	for (uint64_t i = 0; i < 64; i++) {
		const bool done = apply(&s, PI_FAULT_APPTAG,
					i < 32 ? i : pi_test_rand());

		assert_int_equal(done, (mask & ~(1U << bit)) != 0);
		assert_int_not_equal(app_tag(&s), 0xffff);
		if (done) {
			expect_change(&s, PI_FAULT_APPTAG);
			expect_found(&s, PI_FAULT_APPTAG);
		} else {
			assert_memory_equal(s.data, s.good_data, f->interval);
			assert_memory_equal(s.md, s.good_md, f->md_size);
		}
		sample_restore(&s);
	}
	sample_exit(&s);
}

static void test_apply_escape(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		if (!f->guard->pi_size || f->interval != 512)
			continue;
		for (unsigned int bit = 0; bit < 16; bit++) {
			near_escape(f, bit, 0);
			near_escape(f, bit, 1U << bit);
			near_escape(f, bit, 1U << bit | 1U << (bit + 5) % 16);
			near_escape(f, bit, 1U << (bit + 15) % 16);
			near_escape(f, bit, 0xffff);
			near_escape(f, bit, pi_test_rand());
		}
	}
}

/* flips a bit of the correct tag, but never makes one that the kernel accepts */
static void test_apply_own_flip(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		const unsigned int bits = 8 * f->guard->ref_size;
		struct sample s;

		if (!bits || f->type != 1 || f->interval != 512)
			continue;
		sample_init(&s, f, &every[0], random_ref());
		for (unsigned int i = 0; i < 8 * bits; i++) {
			const uint64_t near = i % 2 ? s.called.ref : s.called.number;
			uint64_t flipped;

			s.called.tag = near ^ 1ULL << i / 2 % bits;
			assert_true(apply(&s, PI_FAULT_REFTAG,
					  i < 2 * bits ? i / 2 : pi_test_rand()));
			expect_found(&s, PI_FAULT_REFTAG);
			flipped = ref_tag(&s) ^ (s.called.tag & ref_bits(f));
			assert_int_equal(__builtin_popcountll(flipped), 1);
			assert_int_not_equal(ref_tag(&s),
					     s.called.number & ref_bits(f));
			assert_int_not_equal(ref_tag(&s),
					     s.called.ref & ref_bits(f));
			pi_tuple_set_ref(&s.tuple, s.md, s.called.ref);
			assert_memory_equal(s.md, s.good_md, f->md_size);
		}
		sample_exit(&s);
	}
}

static bool misplaced_from(const struct sample *s, uint64_t by)
{
	uint8_t md[255];

	s->tuple.generate(&s->tuple, s->good_data, md, 1, s->called.number + by,
			  s->called.tag + by);
	return !memcmp(md, s->md, s->format.md_size);
}

/* it is the tuple of another block, with the guard of this one's data */
static void test_apply_misplace(void **state)
{
	(void)state;
	pi_test_for_each_format(f)
		for_each_options(o) {
			const uint64_t bits = f->type == 1 ? ref_bits(f) : 0;
			struct sample s;

			if (!bits || f->interval != 512)
				continue;
			sample_init(&s, f, o, random_ref());
			for (unsigned int i = 0; i < 50; i++) {
				uint64_t by;

				if (i % 2)
					s.called.tag = pi_test_rand();
				assert_true(apply(&s, PI_FAULT_MISPLACE,
						  pi_test_rand()));
				by = (ref_tag(&s) - s.called.tag) & bits;
				pi_test_in_range(by, 1, 0xffff);
				assert_true(misplaced_from(&s, by));
				expect_found(&s, PI_FAULT_MISPLACE);
				sample_restore(&s);
			}
			sample_exit(&s);
		}
}

/* never to a block where the tag would be correct, given its width */
static void test_apply_own_misplace(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct sample s;

		if (!f->guard->pi_size || f->type != 1 || f->interval != 512)
			continue;
		sample_init(&s, f, &every[0], random_ref());
		for (unsigned int i = 0; i < 1000; i++) {
			const uint64_t random = pi_test_rand();
			const struct pi_fault_block called = s.called;

			assert_true(apply(&s, PI_FAULT_MISPLACE, random));

			/* the very block that would have been chosen */
			s.called.number = ref_tag(&s) |
					  (pi_test_rand() & ~ref_bits(f));
			sample_restore(&s);
			assert_true(apply(&s, PI_FAULT_MISPLACE, random));
			assert_int_not_equal(ref_tag(&s),
					     s.called.number & ref_bits(f));
			expect_change(&s, PI_FAULT_MISPLACE);
			expect_found(&s, PI_FAULT_MISPLACE);
			s.called = called;
			sample_restore(&s);
		}
		sample_exit(&s);
	}
}

/* another block's tag that is the same in the bits compared shows nothing */
static void misplace_masked(const struct pi_tuple_options *o)
{
	const struct pi_format f = pi_test_format(CRC16, 512, 8, 0, 3);
	struct sample s;

	sample_init(&s, &f, o, random_ref());
	for (unsigned int n = 0; n < 20; n++) {
		s.called.tag = pi_test_rand();
		assert_true(apply(&s, PI_FAULT_MISPLACE, pi_test_rand()));
		expect_change(&s, PI_FAULT_MISPLACE);
		expect_found(&s, PI_FAULT_MISPLACE);
		sample_restore(&s);
	}
	sample_exit(&s);
}

static void test_apply_misplace_mask(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20 * 16; i++) {
		struct pi_tuple_options o = { .app_mask = 1U << i % 16 };

		o.app_mode = PI_APP_LBA;
		misplace_masked(&o);
		o.app_mode = PI_APP_RANDOM;
		misplace_masked(&o);
	}
}

static void misplace_nowhere(const struct pi_format *f,
			     const struct pi_tuple_options *o)
{
	struct sample s;

	sample_init(&s, f, o, random_ref());
	for (unsigned int i = 0; i < 10; i++) {
		assert_false(apply(&s, PI_FAULT_MISPLACE, pi_test_rand()));
		assert_memory_equal(s.data, s.good_data, f->interval);
		assert_memory_equal(s.md, s.good_md, f->md_size);
	}
	sample_exit(&s);
}

/* all blocks have the same metadata, or what differs is not compared */
static void test_apply_misplace_nowhere(void **state)
{
	static const struct pi_tuple_options same = { .app_mask = 0xffff };
	static const struct pi_tuple_options unseen = {
		.app_mode = PI_APP_LBA, .ref_check = true,
	};

	(void)state;
	pi_test_for_each_format(f) {
		if (f->type != 3 || f->interval != 512)
			continue;
		misplace_nowhere(f, &same);
		misplace_nowhere(f, &unseen);
	}
}

static void test_apply_tear(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		const unsigned int half = f->interval / 2;
		struct sample s;

		sample_init(&s, f, &every[0], REF);
		assert_true(apply(&s, PI_FAULT_TEAR, pi_test_rand()));
		expect_change(&s, PI_FAULT_TEAR);

		/* if only the first half and the metadata differ, there is no tear */
		memcpy(s.data + half, s.old_data + half, half);
		memcpy(s.data, s.good_data, half);
		assert_false(apply(&s, PI_FAULT_TEAR, pi_test_rand()));
		assert_memory_equal(s.data, s.good_data, half);

		/* one byte is enough, be it the first or the last */
		for (unsigned int at = half; at < f->interval; at += half - 1) {
			memcpy(s.data, s.old_data, f->interval);
			s.data[at] ^= 1;
			assert_true(apply(&s, PI_FAULT_TEAR, pi_test_rand()));
			assert_memory_equal(s.data, s.old_data, f->interval);
		}
		assert_memory_equal(s.md, s.good_md, f->md_size);
		sample_exit(&s);
	}
}

static void test_apply_drop(void **state)
{
	(void)state;
	pi_test_for_each_format(f) {
		struct sample s;

		sample_init(&s, f, &every[0], REF);
		assert_true(apply(&s, PI_FAULT_DROP, pi_test_rand()));
		expect_change(&s, PI_FAULT_DROP);
		assert_false(apply(&s, PI_FAULT_DROP, pi_test_rand()));
		expect_change(&s, PI_FAULT_DROP);

		/* a difference in one of the two, and in its last byte */
		s.data[f->interval - 1] ^= 1;
		assert_true(apply(&s, PI_FAULT_DROP, pi_test_rand()));
		expect_change(&s, PI_FAULT_DROP);
		s.md[f->md_size - 1] ^= 1;
		assert_true(apply(&s, PI_FAULT_DROP, pi_test_rand()));
		expect_change(&s, PI_FAULT_DROP);
		s.data[0] ^= 1;
		s.md[0] ^= 1;
		assert_true(apply(&s, PI_FAULT_DROP, pi_test_rand()));
		expect_change(&s, PI_FAULT_DROP);
		sample_exit(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_visible_no_room),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_possible),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_shows_as),
		pi_test_with_random(test_apply),
		pi_test_with_random(test_apply_every_bit),
		pi_test_with_random(test_apply_again),
		pi_test_with_random(test_apply_escape),
		pi_test_with_random(test_apply_own_flip),
		pi_test_with_random(test_apply_misplace),
		pi_test_with_random(test_apply_own_misplace),
		pi_test_with_random(test_apply_misplace_mask),
		pi_test_with_random(test_apply_misplace_nowhere),
		pi_test_with_random(test_apply_tear),
		pi_test_with_random(test_apply_drop),
	};

	return cmocka_run_group_tests_name("fault", tests, pi_test_formats_init,
					   NULL);
}
