// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk with a partition in a tree like that of sysfs
 */
#include <errno.h>
#include <sys/sysmacros.h>

#include "pi_test_tree.h"

#include "sysfs.h"

#define DISK	"devices/pci/nvme0n1"
#define PART	DISK "/nvme0n1p1"

static int next_fd;

static const struct stat disk = { .st_mode = S_IFBLK };
static struct stat part = { .st_mode = S_IFBLK };
static struct stat character = { .st_mode = S_IFCHR };

static void put_link(const char *name, const char *target)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s/%s", pi_test_root, name);
	assert_return_code(symlink(target, whole), errno);
}

static int setup(void **state)
{
	(void)state;
	part.st_rdev = makedev(259, 1);
	if (pi_test_tree())
		return -1;
	pi_test_file(DISK "/size", "2097152\n");
	pi_test_file(DISK "/queue/long", "0123456789\nand more\n");
	pi_test_file(DISK "/queue/nothing", "%s", "");
	pi_test_file(PART "/start", "2048\n");
	pi_test_file("dev/block/README", "links");
	put_link("dev/block/0:0", "../../" DISK);
	put_link("dev/block/259:1", "../../" PART);
	next_fd = pi_test_next_fd();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(pi_test_next_fd(), next_fd);
	return pi_test_tree_remove();
}

static void test_names(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(pi_sysfs_name(pi_test_root, &disk, false, name, 16), 0);
	assert_string_equal(name, "nvme0n1");
	assert_int_equal(pi_sysfs_name(pi_test_root, &part, false, name, 16), 0);
	assert_string_equal(name, "nvme0n1p1");
	assert_int_equal(pi_sysfs_name(pi_test_root, &part, true, name, 16), 0);
	assert_string_equal(name, "nvme0n1");
	assert_int_equal(pi_sysfs_name(pi_test_root, &part, false, name, 5), 0);
	assert_string_equal(name, "nvme");
	assert_int_equal(pi_sysfs_name(pi_test_root, &character, false, name, 16),
			 -ENODEV);
	assert_int_equal(pi_sysfs_name("/nowhere", &disk, false, name, 16),
			 -ENODEV);
}

/* ".." of a partition is its disk, not the directory of the link */
static void test_directories(void **state)
{
	int dir = pi_sysfs_open(pi_test_root, &part), up;

	(void)state;
	assert_return_code(dir, errno);
	assert_int_equal(pi_sysfs_number(dir, "start"), 2048);
	assert_int_equal(pi_sysfs_number(dir, "size"), 0);
	up = pi_sysfs_dir(dir, "..");
	assert_return_code(up, errno);
	assert_int_equal(pi_sysfs_number(up, "size"), 2097152);
	close(up);
	close(dir);
	assert_int_equal(pi_sysfs_open(pi_test_root, &character), -1);
	assert_int_equal(pi_sysfs_open("/nowhere", &disk), -1);
}

static void test_text(void **state)
{
	int dir = pi_sysfs_open(pi_test_root, &disk);
	char text[8], line[32];

	(void)state;
	assert_int_equal(pi_sysfs_text(dir, "queue/long", line, sizeof(line)), 0);
	assert_string_equal(line, "0123456789");
	assert_int_equal(pi_sysfs_text(dir, "queue/long", text, sizeof(text)), 0);
	assert_string_equal(text, "0123456");
	assert_int_equal(pi_sysfs_text(dir, "queue/nothing", text, sizeof(text)),
			 -EIO);
	assert_int_equal(pi_sysfs_text(dir, "queue/none", text, sizeof(text)),
			 -ENOENT);
	close(dir);
}

static int count(const char *entry, void *data)
{
	assert_true(entry[0] != '.');
	return ++*(int *)data == 2 ? 7 : 0;
}

static void test_each(void **state)
{
	int dir = pi_sysfs_open(pi_test_root, &disk), calls = 0;

	(void)state;
	assert_int_equal(pi_sysfs_each(dir, "queue", count, &calls), 7);
	assert_int_equal(calls, 2);
	calls = 2;
	assert_int_equal(pi_sysfs_each(dir, "nvme0n1p1", count, &calls), 0);
	assert_int_equal(calls, 3);
	assert_int_equal(pi_sysfs_each(dir, "slaves", count, &calls), 0);
	assert_int_equal(calls, 3);
	close(dir);
}

/* reading from a missing directory must not use the current directory */
static void test_no_directory(void **state)
{
	char text[8];
	int calls = 0;

	(void)state;
	assert_int_equal(pi_sysfs_dir(-1, "."), -1);
	assert_int_equal(pi_sysfs_text(-1, "size", text, sizeof(text)), -EBADF);
	assert_int_equal(pi_sysfs_number(-1, "size"), 0);
	assert_int_equal(pi_sysfs_each(-1, ".", count, &calls), 0);
	assert_int_equal(calls, 0);
}

#define sysfs_test(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		sysfs_test(test_names),
		sysfs_test(test_directories),
		sysfs_test(test_text),
		sysfs_test(test_each),
		sysfs_test(test_no_directory),
	};

	return cmocka_run_group_tests_name("sysfs", tests, NULL, NULL);
}
