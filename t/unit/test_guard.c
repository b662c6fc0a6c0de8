// SPDX-License-Identifier: GPL-2.0-only
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "pi_test_guard.h"

#define MAX_LEN		4224
#define ALIGNMENTS	64
#define BLOCK		4096

static uint64_t compute(const struct pi_test_guard *g, uint64_t seed,
			const void *buf, size_t len)
{
	return pi_guard_by_csum(g->csum)->compute(seed, buf, len);
}

static uint64_t whole(uint8_t csum, const void *buf, size_t len)
{
	const struct pi_guard *guard = pi_guard_by_csum(csum);

	assert_non_null(guard);
	return guard->compute(guard->seed, buf, len);
}

/* of the catalogue of CRCs; the references here are held to them too */
static void test_check_values(void **state)
{
	const char check[] = "123456789";

	(void)state;
	assert_int_equal(whole(PI_LBMD_CSUM_CRC16_T10DIF, check, 9), 0xd0db);
	assert_int_equal(pi_test_crc16(0, check, 9), 0xd0db);
	assert_int_equal(whole(PI_LBMD_CSUM_CRC64_NVME, check, 9),
			 0xae8b14860a799888);
	assert_int_equal(pi_test_crc64(0, check, 9), 0xae8b14860a799888);
}

/* the sample blocks of SBC-4, 4.21.4 */
static void test_sbc_samples(void **state)
{
	const uint8_t csum = PI_LBMD_CSUM_CRC16_T10DIF;
	uint8_t block[32];

	(void)state;
	memset(block, 0, sizeof(block));
	assert_int_equal(whole(csum, block, sizeof(block)), 0x0000);
	block[0] = block[1] = 0xff;
	assert_int_equal(whole(csum, block, sizeof(block)), 0x21b8);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(whole(csum, block, sizeof(block)), 0xa293);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = i;
	assert_int_equal(whole(csum, block, sizeof(block)), 0x0224);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = 0xff - i;
	assert_int_equal(whole(csum, block, sizeof(block)), 0xa0b7);
}

/* the test cases for the 64b guard in the NVM Command Set specification */
static void test_nvm_samples(void **state)
{
	const uint8_t csum = PI_LBMD_CSUM_CRC64_NVME;
	uint8_t block[BLOCK];

	(void)state;
	memset(block, 0, sizeof(block));
	assert_int_equal(whole(csum, block, BLOCK), 0x6482d367eb22b64e);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(whole(csum, block, BLOCK), 0xc0ddba7302eca3ac);
	for (unsigned int i = 0; i < BLOCK; i++)
		block[i] = i;
	assert_int_equal(whole(csum, block, BLOCK), 0x3e729f5f6750449c);
	for (unsigned int i = 0; i < BLOCK; i++)
		block[i] = 0xff - i;
	assert_int_equal(whole(csum, block, BLOCK), 0x9a2df64b8e9e517e);
}

/* the example of RFC 1071, 3, and the two zeros of ones' complement */
static void test_rfc1071_samples(void **state)
{
	static const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03,
				       0xf4, 0xf5, 0xf6, 0xf7 };
	const uint8_t csum = PI_LBMD_CSUM_IP;
	uint8_t block[BLOCK] = { 0 };

	(void)state;
	assert_int_equal(whole(csum, rfc, sizeof(rfc)), 0x220d);
	assert_int_equal(pi_test_ip(0xffff, rfc, sizeof(rfc)), 0x220d);

	/* as in Linux: all zeros give 0xffff, anything else 0 to 0xfffe */
	assert_int_equal(whole(csum, block, BLOCK), 0xffff);
	block[BLOCK - 1] = 1;
	assert_int_equal(whole(csum, block, BLOCK), 0xfffe);
	memset(block, 0xff, sizeof(block));
	for (unsigned int len = 2; len <= BLOCK; len += 2)
		assert_int_equal(whole(csum, block, len), 0);
	block[0] = 0x12, block[1] = 0x34;
	assert_int_equal(whole(csum, block, BLOCK), 0xedcb);
	assert_int_equal(whole(csum, "\x12\x34\xed\xcb", 4), 0);
}

static void test_nothing(void **state)
{
	(void)state;
	pi_test_for_each_guard(g)
		for (uint64_t seed = 0; seed < 0x10000; seed += 0xfff)
			assert_int_equal(compute(g, seed, NULL, 0), seed);
}

static void test_no_guard(void **state)
{
	(void)state;
	assert_int_equal(whole(PI_LBMD_CSUM_NONE, "123456789", 9), 0);
	assert_int_equal(whole(PI_LBMD_CSUM_NONE, NULL, 4096), 0);
}

/* all lengths and alignments, next to an inaccessible page on either side */
static void test_reference(void **state)
{
	struct pi_test_fence fence = pi_test_fence(MAX_LEN + ALIGNMENTS);

	(void)state;
	pi_test_fill(fence.begin, fence.end - fence.begin);
	pi_test_for_each_guard(g) {
		for (unsigned int from = 0; from < ALIGNMENTS; from++) {
			const uint8_t *buf = fence.begin + from;
			uint64_t expected = g->seed;

			for (unsigned int len = 0; len <= MAX_LEN; len += g->step) {
				assert_int_equal(whole(g->csum, buf, len),
						 expected);
				expected = g->compute(expected, buf + len, g->step);
			}
		}
		for (unsigned int len = 0; len <= MAX_LEN; len += g->step) {
			const uint8_t *buf = fence.end - len;

			assert_int_equal(whole(g->csum, buf, len),
					 g->compute(g->seed, buf, len));
		}
	}
	pi_test_fence_free(&fence);
}

/* sums of all sizes, up to more carries than a word of 16 bits can hold */
static void test_ip_carries(void **state)
{
	uint8_t buf[1 << 18];

	(void)state;
	for (unsigned int i = 0; i < 64; i++) {
		uint8_t set = pi_test_rand(), clear = pi_test_rand();
		size_t len = 2 * pi_test_below(sizeof(buf) / 2 + 1);

		pi_test_fill(buf, len);
		for (size_t j = 0; j < len && i % 4; j++)
			buf[j] = i % 4 == 1 ? 0xff : (buf[j] | set) & ~clear;
		assert_int_equal(whole(PI_LBMD_CSUM_IP, buf, len),
				 pi_test_ip(0xffff, buf, len));
	}
}

static void test_chain(void **state)
{
	uint8_t buf[BLOCK + 56];

	(void)state;
	pi_test_for_each_guard(g) {
		uint64_t expected;

		pi_test_fill(buf, sizeof(buf));
		expected = g->compute(g->seed, buf, sizeof(buf));
		for (unsigned int cut = 0; cut <= sizeof(buf); cut += g->step)
			assert_int_equal(compute(g, compute(g, g->seed, buf, cut),
						 buf + cut, sizeof(buf) - cut),
					 expected);
	}
}

/* any initial value, including the extremes */
static void test_chain_from_any(void **state)
{
	uint8_t buf[64];

	(void)state;
	pi_test_for_each_guard(g) {
		const uint64_t all = g->guard_size ?
				     UINT64_MAX >> (64 - 8 * g->guard_size) : 0;

		for (unsigned int i = 0; i < 1000; i++) {
			uint64_t seed = !i ? 0 : i == 1 ? all :
					pi_test_rand() & all;

			pi_test_fill(buf, sizeof(buf));
			if (i % 8 == 0)
				memset(buf, i % 16 ? 0xff : 0, sizeof(buf));
			assert_int_equal(compute(g, seed, buf, sizeof(buf)),
					 g->compute(seed, buf, sizeof(buf)));
		}
	}
}

#ifdef __x86_64__
/* XSAVE state of the upper halves of ymm and zmm: 0 after vzeroupper */
static unsigned int upper_in_use(void)
{
	unsigned int low, high;

	__asm__ volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (1));
	return low & 0x44;
}

/* otherwise all later SSE instructions would be slow */
static void test_upper_halves(void **state)
{
	static uint8_t buf[4096];
	unsigned int eax, ebx, ecx, edx;

	(void)state;
	if (!__builtin_cpu_supports("avx") ||
	    !__get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) || !(eax & 4))
		pi_test_skip("avx", "this processor has none, or not in use");
	__asm__ volatile("vzeroupper");
	if (upper_in_use())
		pi_test_skip("avx", "the upper halves always look in use here");
	pi_test_for_each_guard(g)
		for (size_t len = 0; len <= sizeof(buf); len += 512) {
			compute(g, g->seed, buf, len);
			assert_int_equal(upper_in_use(), 0);
		}
}
#endif

static void test_table(void **state)
{
	(void)state;
	pi_test_for_each_guard(g) {
		const struct pi_guard *guard = pi_guard_by_csum(g->csum);

		assert_non_null(guard);
		assert_string_equal(guard->name, g->name);
		assert_int_equal(guard->csum, g->csum);
		assert_int_equal(guard->pi_size, g->pi_size);
		assert_int_equal(guard->guard_size, g->guard_size);
		assert_int_equal(guard->ref_size, g->ref_size);
		assert_int_equal(guard->alone, g->alone);
		assert_int_equal(guard->seed, g->seed);
	}
}

/* all other numbers are refused */
static void test_by_csum(void **state)
{
	(void)state;
	for (unsigned int csum = 0; csum < 256; csum++) {
		const struct pi_guard *guard = pi_guard_by_csum(csum);

		if (csum == 3 || csum > 4)
			assert_null(guard);
		else
			assert_int_equal(guard->csum, csum);
	}
}

static void test_by_profile(void **state)
{
	static const struct {
		const char *profile;
		uint8_t csum, type;
	} known[] = {
		{ "T10-DIF-TYPE1-CRC", 2, 1 }, { "T10-DIF-TYPE3-CRC", 2, 3 },
		{ "T10-DIF-TYPE1-IP", 1, 1 }, { "T10-DIF-TYPE3-IP", 1, 3 },
		{ "EXT-DIF-TYPE1-CRC64", 4, 1 }, { "EXT-DIF-TYPE3-CRC64", 4, 3 },
		{ "nop", 0, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		unsigned int type = 77;

		assert_ptr_equal(pi_guard_by_profile(known[i].profile, &type),
				 pi_guard_by_csum(known[i].csum));
		assert_int_equal(type, known[i].type);
	}
}

static void unknown_profile(const char *profile)
{
	unsigned int type;

	if (pi_guard_by_profile(profile, &type))
		fail_msg("'%s' is known, type %u", profile, type);
}

static void test_unknown_profiles(void **state)
{
	static const char * const unknown[] = {
		"none", "", "-", "CRC", "T10-DIF-TYPE1-", "-crc", "no", "nop ",
		"nop1", "NOP", "T10-DIF-TYPE1-CRC ", "T10-DIF-TYPE1-CRC-",
		"T10-DIF-TYPE1-CRC3", "T10-DIF-TYPE1-CR", "T10-DIF-TYPE1_CRC",
		"T10-DIF-TYPE1-CRC64", "EXT-DIF-TYPE1-CRC", "EXT-DIF-TYPE1-IP",
		"EXT-DIF-TYPE1-CRC6", "EXT-DIF-TYPE1-CRC644", "T10-DIF-TYPE1-I",
		"T10-DIF-TYPE2-CRC", "T10-DIF-TYPE-CRC", "T10-DIF-TYPE13-CRC",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		unknown_profile(unknown[i]);
}

/* the ? in the table does not match itself */
static void test_profile_wildcard(void **state)
{
	(void)state;
	unknown_profile("T10-DIF-TYPE?-CRC");
	unknown_profile("T10-DIF-TYPE?-IP");
	unknown_profile("EXT-DIF-TYPE?-CRC64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_values),
		cmocka_unit_test(test_sbc_samples),
		cmocka_unit_test(test_nvm_samples),
		cmocka_unit_test(test_rfc1071_samples),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_no_guard),
		pi_test_with_random(test_reference),
		pi_test_with_random(test_ip_carries),
		pi_test_with_random(test_chain),
		pi_test_with_random(test_chain_from_any),
#ifdef __x86_64__
		cmocka_unit_test(test_upper_halves),
#endif
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_by_csum),
		cmocka_unit_test(test_by_profile),
		cmocka_unit_test(test_unknown_profiles),
		cmocka_unit_test(test_profile_wildcard),
	};

	return cmocka_run_group_tests_name("guard", tests, pi_test_seed, NULL);
}
