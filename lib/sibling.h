/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_SIBLING_H
#define PI_SIBLING_H

#include <stddef.h>

/**
 * pi_sibling() - the other device of an NVMe namespace
 * @fd:		its block device, or a partition of that, or its character device
 * @name:	set to the path of the other one, /dev/ng0n1 or /dev/nvme0n1
 * @size:	of it
 *
 * Return: 0; 1 of a partition, where the other one is the whole disk's; or
 * -ENODEV where there is none.
 */
int pi_sibling(int fd, char *name, size_t size);

/**
 * pi_sibling_at() - the same with sysfs somewhere else, for tests
 * @sysfs:	"/sys"
 * @fd:		as for pi_sibling()
 * @name:	likewise
 * @size:	likewise
 *
 * Return: as pi_sibling().
 */
int pi_sibling_at(const char *sysfs, int fd, char *name, size_t size);

#endif
