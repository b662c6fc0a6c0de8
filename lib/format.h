/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FORMAT_H
#define PI_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard.h"
#include "reason.h"
#include "uapi.h"

/**
 * struct pi_format - protection information format of a device
 * @guard:	guard type, which also determines the tuple
 * @interval:	bytes of data that one tuple protects, a power of two
 * @md_size:	bytes of metadata per interval, the tuple included
 * @pi_offset:	offset of the tuple in the metadata; the guard also covers the
 *		metadata before it (NVM Command Set 1.0, 5.2.1)
 * @shift:	log2 of @interval
 * @type:	1 or 3. Type 2 is reported as 1, because Linux treats both
 *		alike: reference tags count up from the first block. With type 3
 *		the application owns the reference tag. 3 if there is no tuple.
 * @storage_bits: width of the storage tag; the reference tag has the remaining
 *		bits
 * @storage_mask: bits of the storage tag that the device compares
 * @extended:	the metadata of each interval follows its data in the same
 *		buffer (extended LBA) instead of being in a separate one
 */
struct pi_format {
	const struct pi_guard *guard;
	uint32_t interval;
	uint16_t md_size;
	uint16_t pi_offset;
	uint8_t shift;
	uint8_t type;
	uint8_t storage_bits;
	uint64_t storage_mask;
	bool extended;
};

/**
 * pi_format_check() - validate a format and complete it
 * @format:	complete except for @shift, which is set; @storage_mask is
 *		reduced to the width of the storage tag
 * @reason:	filled in on failure
 *
 * Return: 0, or -EOPNOTSUPP if the format is not supported.
 */
int pi_format_check(struct pi_format *format, struct pi_reason *reason);

/**
 * pi_format_from_cap() - derive the format from FS_IOC_GETLBMD_CAP
 * @format:	where the result is stored
 * @cap:	as filled in by the ioctl
 * @reason:	filled in on failure
 *
 * Return: 0, -ENODATA if the device has no metadata, or -EOPNOTSUPP if the
 * format is not supported.
 */
int pi_format_from_cap(struct pi_format *format, const struct pi_uapi_cap *cap,
		       struct pi_reason *reason);

/**
 * pi_format_from_profile() - derive the format from sysfs, before Linux 6.17
 * @format:	where the result is stored
 * @profile:	contents of integrity/format, such as "T10-DIF-TYPE1-CRC"
 * @interval:	contents of integrity/protection_interval_bytes
 * @md_size:	bytes of metadata per interval
 * @pi_first:	the tuple is in the first bytes of the metadata, not the last
 * @reason:	filled in on failure
 *
 * Return: as for pi_format_from_cap().
 */
int pi_format_from_profile(struct pi_format *format, const char *profile,
			   uint32_t interval, uint16_t md_size, bool pi_first,
			   struct pi_reason *reason);

/**
 * pi_format_name() - describe a format for messages
 * @format:	any format
 * @buf:	where the description is stored
 * @size:	size of @buf in bytes
 *
 * Examples are "4096+64 type 1 CRC16 last", "4096+16 type 1 CRC32, 16-bit
 * storage tag" and "4096+64 without PI".
 */
void pi_format_name(const struct pi_format *format, char *buf, size_t size);

/**
 * pi_format_ref_bits() - width of the reference tag
 * @format:	any format
 *
 * Return: number of bits, 0 if there is no reference tag.
 */
static inline unsigned int pi_format_ref_bits(const struct pi_format *format)
{
	return format->guard->ref_size * 8 - format->storage_bits;
}

/**
 * pi_low_bits() - build a mask of low bits
 * @bits:	number of bits, 0 to 64
 *
 * Return: a mask with the lowest @bits bits set.
 */
static inline uint64_t pi_low_bits(unsigned int bits)
{
	return bits ? UINT64_MAX >> (64 - bits) : 0;
}

/**
 * pi_format_stride() - bytes from one interval to the next in the data buffer
 * @format:	any format
 *
 * Return: size of the interval, including its metadata if @format is extended.
 */
static inline uint32_t pi_format_stride(const struct pi_format *format)
{
	return format->interval + (format->extended ? format->md_size : 0);
}

/**
 * pi_format_md_bytes() - size of the separate metadata buffer for an I/O
 * @format:	any format
 * @bytes:	bytes of data, a multiple of the interval
 *
 * Return: bytes of metadata, 0 if @format is extended.
 */
static inline uint64_t pi_format_md_bytes(const struct pi_format *format,
					  uint64_t bytes)
{
	return format->extended ? 0 : (bytes >> format->shift) * format->md_size;
}

#endif
