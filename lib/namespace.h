/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_NAMESPACE_H
#define PI_NAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "reason.h"

/**
 * struct pi_namespace - properties of an NVMe namespace
 * @format:	format of its protection information, which may be one that the
 *		kernel cannot carry (extended LBA)
 * @blocks:	size in logical blocks
 * @nsid:	namespace identifier
 * @reads_check_storage: Read, Verify and Compare can check the storage tag
 * @any_ref:	reference tags may start at any value: type 2
 */
struct pi_namespace {
	struct pi_format format;
	uint64_t blocks;
	uint32_t nsid;
	bool reads_check_storage;
	bool any_ref;
};

/**
 * pi_namespace_probe() - determine the properties of a namespace by Identify
 *			  Namespace
 * @fd:		character device of the namespace
 * @ns:		where the result is stored
 * @reason:	filled in on failure
 *
 * Return: 0, -ENOTBLK if @fd is not a namespace, -ENODATA if it has no
 * metadata, -EOPNOTSUPP if the metadata is of an unsupported kind, -EIO if the
 * device failed the command, or the negative errno of the ioctl.
 */
int pi_namespace_probe(int fd, struct pi_namespace *ns,
		       struct pi_reason *reason);

/**
 * pi_namespace_pi_first() - tell where in the metadata the tuple is
 * @fd:		block device
 *
 * Return: 1 if the tuple comes first, 0 if it comes last, or a negative errno
 * if @fd is not an NVMe namespace or Identify is not permitted.
 */
int pi_namespace_pi_first(int fd);

/**
 * struct pi_lba_format - an LBA format that an NVMe namespace supports
 * @index:	index for nvme format --lbaf=
 * @lbs:	bytes of data per block
 * @md_size:	bytes of metadata per block
 * @guard:	guard that the format has with PI; NULL if it cannot have PI,
 *		because the metadata is too small, the guard is not supported
 *		here, or the namespace supports neither PI nor separate metadata
 * @storage_bits: width of the storage tag with PI
 * @by_kernel:	supported by the block device, not only by passthrough commands
 * @in_use:	the namespace is formatted with it now
 */
struct pi_lba_format {
	unsigned int index;
	uint32_t lbs;
	uint16_t md_size;
	const struct pi_guard *guard;
	uint8_t storage_bits;
	bool by_kernel;
	bool in_use;
};

#define PI_MAX_LBA_FORMATS	64

/**
 * pi_namespace_lba_formats() - list the LBA formats of an NVMe namespace
 * @fd:		block or character device of the namespace
 * @formats:	array with room for PI_MAX_LBA_FORMATS
 *
 * Identify Namespace (NVM Command Set 1.0, 4.1.5), which requires root.
 *
 * Return: the number of formats, or -ENOTTY if the device does not report them.
 */
int pi_namespace_lba_formats(int fd, struct pi_lba_format *formats);

#endif
