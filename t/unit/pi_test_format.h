/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TEST_FORMAT_H
#define PI_TEST_FORMAT_H

#include "pi_test.h"

#include "format.h"

#define CRC16		PI_LBMD_CSUM_CRC16_T10DIF
#define CRC64		PI_LBMD_CSUM_CRC64_NVME
#define IP		PI_LBMD_CSUM_IP
#define NONE		PI_LBMD_CSUM_NONE

static inline struct pi_format pi_test_format(uint8_t csum, uint32_t interval,
					      uint16_t md_size,
					      uint16_t pi_offset, uint8_t type)
{
	return (struct pi_format) {
		.guard		= pi_guard_by_csum(csum),
		.interval	= interval,
		.md_size	= md_size,
		.pi_offset	= pi_offset,
		.shift		= __builtin_ctz(interval),
		.type		= type,
	};
}

static struct {
	struct pi_format format[128];
	unsigned int nr;
} pi_test_formats;

#define pi_test_for_each_format(f)					\
	for (const struct pi_format *f = pi_test_formats.format;	\
	     f < pi_test_formats.format + pi_test_formats.nr; f++)

/*
 * Group setup, with pi_test_seed(): the tuple alone, first, last, and in the
 * middle, which the ioctl can express
 */
static inline int pi_test_formats_init(void **state)
{
	static const struct {
		uint8_t csum;
		uint16_t md_size, pi_offset;
	} place[] = {
		{ CRC16, 8, 0 }, { CRC16, 16, 0 }, { CRC16, 16, 8 },
		{ CRC16, 64, 0 }, { CRC16, 64, 56 }, { CRC16, 64, 24 },
		{ CRC16, 128, 120 }, { CRC16, 13, 0 }, { CRC16, 30, 11 },
		{ CRC64, 16, 0 }, { CRC64, 32, 0 }, { CRC64, 32, 16 },
		{ CRC64, 64, 0 }, { CRC64, 64, 48 }, { CRC64, 64, 24 },
		{ CRC64, 128, 112 }, { CRC64, 45, 13 }, { CRC64, 29, 13 },
		{ IP, 8, 0 }, { IP, 16, 0 }, { IP, 64, 0 },
		{ NONE, 1, 0 }, { NONE, 8, 0 }, { NONE, 21, 0 },
		{ NONE, 64, 0 },
	};

	for (uint32_t interval = 512; interval <= 4096; interval <<= 3)
		for (uint8_t type = 1; type <= 3; type += 2)
			for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
				if (place[i].csum == NONE && type != 3)
					continue;
				pi_test_formats.format[pi_test_formats.nr++] =
					pi_test_format(place[i].csum, interval,
						       place[i].md_size,
						       place[i].pi_offset, type);
			}
	return pi_test_seed(state);
}

static inline uint64_t pi_test_get_be(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

#endif
