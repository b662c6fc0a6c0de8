/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_SYSFS_H
#define PI_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Directories in sysfs are passed as file descriptors.  -1 is accepted and
 * stands for a directory that does not exist.
 */

/**
 * pi_sysfs_open() - open the sysfs directory of a block or character device
 * @sysfs:	where sysfs is mounted, normally "/sys"
 * @st:		result of stat() for the device
 *
 * Return: a file descriptor to be closed by the caller, or -1.
 */
int pi_sysfs_open(const char *sysfs, const struct stat *st);

/**
 * pi_sysfs_name() - get the kernel's name of a device, such as "nvme0n1"
 * @sysfs:	where sysfs is mounted, normally "/sys"
 * @st:		result of stat() for the device
 * @parent:	get the name of the parent device, such as the disk of a
 *		partition
 * @name:	where the name is stored
 * @size:	size of @name in bytes
 *
 * Return: 0 or -ENODEV.
 */
int pi_sysfs_name(const char *sysfs, const struct stat *st, bool parent,
		  char *name, size_t size);

/**
 * pi_sysfs_dir() - open a directory relative to another
 * @dir:	directory to start from
 * @path:	path relative to @dir, such as ".."
 *
 * Return: a file descriptor to be closed by the caller, or -1.
 */
int pi_sysfs_dir(int dir, const char *path);

/**
 * pi_sysfs_text() - read an attribute
 * @dir:	directory
 * @name:	path of the attribute relative to @dir, such as "queue/io_poll"
 * @text:	set to its first line, truncated if it does not fit
 * @size:	size of @text in bytes
 *
 * Return: 0 or -errno.
 */
int pi_sysfs_text(int dir, const char *name, char *text, size_t size);

/**
 * pi_sysfs_number() - read a numeric attribute
 * @dir:	directory
 * @name:	path of the attribute relative to @dir
 *
 * Return: the number, 0 if there is no such attribute.
 */
uint64_t pi_sysfs_number(int dir, const char *name);

/**
 * pi_sysfs_each() - call a function for each entry of a directory
 * @dir:	parent of the directory
 * @name:	name of the directory
 * @check:	function to call; iteration stops if it does not return 0
 * @data:	passed to @check
 *
 * Return: the last return value of @check, 0 if there are no entries.
 */
int pi_sysfs_each(int dir, const char *name,
		  int (*check)(const char *entry, void *data), void *data);

#endif
