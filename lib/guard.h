/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_GUARD_H
#define PI_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* NVM Command Set 1.0, figure 102: PIF, or QPIF where that says so */
enum {
	PI_PIF_16B		= 0,
	PI_PIF_32B		= 1,
	PI_PIF_64B		= 2,
	PI_PIF_QUALIFIED	= 3,
	PI_PIF_NONE		= 0xff,
};

/**
 * struct pi_guard - one kind of guard tag and the tuple that carries it
 * @name:	as messages show it
 * @profile:	in sysfs integrity/format, with ? for the type; NULL where the
 *		kernel carries none
 * @csum:	its PI_LBMD_CSUM_* number, likewise
 * @pif:	protection information format of NVMe's LBA formats that have
 *		it, PI_PIF_*
 * @pi_size:	bytes of the whole tuple, 0: the metadata holds none
 * @guard_size:	bytes of the guard tag
 * @ref_size:	bytes of storage tag and reference tag together
 * @storage_min: bits that the storage tag has at least
 * @storage_max: and at most
 * @alone:	cannot cover metadata before the tuple
 * @seed:	initial value for @compute
 * @compute:	continues @seed over @len bytes, an even number for the IP
 *		checksum; chaining two calls equals one call over both buffers
 *
 * NVM Command Set 1.0, 5.2.1 (16b, 32b and 64b Guard Protection Information),
 * T10 SBC-4, 4.21.4 and, for the IP checksum, RFC 1071.
 */
struct pi_guard {
	const char *name;
	const char *profile;
	uint8_t csum;
	uint8_t pif;
	uint8_t pi_size;
	uint8_t guard_size;
	uint8_t ref_size;
	uint8_t storage_min;
	uint8_t storage_max;
	uint8_t alone;
	uint64_t seed;
	uint64_t (*compute)(uint64_t seed, const void *buf, size_t len);
};

/**
 * pi_guard_at() - the guards that this build knows, one after the other
 * @index:	from 0
 *
 * Return: NULL beyond the last.
 */
const struct pi_guard *pi_guard_at(unsigned int index);

/**
 * pi_guard_by_pif() - the guard of an NVMe protection information format
 * @pif:	PI_PIF_*, a qualified one replaced by what it stands for
 *
 * Return: NULL when this build does not know it.
 */
const struct pi_guard *pi_guard_by_pif(unsigned int pif);

/**
 * pi_guard_by_csum() - the guard of a PI_LBMD_CSUM_* number
 * @csum:	the number
 *
 * Return: NULL when this build does not know it.
 */
const struct pi_guard *pi_guard_by_csum(uint8_t csum);

/**
 * pi_guard_by_profile() - the guard of a sysfs integrity/format name
 * @profile:	such as "T10-DIF-TYPE1-CRC" or "nop"
 * @type:	set to the type of protection information in it, 1 or 3; 3 where
 *		there is none
 *
 * Return: NULL when this build does not know it.
 */
const struct pi_guard *pi_guard_by_profile(const char *profile,
					   unsigned int *type);

#endif
