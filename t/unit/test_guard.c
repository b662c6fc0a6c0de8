// SPDX-License-Identifier: GPL-2.0-only
#include "pi_test.h"

#include "guard.h"
#include "uapi.h"

#define MAX_LEN		4224
#define ALIGNMENTS	64

static const struct pi_guard *crc16(void)
{
	const struct pi_guard *guard =
		pi_guard_by_csum(PI_LBMD_CSUM_CRC16_T10DIF);

	assert_non_null(guard);
	return guard;
}

static uint64_t compute(const void *buf, size_t len)
{
	return crc16()->compute(crc16()->seed, buf, len);
}

static void test_check_value(void **state)
{
	(void)state;
	assert_int_equal(compute("123456789", 9), 0xd0db);
	assert_int_equal(pi_test_crc(0, "123456789", 9), 0xd0db);
}

/* the sample blocks of SBC-4, 4.21.4 */
static void test_sbc_samples(void **state)
{
	uint8_t block[32];

	(void)state;
	memset(block, 0, sizeof(block));
	assert_int_equal(compute(block, sizeof(block)), 0x0000);
	block[0] = block[1] = 0xff;
	assert_int_equal(compute(block, sizeof(block)), 0x21b8);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(compute(block, sizeof(block)), 0xa293);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = i;
	assert_int_equal(compute(block, sizeof(block)), 0x0224);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = 0xff - i;
	assert_int_equal(compute(block, sizeof(block)), 0xa0b7);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(compute(NULL, 0), 0);
	assert_int_equal(crc16()->compute(0xd0db, NULL, 0), 0xd0db);
}

/* every length at every alignment, from a faulting page and up to one */
static void test_reference(void **state)
{
	struct pi_test_fence fence = pi_test_fence(MAX_LEN + ALIGNMENTS);

	(void)state;
	pi_test_fill(fence.begin, fence.end - fence.begin);
	for (unsigned int from = 0; from < ALIGNMENTS; from++) {
		const uint8_t *buf = fence.begin + from;
		uint16_t expected = 0;

		for (unsigned int len = 0; len <= MAX_LEN; len++) {
			assert_int_equal(compute(buf, len), expected);
			expected = pi_test_crc(expected, buf + len, 1);
		}
	}
	for (unsigned int len = 0; len <= MAX_LEN; len++)
		assert_int_equal(compute(fence.end - len, len),
				 pi_test_crc(0, fence.end - len, len));
	pi_test_fence_free(&fence);
}

static void test_chain(void **state)
{
	uint8_t buf[4096 + 56];
	uint64_t whole;

	(void)state;
	pi_test_fill(buf, sizeof(buf));
	whole = pi_test_crc(0, buf, sizeof(buf));
	for (unsigned int cut = 0; cut <= sizeof(buf); cut++) {
		uint64_t part = compute(buf, cut);

		assert_int_equal(crc16()->compute(part, buf + cut,
						  sizeof(buf) - cut), whole);
	}
}

static void test_table(void **state)
{
	(void)state;
	assert_string_equal(crc16()->name, "CRC16");
	assert_int_equal(crc16()->pi_size, 8);
	assert_int_equal(crc16()->guard_size, 2);
	assert_int_equal(crc16()->ref_size, 4);
	assert_int_equal(crc16()->seed, 0);
}

/* the rest of the numbers is refused, not mistaken for another guard */
static void test_by_csum(void **state)
{
	(void)state;
	for (unsigned int csum = 0; csum < 256; csum++) {
		const struct pi_guard *guard = pi_guard_by_csum(csum);

		assert_true(!guard || guard->csum == csum);
	}
	assert_null(pi_guard_by_csum(PI_LBMD_CSUM_NONE));
	assert_null(pi_guard_by_csum(3));
	assert_null(pi_guard_by_csum(255));
}

static void test_by_profile(void **state)
{
	static const char * const unknown[] = {
		"none", "nop", "", "-", "CRC", "T10-DIF-TYPE1-", "-crc",
		"T10-DIF-TYPE1-CRC ", "T10-DIF-TYPE1-CRC-", "T10-DIF-TYPE1-CRC3",
		"T10-DIF-TYPE1-CR", "T10-DIF-TYPE1_CRC",
	};

	unsigned int type;

	(void)state;
	assert_ptr_equal(pi_guard_by_profile("T10-DIF-TYPE1-CRC", &type), crc16());
	assert_int_equal(type, 1);
	assert_ptr_equal(pi_guard_by_profile("T10-DIF-TYPE3-CRC", &type), crc16());
	assert_int_equal(type, 3);
	assert_ptr_not_equal(pi_guard_by_profile("T10-DIF-TYPE1-IP", &type),
			     crc16());
	assert_ptr_not_equal(pi_guard_by_profile("EXT-DIF-TYPE1-CRC64", &type),
			     crc16());
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_null(pi_guard_by_profile(unknown[i], &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_value),
		cmocka_unit_test(test_sbc_samples),
		cmocka_unit_test(test_nothing),
		pi_test_with_random(test_reference),
		pi_test_with_random(test_chain),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_by_csum),
		cmocka_unit_test(test_by_profile),
	};

	return cmocka_run_group_tests_name("guard", tests, pi_test_seed, NULL);
}
