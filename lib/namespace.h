/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_NAMESPACE_H
#define PI_NAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "reason.h"

/**
 * struct pi_namespace - what an NVMe namespace says of itself
 * @format:	of its protection information, also one that the kernel cannot
 *		carry (extended LBA)
 * @blocks:	how many it has
 * @nsid:	its number
 * @reads_check_storage: Read, Verify and Compare can check the storage tag too
 * @any_ref:	reference tags may begin with any number: type 2
 */
struct pi_namespace {
	struct pi_format format;
	uint64_t blocks;
	uint32_t nsid;
	bool reads_check_storage;
	bool any_ref;
};

/**
 * pi_namespace_probe() - ask Identify Namespace
 * @fd:		character device of an NVMe namespace
 * @ns:		set
 * @reason:	says why not
 *
 * Return: 0, or with a @reason -ENOTBLK (no namespace), -ENODATA (no metadata),
 * -EOPNOTSUPP (metadata of a kind unknown here), -EIO or what the system said.
 */
int pi_namespace_probe(int fd, struct pi_namespace *ns,
		       struct pi_reason *reason);

/**
 * pi_namespace_pi_first() - where in the metadata the tuple is
 * @fd:		block device
 *
 * Return: 1 first, 0 last, negative when this is no NVMe namespace or it may
 * not be asked.
 */
int pi_namespace_pi_first(int fd);

/**
 * struct pi_lba_format - one LBA format that an NVMe namespace can be given
 * @index:	for nvme format --lbaf=
 * @lbs:	bytes of data per block
 * @md_size:	bytes of metadata per block
 * @guard:	the guard it has with PI; NULL when it can have none: too
 *		little metadata, a guard unknown here, or a namespace that
 *		cannot have PI or separate metadata
 * @storage_bits: of the storage tag it has then
 * @by_kernel:	the block device carries it too, not only passthrough commands
 * @in_use:	the namespace has it now
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
 * pi_namespace_lba_formats() - the LBA formats of an NVMe namespace
 * @fd:		block or character device of the namespace
 * @formats:	room for PI_MAX_LBA_FORMATS
 *
 * Identify Namespace (NVM Command Set 1.0, 4.1.5); needs root.
 *
 * Return: how many, or a negative errno when the device does not tell.
 */
int pi_namespace_lba_formats(int fd, struct pi_lba_format *formats);

#endif
