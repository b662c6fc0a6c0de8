/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_UNCHECKED_H
#define PI_UNCHECKED_H

#include <stdint.h>

#include "nvme.h"
#include "ring.h"

struct pi_layout;

/**
 * struct pi_unchecked - a ring for reads and writes one at a time
 * @ring:	it, while there is one
 * @layout:	that the ring is for; NULL while there is none
 *
 * Begins as zeros.  One thread at a time.
 */
struct pi_unchecked {
	struct pi_ring ring;
	const struct pi_layout *layout;
};

/**
 * pi_unchecked_rw() - one read or write with PI, the device's checks off
 * @unchecked:	sets up a ring when it has none
 * @ns:		of which @fd is the character device, or NULL: a block device
 * @dir:	0 read, 1 write
 * @fd:		a block device open with O_DIRECT
 * @offset:	bytes, on an interval
 * @data:	buffer of @len bytes, whole intervals
 * @len:	bytes of data
 * @md:		buffer of their metadata, @md_len bytes; 0 when that is in @data
 * @md_len:	bytes of metadata
 * @ref:	reference tag of the first interval
 *
 * For error paths and tools: the first call sets up the ring.  The completion
 * of a read that the device failed says neither which block nor which tag and
 * brings no data; this brings it.
 *
 * Return: 0 or -errno; -EILSEQ when the device checks without being asked, as
 * SCSI does, -EIO when not all was transferred, and -EOPNOTSUPP before Linux
 * 6.14.
 */
int pi_unchecked_rw(struct pi_unchecked *unchecked, const struct pi_nvme_ns *ns,
		    unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref);

/**
 * pi_unchecked_exit() - release what pi_unchecked_rw() took
 * @unchecked:	as new after it
 */
void pi_unchecked_exit(struct pi_unchecked *unchecked);

#endif
