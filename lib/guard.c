// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <isa-l/crc.h>

#include "guard.h"
#include "uapi.h"

static uint64_t guard_crc16(uint64_t seed, const void *buf, size_t len)
{
	return crc16_t10dif(seed, buf, len);
}

static const struct pi_guard guards[] = {
	{
		.name		= "CRC16",
		.profile	= "T10-DIF-TYPE?-CRC",
		.csum		= PI_LBMD_CSUM_CRC16_T10DIF,
		.pi_size	= 8,
		.guard_size	= 2,
		.ref_size	= 4,
		.compute	= guard_crc16,
	},
};

#define NR_GUARDS	(sizeof(guards) / sizeof(guards[0]))

const struct pi_guard *pi_guard_by_csum(uint8_t csum)
{
	for (size_t i = 0; i < NR_GUARDS; i++)
		if (guards[i].csum == csum)
			return &guards[i];
	return NULL;
}

const struct pi_guard *pi_guard_by_profile(const char *profile,
					   unsigned int *type)
{
	for (size_t i = 0; i < NR_GUARDS; i++) {
		const char *want = guards[i].profile, *have = profile;

		*type = 3;
		while (*want && (*want == *have ||
				 (*want == '?' && (*have == '1' || *have == '3')))) {
			if (*want == '?')
				*type = *have - '0';
			want++;
			have++;
		}
		if (*want == *have)
			return &guards[i];
	}
	return NULL;
}
