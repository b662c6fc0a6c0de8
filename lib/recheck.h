/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_RECHECK_H
#define PI_RECHECK_H

#include <stdint.h>

/**
 * pi_recheck_read() - read what a device found wrong, its checks off
 * @fd:		open with O_DIRECT
 * @offset:	bytes, on an interval
 * @data:	buffer of @len bytes, whole intervals
 * @md:		buffer of their metadata, @md_len bytes
 * @ref:	reference tag of the first interval
 *
 * The completion of a failed read says neither which block nor which tag, and
 * brings no data.  This is for the error path: it sets up a ring of its own.
 *
 * Return: 0, or -EIO when the device refuses this read too (SCSI checks
 * without being asked).
 */
int pi_recheck_read(int fd, uint64_t offset, void *data, uint32_t len,
		    void *md, uint32_t md_len, uint64_t ref);

#endif
