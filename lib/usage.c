// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usage.h"

#define NAME	64

/* get the name of an entry of a directory, or return false if it is empty */
static bool entry_of(const char *dir, char *name)
{
	struct dirent *entry;
	DIR *list = opendir(dir);
	bool found = false;

	while (list && !found && (entry = readdir(list))) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(name, NAME, "%.*s", NAME - 1, entry->d_name);
	}
	if (list)
		closedir(list);
	return found;
}

/* by device number, or by name for file systems with numbers of their own (btrfs) */
static bool mounted(const char *proc, const char *name, const char *number,
		    char *where)
{
	char path[PATH_MAX], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0) {
		const char *tail = strstr(line, " - ");
		char is[32], source[256] = "";

		if (!tail || sscanf(line, "%*s %*s %31s %*s %255s", is, where) != 2)
			continue;
		sscanf(tail, " - %*s %255s", source);
		found = !strcmp(is, number) ||
			(!strncmp(source, "/dev/", 5) && !strcmp(source + 5, name));
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool swapped_to(const char *proc, const char *name)
{
	char path[PATH_MAX], *line = NULL, source[256];
	bool found = false;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/swaps", proc);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0)
		found = sscanf(line, "%255s", source) == 1 &&
			!strncmp(source, "/dev/", 5) && !strcmp(source + 5, name);
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* @dir: sysfs directory of a disk or partition */
static int check(const char *dir, const char *proc, const char *name,
		 struct pi_reason *reason)
{
	char path[PATH_MAX], number[32] = "", where[256], holder[NAME];
	FILE *file;

	snprintf(path, sizeof(path), "%s/dev", dir);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%31s", number) != 1)
			number[0] = '\0';
		fclose(file);
	}
	if (mounted(proc, name, number, where))
		return pi_reason_set(reason, -EBUSY, "%s is mounted on %s", name,
				     where);
	if (swapped_to(proc, name))
		return pi_reason_set(reason, -EBUSY, "%s is swap space", name);
	snprintf(path, sizeof(path), "%s/holders", dir);
	if (entry_of(path, holder))
		return pi_reason_set(reason, -EBUSY, "%s is held by %s", name,
				     holder);
	return 0;
}

int pi_usage_at(const char *sysfs, const char *proc, const char *disk,
		struct pi_reason *reason)
{
	char dir[PATH_MAX - 300], part[PATH_MAX];
	struct dirent *entry;
	DIR *list;
	int ret;

	snprintf(dir, sizeof(dir), "%s/class/block/%s", sysfs, disk);
	ret = check(dir, proc, disk, reason);
	list = opendir(dir);
	/* subdirectories that start with the name of the disk are its partitions */
	while (list && !ret && (entry = readdir(list))) {
		if (strncmp(entry->d_name, disk, strlen(disk)))
			continue;
		snprintf(part, sizeof(part), "%s/%s", dir, entry->d_name);
		ret = check(part, proc, entry->d_name, reason);
	}
	if (list)
		closedir(list);
	return ret;
}

int pi_usage(const char *disk, struct pi_reason *reason)
{
	return pi_usage_at("/sys", "/proc", disk, reason);
}
