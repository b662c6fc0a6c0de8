/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_USAGE_H
#define PI_USAGE_H

#include "reason.h"

/**
 * pi_usage() - test whether a disk is in use
 * @disk:	name of the whole disk, such as "nvme0n1"
 * @reason:	filled in if the disk is in use
 *
 * A disk is in use if it or one of its partitions has a mounted file system, is
 * swap space, or has a holder (device mapper, md).
 *
 * Return: 0, or -EBUSY with a @reason that names the user.
 */
int pi_usage(const char *disk, struct pi_reason *reason);

/**
 * pi_usage_at() - pi_usage() with another sysfs and procfs, for tests
 * @sysfs:	where sysfs is mounted, normally "/sys"
 * @proc:	where procfs is mounted, normally "/proc"
 * @disk:	as for pi_usage()
 * @reason:	as for pi_usage()
 *
 * Return: as for pi_usage().
 */
int pi_usage_at(const char *sysfs, const char *proc, const char *disk,
		struct pi_reason *reason);

#endif
