/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_DEVICE_H
#define PI_DEVICE_H

#include <stdint.h>

#include "format.h"

/**
 * struct pi_device - what submitting PI to one device takes to know
 * @format:	of its protection information
 * @start:	number, on the whole disk, of this device's first interval; a
 *		reference tag that counts from there is what the kernel wants
 *		on the media, so it has nothing to rewrite
 * @intervals:	how many the device has
 * @max_bytes:	largest I/O that the kernel does not split, of a character
 *		device largest command, metadata in the data buffer included;
 *		0 if unknown
 * @max_md:	most bytes of metadata that the kernel takes with one I/O
 * @nsid:	number of the NVMe namespace whose character device it is; 0: a
 *		block device
 * @any_ref:	reference tags may begin with any number: type 2, with the
 *		command in the application's hands
 * @reads_check_storage: likewise, commands that read check storage tags
 * @polls:	a character device's completions can be polled for
 * @stacked:	it lies on other devices, with numbers of their own
 */
struct pi_device {
	struct pi_format format;
	uint64_t start;
	uint64_t intervals;
	uint64_t max_bytes;
	uint64_t max_md;
	uint32_t nsid;
	bool any_ref;
	bool reads_check_storage;
	bool polls;
	bool stacked;
};

/**
 * pi_device_probe() - find out the PI format of an open device
 * @fd:		block device, or character device of an NVMe namespace
 *		(/dev/ngXnY), open for reading
 * @dev:	set
 * @reason:	says why not
 *
 * Asks FS_IOC_GETLBMD_CAP (Linux 6.17), else sysfs and, for the place of the
 * tuple on NVMe, Identify Namespace (NVMe Base 2.0, 5.17; needs root before
 * Linux 6.2).  Asks each device below a device-mapper or md stack too: all must
 * be of one format.  Of a character device Identify Namespace says all, formats
 * that the kernel cannot carry (extended LBA) included.
 *
 * Return: 0, or with a @reason -ENOTBLK (neither of them), -ENODATA (no
 * metadata), -EOPNOTSUPP (metadata of a kind unknown here), -EINVAL (a
 * partition that does not begin on an interval, a stack of several formats)
 * or what the system said.
 */
int pi_device_probe(int fd, struct pi_device *dev, struct pi_reason *reason);

/**
 * pi_device_probe_at() - the same with sysfs somewhere else, for tests
 * @sysfs:	"/sys"
 * @fd:		as for pi_device_probe()
 * @dev:	likewise
 * @reason:	likewise
 *
 * Return: as pi_device_probe().
 */
int pi_device_probe_at(const char *sysfs, int fd, struct pi_device *dev,
		       struct pi_reason *reason);

#endif
