// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "namespace.h"
#include "sibling.h"
#include "sysfs.h"

#define SECTOR_SHIFT	9
/* Linux's BIO_MAX_VECS */
#define MAX_PAGES	256

static int copy_name(const char *name, void *data)
{
	snprintf(data, NAME_MAX + 1, "%s", name);
	return 1;
}

static int probe_sysfs(int disk, int fd, struct pi_format *format,
		       struct pi_reason *reason)
{
	char profile[64], lower[NAME_MAX + 1];
	unsigned int type;
	uint16_t md_size = pi_sysfs_number(disk, "metadata_bytes");
	const struct pi_guard *guard;
	int pi_first = 0;

	if (pi_sysfs_text(disk, "integrity/format", profile, sizeof(profile)))
		strcpy(profile, "none");
	guard = pi_guard_by_profile(profile, &type);

	if (!md_size && strcmp(profile, "none")) {
		if (pi_sysfs_each(disk, "slaves", copy_name, lower))
			return pi_reason_set(reason, -EOPNOTSUPP,
				"this kernel does not report the metadata of a stacked device (FS_IOC_GETLBMD_CAP, Linux 6.17); name %s, which it is built on, or use pi_layout=none",
				lower);
		/* SCSI: SBC-4 defines no other tuple than the 8-byte one */
		md_size = 8;
	} else if (guard && guard->pi_size && md_size > guard->pi_size) {
		pi_first = pi_namespace_pi_first(fd);
		if (pi_first < 0)
			return pi_reason_set(reason, pi_first,
				"this kernel does not report where in the metadata the tuple is (FS_IOC_GETLBMD_CAP, Linux 6.17) and Identify Namespace failed; run as root");
	}
	return pi_format_from_profile(format, profile,
				      pi_sysfs_number(disk, "integrity/protection_interval_bytes"),
				      md_size, pi_first, reason);
}

static int no_metadata(int disk, struct pi_reason *reason)
{
	unsigned int lbs = pi_sysfs_number(disk, "queue/logical_block_size");
	unsigned int md_size = pi_sysfs_number(disk, "metadata_bytes");
	char lower[NAME_MAX + 1];

	if (pi_sysfs_each(disk, "slaves", copy_name, lower))
		return pi_reason_set(reason, -ENODATA,
			"no protection information (LBA format %u+0) gets through from %s, which it is built on; name that device or use pi_layout=none",
			lbs, lower);
	if (md_size)
		return pi_reason_set(reason, -ENODATA,
			"no protection information the kernel can carry (LBA format %u+%u, extended or with a storage tag); format it with separate metadata and PI, name the character device /dev/ngXnY or use pi_layout=none",
			lbs, md_size);
	return pi_reason_set(reason, -ENODATA,
		"no protection information (LBA format %u+0); format it with PI or use pi_layout=none",
		lbs);
}

struct stack {
	const char *sysfs;
	struct pi_device *dev;
	struct pi_reason *reason;
};

static bool same_format(const struct pi_format *a, const struct pi_format *b)
{
	return a->guard == b->guard && a->interval == b->interval &&
	       a->md_size == b->md_size && a->pi_offset == b->pi_offset &&
	       a->type == b->type;
}

/*
 * The kernel gives a stacked device the profile of its devices if they agree,
 * but up to Linux 7.3 queue_limits_stack_integrity() does not compare the
 * offset of the tuple, and misses a differing device in a dm-stripe of three
 * or more.
 */
static int check_lower(const char *name, void *data)
{
	struct stack *stack = data;
	char path[sizeof("/dev/") + NAME_MAX], has[64], wants[64];
	struct pi_device lower;
	struct pi_reason why;
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pi_reason_set(stack->reason, -errno,
			"it is built on %s, whose format must be the same and which cannot be opened (%s); run as root or use pi_layout=none",
			path, strerror(errno));
	ret = pi_device_probe_at(stack->sysfs, fd, &lower, &why);
	close(fd);
	if (ret)
		return pi_reason_set(stack->reason, ret, "it is built on %s: %s",
				     path, why.text);

	if (!same_format(&lower.format, &stack->dev->format)) {
		pi_format_name(&lower.format, has, sizeof(has));
		pi_format_name(&stack->dev->format, wants, sizeof(wants));
		return pi_reason_set(stack->reason, -EINVAL,
			"it is built on %s, which has %s where the kernel reports %s for the stack; build it from one format or use pi_layout=none",
			path, has, wants);
	}
	stack->dev->stacked = true;
	if (lower.max_bytes < stack->dev->max_bytes)
		stack->dev->max_bytes = lower.max_bytes;
	return 0;
}

/*
 * bio_integrity_map_user() maps the metadata before an I/O is split, and for
 * data in huge pages that is the metadata of the whole I/O.
 */
static uint64_t max_metadata(int disk)
{
	const uint64_t request = pi_sysfs_number(disk, "queue/max_hw_sectors_kb") << 10;
	const uint64_t pages = MAX_PAGES * sysconf(_SC_PAGESIZE);

	return request && request < pages ? request : pages;
}

/*
 * The kernel does not split passthrough commands: one with more sectors or
 * segments than the queue allows fails with EINVAL.  Data that does not start
 * on a page boundary takes one segment more.
 */
static uint64_t max_command(int disk, const struct pi_format *format)
{
	const uint64_t sectors = pi_sysfs_number(disk, "queue/max_hw_sectors_kb") << 10;
	const uint64_t segments = pi_sysfs_number(disk, "queue/max_segments");
	/* the NLB field has 16 bits */
	uint64_t max = (uint64_t)pi_format_stride(format) << 16;

	if (sectors && sectors < max)
		max = sectors;
	if (segments > 1 && (segments - 1) * sysconf(_SC_PAGESIZE) < max)
		max = (segments - 1) * sysconf(_SC_PAGESIZE);
	return max;
}

/* sysfs directory of the namespace's block device, which has the queue limits */
static int block_dir(const char *sysfs, const struct stat *st, int fd)
{
	char other[64], path[64];
	int dir, block;

	if (pi_sibling_at(sysfs, fd, other, sizeof(other)) < 0)
		return -1;
	snprintf(path, sizeof(path), "../%s", other + strlen("/dev/"));
	dir = pi_sysfs_open(sysfs, st);
	block = pi_sysfs_dir(dir, path);
	close(dir);
	return block;
}

static int probe_namespace(const char *sysfs, const struct stat *st, int fd,
			   struct pi_device *dev, struct pi_reason *reason)
{
	struct pi_namespace ns;
	int ret, disk;

	ret = pi_namespace_probe(fd, &ns, reason);
	if (ret)
		return ret;

	dev->format = ns.format;
	dev->nsid = ns.nsid;
	dev->any_ref = ns.any_ref;
	dev->reads_check_storage = ns.reads_check_storage;
	dev->intervals = ns.blocks;
	disk = block_dir(sysfs, st, fd);
	dev->max_bytes = max_command(disk, &dev->format);
	dev->max_md = max_metadata(disk);
	dev->polls = pi_sysfs_number(disk, "queue/io_poll");
	close(disk);
	return 0;
}

/* @dir: sysfs directory of the device, @disk: that of its whole disk */
static int probe_block(const char *sysfs, int dir, int disk, int fd,
		       struct pi_device *dev, struct pi_reason *reason)
{
	struct pi_uapi_cap cap = { 0 };
	uint64_t start_bytes;
	int ret;

	if (ioctl(fd, PI_FS_IOC_GETLBMD_CAP, &cap))
		ret = probe_sysfs(disk, fd, &dev->format, reason);
	else
		ret = pi_format_from_cap(&dev->format, &cap, reason);
	if (ret == -ENODATA)
		return no_metadata(disk, reason);
	if (ret)
		return ret;

	start_bytes = pi_sysfs_number(dir, "start") << SECTOR_SHIFT;
	if (start_bytes & (dev->format.interval - 1))
		return pi_reason_set(reason, -EINVAL,
			"the partition begins at byte %" PRIu64 ", not on a protection interval of %u bytes; align it",
			start_bytes, dev->format.interval);
	dev->start = start_bytes >> dev->format.shift;
	dev->intervals = pi_sysfs_number(dir, "size") << SECTOR_SHIFT >>
			 dev->format.shift;
	dev->max_bytes = pi_sysfs_number(disk, "queue/max_sectors_kb") << 10;
	dev->max_md = max_metadata(disk);
	return pi_sysfs_each(disk, "slaves", check_lower, &(struct stack) {
		.sysfs	= sysfs,
		.dev	= dev,
		.reason	= reason,
	});
}

int pi_device_probe_at(const char *sysfs, int fd, struct pi_device *dev,
		       struct pi_reason *reason)
{
	int dir, disk, ret;
	struct stat st;
	char text[4];

	*dev = (struct pi_device) { 0 };
	if (fstat(fd, &st))
		return pi_reason_set(reason, -errno, "%s; name a block device",
				     strerror(errno));
	if (S_ISCHR(st.st_mode))
		return probe_namespace(sysfs, &st, fd, dev, reason);
	if (!S_ISBLK(st.st_mode))
		return pi_reason_set(reason, -ENOTBLK,
			"not a block device, and files cannot carry the application's protection information; name a device or use pi_layout=none");

	dir = pi_sysfs_open(sysfs, &st);
	disk = pi_sysfs_dir(dir, pi_sysfs_text(dir, "partition", text,
					       sizeof(text)) ? "." : "..");
	ret = probe_block(sysfs, dir, disk, fd, dev, reason);
	close(disk);
	close(dir);
	return ret;
}

int pi_device_probe(int fd, struct pi_device *dev, struct pi_reason *reason)
{
	return pi_device_probe_at("/sys", fd, dev, reason);
}
