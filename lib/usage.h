/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_USAGE_H
#define PI_USAGE_H

#include "reason.h"

/**
 * pi_usage() - whether somebody counts on what is on a disk
 * @disk:	name of the whole disk, "nvme0n1"
 * @reason:	says who
 *
 * A mounted file system, swap space, or a holder (device mapper, md), on the
 * disk or on a partition of it.
 *
 * Return: 0, or -EBUSY with a @reason that names it.
 */
int pi_usage(const char *disk, struct pi_reason *reason);

/**
 * pi_usage_at() - the same with sysfs and procfs somewhere else, for tests
 * @sysfs:	"/sys"
 * @proc:	"/proc"
 * @disk:	as for pi_usage()
 * @reason:	likewise
 *
 * Return: as pi_usage().
 */
int pi_usage_at(const char *sysfs, const char *proc, const char *disk,
		struct pi_reason *reason);

#endif
