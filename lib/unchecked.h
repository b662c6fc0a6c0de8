/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_UNCHECKED_H
#define PI_UNCHECKED_H

#include <stdint.h>

#include "nvme.h"
#include "ring.h"

struct pi_layout;

/**
 * struct pi_unchecked - a ring for synchronous I/O without the device's checks
 * @ring:	the ring, if @layout is set
 * @layout:	layout that @ring was set up for, or NULL if there is no ring
 *
 * Initialize to all zeros. Not thread-safe.
 */
struct pi_unchecked {
	struct pi_ring ring;
	const struct pi_layout *layout;
};

/**
 * pi_unchecked_rw() - read or write with PI, without having the device check it
 * @unchecked:	state; a ring is set up on first use
 * @ns:		namespace of the character device @fd, or NULL if @fd is a block
 *		device
 * @dir:	0 for a read, 1 for a write
 * @fd:		character device, or block device open with O_DIRECT
 * @offset:	offset in bytes, a multiple of the interval
 * @data:	data buffer
 * @len:	length of @data in bytes, a multiple of the interval
 * @md:		metadata buffer
 * @md_len:	length of @md in bytes; 0 if the metadata is in @data
 * @ref:	reference tag of the first interval
 *
 * For error paths and tools. When the device fails a read, the completion
 * neither says which block and tag were wrong nor returns the data; reading
 * again with this function does.
 *
 * Return: 0 or -errno: -EILSEQ if the device checks regardless, as SCSI does,
 * -EIO if the transfer was short, -EOPNOTSUPP before Linux 6.14.
 */
int pi_unchecked_rw(struct pi_unchecked *unchecked, const struct pi_nvme_ns *ns,
		    unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref);

/**
 * pi_unchecked_exit() - release the ring
 * @unchecked:	state, which may be used again
 */
void pi_unchecked_exit(struct pi_unchecked *unchecked);

#endif
