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
 * struct pi_format - how one device lays out its protection information
 * @guard:	the guard and, with it, the tuple
 * @interval:	bytes of data that one tuple protects, a power of two
 * @md_size:	bytes of metadata per interval, the tuple included
 * @pi_offset:	where in them the tuple begins; the guard covers the metadata
 *		before it too (NVM Command Set 1.0, 5.2.1)
 * @shift:	log2 of @interval
 * @type:	1 (type 2 is the same to Linux: reference tags count from the
 *		first block) or 3 (the reference tag is the application's);
 *		3 where there is no tuple
 * @storage_bits: of the storage tag; the reference tag has the rest
 * @storage_mask: bits of it that the device compares
 * @extended:	the metadata of an interval follows its data in the same
 *		buffer (extended LBA), and is not in one of its own
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
 * pi_format_check() - whether a format can be, and the rest of what it takes
 * @format:	with all but @shift, which is set; @storage_mask is cut
 * @reason:	says why not
 *
 * Return: 0, or -EOPNOTSUPP with a @reason.
 */
int pi_format_check(struct pi_format *format, struct pi_reason *reason);

/**
 * pi_format_from_cap() - format from what FS_IOC_GETLBMD_CAP says
 * @format:	set
 * @cap:	what the ioctl has filled in
 * @reason:	says why not
 *
 * Return: 0, -ENODATA when the device has no metadata, or -EOPNOTSUPP for
 * metadata this build cannot fill, the latter two with a @reason.
 */
int pi_format_from_cap(struct pi_format *format, const struct pi_uapi_cap *cap,
		       struct pi_reason *reason);

/**
 * pi_format_from_profile() - format from sysfs, for kernels before 6.17
 * @format:	set
 * @profile:	content of integrity/format, such as "T10-DIF-TYPE1-CRC"
 * @interval:	content of integrity/protection_interval_bytes
 * @md_size:	bytes of metadata per interval
 * @pi_first:	the tuple is at the beginning of them, not at the end
 * @reason:	says why not
 *
 * Return: as pi_format_from_cap().
 */
int pi_format_from_profile(struct pi_format *format, const char *profile,
			   uint32_t interval, uint16_t md_size, bool pi_first,
			   struct pi_reason *reason);

/**
 * pi_format_name() - the format for a person, "4096+64 type 1 CRC16 last",
 *		      "4096+16 type 1 CRC32, 16-bit storage tag" or
 *		      "4096+64 without PI"
 * @format:	any
 * @buf:	gets the name
 * @size:	of it
 */
void pi_format_name(const struct pi_format *format, char *buf, size_t size);

/**
 * pi_format_ref_bits() - how wide the reference tag is
 * @format:	any
 *
 * Return: bits; 0 where there is none.
 */
static inline unsigned int pi_format_ref_bits(const struct pi_format *format)
{
	return format->guard->ref_size * 8 - format->storage_bits;
}

/**
 * pi_low_bits() - a mask
 * @bits:	0 to 64
 *
 * Return: that many ones.
 */
static inline uint64_t pi_low_bits(unsigned int bits)
{
	return bits ? UINT64_MAX >> (64 - bits) : 0;
}

/**
 * pi_format_stride() - bytes in the data buffer from one interval to the next
 * @format:	any
 *
 * Return: the size of the interval, and of its metadata where that follows it.
 */
static inline uint32_t pi_format_stride(const struct pi_format *format)
{
	return format->interval + (format->extended ? format->md_size : 0);
}

/**
 * pi_format_md_bytes() - bytes of metadata in a buffer of their own that go with
 *			  @bytes of data
 * @format:	any
 * @bytes:	of data, whole intervals
 *
 * Return: how many; 0 of an extended format, which has them in the data.
 */
static inline uint64_t pi_format_md_bytes(const struct pi_format *format,
					  uint64_t bytes)
{
	return format->extended ? 0 : (bytes >> format->shift) * format->md_size;
}

#endif
