// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not to be had:
 *
 * wrap: realloc
 */
#include <errno.h>

#include "pi_test_format.h"
#include "pi_test_guard.h"

#include "inject.h"

#define APP		0x5aa5
#define REF		0x1234567890ULL
#define AHEAD		0x7edcba9876543210ULL
#define TYPE3_REF	0xfedc5a5a12345678ULL

#define ALL_KINDS	0xffU
#define KIND(kind)	(1U << PI_FAULT_##kind)

static const char * const names[] = {
	"data", "guard", "apptag", "reftag", "opaque", "misplace", "drop", "tear",
};

/* reallocations until one fails; -1: none does */
static int memory_left = -1;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_realloc(void *p, size_t size)
{
	if (!memory_left)
		return NULL;
	if (memory_left > 0)
		memory_left--;
	return __real_realloc(p, size);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(PI_NR_FAULT_KINDS, ARRAY_SIZE(names));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(pi_fault_name(i), names[i]);
}

static unsigned int kinds(const char *text)
{
	struct pi_reason reason = { "" };
	unsigned int found = ~0U;

	assert_int_equal(pi_inject_kinds(text, &found, &reason), 0);
	return found;
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		unsigned int kinds;
	} row[] = {
		{ "data", KIND(DATA) },
		{ "guard", KIND(GUARD) },
		{ "apptag", KIND(APPTAG) },
		{ "reftag", KIND(REFTAG) },
		{ "opaque", KIND(OPAQUE) },
		{ "misplace", KIND(MISPLACE) },
		{ "drop", KIND(DROP) },
		{ "tear", KIND(TEAR) },
		{ "all", ALL_KINDS },
		{ "data,guard,apptag,reftag,opaque,misplace,drop,tear", ALL_KINDS },
		{ "tear,data", KIND(TEAR) | KIND(DATA) },
		{ "drop,drop,guard,drop", KIND(DROP) | KIND(GUARD) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(kinds(row[i].text), row[i].kinds);
}

static void refuse_kinds(const char *text, const char *part)
{
	struct pi_reason reason = { "" };
	unsigned int found;

	assert_int_equal(pi_inject_kinds(text, &found, &reason), -EINVAL);
	pi_test_says(&reason, part);
	pi_test_says(&reason, "no kind of fault");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		pi_test_says(&reason, names[i]);
	pi_test_says(&reason, "or all");
	assert_int_equal(pi_inject_kinds(text, &found, NULL), -EINVAL);
}

static void test_kinds_refused(void **state)
{
	static const char * const row[][2] = {
		{ "", "''" }, { ",", "''" }, { "data,", "''" }, { ",data", "''" },
		{ "data,,guard", "''" }, { "dat", "'dat'" },
		{ "datax", "'datax'" }, { "Data", "'Data'" },
		{ " data", "' data'" }, { "data ", "'data '" },
		{ "data,grard,tear", "'grard'" }, { "data;tear", "'data;tear'" },
		{ "all,data", "'all'" }, { "data,all", "'all'" },
		{ "none", "'none'" }, { "0", "'0'" }, { "%s%n", "'%s%n'" },
		/* cut, for one line */
		{ "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
		  "'abcdefghijklmnopqrstuvwxyzabcdefghijklmn'" },
	};
	char *huge = malloc(100000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		refuse_kinds(row[i][0], row[i][1]);
	assert_non_null(huge);
	memset(huge, 'x', 99999);
	huge[99999] = '\0';
	refuse_kinds(huge, "'xxxx");
	free(huge);
}

/* words, some of them no kinds, and what becomes of them as it is put together */
static void test_fuzz_kinds(void **state)
{
	static const char * const no_kind[] = {
		"", "all", "dat", "dataguard", "g", "misplace ", "TEAR", "\n",
		"\xff",
	};
	unsigned int good = 0;

	(void)state;
	for (unsigned int i = 0; i < 50000; i++) {
		unsigned int want = 0, found, words = 1 + pi_test_below(20);
		struct pi_reason reason = { "" };
		char text[256] = "", *copy;
		bool bad = false;

		for (unsigned int n = 0; n < words; n++) {
			unsigned int kind = pi_test_below(ARRAY_SIZE(names));
			const char *word = names[kind];

			if (pi_test_below(20)) {
				want |= 1U << kind;
			} else {
				word = no_kind[pi_test_below(ARRAY_SIZE(no_kind))];
				bad |= words > 1 || strcmp(word, "all");
				want = ALL_KINDS;
			}
			sprintf(text + strlen(text), n ? ",%s" : "%s", word);
		}
		/* alone on the heap, where ASan sees what lies beyond */
		copy = strdup(text);
		assert_non_null(copy);
		if (bad) {
			assert_int_equal(pi_inject_kinds(copy, &found, &reason),
					 -EINVAL);
			assert_non_null(strstr(reason.text, "no kind of fault"));
		} else {
			assert_int_equal(kinds(copy), want);
			good++;
		}
		free(copy);
	}
	pi_test_in_range(good, 5000, 45000);
}

static void expect_blocks(const char *text, const struct pi_block_range *want,
			  unsigned int nr)
{
	struct pi_reason reason = { "" };
	struct pi_inject inject;

	memset(&inject, PI_TEST_CANARY, sizeof(inject));
	assert_int_equal(pi_inject_blocks(text, &inject, &reason), 0);
	assert_int_equal(inject.nr_ranges, nr);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(inject.ranges[i].first, want[i].first);
		assert_int_equal(inject.ranges[i].last, want[i].last);
	}
	free(inject.ranges);
}

static void test_blocks(void **state)
{
	static const struct {
		const char *text;
		unsigned int nr;
		struct pi_block_range want[4];
	} row[] = {
		{ "7", 1, { { 7, 7 } } },
		{ "0", 1, { { 0, 0 } } },
		{ "0-0", 1, { { 0, 0 } } },
		{ "7,100-120", 2, { { 7, 7 }, { 100, 120 } } },
		/* as given: in any order, overlapping, twice */
		{ "9,5-10,9,1", 4, { { 9, 9 }, { 5, 10 }, { 9, 9 }, { 1, 1 } } },
		{ "0x10-0x1f,0XFf", 2, { { 16, 31 }, { 255, 255 } } },
		{ "16-0x10", 1, { { 16, 16 } } },
		{ "4294967295-4294967296", 1, { { 0xffffffff, 0x100000000 } } },
		{ "18446744073709551615", 1, { { UINT64_MAX, UINT64_MAX } } },
		{ "0-0xffffffffffffffff", 1, { { 0, UINT64_MAX } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		expect_blocks(row[i].text, row[i].want, row[i].nr);
}

/* fio takes them for decimal too */
static void test_blocks_leading_zero(void **state)
{
	static const struct pi_block_range want[] = { { 10, 10 }, { 8, 99 } };

	(void)state;
	expect_blocks("010,08-0099", want, 2);
}

static void refuse_blocks(const char *text, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_inject inject;

	memset(&inject, PI_TEST_CANARY, sizeof(inject));
	assert_int_equal(pi_inject_blocks(text, &inject, &reason), -EINVAL);
	assert_null(inject.ranges);
	pi_test_says(&reason, part);
	pi_test_says(&reason, "write 7,100-120");
	assert_int_equal(pi_inject_blocks(text, &inject, NULL), -EINVAL);
	assert_null(inject.ranges);
}

static void test_blocks_refused(void **state)
{
	static const char * const row[] = {
		"", "-", "-7", "+7", " 7", "7 ", "7k", "0x", "0xg", "0x-1",
		"x10", "1e3", "1.5", "7;8", "7/8", "7-", "7--8", "7-8-9", "7- 8",
		"7-+8", "7-x", "8-7", "0x10-15", "1-0", "%s%n", "all",
		"18446744073709551616", "0x10000000000000000",
		"1-18446744073709551616", "99999999999999999999999999-1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char quoted[64], list[64];

		snprintf(quoted, sizeof(quoted), "'%s'", row[i]);
		refuse_blocks(row[i], quoted);
		snprintf(list, sizeof(list), "1,2-3,%s", row[i]);
		refuse_blocks(list, row[i]);
		snprintf(list, sizeof(list), "%s,1", row[i]);
		refuse_blocks(list, row[i]);
	}
}

#define MANY	5000

/* 0-4,10-14,..., with @last at its end */
static char *many_blocks(const char *last)
{
	char *text = malloc(MANY * 20 + 20), *p = text;

	assert_non_null(text);
	for (unsigned int i = 0; i < MANY; i++)
		p += sprintf(p, "%u-%u,", 10 * i, 10 * i + 4);
	strcpy(p, last);
	return text;
}

static void test_blocks_many(void **state)
{
	char *text = many_blocks("0xfedcba9876543210");
	struct pi_reason reason = { "" };
	struct pi_inject inject;

	(void)state;
	assert_int_equal(pi_inject_blocks(text, &inject, &reason), 0);
	assert_int_equal(inject.nr_ranges, MANY + 1);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(inject.ranges[i].first, 10 * i);
		assert_int_equal(inject.ranges[i].last, 10 * i + 4);
	}
	assert_int_equal(inject.ranges[MANY].first, 0xfedcba9876543210);
	free(inject.ranges);
	free(text);
}

/* the item, however long the list */
static void test_blocks_refused_item(void **state)
{
	char *text = many_blocks("12-x,13"), *huge = malloc(MANY);

	(void)state;
	refuse_blocks(text, "'12-x'");
	free(text);
	assert_non_null(huge);
	memset(huge, '9', MANY - 1);
	huge[MANY - 1] = '\0';
	refuse_blocks(huge, "'9999");
	free(huge);
	refuse_blocks(",", "''");
	refuse_blocks("1,,2", "''");
	refuse_blocks("1,2,", "''");
}

static void test_blocks_no_memory(void **state)
{
	struct pi_inject inject;

	(void)state;
	for (int left = 0; left < 5; left++) {
		struct pi_reason reason = { "" };

		memset(&inject, PI_TEST_CANARY, sizeof(inject));
		memory_left = left;
		assert_int_equal(pi_inject_blocks("1,2-3,4,5,6", &inject,
						  &reason), -ENOMEM);
		memory_left = -1;
		assert_null(inject.ranges);
		pi_test_says(&reason, "no memory");
	}
	memory_left = 5;
	assert_int_equal(pi_inject_blocks("1,2-3,4,5,6", &inject, NULL), 0);
	assert_int_equal(memory_left, 0);
	memory_left = -1;
	free(inject.ranges);
}

/* one item of a list, its meaning, and whether it has one */
static bool random_item(char *text, struct pi_block_range *range)
{
	static const char * const bad[] = {
		"", "-", "1-", "-1", "2-1", "x", "0x", "1-2-3", " 1", "\n",
		"18446744073709551616", "\xff", "1:2",
	};
	static const char * const format[] = {
		"%" PRIu64 "-%" PRIu64, "0x%" PRIx64 "-%" PRIu64,
		"%" PRIu64 "-0X%" PRIX64,
	};

	if (!pi_test_below(30)) {
		strcpy(text, bad[pi_test_below(ARRAY_SIZE(bad))]);
		return false;
	}
	range->first = pi_test_rand() >> pi_test_below(64);
	range->last = range->first;
	if (pi_test_below(2)) {
		sprintf(text, pi_test_below(2) ? "%" PRIu64 : "0x%" PRIx64,
			range->first);
		return true;
	}
	range->last += pi_test_below(UINT64_MAX - range->first) >>
		       pi_test_below(64);
	sprintf(text, format[pi_test_below(ARRAY_SIZE(format))], range->first,
		range->last);
	return true;
}

static void test_fuzz_blocks(void **state)
{
	unsigned int good = 0;

	(void)state;
	for (unsigned int i = 0; i < 50000; i++) {
		unsigned int items = 1 + pi_test_below(20);
		struct pi_block_range want[20];
		char text[20 * 48] = "", *copy;
		bool bad = false;

		for (unsigned int n = 0; n < items; n++) {
			if (n)
				strcat(text, ",");
			bad |= !random_item(text + strlen(text), &want[n]);
		}
		copy = strdup(text);
		assert_non_null(copy);
		if (bad) {
			struct pi_inject inject;

			assert_int_equal(pi_inject_blocks(copy, &inject, NULL),
					 -EINVAL);
			assert_null(inject.ranges);
		} else {
			expect_blocks(copy, want, items);
			good++;
		}
		free(copy);
	}
	pi_test_in_range(good, 5000, 48000);
}

/* bytes of the language in any order: what is taken makes sense */
static void test_fuzz_bytes(void **state)
{
	static const char alphabet[] = "0123456789012345678900--,,,xXa %";
	unsigned int good = 0;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		size_t len = pi_test_below(24);
		char *text = malloc(len + 1);
		struct pi_reason reason = { "" };
		struct pi_inject inject;
		unsigned int items = 1;
		int ret;

		assert_non_null(text);
		for (size_t n = 0; n < len; n++) {
			text[n] = alphabet[pi_test_below(sizeof(alphabet) - 1)];
			if (!pi_test_below(50))
				text[n] = 1 + pi_test_below(255);
			items += text[n] == ',';
		}
		text[len] = '\0';
		ret = pi_inject_blocks(text, &inject, &reason);
		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_null(inject.ranges);
			assert_non_null(strstr(reason.text, "write 7,100-120"));
		} else {
			assert_int_equal(inject.nr_ranges, items);
			for (unsigned int n = 0; n < items; n++)
				assert_true(inject.ranges[n].last >=
					    inject.ranges[n].first);
			good++;
		}
		free(inject.ranges);
		free(text);
	}
	pi_test_in_range(good, 1000, 99000);
}

static struct pi_inject one_in(uint64_t nr, uint64_t seed)
{
	return (struct pi_inject) {
		.kinds	= ALL_KINDS,
		.one_in	= nr,
		.seed	= seed,
	};
}

/*
 * The blocks of a seed in somebody's report are these everywhere: splitmix64's
 * finalizer over block * 0x9e3779b97f4a7c15 + finalizer(seed), computed apart
 */
static void test_choose_literal(void **state)
{
	static const struct {
		uint64_t seed, block;
		const char *kind;
		uint64_t random;
	} row[] = {
		{ 1, 2022, "tear", 0x3e4fbca3c47f2240 },
		{ 1, 2511, "reftag", 0x8ab6d68b691df9fc },
		{ 1, 3361, "reftag", 0x534caf5ebc619bdd },
		{ 1, 4540, "opaque", 0xd31666fa3ccf8a63 },
		{ 1, 5600, "opaque", 0x4725ce74480d7cd4 },
		{ 1, 5874, "misplace", 0x10598bee1b57a6fb },
		{ 0xfedcba9876543210, 0x10000000588, "apptag", 0x32da47f7f73ae369 },
		{ 0xfedcba9876543210, 0x100000006dc, "tear", 0x1386f858d021b478 },
		{ 0xfedcba9876543210, 0x10000000eb3, "data", 0x47ed7d940bd81af9 },
		{ 0xfedcba9876543210, 0x10000001216, "data", 0xde7d703b3d1285b2 },
		{ 0xfedcba9876543210, 0x100000012cf, "misplace", 0x3a03ebe2a597a47f },
		{ 0xfedcba9876543210, 0x10000001468, "drop", 0x118b391aa84caec0 },
	};
	size_t next = 0;

	(void)state;
	for (int seed = 0; seed < 2; seed++) {
		const struct pi_inject inject = one_in(1000, row[next].seed);
		uint64_t block = seed ? 1ULL << 40 : 0;

		while (next < ARRAY_SIZE(row) && row[next].seed == inject.seed) {
			struct pi_fault fault;

			if (!pi_inject_choose(&inject, ALL_KINDS, block++, &fault))
				continue;
			assert_int_equal(block - 1, row[next].block);
			assert_string_equal(pi_fault_name(fault.kind),
					    row[next].kind);
			assert_int_equal(fault.random, row[next].random);
			next++;
		}
	}
}

/* in any order, whatever is asked between */
static void test_choose_order(void **state)
{
	enum { NR = 4096 };
	static struct pi_fault fault[NR];
	static bool chosen[NR];
	const struct pi_inject inject = one_in(3, pi_test_rand());
	const struct pi_inject other = one_in(2, pi_test_rand());
	const uint64_t first = pi_test_rand();

	(void)state;
	for (unsigned int i = 0; i < NR; i++)
		chosen[i] = pi_inject_choose(&inject, ALL_KINDS, first + i,
					     &fault[i]);
	for (unsigned int n = 0; n < 4 * NR; n++) {
		unsigned int i = n < NR ? NR - 1 - n : pi_test_below(NR);
		struct pi_fault again;

		pi_inject_choose(&other, 1U << pi_test_below(8), pi_test_rand(),
				 &again);
		assert_int_equal(pi_inject_choose(&inject, ALL_KINDS, first + i,
						  &again), chosen[i]);
		if (!chosen[i])
			continue;
		assert_int_equal(again.kind, fault[i].kind);
		assert_int_equal(again.random, fault[i].random);
	}
}

static const uint64_t seeds[] = { 0, 1, 2, 0x123456789abcdef, UINT64_MAX };

/* how far a count of @nr throws at 1 in @one_in may be off: 6 sigma */
static unsigned int bound(double nr, double one_in)
{
	unsigned int i = 0;

	while ((double)i * i < 36 * nr / one_in * (1 - 1 / one_in))
		i++;
	return i;
}

static void expect_about(unsigned int count, double nr, double one_in)
{
	const double want = nr / one_in, off = bound(nr, one_in);

	if (count < want - off || count > want + off)
		fail_msg("%u is not %g within %g", count, want, off);
}

static unsigned int count_chosen(const struct pi_inject *inject, uint64_t first,
				 uint64_t stride, unsigned int nr)
{
	struct pi_fault fault;
	unsigned int count = 0;

	for (unsigned int i = 0; i < nr; i++)
		count += pi_inject_choose(inject, ALL_KINDS, first + i * stride,
					  &fault);
	return count;
}

static void test_choose_rate(void **state)
{
	static const unsigned int rate[] = { 1, 2, 3, 10, 64, 1000 };
	/* large I/Os, every 4 KiB, stripes, a sparse disk */
	static const uint64_t stride[] = { 1, 8, 1000, 1ULL << 32 };

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(seeds); s++)
		for (size_t r = 0; r < ARRAY_SIZE(rate); r++)
			for (size_t i = 0; i < ARRAY_SIZE(stride); i++) {
				struct pi_inject inject = one_in(rate[r], seeds[s]);
				unsigned int nr = 50 * rate[r] + 10000;

				expect_about(count_chosen(&inject, 0, stride[i],
							  nr), nr, rate[r]);
			}
}

/* a quarter of the blocks each, a sixteenth in common, however near the seeds */
static void test_choose_seed(void **state)
{
	enum { NR = 8192 };
	const uint64_t seed = pi_test_rand();

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		const struct pi_inject a = one_in(4, seed);
		const struct pi_inject b = one_in(4, seed ^ 1ULL << bit);

		for (uint64_t shift = 0; shift < 4; shift++) {
			unsigned int same = 0;

			for (uint64_t block = 0; block < NR; block++) {
				struct pi_fault f;

				same += pi_inject_choose(&a, ALL_KINDS, block,
							 &f) &&
					pi_inject_choose(&b, ALL_KINDS,
							 block + shift, &f);
			}
			/* 10 sigma: these seeds are not fixed */
			pi_test_in_range(same, NR / 16 - 220, NR / 16 + 220);
		}
	}
}

/* from both masks, all of them, equally often, and nothing else */
static void test_choose_kinds(void **state)
{
	enum { NR = 4096 };

	(void)state;
	for (unsigned int mask = 1; mask <= ALL_KINDS; mask++) {
		struct pi_inject inject = one_in(1, seeds[mask % 5]);
		unsigned int count[8] = { 0 };

		inject.kinds = mask | (~mask & 0x55);
		for (uint64_t block = 0; block < NR; block++) {
			struct pi_fault fault;

			assert_true(pi_inject_choose(&inject, mask | (~mask & 0xaa),
						     block, &fault));
			pi_test_in_range(fault.kind, 0, 7);
			count[fault.kind]++;
		}
		for (unsigned int i = 0; i < 8; i++)
			if (mask >> i & 1)
				expect_about(count[i], NR,
					     __builtin_popcount(mask));
			else
				assert_int_equal(count[i], 0);
	}
}

static void test_choose_no_kind(void **state)
{
	struct pi_block_range everything = { 0, UINT64_MAX };
	struct pi_inject inject = one_in(1, 1);
	struct pi_fault fault;

	(void)state;
	for (int ranges = 0; ranges < 2; ranges++) {
		inject.kinds = KIND(DATA) | KIND(TEAR);
		assert_true(pi_inject_choose(&inject, KIND(TEAR), 7, &fault));
		assert_int_equal(fault.kind, PI_FAULT_TEAR);
		assert_false(pi_inject_choose(&inject, KIND(GUARD), 7, &fault));
		assert_false(pi_inject_choose(&inject, 0, 7, &fault));
		inject.kinds = 0;
		assert_false(pi_inject_choose(&inject, ALL_KINDS, 7, &fault));
		inject.ranges = &everything;
		inject.nr_ranges = 1;
	}
}

/* which bit is hit has nothing to do with which block or kind was chosen */
static void test_choose_random(void **state)
{
	enum { NR = 1 << 18, MODULO = 8 };

	(void)state;
	for (unsigned int rate = 1; rate <= 16; rate *= 4) {
		const struct pi_inject inject = one_in(rate, rate);
		static unsigned int count[8][MODULO], bits[8][64], total[8];

		memset(count, 0, sizeof(count));
		memset(bits, 0, sizeof(bits));
		memset(total, 0, sizeof(total));
		for (uint64_t block = 0; block < NR; block++) {
			struct pi_fault fault;

			if (!pi_inject_choose(&inject, ALL_KINDS, block, &fault))
				continue;
			total[fault.kind]++;
			count[fault.kind][fault.random % MODULO]++;
			for (unsigned int bit = 0; bit < 64; bit++)
				bits[fault.kind][bit] += fault.random >> bit & 1;
		}
		for (unsigned int kind = 0; kind < 8; kind++) {
			for (unsigned int i = 0; i < MODULO; i++)
				expect_about(count[kind][i], total[kind], MODULO);
			for (unsigned int bit = 0; bit < 64; bit++)
				expect_about(bits[kind][bit], total[kind], 2);
		}
	}
}

static void test_choose_ranges(void **state)
{
	struct pi_block_range range[] = {
		{ 1ULL << 40, (1ULL << 40) + 2 }, { 0, 0 }, { 100, 120 },
		{ 110, 130 }, { 7, 7 }, { UINT64_MAX - 1, UINT64_MAX },
	};
	static const struct {
		uint64_t block;
		bool chosen;
	} row[] = {
		{ 0, true }, { 1, false }, { 6, false }, { 7, true }, { 8, false },
		{ 99, false }, { 100, true }, { 109, true }, { 120, true },
		{ 121, true }, { 130, true }, { 131, false }, { 50, false },
		{ (1ULL << 40) - 1, false }, { 1ULL << 40, true },
		{ (1ULL << 40) + 2, true }, { (1ULL << 40) + 3, false },
		{ (1ULL << 40) + 100, false }, { UINT64_MAX - 2, false },
		{ UINT64_MAX - 1, true }, { UINT64_MAX, true },
	};

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(seeds); s++)
		for (uint64_t rate = 0; rate < 3; rate++) {
			/* the rate is not looked at */
			struct pi_inject inject =
				one_in(rate == 2 ? UINT64_MAX : rate, seeds[s]);

			inject.ranges = range;
			inject.nr_ranges = ARRAY_SIZE(range);
			for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
				struct pi_fault fault;

				assert_int_equal(pi_inject_choose(&inject,
					ALL_KINDS, row[i].block, &fault),
					row[i].chosen);
			}
		}
}

/* the same block is damaged in the same way, named or drawn */
static void test_choose_ranges_same(void **state)
{
	struct pi_block_range everything = { 0, UINT64_MAX };
	struct pi_inject drawn = one_in(10, pi_test_rand()), named = drawn;

	(void)state;
	named.ranges = &everything;
	named.nr_ranges = 1;
	for (uint64_t block = 0; block < 1000; block++) {
		struct pi_fault a, b;

		assert_true(pi_inject_choose(&named, ALL_KINDS, block, &a));
		if (!pi_inject_choose(&drawn, ALL_KINDS, block, &b))
			continue;
		assert_int_equal(a.kind, b.kind);
		assert_int_equal(a.random, b.random);
	}
}

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

static void test_visible(void **state)
{
	static const struct {
		uint8_t csum, md_size, pi_offset, type;
		struct pi_tuple_options options;
		const char *kinds;
	} row[] = {
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
		  "all" },
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

	(void)state;
	for (uint32_t interval = 512; interval <= 4096; interval <<= 3)
		for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
			const struct pi_format f =
				pi_test_format(row[i].csum, interval,
					       row[i].md_size, row[i].pi_offset,
					       row[i].type);
			struct pi_tuple t;

			assert_int_equal(pi_tuple_init(&t, &f, &row[i].options), 0);
			assert_int_equal(pi_fault_visible(&f, &t),
					 row[i].kinds ? kinds(row[i].kinds) : 0);
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
				 kinds("data,guard,apptag,drop,tear"));
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
		{ "misplace", { "aro", "aro" } },
		{ "drop", { "garo", "garo" } },
		{ "tear", { "g", "g" } },
	};
	static const char letter[PI_NR_TAGS] = {
		[PI_TAG_GUARD]	= 'g',
		[PI_TAG_APP]	= 'a',
		[PI_TAG_REF]	= 'r',
		[PI_TAG_OPAQUE]	= 'o',
	};

	(void)state;
	for (int pattern = 0; pattern < 2; pattern++) {
		const struct pi_format f = pi_test_format(CRC16, 512, 64, 56, 1);
		const struct pi_tuple_options o = { .opaque = pattern };
		struct pi_tuple t;

		assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
		for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
			enum pi_fault_kind kind = __builtin_ctz(kinds(row[i].kind));

			for (enum pi_tag tag = 0; tag < PI_NR_TAGS; tag++)
				assert_int_equal(pi_fault_shows_as(kind, &t, tag),
					strchr(row[i].tags[pattern],
					       letter[tag]) != NULL);
		}
	}
}

/* one block, as it should be, as it is, and what was there before */
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
		.called		= { ref + AHEAD, ref, ref },
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

static bool apply(struct sample *s, enum pi_fault_kind kind, uint64_t random)
{
	const struct pi_fault fault = { .kind = kind, .random = random };
	const bool needs_old = kind == PI_FAULT_DROP || kind == PI_FAULT_TEAR;

	return pi_fault_apply(&fault, &s->format, &s->tuple, &s->called,
			      s->data, s->md, needs_old ? s->old_data : NULL,
			      needs_old ? s->old_md : NULL);
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
static void field(const struct sample *s, enum pi_fault_kind kind,
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
static unsigned int expect_flip(const struct sample *s, enum pi_fault_kind kind)
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

static void expect_change(const struct sample *s, enum pi_fault_kind kind)
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

static void expect_found(const struct sample *s, enum pi_fault_kind kind)
{
	struct pi_mismatch bad;

	memset(&bad, PI_TEST_CANARY, sizeof(bad));
	assert_int_equal(verify(s, &bad), -EILSEQ);
	assert_int_equal(bad.block, 0);
	assert_true(pi_fault_shows_as(kind, &s->tuple, bad.tag));
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
 * What protection information can show it does show, as what it is, and what it
 * cannot it does not.
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
		const enum pi_fault_kind kind = pi_test_below(8);
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

/* every bit that could be hit is, some time */
static void every_bit(const struct pi_format *f, enum pi_fault_kind kind,
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
		for (enum pi_fault_kind kind = 0; kind < 8; kind++) {
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
 * A tag that is one bit from the escape: that bit is not hit, another that is
 * checked is, and when there is none nothing is.
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

/* a bit of the tag that is meant, and nothing that the kernel takes for its own */
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

/* not to where the tag is right, in as many bits as a tag has */
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

			/* just where it would have gone */
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

		/* that only the first half and the metadata differ is no tear */
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
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_kinds_refused),
		pi_test_with_random(test_fuzz_kinds),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_blocks_leading_zero),
		cmocka_unit_test(test_blocks_refused),
		cmocka_unit_test(test_blocks_many),
		cmocka_unit_test(test_blocks_refused_item),
		cmocka_unit_test(test_blocks_no_memory),
		pi_test_with_random(test_fuzz_blocks),
		pi_test_with_random(test_fuzz_bytes),
		cmocka_unit_test(test_choose_literal),
		pi_test_with_random(test_choose_order),
		cmocka_unit_test(test_choose_rate),
		pi_test_with_random(test_choose_seed),
		cmocka_unit_test(test_choose_kinds),
		cmocka_unit_test(test_choose_no_kind),
		cmocka_unit_test(test_choose_random),
		cmocka_unit_test(test_choose_ranges),
		pi_test_with_random(test_choose_ranges_same),
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_visible_no_room),
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

	return cmocka_run_group_tests_name("inject", tests, pi_test_formats_init,
					   NULL);
}
