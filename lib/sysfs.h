/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_SYSFS_H
#define PI_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * A directory of sysfs is a descriptor, and -1 one that there is not: nothing
 * is in it.
 */

/**
 * pi_sysfs_open() - the directory of a block or character device
 * @sysfs:	"/sys"
 * @st:		of the device
 *
 * Return: a descriptor to be closed, or -1.
 */
int pi_sysfs_open(const char *sysfs, const struct stat *st);

/**
 * pi_sysfs_name() - what the kernel calls a device, "nvme0n1"
 * @sysfs:	"/sys"
 * @st:		of the device
 * @parent:	not it but what it is a part of
 * @name:	set to the name
 * @size:	of it
 *
 * Return: 0, or -ENODEV.
 */
int pi_sysfs_name(const char *sysfs, const struct stat *st, bool parent,
		  char *name, size_t size);

/**
 * pi_sysfs_dir() - another directory
 * @dir:	where to begin
 * @path:	from there, ".."
 *
 * Return: a descriptor to be closed, or -1.
 */
int pi_sysfs_dir(int dir, const char *path);

/**
 * pi_sysfs_text() - read an attribute
 * @dir:	directory
 * @name:	of the attribute, "queue/io_poll"
 * @text:	set to its first line, or as much of it as there is room for
 * @size:	of it
 *
 * Return: 0 or -errno.
 */
int pi_sysfs_text(int dir, const char *name, char *text, size_t size);

/**
 * pi_sysfs_number() - read an attribute that is a number
 * @dir:	directory
 * @name:	of the attribute
 *
 * Return: the number, 0 when there is none.
 */
uint64_t pi_sysfs_number(int dir, const char *name);

/**
 * pi_sysfs_each() - call a function for each entry of a directory
 * @dir:	where the directory is
 * @name:	what it is called
 * @check:	the function
 * @data:	handed to it
 *
 * Return: the first that @check returns other than 0; else 0.
 */
int pi_sysfs_each(int dir, const char *name,
		  int (*check)(const char *entry, void *data), void *data);

#endif
