// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failing allocations:
 *
 * wrap: realloc
 */
#include <errno.h>

#include "pi_test_fault.h"

#define ALL_KINDS	0x1ffU
#define KIND(kind)	(1U << PI_FAULT_##kind)

static const char * const names[] = {
	"data", "guard", "apptag", "reftag", "opaque", "misplace", "drop", "tear",
	"stortag",
};

/* number of reallocations before one fails; -1 for none */
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
		assert_string_equal(pi_fault_kinds[i].name, names[i]);
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
		{ "stortag", KIND(STORTAG) },
		{ "all", ALL_KINDS },
		{ "data,guard,apptag,reftag,opaque,misplace,drop,tear,stortag", ALL_KINDS },
		{ "tear,data", KIND(TEAR) | KIND(DATA) },
		{ "drop,drop,guard,drop", KIND(DROP) | KIND(GUARD) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(pi_test_kinds(row[i].text), row[i].kinds);
}

static void refuse_kinds(const char *text, const char *part)
{
	struct pi_reason reason = { "" };
	unsigned int found;

	assert_int_equal(pi_inject_kinds(text, &found, &reason), -EINVAL);
	pi_test_says(&reason, part);
	pi_test_says(&reason, "not a kind of fault");
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

/* valid and invalid words, and the expected result of a list of them */
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
		/* on the heap, so that ASan detects accesses past the end */
		copy = strdup(text);
		assert_non_null(copy);
		if (bad) {
			assert_int_equal(pi_inject_kinds(copy, &found, &reason),
					 -EINVAL);
			assert_non_null(strstr(reason.text, "not a kind of fault"));
		} else {
			assert_int_equal(pi_test_kinds(copy), want);
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
	pi_test_says(&reason, "write for example 7,100-120");
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
			assert_non_null(strstr(reason.text, "write for example 7,100-120"));
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

			/* as they were before there were storage tags */
			if (!pi_inject_choose(&inject, 0xff, block++, &fault))
				continue;
			assert_int_equal(block - 1, row[next].block);
			assert_string_equal(pi_fault_kinds[fault.kind].name,
					    row[next].kind);
			assert_int_equal(fault.random, row[next].random);
			next++;
		}
	}
}

/* the result does not depend on the order of the calls */
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

/* tolerance of a count of @nr samples with probability 1 / @one_in: 6 sigma */
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

/* similar seeds: each hits a quarter of the blocks, both a sixteenth */
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
		unsigned int count[PI_NR_FAULT_KINDS] = { 0 };

		inject.kinds = mask | (~mask & 0x155);
		for (uint64_t block = 0; block < NR; block++) {
			struct pi_fault fault;

			assert_true(pi_inject_choose(&inject, mask | (~mask & 0xaa),
						     block, &fault));
			pi_test_in_range(fault.kind, 0, PI_NR_FAULT_KINDS - 1);
			count[fault.kind]++;
		}
		for (unsigned int i = 0; i < PI_NR_FAULT_KINDS; i++)
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

/* the flipped bit is independent of the block and the kind */
static void test_choose_random(void **state)
{
	enum { NR = 1 << 18, MODULO = 8 };

	(void)state;
	for (unsigned int rate = 1; rate <= 16; rate *= 4) {
		const struct pi_inject inject = one_in(rate, rate);
		static unsigned int count[PI_NR_FAULT_KINDS][MODULO];
		static unsigned int bits[PI_NR_FAULT_KINDS][64], total[PI_NR_FAULT_KINDS];

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
		for (unsigned int kind = 0; kind < PI_NR_FAULT_KINDS; kind++) {
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

/* a block is damaged in the same way whether it was listed or chosen at random */
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
	};

	return cmocka_run_group_tests_name("inject", tests, pi_test_seed, NULL);
}
