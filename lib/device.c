// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <libnvme.h>

#include "device.h"

#define SECTOR_SHIFT	9

/* reads an attribute below /sys/dev/block/MAJOR:MINOR; 0 or -errno */
static int attr_text(const char *dir, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];
	FILE *file;
	int ret = 0;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fgets(buf, size, file))
		buf[strcspn(buf, "\n")] = '\0';
	else
		ret = -EIO;
	fclose(file);
	return ret;
}

static uint64_t attr_number(const char *dir, const char *name)
{
	char text[32];

	return attr_text(dir, name, text, sizeof(text)) ? 0 :
	       strtoull(text, NULL, 10);
}

/* 1: tuple first, 0: last, negative: not an NVMe namespace we may ask */
static int nvme_pi_first(int fd)
{
	struct nvme_id_ns ns;
	__u32 nsid;

	if (nvme_get_nsid(fd, &nsid) || nvme_identify_ns(fd, nsid, &ns))
		return -EPERM;
	return !!(ns.dps & NVME_NS_DPS_PI_FIRST);
}

static int probe_sysfs(const char *disk, int fd, struct pi_format *format,
		       struct pi_reason *reason)
{
	char profile[64];
	unsigned int type;
	uint16_t md_size = attr_number(disk, "metadata_bytes");
	const struct pi_guard *guard;
	int pi_first = 0;

	if (attr_text(disk, "integrity/format", profile, sizeof(profile)))
		strcpy(profile, "none");
	guard = pi_guard_by_profile(profile, &type);

	if (!md_size && strcmp(profile, "none")) {
		/* SCSI: SBC-4 knows the 8-byte tuple alone */
		md_size = 8;
	} else if (guard && guard->pi_size && md_size > guard->pi_size) {
		pi_first = nvme_pi_first(fd);
		if (pi_first < 0)
			return pi_reason_set(reason, pi_first,
				"this kernel does not tell where in the metadata the tuple lies (FS_IOC_GETLBMD_CAP is Linux 6.17) and Identify Namespace failed; run as root");
	}
	return pi_format_from_profile(format, profile,
				      attr_number(disk, "integrity/protection_interval_bytes"),
				      md_size, pi_first, reason);
}

static int no_metadata(const char *disk, struct pi_reason *reason)
{
	unsigned int lbs = attr_number(disk, "queue/logical_block_size");
	unsigned int md_size = attr_number(disk, "metadata_bytes");

	if (md_size)
		return pi_reason_set(reason, -ENODATA,
			"no protection information the kernel can carry (LBA format %u+%u, extended or with a storage tag); format it with separate metadata and PI or use pi_layout=none",
			lbs, md_size);
	return pi_reason_set(reason, -ENODATA,
		"no protection information (LBA format %u+0); format it with PI or use pi_layout=none",
		lbs);
}

int pi_device_probe_at(const char *sysfs, int fd, struct pi_device *dev,
		       struct pi_reason *reason)
{
	char dir[PATH_MAX - 64], disk[PATH_MAX - 32], text[4];
	struct pi_uapi_cap cap = { 0 };
	uint64_t start_bytes;
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return pi_reason_set(reason, -errno, "%s; name a block device",
				     strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return pi_reason_set(reason, -ENOTBLK,
			"not a block device, and files carry no protection information of the application's; name a device or use pi_layout=none");

	snprintf(dir, sizeof(dir), "%s/dev/block/%u:%u", sysfs,
		 major(st.st_rdev), minor(st.st_rdev));
	snprintf(disk, sizeof(disk), "%s%s", dir,
		 attr_text(dir, "partition", text, sizeof(text)) ? "" : "/..");

	if (ioctl(fd, PI_FS_IOC_GETLBMD_CAP, &cap))
		ret = probe_sysfs(disk, fd, &dev->format, reason);
	else
		ret = pi_format_from_cap(&dev->format, &cap, reason);
	if (ret == -ENODATA)
		return no_metadata(disk, reason);
	if (ret)
		return ret;

	start_bytes = attr_number(dir, "start") << SECTOR_SHIFT;
	if (start_bytes & (dev->format.interval - 1))
		return pi_reason_set(reason, -EINVAL,
			"the partition begins at byte %" PRIu64 ", not on a protection interval of %u bytes; align it",
			start_bytes, dev->format.interval);
	dev->start = start_bytes >> dev->format.shift;
	dev->intervals = attr_number(dir, "size") << SECTOR_SHIFT >>
			 dev->format.shift;
	dev->max_bytes = attr_number(disk, "queue/max_sectors_kb") << 10;
	return 0;
}

int pi_device_probe(int fd, struct pi_device *dev, struct pi_reason *reason)
{
	return pi_device_probe_at("/sys", fd, dev, reason);
}

/* the guard that Linux would use an LBA format with; @extended is its ELBAF */
static const struct pi_guard *lba_format_guard(const struct nvme_id_ns *ns,
					       uint16_t md_size,
					       uint32_t extended)
{
	/* protection information format, NVM Command Set 1.0, figure 102 */
	static const uint8_t csum[4] = {
		[0] = PI_LBMD_CSUM_CRC16_T10DIF,
		[2] = PI_LBMD_CSUM_CRC64_NVME,
	};
	const unsigned int storage_tag = extended & 0x7f;
	const struct pi_guard *guard = NULL;

	if (csum[extended >> 7 & 3])
		guard = pi_guard_by_csum(csum[extended >> 7 & 3]);
	if (!guard || storage_tag || md_size < guard->pi_size ||
	    !(ns->mc & NVME_NS_MC_SEPARATE) ||
	    !(ns->dpc & (NVME_NS_DPC_PI_TYPE1 | NVME_NS_DPC_PI_TYPE3)))
		return NULL;
	return guard;
}

int pi_device_lba_formats(int fd, struct pi_lba_format *formats)
{
	struct nvme_nvm_id_ns nvm = { 0 };
	struct nvme_id_ns ns;
	unsigned int used, count;
	__u32 nsid;

	if (nvme_get_nsid(fd, &nsid) || nvme_identify_ns(fd, nsid, &ns))
		return -ENOTTY;
	/* a controller without the NVM command set's own page has CRC16 only */
	if (nvme_identify_ns_csi(fd, nsid, 0, NVME_CSI_NVM, &nvm))
		memset(&nvm, 0, sizeof(nvm));

	used = (ns.flbas & NVME_NS_FLBAS_LOWER_MASK) |
	       (ns.flbas & NVME_NS_FLBAS_HIGHER_MASK) >> 1;
	count = ns.nlbaf + 1;
	if (count > PI_MAX_LBA_FORMATS)
		count = PI_MAX_LBA_FORMATS;
	for (unsigned int i = 0; i < count; i++) {
		uint16_t md_size = le16toh(ns.lbaf[i].ms);

		formats[i] = (struct pi_lba_format) {
			.index		= i,
			.lbs		= 1U << (ns.lbaf[i].ds & 31),
			.md_size	= md_size,
			.guard		= lba_format_guard(&ns, md_size,
							   le32toh(nvm.elbaf[i])),
			.in_use		= i == used,
		};
	}
	return count;
}
