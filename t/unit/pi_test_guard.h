/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TEST_GUARD_H
#define PI_TEST_GUARD_H

#include "pi_test.h"

#include "guard.h"
#include "uapi.h"

/*
 * Guard of T10 SBC-4, 4.21.4, bit by bit: x^16 + x^15 + x^11 + x^9 + x^8 +
 * x^7 + x^5 + x^4 + x^2 + x + 1, most significant bit first, nothing inverted
 */
#define PI_TEST_POLY16		0x8bb7ULL

static inline uint64_t pi_test_crc16_bit(uint64_t crc)
{
	return (crc << 1 & 0xffff) ^ (crc & 0x8000 ? PI_TEST_POLY16 : 0);
}

static inline uint64_t pi_test_crc16(uint64_t crc, const void *buf, size_t len)
{
	for (const uint8_t *p = buf; len--; p++) {
		crc ^= *p << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = pi_test_crc16_bit(crc);
	}
	return crc;
}

/*
 * 32b guard of the same: CRC-32C, 0x1edc6f41 reflected, least significant bit
 * first, inverted before and after
 */
#define PI_TEST_POLY32		0x82f63b78ULL

static inline uint64_t pi_test_crc32_bit(uint64_t crc)
{
	return crc >> 1 ^ (crc & 1 ? PI_TEST_POLY32 : 0);
}

static inline uint64_t pi_test_crc32(uint64_t crc, const void *buf, size_t len)
{
	crc ^= 0xffffffff;
	for (const uint8_t *p = buf; len--; p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = pi_test_crc32_bit(crc);
	}
	return crc ^ 0xffffffff;
}

/*
 * 64b guard of the NVM Command Set specification, bit by bit: 0xad93d23594c93659
 * reflected, least significant bit first, inverted before and after
 */
#define PI_TEST_POLY64		0x9a6c9329ac4bc9b5ULL

static inline uint64_t pi_test_crc64_bit(uint64_t crc)
{
	return crc >> 1 ^ (crc & 1 ? PI_TEST_POLY64 : 0);
}

static inline uint64_t pi_test_crc64(uint64_t crc, const void *buf, size_t len)
{
	crc = ~crc;
	for (const uint8_t *p = buf; len--; p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = pi_test_crc64_bit(crc);
	}
	return ~crc;
}

/* IP checksum as described in RFC 1071, with one end-around carry at a time */
static inline uint64_t pi_test_ip_add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum > 0xffff ? sum - 0xffff : sum;
}

static inline uint64_t pi_test_ip(uint64_t csum, const void *buf, size_t len)
{
	uint64_t sum = csum ^ 0xffff;

	for (const uint8_t *p = buf; len; len -= 2, p += 2)
		sum = pi_test_ip_add(sum, p[0] << 8 | p[1]);
	return sum ^ 0xffff;
}

static inline uint64_t pi_test_none(uint64_t seed, const void *buf, size_t len)
{
	(void)buf, (void)len;
	return seed;
}

/* guard from lib/guard.c and its reference; lengths are a multiple of @step */
struct pi_test_guard {
	const char *name;
	uint8_t csum, pi_size, guard_size, ref_size, alone, step;
	uint64_t seed;
	uint64_t (*compute)(uint64_t seed, const void *buf, size_t len);
};

static const struct pi_test_guard pi_test_guards[] = {
	{ "CRC16", 2, 8, 2, 4, 0, 1, 0, pi_test_crc16 },
	{ "CRC64", 4, 16, 8, 6, 0, 1, 0, pi_test_crc64 },
	{ "IP checksum", 1, 8, 2, 4, 1, 2, 0xffff, pi_test_ip },
	{ "no guard", 0, 0, 0, 0, 0, 1, 0, pi_test_none },
};

#define pi_test_for_each_guard(g)					\
	for (const struct pi_test_guard *g = pi_test_guards;		\
	     g < pi_test_guards + ARRAY_SIZE(pi_test_guards); g++)

static inline const struct pi_test_guard *pi_test_guard(uint8_t csum)
{
	pi_test_for_each_guard(g)
		if (g->csum == csum)
			return g;
	fail_msg("no guard %u", csum);
	return NULL;
}

#endif
