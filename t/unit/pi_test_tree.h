/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TEST_TREE_H
#define PI_TEST_TREE_H

#include "pi_test.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

/* temporary directory in place of /sys or /proc, filled by the test */
static char pi_test_root[64];

static inline int pi_test_tree(void)
{
	strcpy(pi_test_root, "/tmp/pi-test-XXXXXX");
	return mkdtemp(pi_test_root) ? 0 : -1;
}

static inline void pi_test_file(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* create a file and its parent directories */
static inline void pi_test_file(const char *path, const char *fmt, ...)
{
	char whole[PATH_MAX];
	va_list ap;
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", pi_test_root, path);
	for (char *p = whole + strlen(pi_test_root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		assert_true(!mkdir(whole, 0700) || errno == EEXIST);
		*p = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fclose(file);
}

static inline int pi_test_tree_remove_one(const char *path,
					  const struct stat *st, int type,
					  struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int pi_test_tree_remove(void)
{
	return nftw(pi_test_root, pi_test_tree_remove_one, 16,
		    FTW_DEPTH | FTW_PHYS);
}

#endif
