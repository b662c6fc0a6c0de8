// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sibling.h"
#include "sysfs.h"

int pi_sibling_at(const char *sysfs, int fd, char *name, size_t size)
{
	const char *from = "nvme", *to = "ng";
	char own[NAME_MAX + 1], text[4];
	bool partition = false;
	struct stat st;

	if (fstat(fd, &st) || !(S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)))
		return -ENODEV;
	if (S_ISCHR(st.st_mode)) {
		from = "ng";
		to = "nvme";
	} else {
		int dir = pi_sysfs_open(sysfs, &st);

		partition = !pi_sysfs_text(dir, "partition", text, sizeof(text));
		close(dir);
	}
	if (pi_sysfs_name(sysfs, &st, partition, own, sizeof(own)) ||
	    strncmp(own, from, strlen(from)))
		return -ENODEV;
	snprintf(name, size, "/dev/%s%s", to, own + strlen(from));
	return partition;
}

int pi_sibling(int fd, char *name, size_t size)
{
	return pi_sibling_at("/sys", fd, name, size);
}
