/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_DEVICE_H
#define PI_DEVICE_H

#include <stdint.h>

#include "format.h"

/**
 * struct pi_device - what submitting PI to one block device takes to know
 * @format:	of its protection information
 * @start:	number, on the whole disk, of this device's first interval; a
 *		reference tag that counts from there is what the kernel wants
 *		on the media, so it has nothing to rewrite
 */
struct pi_device {
	struct pi_format format;
	uint64_t start;
};

/**
 * pi_device_probe() - find out the PI format of an open block device
 * @fd:		open for reading
 *
 * Asks FS_IOC_GETLBMD_CAP (Linux 6.17), else sysfs and, for the place of the
 * tuple on NVMe, Identify Namespace (NVMe Base 2.0, 5.17; needs root).
 *
 * Return: 0, or with a @reason -ENOTBLK (no block device), -ENODATA (no
 * metadata), -EOPNOTSUPP (metadata of a kind unknown here), -EINVAL (a
 * partition that does not begin on an interval) or what the system said.
 */
int pi_device_probe(int fd, struct pi_device *dev, struct pi_reason *reason);

/**
 * pi_device_probe_at() - the same with sysfs somewhere else, for tests
 * @sysfs:	"/sys"
 */
int pi_device_probe_at(const char *sysfs, int fd, struct pi_device *dev,
		       struct pi_reason *reason);

#endif
