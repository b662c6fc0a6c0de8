/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_DEVICE_H
#define PI_DEVICE_H

#include <stdint.h>

#include "format.h"

/**
 * struct pi_device - properties of a device that PI I/O depends on
 * @format:	format of its protection information
 * @start:	number, on the whole disk, of this device's first interval. The
 *		kernel wants reference tags on the media to count from there; if
 *		the host's do so already, it has nothing to remap.
 * @intervals:	size in protection intervals
 * @max_bytes:	block device: largest I/O in bytes that the kernel does not
 *		split; character device: most bytes that one command can
 *		transfer, metadata in the data buffer included; 0 if unknown
 * @max_md:	most bytes of metadata that the kernel accepts with one I/O
 * @nsid:	NVMe namespace identifier of a character device; 0 for a block
 *		device
 * @any_ref:	reference tags may start at any value: type 2, on a character
 *		device
 * @reads_check_storage: commands that read can check the storage tag
 * @polls:	completions of a character device can be polled for
 * @stacked:	a device-mapper or md device, built on devices that number their
 *		blocks differently
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
 * pi_device_probe() - determine the PI format of an open device
 * @fd:		block device, or character device of an NVMe namespace
 *		(/dev/ngXnY), open for reading
 * @dev:	where the result is stored
 * @reason:	filled in on failure
 *
 * For a block device this uses FS_IOC_GETLBMD_CAP (Linux 6.17) or, before that,
 * sysfs; the position of the tuple on NVMe then comes from Identify Namespace
 * (NVMe Base 2.0, 5.17), which requires root before Linux 6.2. The devices
 * below a device-mapper or md device are probed too and must all have the same
 * format. For a character device everything comes from Identify Namespace,
 * including formats that the kernel cannot carry (extended LBA).
 *
 * Return: 0, -ENOTBLK if @fd is neither kind of device, -ENODATA if it has no
 * metadata, -EOPNOTSUPP if its metadata is of an unsupported kind, -EINVAL if a
 * partition does not start on an interval boundary or a stack mixes formats, or
 * the negative errno of a system call.
 */
int pi_device_probe(int fd, struct pi_device *dev, struct pi_reason *reason);

/**
 * pi_device_probe_at() - pi_device_probe() with another sysfs, for tests
 * @sysfs:	where sysfs is mounted, normally "/sys"
 * @fd:		as for pi_device_probe()
 * @dev:	as for pi_device_probe()
 * @reason:	as for pi_device_probe()
 *
 * Return: as for pi_device_probe().
 */
int pi_device_probe_at(const char *sysfs, int fd, struct pi_device *dev,
		       struct pi_reason *reason);

#endif
