// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test_tree.h"

#include "usage.h"

#define DISK	"sys/class/block/nvme0n1"

static int setup(void **state)
{
	(void)state;
	if (pi_test_tree())
		return -1;
	pi_test_file(DISK "/dev", "259:1\n");
	pi_test_file(DISK "/queue/rotational", "0\n");
	pi_test_file(DISK "/nvme0n1p1/dev", "259:2\n");
	pi_test_file(DISK "/nvme0n1p1/partition", "1\n");
	pi_test_file("proc/self/mountinfo",
	    "22 1 0:20 / / rw shared:1 - overlay overlay rw\n"
	    "23 22 259:3 / /a rw - ext4 /dev/nvme0n2 rw\n"
	    "24 22 259:12 / /b rw master:7 - ext4 /dev/nvme0n10 rw\n"
	    "no line of it\n");
	pi_test_file("proc/swaps", "Filename Type Size Used Priority\n"
	    "/dev/nvme0n10p1 partition 8 0 -2\n/swapfile file 8 0 -3\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return pi_test_tree_remove();
}

static void expect(int ret, const char *text)
{
	struct pi_reason reason = { "" };
	char sys[80], proc[80];

	snprintf(sys, sizeof(sys), "%s/sys", pi_test_root);
	snprintf(proc, sizeof(proc), "%s/proc", pi_test_root);
	assert_int_equal(pi_usage_at(sys, proc, "nvme0n1", &reason), ret);
	assert_string_equal(reason.text, text);
}

static void test_unused(void **state)
{
	(void)state;
	expect(0, "");
}

static void test_mounted(void **state)
{
	(void)state;
	pi_test_file("proc/self/mountinfo",
	    "22 1 0:20 / / rw - overlay overlay rw\n"
	    "23 22 259:1 / /data rw shared:2 - xfs /dev/root rw\n");
	expect(-EBUSY, "nvme0n1 is mounted on /data");
	pi_test_file("proc/self/mountinfo",
	    "23 22 259:2 / /boot rw shared:2 - ext4 /dev/disk/by-uuid/1 rw\n");
	expect(-EBUSY, "nvme0n1p1 is mounted on /boot");
	pi_test_file("proc/self/mountinfo",
	    "23 22 0:40 / /b rw - btrfs /dev/nvme0n1p1 rw\n");
	expect(-EBUSY, "nvme0n1p1 is mounted on /b");
}

static void test_swap(void **state)
{
	(void)state;
	pi_test_file("proc/swaps", "Filename\n/dev/nvme0n1p1 partition 8 0 -2\n");
	expect(-EBUSY, "nvme0n1p1 is swap space");
}

static void test_held(void **state)
{
	(void)state;
	pi_test_file(DISK "/holders/dm-3/dev", "253:3\n");
	expect(-EBUSY, "nvme0n1 is held by dm-3");
}

static void test_nothing_known(void **state)
{
	struct pi_reason reason;

	(void)state;
	assert_int_equal(pi_usage_at("/nowhere", "/nowhere", "nvme0n1", &reason), 0);
}

#define usage_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		usage_test(test_unused),
		usage_test(test_mounted),
		usage_test(test_swap),
		usage_test(test_held),
		cmocka_unit_test(test_nothing_known),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
