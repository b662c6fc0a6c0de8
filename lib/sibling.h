/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_SIBLING_H
#define PI_SIBLING_H

#include <stddef.h>

/**
 * pi_sibling() - find the other device node of an NVMe namespace
 * @fd:		block device, a partition of it, or character device of the
 *		namespace
 * @name:	set to the path of the character or block device, such as
 *		/dev/ng0n1 or /dev/nvme0n1
 * @size:	size of @name in bytes
 *
 * Return: 0, 1 if @fd is a partition and @name therefore covers more than @fd,
 * or -ENODEV if @fd is not an NVMe device.
 */
int pi_sibling(int fd, char *name, size_t size);

/**
 * pi_sibling_at() - pi_sibling() with another sysfs, for tests
 * @sysfs:	where sysfs is mounted, normally "/sys"
 * @fd:		as for pi_sibling()
 * @name:	as for pi_sibling()
 * @size:	as for pi_sibling()
 *
 * Return: as for pi_sibling().
 */
int pi_sibling_at(const char *sysfs, int fd, char *name, size_t size);

#endif
