// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>
#include <isa-l/crc.h>
#include <isa-l/crc64.h>

#include "guard.h"
#include "uapi.h"

/*
 * ISA-L returns with the upper halves of the vector registers dirty.  The next
 * SSE instruction then stalls for longer than a checksum takes.
 */
static inline void zero_upper(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroupper" : : :
			"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			"xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
			"xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

static uint64_t guard_crc16(uint64_t seed, const void *buf, size_t len)
{
	const uint16_t crc = crc16_t10dif(seed, buf, len);

	zero_upper();
	return crc;
}

/* the specification inverts the CRC before and after, ISA-L does not */
static uint64_t guard_crc32(uint64_t seed, const void *buf, size_t len)
{
	const uint32_t crc = crc32_iscsi((unsigned char *)buf, len, ~seed);

	zero_upper();
	return (uint32_t)~crc;
}

/* ISA-L calls the NVMe polynomial "rocksoft", after its author */
static uint64_t guard_crc64(uint64_t seed, const void *buf, size_t len)
{
	seed = crc64_rocksoft_refl(seed, buf, len);
	zero_upper();
	return seed;
}

static uint64_t guard_ip(uint64_t seed, const void *buf, size_t len)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	pair words, even = { 0 }, odd = { 0 };
	const uint8_t *p = buf;
	uint32_t word;
	uint16_t half;
	uint64_t sum;

	/* 64-bit sums of 32-bit words do not overflow */
	for (; len >= sizeof(words); len -= sizeof(words), p += sizeof(words)) {
		memcpy(&words, p, sizeof(words));
		even += words & 0xffffffff;
		odd += words >> 32;
	}
	even += odd;
	sum = even[0] + even[1];
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	/* the ones' complement sum of byte-swapped words is the swapped sum */
	sum = be16toh(sum) + (~seed & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static uint64_t guard_none(uint64_t seed, const void *buf, size_t len)
{
	(void)buf, (void)len;
	return seed;
}

static const struct pi_guard guards[] = {
	{
		.name		= "CRC16",
		.profile	= "T10-DIF-TYPE?-CRC",
		.csum		= PI_LBMD_CSUM_CRC16_T10DIF,
		.pif		= PI_PIF_16B,
		.pi_size	= 8,
		.guard_size	= 2,
		.ref_size	= 4,
		.storage_max	= 32,
		.compute	= guard_crc16,
	},
	{
		.name		= "CRC32",
		.pif		= PI_PIF_32B,
		.pi_size	= 16,
		.guard_size	= 4,
		.ref_size	= 10,
		.storage_min	= 16,
		.storage_max	= 64,
		.compute	= guard_crc32,
	},
	{
		.name		= "CRC64",
		.profile	= "EXT-DIF-TYPE?-CRC64",
		.csum		= PI_LBMD_CSUM_CRC64_NVME,
		.pif		= PI_PIF_64B,
		.pi_size	= 16,
		.guard_size	= 8,
		.ref_size	= 6,
		.storage_max	= 48,
		.compute	= guard_crc64,
	},
	{
		.name		= "IP checksum",
		.profile	= "T10-DIF-TYPE?-IP",
		.csum		= PI_LBMD_CSUM_IP,
		.pif		= PI_PIF_NONE,
		.pi_size	= 8,
		.guard_size	= 2,
		.ref_size	= 4,
		.alone		= 1,
		.seed		= 0xffff,
		.compute	= guard_ip,
	},
	{
		.name		= "no guard",
		.profile	= "nop",
		.csum		= PI_LBMD_CSUM_NONE,
		.pif		= PI_PIF_NONE,
		.compute	= guard_none,
	},
};

#define NR_GUARDS	(sizeof(guards) / sizeof(guards[0]))

const struct pi_guard *pi_guard_at(unsigned int index)
{
	return index < NR_GUARDS ? &guards[index] : NULL;
}

const struct pi_guard *pi_guard_by_pif(unsigned int pif)
{
	for (size_t i = 0; i < NR_GUARDS; i++)
		if (guards[i].pif == pif && pif != PI_PIF_NONE)
			return &guards[i];
	return NULL;
}

const struct pi_guard *pi_guard_by_csum(uint8_t csum)
{
	for (size_t i = 0; i < NR_GUARDS; i++)
		if (guards[i].profile && guards[i].csum == csum)
			return &guards[i];
	return NULL;
}

const struct pi_guard *pi_guard_by_profile(const char *profile,
					   unsigned int *type)
{
	for (size_t i = 0; i < NR_GUARDS; i++) {
		const char *want = guards[i].profile, *have = profile;

		*type = 3;
		if (!want)
			continue;
		while (*want && (*want == '?' ? *have == '1' || *have == '3' :
						*want == *have)) {
			if (*want == '?')
				*type = *have - '0';
			want++;
			have++;
		}
		if (!*want && !*have)
			return &guards[i];
	}
	return NULL;
}
