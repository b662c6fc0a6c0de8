// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel is replaced by a tree of files in place of sysfs, and by wrappers
 * for these calls:
 *
 * wrap: fstat ioctl open nvme_get_nsid nvme_identify
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <libnvme.h>

#include "pi_test_tree.h"

#include "device.h"
#include "namespace.h"
#include "sibling.h"

/* numbers of the device under test; devices below it have those that follow */
#define FD		1234
#define NSID		31
#define DISK_MINOR	0
#define PART_MINOR	1
#define STACK_MINOR	2
#define NR_LOWER	3

static struct {
	bool stand_in;
	mode_t type;
	unsigned int major;
	unsigned int minor;
	int cap_errno;
	struct pi_uapi_cap cap;
	bool no_nsid;
	int identify_ret;
	uint8_t dps;
	struct nvme_id_ns ns;
	struct nvme_nvm_id_ns nvm;
	int nvm_ret;
	unsigned int identified;
	struct lower {
		const char *name;
		unsigned int minor;
		int open_errno;
		struct pi_uapi_cap cap;
	} lower[NR_LOWER];
	unsigned int opened;
	int next_fd;
} fake;

int __real_fstat(int fd, struct stat *st);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_nvme_get_nsid(int fd, __u32 *nsid);
int __wrap_nvme_identify(struct nvme_identify_args *args);

int __wrap_fstat(int fd, struct stat *st)
{
	if (!fake.stand_in)
		return __real_fstat(fd, st);
	pi_test_in_range(fd, FD, FD + NR_LOWER);
	*st = (struct stat) {
		.st_mode	= fake.type | 0660,
		.st_rdev	= makedev(fake.major, fd == FD ? fake.minor :
					  fake.lower[fd - FD - 1].minor),
	};
	return 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	if (!fake.stand_in || strncmp(path, "/dev/nvme", 9))
		return __real_open(path, flags);
	assert_int_equal(flags, O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < NR_LOWER; i++) {
		const struct lower *lower = &fake.lower[i];

		if (!lower->name || strcmp(path + 5, lower->name))
			continue;
		fake.opened++;
		errno = lower->open_errno;
		return errno ? -1 : FD + 1 + (int)i;
	}
	fail_msg("%s opened", path);
	return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct pi_uapi_cap *cap;
	va_list ap;

	pi_test_in_range(fd, FD, FD + NR_LOWER);
	assert_int_equal(request, 0xc0101502);
	va_start(ap, request);
	cap = va_arg(ap, struct pi_uapi_cap *);
	va_end(ap);
	if (fake.cap_errno) {
		errno = fake.cap_errno;
		return -1;
	}
	*cap = fd == FD ? fake.cap : fake.lower[fd - FD - 1].cap;
	return 0;
}

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	assert_int_equal(fd, FD);
	if (fake.no_nsid) {
		errno = ENOTTY;
		return -1;
	}
	*nsid = NSID;
	return 0;
}

int __wrap_nvme_identify(struct nvme_identify_args *args)
{
	struct nvme_id_ns *ns = args->data;

	assert_int_equal(args->fd, FD);
	assert_int_equal(args->nsid, NSID);
	if (args->cns == NVME_IDENTIFY_CNS_CSI_NS) {
		assert_int_equal(args->csi, NVME_CSI_NVM);
		memcpy(args->data, &fake.nvm, sizeof(fake.nvm));
		return fake.nvm_ret;
	}
	assert_int_equal(args->cns, NVME_IDENTIFY_CNS_NS);
	fake.identified++;
	if (fake.identify_ret) {
		errno = EACCES;
		return fake.identify_ret;
	}
	*ns = fake.ns;
	ns->dps = fake.dps;
	return 0;
}

static void put_device(const char *path, const char *kind, unsigned int minor)
{
	char target[PATH_MAX], name[PATH_MAX], readme[64];

	snprintf(readme, sizeof(readme), "dev/%s/README", kind);
	pi_test_file(readme, "links");
	snprintf(target, sizeof(target), "../../%s", path);
	snprintf(name, sizeof(name), "%s/dev/%s/259:%u", pi_test_root, kind, minor);
	assert_return_code(symlink(target, name), errno);
}

#define DISK		"devices/pci/nvme0n1"
#define PART		DISK "/nvme0n1p1"
#define GENERIC		"devices/pci/ng0n1"

/* a disk of 4096-byte blocks with a partition, on a kernel before 6.17 */
static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.stand_in = true;
	fake.type = S_IFBLK;
	fake.major = 259;
	fake.minor = DISK_MINOR;
	fake.cap_errno = ENOTTY;
	if (pi_test_tree())
		return -1;
	pi_test_file(DISK "/queue/logical_block_size", "4096\n");
	pi_test_file(DISK "/size", "2097152\n");
	pi_test_file(PART "/partition", "1\n");
	pi_test_file(PART "/start", "2048\n");
	pi_test_file(GENERIC "/dev", "259:0\n");
	put_device(DISK, "block", DISK_MINOR);
	put_device(PART, "block", PART_MINOR);
	put_device(GENERIC, "char", DISK_MINOR);
	fake.next_fd = pi_test_next_fd();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake.stand_in = false;
	if (pi_test_tree_remove())
		return -1;
	assert_int_equal(pi_test_next_fd(), fake.next_fd);
	return 0;
}

static void put_integrity(const char *profile, unsigned int interval)
{
	pi_test_file(DISK "/integrity/format", "%s\n", profile);
	pi_test_file(DISK "/integrity/protection_interval_bytes", "%u\n", interval);
}

static void put_nvme(const char *profile, unsigned int interval,
		     unsigned int md_size)
{
	put_integrity(profile, interval);
	pi_test_file(DISK "/metadata_bytes", "%u\n", md_size);
}

/* Linux 6.17 and newer */
static void answer_cap(uint32_t flags, uint16_t interval, uint8_t size,
		       uint8_t pi_offset)
{
	fake.cap_errno = 0;
	fake.cap = (struct pi_uapi_cap) {
		.flags		= flags,
		.interval	= interval,
		.size		= size,
		.opaque_size	= size - 8,
		.opaque_offset	= pi_offset ? 0 : 8,
		.pi_size	= 8,
		.pi_offset	= pi_offset,
		.guard_tag_type	= PI_LBMD_CSUM_CRC16_T10DIF,
		.app_tag_size	= 2,
		.ref_tag_size	= flags & PI_LBMD_CAP_REFTAG ? 4 : 0,
	};
}

static void accept_as(const char *name, uint64_t start)
{
	struct pi_reason reason = { "" };
	struct pi_device dev;
	char text[64];
	int ret;

	memset(&dev, PI_TEST_CANARY, sizeof(dev));
	ret = pi_device_probe_at(pi_test_root, FD, &dev, &reason);
	if (ret)
		fail_msg("%d: %s", ret, reason.text);
	pi_format_name(&dev.format, text, sizeof(text));
	assert_string_equal(text, name);
	assert_int_equal(dev.start, start);
}

static void refuse(int err, const char *part, const char *advice)
{
	struct pi_reason reason = { "" };
	struct pi_device dev;

	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, &reason), err);
	pi_test_says(&reason, part);
	pi_test_says(&reason, advice);
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), err);
}

static void test_cap(void **state)
{
	(void)state;
	answer_cap(3, 4096, 8, 0);
	accept_as("4096+8 type 1 CRC16", 0);
	answer_cap(3, 4096, 64, 56);
	accept_as("4096+64 type 1 CRC16 last", 0);
	answer_cap(1, 512, 64, 0);
	accept_as("512+64 type 3 CRC16 first", 0);
	answer_cap(2, 512, 8, 0);
	accept_as("512+8 type 1 CRC16", 0);
	answer_cap(3, 4096, 64, 48);
	fake.cap.guard_tag_type = PI_LBMD_CSUM_CRC64_NVME;
	fake.cap.pi_size = 16;
	accept_as("4096+64 type 1 CRC64 last", 0);
	answer_cap(0, 4096, 64, 0);
	fake.cap.guard_tag_type = PI_LBMD_CSUM_NONE;
	fake.cap.pi_size = 0;
	accept_as("4096+64 without PI", 0);
	assert_int_equal(fake.identified, 0);
}

/* the ioctl takes precedence over the older interface */
static void test_cap_comes_first(void **state)
{
	(void)state;
	put_nvme("T10-DIF-TYPE3-CRC", 512, 16);
	answer_cap(3, 4096, 64, 56);
	accept_as("4096+64 type 1 CRC16 last", 0);
	assert_int_equal(fake.identified, 0);
}

static void test_cap_refusals(void **state)
{
	(void)state;
	answer_cap(3, 4096, 16, 0);
	fake.cap.storage_tag_size = 2;
	refuse(-EOPNOTSUPP, "storage tag", "pi_layout=none");
	answer_cap(3, 4096, 8, 0);
	fake.cap.guard_tag_type = 77;
	refuse(-EOPNOTSUPP, "guard of kind '77'", "pi_layout=none");
}

static void test_no_metadata(void **state)
{
	const struct pi_uapi_cap nothing = { 0 };

	(void)state;
	pi_test_file(DISK "/queue/logical_block_size", "512\n");
	refuse(-ENODATA, "LBA format 512+0", "pi_layout=none");
	put_integrity("none", 0);
	refuse(-ENODATA, "LBA format 512+0", "format it with PI");
	pi_test_file(DISK "/metadata_bytes", "0\n");
	refuse(-ENODATA, "LBA format 512+0", "pi_layout=none");

	/* the partition says the same: it has the disk's format */
	fake.minor = PART_MINOR;
	refuse(-ENODATA, "LBA format 512+0", "pi_layout=none");
	fake.cap_errno = 0;
	fake.cap = nothing;
	refuse(-ENODATA, "LBA format 512+0", "pi_layout=none");
	fake.minor = DISK_MINOR;
	refuse(-ENODATA, "LBA format 512+0", "format it with PI");
}

/* metadata there is, but no profile: the kernel cannot carry it */
static void test_extended_lba(void **state)
{
	const struct pi_uapi_cap nothing = { 0 };

	(void)state;
	pi_test_file(DISK "/metadata_bytes", "8\n");
	refuse(-ENODATA, "LBA format 4096+8, extended", "pi_layout=none");
	pi_test_file(DISK "/metadata_bytes", "64\n");
	refuse(-ENODATA, "LBA format 4096+64, extended", "separate metadata");
	put_integrity("none", 0);
	refuse(-ENODATA, "LBA format 4096+64, extended", "pi_layout=none");
	fake.cap_errno = 0;
	fake.cap = nothing;
	refuse(-ENODATA, "LBA format 4096+64, extended", "pi_layout=none");
}

/* the tuple of an unknown guard is not located, which would require root */
static void test_no_profile_no_root(void **state)
{
	(void)state;
	fake.identify_ret = -1;
	pi_test_file(DISK "/metadata_bytes", "64\n");
	refuse(-ENODATA, "LBA format 4096+64, extended", "pi_layout=none");
	put_nvme("EXT-DIF-TYPE1-CRC32", 4096, 64);
	refuse(-EOPNOTSUPP, "'EXT-DIF-TYPE1-CRC32'", "pi_layout=none");
	assert_int_equal(fake.identified, 0);
}

/* where there is no tuple, or but one place for it, it needs no root */
static void test_one_place_no_root(void **state)
{
	(void)state;
	fake.identify_ret = -1;
	put_nvme("nop", 4096, 64);
	accept_as("4096+64 without PI", 0);
	put_nvme("EXT-DIF-TYPE1-CRC64", 4096, 16);
	accept_as("4096+16 type 1 CRC64", 0);
	assert_int_equal(fake.identified, 0);
}

static void test_nvme(void **state)
{
	(void)state;
	put_nvme("T10-DIF-TYPE1-CRC", 4096, 8);
	accept_as("4096+8 type 1 CRC16", 0);
	/* there is but one place: no need for root */
	assert_int_equal(fake.identified, 0);

	put_nvme("T10-DIF-TYPE1-CRC", 4096, 64);
	fake.dps = 1;
	accept_as("4096+64 type 1 CRC16 last", 0);
	fake.dps = 1 | 1 << 3;
	accept_as("4096+64 type 1 CRC16 first", 0);
	put_nvme("T10-DIF-TYPE3-CRC", 512, 16);
	accept_as("512+16 type 3 CRC16 first", 0);
	fake.dps = 3;
	accept_as("512+16 type 3 CRC16 last", 0);
	assert_int_equal(fake.identified, 4);
}

static void test_nvme_other_guards(void **state)
{
	(void)state;
	put_nvme("nop", 4096, 8);
	accept_as("4096+8 without PI", 0);
	put_nvme("nop", 4096, 64);
	accept_as("4096+64 without PI", 0);
	put_nvme("EXT-DIF-TYPE3-CRC64", 512, 16);
	accept_as("512+16 type 3 CRC64", 0);
	put_nvme("EXT-DIF-TYPE1-CRC64", 4096, 64);
	accept_as("4096+64 type 1 CRC64 last", 0);
	fake.dps = 1 | 1 << 3;
	accept_as("4096+64 type 1 CRC64 first", 0);
	put_nvme("EXT-DIF-TYPE1-CRC64", 4096, 8);
	refuse(-EOPNOTSUPP, "a 16-byte tuple", "pi_layout=none");
	put_nvme("EXT-DIF-TYPE1-CRC32", 4096, 16);
	refuse(-EOPNOTSUPP, "'EXT-DIF-TYPE1-CRC32'", "pi_layout=none");
}

static void test_identify_refused(void **state)
{
	(void)state;
	put_nvme("T10-DIF-TYPE1-CRC", 4096, 64);
	fake.identify_ret = -1;
	refuse(-EPERM, "Identify Namespace failed", "run as root");
	refuse(-EPERM, "FS_IOC_GETLBMD_CAP, Linux 6.17", "run as root");
	fake.identify_ret = NVME_SC_INVALID_NS;
	refuse(-EPERM, "Identify Namespace failed", "run as root");
	fake.identify_ret = 0;
	fake.no_nsid = true;
	refuse(-EPERM, "Identify Namespace failed", "run as root");
}

/* SCSI disks have no metadata_bytes: SBC knows 8 */
static void test_scsi(void **state)
{
	(void)state;
	put_integrity("T10-DIF-TYPE1-CRC", 512);
	accept_as("512+8 type 1 CRC16", 0);
	put_integrity("T10-DIF-TYPE3-CRC", 4096);
	accept_as("4096+8 type 3 CRC16", 0);
	assert_int_equal(fake.identified, 0);
	put_integrity("T10-DIF-TYPE1-IP", 512);
	accept_as("512+8 type 1 IP checksum", 0);
	put_integrity("T10-DIF-TYPE3-IP", 4096);
	accept_as("4096+8 type 3 IP checksum", 0);
	put_integrity("EXT-DIF-TYPE1-CRC64", 4096);
	refuse(-EOPNOTSUPP, "a 16-byte tuple", "pi_layout=none");
}

static void test_interval_unknown(void **state)
{
	(void)state;
	pi_test_file(DISK "/integrity/format", "T10-DIF-TYPE1-CRC\n");
	refuse(-EOPNOTSUPP, "protection interval of 0 bytes", "pi_layout=none");
	pi_test_file(DISK "/integrity/protection_interval_bytes", "many\n");
	refuse(-EOPNOTSUPP, "protection interval of 0 bytes", "pi_layout=none");
}

static void test_sysfs_nonsense(void **state)
{
	char line[4096];

	(void)state;
	memset(line, 'X', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	put_integrity(line, 4096);
	refuse(-EOPNOTSUPP, "guard of kind 'XXXX", "4096+8");
	put_integrity("", 4096);
	refuse(-EOPNOTSUPP, "guard of kind ''", "pi_layout=none");
	pi_test_file(DISK "/integrity/format", "%s", "");
	refuse(-ENODATA, "LBA format 4096+0", "pi_layout=none");
}

/* start is in units of 512 bytes, whatever the block size */
static void test_partition(void **state)
{
	(void)state;
	fake.minor = PART_MINOR;
	answer_cap(3, 4096, 8, 0);
	accept_as("4096+8 type 1 CRC16", 256);
	answer_cap(3, 512, 8, 0);
	accept_as("512+8 type 1 CRC16", 2048);
	pi_test_file(PART "/start", "20000000000\n");
	accept_as("512+8 type 1 CRC16", 20000000000);

	/* its format is to be found with the disk */
	fake.cap_errno = ENOTTY;
	put_nvme("T10-DIF-TYPE1-CRC", 4096, 64);
	fake.dps = 1 << 3;
	accept_as("4096+64 type 1 CRC16 first", 2500000000);

	/* while the disk itself begins at 0 */
	fake.minor = DISK_MINOR;
	accept_as("4096+64 type 1 CRC16 first", 0);
}

static void test_partition_misaligned(void **state)
{
	(void)state;
	fake.minor = PART_MINOR;
	answer_cap(3, 4096, 8, 0);
	for (unsigned int sector = 2049; sector < 2056; sector++) {
		char part[64];

		pi_test_file(PART "/start", "%u\n", sector);
		snprintf(part, sizeof(part), "begins at byte %u", sector * 512);
		refuse(-EINVAL, part, "align it");
		refuse(-EINVAL, "interval of 4096 bytes", "align it");
	}
	answer_cap(3, 512, 8, 0);
	accept_as("512+8 type 1 CRC16", 2055);
}

#define STACK		"devices/virtual/block/dm-0"

/* a stack on the whole disk and its partition, all with the cap of the stack */
static void put_stack(void)
{
	fake.minor = STACK_MINOR;
	pi_test_file(STACK "/queue/logical_block_size", "4096\n");
	pi_test_file(STACK "/queue/max_sectors_kb", "512\n");
	pi_test_file(STACK "/slaves/nvme0n1/dev", "259:%u\n", DISK_MINOR);
	pi_test_file(STACK "/slaves/nvme0n1p1/dev", "259:%u\n", PART_MINOR);
	put_device(STACK, "block", STACK_MINOR);
	fake.lower[0] = (struct lower) {
		.name = "nvme0n1", .minor = DISK_MINOR, .cap = fake.cap,
	};
	fake.lower[1] = (struct lower) {
		.name = "nvme0n1p1", .minor = PART_MINOR, .cap = fake.cap,
	};
}

/* it counts from its own first block, wherever those below lie */
static void test_stack(void **state)
{
	struct pi_device dev;

	(void)state;
	answer_cap(3, 4096, 64, 56);
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_false(dev.stacked);
	put_stack();
	accept_as("4096+64 type 1 CRC16 last", 0);
	assert_int_equal(fake.opened, 2);
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_true(dev.stacked);

	/* the limit of an underlying device applies */
	pi_test_file(DISK "/queue/max_sectors_kb", "64\n");
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_int_equal(dev.max_bytes, 64 << 10);
	pi_test_file(DISK "/queue/max_sectors_kb", "1024\n");
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_int_equal(dev.max_bytes, 512 << 10);
}

/* the kernel does not compare all of it */
static void test_stack_of_several_formats(void **state)
{
	struct pi_uapi_cap *cap = &fake.lower[1].cap;

	(void)state;
	answer_cap(3, 4096, 64, 56);
	put_stack();
	cap->pi_offset = 0;
	refuse(-EINVAL, "/dev/nvme0n1p1, which has 4096+64 type 1 CRC16 first", "one format");
	refuse(-EINVAL, "the kernel reports 4096+64 type 1 CRC16 last for the stack", "pi_layout=none");
	*cap = fake.cap;
	cap->flags = 1;
	refuse(-EINVAL, "/dev/nvme0n1p1, which has 4096+64 type 3", "one format");
	*cap = fake.cap;
	cap->interval = 512;
	refuse(-EINVAL, "/dev/nvme0n1p1, which has 512+64", "one format");
	*cap = fake.cap;
	cap->size = 128;
	refuse(-EINVAL, "/dev/nvme0n1p1, which has 4096+128", "one format");
	*cap = fake.cap;
	cap->guard_tag_type = PI_LBMD_CSUM_CRC64_NVME;
	cap->pi_size = 16;
	cap->pi_offset = 48;
	refuse(-EINVAL, "/dev/nvme0n1p1, which has 4096+64 type 1 CRC64", "one format");
	*cap = (struct pi_uapi_cap) { 0 };
	refuse(-ENODATA, "it is built on /dev/nvme0n1p1: no protection information (LBA format 4096+0)",
	       "pi_layout=none");
	*cap = fake.cap;
	accept_as("4096+64 type 1 CRC16 last", 0);
}

static void test_stack_below_closed(void **state)
{
	(void)state;
	answer_cap(3, 4096, 8, 0);
	put_stack();
	fake.lower[0].open_errno = EACCES;
	refuse(-EACCES, "it is built on /dev/nvme0n1, ", "run as root");
	refuse(-EACCES, "Permission denied", "pi_layout=none");
}

/* a target or array that does not pass on protection information */
static void test_stack_without(void **state)
{
	(void)state;
	fake.cap_errno = 0;
	put_stack();
	refuse(-ENODATA, "gets through from nvme0n1", "name that device");
	refuse(-ENODATA, "(LBA format 4096+0)", "pi_layout=none");
	assert_int_equal(fake.opened, 0);
}

/* Linux before 6.17 has no metadata_bytes for it: not 8 as if it were SCSI */
static void test_stack_before_cap(void **state)
{
	(void)state;
	put_stack();
	pi_test_file(STACK "/integrity/format", "T10-DIF-TYPE1-CRC\n");
	pi_test_file(STACK "/integrity/protection_interval_bytes", "4096\n");
	refuse(-EOPNOTSUPP, "FS_IOC_GETLBMD_CAP, Linux 6.17", "name nvme0n1");
}

static void refuse_fd(int fd, int err, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_device dev;

	fake.stand_in = false;
	assert_int_equal(pi_device_probe(fd, &dev, &reason), err);
	pi_test_says(&reason, part);
	assert_int_equal(pi_device_probe(fd, &dev, NULL), err);
}

static void test_not_a_block_device(void **state)
{
	static const char * const name[] = { "/", "/proc/self/exe" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		int fd = open(name[i], O_RDONLY | O_CLOEXEC);

		assert_return_code(fd, errno);
		refuse_fd(fd, -ENOTBLK, "not a block device");
		refuse_fd(fd, -ENOTBLK, "name a device or use pi_layout=none");
		close(fd);
	}
}

static void test_bad_descriptor(void **state)
{
	(void)state;
	refuse_fd(-1, -EBADF, "Bad file descriptor");
	refuse_fd(-1, -EBADF, "name a block device");
}

/*
 * Use any block device of this machine, with the ioctl failing: its block size
 * shows that the real /sys was read.
 */
static void test_real_sysfs(void **state)
{
	struct pi_reason reason = { "" };
	struct dirent *entry = NULL;
	struct pi_device dev;
	DIR *dir = opendir("/sys/dev/block");

	(void)state;
	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "%u:%u", &fake.major, &fake.minor) == 2)
			break;
	if (dir)
		closedir(dir);
	if (!entry)
		pi_test_skip("block-device", "this machine has none");
	fake.cap_errno = 0;
	assert_int_equal(pi_device_probe(FD, &dev, &reason), -ENODATA);
	pi_test_says(&reason, "LBA format ");
	assert_null(strstr(reason.text, "LBA format 0+"));
}

static void lba_format(unsigned int index, uint16_t md_size, uint8_t shift,
		       uint32_t guard_format, unsigned int storage_tag)
{
	fake.ns.nlbaf = index;
	fake.ns.lbaf[index].ms = htole16(md_size);
	fake.ns.lbaf[index].ds = shift;
	fake.nvm.elbaf[index] = htole32(guard_format << 7 | storage_tag);
}

/* which LBA formats could carry PI, and with which guard */
static void test_lba_formats(void **state)
{
	static const char * const guard[] = {
		NULL, "CRC16", "CRC16", NULL, "CRC64", "CRC32", "CRC64", "CRC16",
	};
	struct pi_lba_format formats[PI_MAX_LBA_FORMATS];

	(void)state;
	fake.ns.mc = NVME_NS_MC_EXTENDED | NVME_NS_MC_SEPARATE;
	fake.ns.dpc = NVME_NS_DPC_PI_TYPE1 | NVME_NS_DPC_PI_LAST;
	fake.ns.flbas = 4;
	lba_format(0, 0, 9, 0, 0);
	lba_format(1, 8, 9, 0, 0);
	lba_format(2, 64, 12, 0, 0);
	lba_format(3, 8, 12, 2, 0);	/* no room for 64 bits of guard */
	lba_format(4, 16, 12, 2, 0);
	lba_format(5, 16, 12, 1, 16);	/* 32 bits of guard, storage tag */
	lba_format(6, 64, 12, 2, 8);	/* storage tag */
	lba_format(7, 8, 12, 0, 0);

	assert_int_equal(pi_namespace_lba_formats(FD, formats), 8);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(formats[i].index, i);
		assert_int_equal(formats[i].lbs, i < 2 ? 512 : 4096);
		assert_int_equal(formats[i].md_size, le16toh(fake.ns.lbaf[i].ms));
		assert_int_equal(formats[i].in_use, i == 4);
		assert_int_equal(formats[i].by_kernel,
				 guard[i] && i != 5 && i != 6);
		if (guard[i])
			assert_string_equal(formats[i].guard->name, guard[i]);
		else
			assert_null(formats[i].guard);
	}

	/* bits 5 and 6 are the high ones of the index */
	fake.ns.flbas = 1 << 5;
	lba_format(16, 8, 12, 0, 0);
	assert_int_equal(pi_namespace_lba_formats(FD, formats), 17);
	assert_true(formats[16].in_use && !formats[0].in_use);

	/* without the NVM command set's page there is no other guard */
	fake.nvm_ret = -1;
	assert_int_equal(pi_namespace_lba_formats(FD, formats), 17);
	assert_string_equal(formats[4].guard->name, "CRC16");

	fake.ns.mc = NVME_NS_MC_EXTENDED;
	pi_namespace_lba_formats(FD, formats);
	assert_null(formats[1].guard);
	fake.ns.mc = NVME_NS_MC_SEPARATE;
	fake.ns.dpc = 0;
	pi_namespace_lba_formats(FD, formats);
	assert_null(formats[1].guard);

	fake.no_nsid = true;
	assert_int_equal(pi_namespace_lba_formats(FD, formats), -ENOTTY);
}

/* format @index in use; @extended: metadata at the end of the data */
static void use(unsigned int index, uint8_t dps, bool extended)
{
	fake.type = S_IFCHR;
	fake.ns.nsze = htole64(1000);
	fake.ns.flbas = (index & 15) | (index >> 4) << 5 |
			(extended ? NVME_NS_FLBAS_META_EXT : 0);
	fake.dps = dps;
}

static struct pi_device probe_char(void)
{
	struct pi_reason reason = { "" };
	struct pi_device dev;

	memset(&dev, PI_TEST_CANARY, sizeof(dev));
	if (pi_device_probe_at(pi_test_root, FD, &dev, &reason))
		fail_msg("%s", reason.text);
	assert_int_equal(dev.nsid, NSID);
	assert_int_equal(dev.start, 0);
	assert_int_equal(dev.intervals, 1000);
	return dev;
}

static void test_namespace(void **state)
{
	static const struct {
		unsigned int index;
		uint8_t dps;
		bool extended;
		const char *name;
	} is[] = {
		{ 0, 1, false, "512+8 type 1 CRC16" },
		{ 0, 2, false, "512+8 type 1 CRC16" },
		{ 0, 3, true, "512+8 extended type 3 CRC16" },
		{ 1, 1, false, "4096+64 type 1 CRC16 last" },
		{ 1, 9, false, "4096+64 type 1 CRC16 first" },
		{ 1, 9, true, "4096+64 extended type 1 CRC16 first" },
		{ 1, 0, false, "4096+64 without PI" },
		{ 1, 8, true, "4096+64 extended without PI" },
		{ 2, 1, false, "4096+16 type 1 CRC64" },
		{ 33, 3, true, "4096+64 extended type 3 CRC64 last" },
	};
	struct pi_device dev;
	char name[64];

	(void)state;
	lba_format(0, 8, 9, 0, 0);
	lba_format(1, 64, 12, 0, 0);
	lba_format(2, 16, 12, 2, 0);
	lba_format(33, 64, 12, 2, 0);
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		use(is[i].index, is[i].dps, is[i].extended);
		dev = probe_char();
		pi_format_name(&dev.format, name, sizeof(name));
		assert_string_equal(name, is[i].name);
		assert_int_equal(dev.format.extended, is[i].extended);
		assert_int_equal(dev.any_ref, is[i].dps == 2);
	}
	/* where there is no page of the NVM command set, the guard has 16 bits */
	fake.nvm_ret = -1;
	use(2, 1, false);
	dev = probe_char();
	pi_format_name(&dev.format, name, sizeof(name));
	assert_string_equal(name, "4096+16 type 1 CRC16 last");
}

static void refuse_char(int err, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_device dev;

	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, &reason), err);
	pi_test_says(&reason, part);
	assert_null(strstr(reason.text, "pi_layout=none"));
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), err);
}

static void test_namespace_refusals(void **state)
{
	(void)state;
	lba_format(0, 0, 9, 0, 0);
	lba_format(1, 16, 12, 3, 16);	/* the guard of a later specification */
	lba_format(2, 64, 12, 1, 8);
	lba_format(3, 264, 12, 0, 0);
	use(0, 0, false);
	refuse_char(-ENODATA, "LBA format 512+0");
	use(1, 1, false);
	refuse_char(-EOPNOTSUPP, "4096+16 with protection information format 3");
	use(2, 1, true);
	refuse_char(-EOPNOTSUPP, "storage tag of 8 bits");
	use(2, 0, true);
	probe_char();
	use(3, 1, true);
	refuse_char(-EOPNOTSUPP, "LBA format 4096+264");
	use(2, 0, false);
	fake.identify_ret = -1;
	refuse_char(-EACCES, "run as root");
	fake.identify_ret = 0x4002;
	refuse_char(-EIO, "NVMe status 0x4002");
	fake.no_nsid = true;
	refuse_char(-ENOTBLK, "not the character device of an NVMe namespace");
}

static void expect_max(uint64_t bytes, uint64_t kb, uint64_t segments)
{
	pi_test_file(DISK "/queue/max_hw_sectors_kb", "%" PRIu64 "\n", kb);
	pi_test_file(DISK "/queue/max_segments", "%" PRIu64 "\n", segments);
	assert_int_equal(probe_char().max_bytes, bytes);
}

/* larger commands fail with EINVAL, because the kernel does not split them */
static void test_max_command(void **state)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);

	(void)state;
	lba_format(0, 8, 9, 0, 0);
	use(0, 1, true);
	assert_int_equal(probe_char().max_bytes, 65536 * 520);
	use(0, 1, false);
	assert_int_equal(probe_char().max_bytes, 65536 * 512);
	expect_max(512 << 10, 512, 1 + (512 << 10) / page);
	expect_max(512 << 10, 512, 65535);
	expect_max(32 * page, 512, 33);
	expect_max(128 << 10, 128, 0);
	expect_max(65536 * 512, 1 << 20, 65535);

	assert_false(probe_char().polls);
	pi_test_file(DISK "/queue/io_poll", "1\n");
	assert_true(probe_char().polls);
}

/* larger I/O fails with E2BIG in bio_integrity_map_user() */
static void test_max_metadata(void **state)
{
	const uint64_t pages = 256 * sysconf(_SC_PAGESIZE);
	struct pi_device dev;

	(void)state;
	lba_format(0, 8, 9, 0, 0);
	use(0, 1, false);
	assert_int_equal(probe_char().max_md, pages);
	pi_test_file(DISK "/queue/max_hw_sectors_kb", "512\n");
	assert_int_equal(probe_char().max_md, 512 << 10);

	fake.type = S_IFBLK;
	answer_cap(3, 512, 8, 0);
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_int_equal(dev.max_md, 512 << 10);
	pi_test_file(DISK "/queue/max_hw_sectors_kb", "65536\n");
	assert_int_equal(pi_device_probe_at(pi_test_root, FD, &dev, NULL), 0);
	assert_int_equal(dev.max_md, pages);
}

static void test_sibling(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), 0);
	assert_string_equal(name, "/dev/ng0n1");
	fake.minor = PART_MINOR;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), 1);
	assert_string_equal(name, "/dev/ng0n1");
	fake.minor = DISK_MINOR;
	fake.type = S_IFCHR;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), 0);
	assert_string_equal(name, "/dev/nvme0n1");

	fake.minor = 7;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), -ENODEV);
	pi_test_file("devices/pci/sda/size", "8\n");
	put_device("devices/pci/sda", "block", 7);
	fake.type = S_IFBLK;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), -ENODEV);
	fake.type = S_IFREG;
	assert_int_equal(pi_sibling_at(pi_test_root, FD, name, 64), -ENODEV);
}

#define device_test(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		device_test(test_cap),
		device_test(test_cap_comes_first),
		device_test(test_cap_refusals),
		device_test(test_no_metadata),
		device_test(test_extended_lba),
		device_test(test_no_profile_no_root),
		device_test(test_one_place_no_root),
		device_test(test_nvme),
		device_test(test_nvme_other_guards),
		device_test(test_identify_refused),
		device_test(test_scsi),
		device_test(test_interval_unknown),
		device_test(test_sysfs_nonsense),
		device_test(test_partition),
		device_test(test_partition_misaligned),
		device_test(test_stack),
		device_test(test_stack_of_several_formats),
		device_test(test_stack_below_closed),
		device_test(test_stack_without),
		device_test(test_stack_before_cap),
		device_test(test_not_a_block_device),
		device_test(test_bad_descriptor),
		device_test(test_real_sysfs),
		device_test(test_lba_formats),
		device_test(test_namespace),
		device_test(test_namespace_refusals),
		device_test(test_max_command),
		device_test(test_max_metadata),
		device_test(test_sibling),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
