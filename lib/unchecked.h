/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_UNCHECKED_H
#define PI_UNCHECKED_H

#include <stdint.h>

/**
 * pi_unchecked_rw() - one read or write with PI, the device's checks off
 * @dir:	0 read, 1 write
 * @fd:		open with O_DIRECT
 * @offset:	bytes, on an interval
 * @data:	buffer of @len bytes, whole intervals
 * @md:		buffer of their metadata, @md_len bytes
 * @ref:	reference tag of the first interval
 *
 * For error paths and tools: it sets up a ring of its own.  The completion of
 * a read that the device failed says neither which block nor which tag and
 * brings no data; this brings it.
 *
 * Return: 0 or -errno; -EILSEQ when the device checks without being asked, as
 * SCSI does, -EIO when not all was transferred, and -EOPNOTSUPP before Linux
 * 6.14.
 */
int pi_unchecked_rw(unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref);

#endif
