// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sysfs.h"

#define DIRECTORY	(O_PATH | O_DIRECTORY | O_CLOEXEC)

/* "dev/block/259:1" */
#define NAME_ROOM	64

static void link_name(char *name, const struct stat *st)
{
	snprintf(name, NAME_ROOM, "dev/%s/%u:%u",
		 S_ISBLK(st->st_mode) ? "block" : "char", major(st->st_rdev),
		 minor(st->st_rdev));
}

int pi_sysfs_open(const char *sysfs, const struct stat *st)
{
	int root = open(sysfs, DIRECTORY), dir;
	char name[NAME_ROOM];

	if (root < 0)
		return -1;
	link_name(name, st);
	dir = pi_sysfs_dir(root, name);
	close(root);
	return dir;
}

int pi_sysfs_name(const char *sysfs, const struct stat *st, bool parent,
		  char *name, size_t size)
{
	int root = open(sysfs, DIRECTORY);
	char path[NAME_ROOM], target[PATH_MAX];
	char *last;
	ssize_t len;

	if (root < 0)
		return -ENODEV;
	link_name(path, st);
	len = readlinkat(root, path, target, sizeof(target) - 1);
	close(root);
	if (len < 0)
		return -ENODEV;
	target[len] = '\0';
	last = strrchr(target, '/');
	if (parent && last) {
		*last = '\0';
		last = strrchr(target, '/');
	}
	snprintf(name, size, "%s", last ? last + 1 : target);
	return 0;
}

int pi_sysfs_dir(int dir, const char *path)
{
	return openat(dir, path, DIRECTORY);
}

int pi_sysfs_text(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

uint64_t pi_sysfs_number(int dir, const char *name)
{
	char text[32];

	return pi_sysfs_text(dir, name, text, sizeof(text)) ? 0 :
	       strtoull(text, NULL, 10);
}

int pi_sysfs_each(int dir, const char *name,
		  int (*check)(const char *entry, void *data), void *data)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!ret && (entry = readdir(list)))
		if (entry->d_name[0] != '.')
			ret = check(entry->d_name, data);
	closedir(list);
	return ret;
}
