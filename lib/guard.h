/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_GUARD_H
#define PI_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* values of PIF and QPIF, NVM Command Set 1.0, figure 102 */
enum {
	PI_PIF_16B		= 0,
	PI_PIF_32B		= 1,
	PI_PIF_64B		= 2,
	PI_PIF_QUALIFIED	= 3,
	PI_PIF_NONE		= 0xff,
};

/**
 * struct pi_guard - a guard type and the layout of its tuple
 * @name:	name in messages
 * @profile:	name in sysfs integrity/format, with ? in place of the PI type;
 *		NULL if the kernel does not support the guard
 * @csum:	PI_LBMD_CSUM_* value in FS_IOC_GETLBMD_CAP; valid if @profile is
 *		not NULL
 * @pif:	protection information format in NVMe's LBA formats, PI_PIF_*
 * @pi_size:	bytes of the tuple, 0 if the metadata holds none
 * @guard_size:	bytes of the guard
 * @ref_size:	bytes of the storage and reference tags together
 * @storage_min: minimum width of the storage tag in bits
 * @storage_max: maximum width of the storage tag in bits
 * @alone:	the guard cannot cover metadata before the tuple
 * @seed:	initial value for @compute
 * @compute:	continues the checksum @seed over @len bytes at @buf; for the IP
 *		checksum @len must be even. Two chained calls give the same
 *		result as one call over both buffers.
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
 * pi_guard_at() - iterate over the supported guards
 * @index:	index, starting at 0
 *
 * Return: the guard, or NULL past the last one.
 */
const struct pi_guard *pi_guard_at(unsigned int index);

/**
 * pi_guard_by_pif() - look up the guard of an NVMe protection information
 *		       format
 * @pif:	PI_PIF_*; pass the QPIF value in place of PI_PIF_QUALIFIED
 *
 * Return: the guard, or NULL if it is not supported.
 */
const struct pi_guard *pi_guard_by_pif(unsigned int pif);

/**
 * pi_guard_by_csum() - look up the guard of a PI_LBMD_CSUM_* value
 * @csum:	PI_LBMD_CSUM_*
 *
 * Return: the guard, or NULL if it is not supported.
 */
const struct pi_guard *pi_guard_by_csum(uint8_t csum);

/**
 * pi_guard_by_profile() - look up the guard of a sysfs integrity/format name
 * @profile:	name such as "T10-DIF-TYPE1-CRC" or "nop"
 * @type:	set to the PI type that the name contains, 1 or 3; 3 if it
 *		contains none
 *
 * Return: the guard, or NULL if it is not supported.
 */
const struct pi_guard *pi_guard_by_profile(const char *profile,
					   unsigned int *type);

#endif
