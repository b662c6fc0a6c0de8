// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <libnvme.h>

#include "namespace.h"

/* libnvme's mask is one of the whole word until there is a macro */
static unsigned int pif_number(uint32_t extended)
{
#ifdef NVME_NVM_ELBAF_PIF
	return NVME_NVM_ELBAF_PIF(extended);
#else
	return (extended & NVME_NVM_ELBAF_PIF_MASK) >> 7;
#endif
}

/* protection information format, NVM Command Set 1.0, figure 102 */
static bool pif_csum(uint32_t extended, uint8_t *csum)
{
	static const uint8_t by_pif[4] = {
		[0] = PI_LBMD_CSUM_CRC16_T10DIF,
		[2] = PI_LBMD_CSUM_CRC64_NVME,
	};

	*csum = by_pif[pif_number(extended)];
	return *csum;
}

static unsigned int storage_tag_bits(uint32_t extended)
{
	return extended & NVME_NVM_ELBAF_STS_MASK;
}

static unsigned int format_in_use(const struct nvme_id_ns *ns)
{
	return (ns->flbas & NVME_NS_FLBAS_LOWER_MASK) |
	       (ns->flbas & NVME_NS_FLBAS_HIGHER_MASK) >> 1;
}

/* 0, a status of the device or -1 with errno, as libnvme has it */
static int identify(int fd, __u32 nsid, struct nvme_id_ns *ns,
		    struct nvme_nvm_id_ns *nvm)
{
	int ret = nvme_identify_ns(fd, nsid, ns);

	/* a controller without the NVM command set's own page has CRC16 only */
	if (ret || nvme_identify_ns_csi(fd, nsid, 0, NVME_CSI_NVM, nvm))
		memset(nvm, 0, sizeof(*nvm));
	return ret;
}

static int namespace_format(const struct nvme_id_ns *ns, uint32_t extended,
			    struct pi_format *format, struct pi_reason *reason)
{
	const struct nvme_lbaf *lbaf = &ns->lbaf[format_in_use(ns)];
	const unsigned int type = ns->dps & NVME_NS_DPS_PI_MASK;
	const unsigned int lbs = 1U << (lbaf->ds & 31);
	const unsigned int md_size = le16toh(lbaf->ms);
	struct pi_uapi_cap cap = { .interval = lbs, .size = md_size };
	int ret;

	if (!md_size)
		return pi_reason_set(reason, -ENODATA,
			"no protection information (LBA format %u+0); format it with PI, or use fio's io_uring_cmd for I/O without",
			lbs);
	if (cap.interval != lbs || cap.size != md_size ||
	    (type && !pif_csum(extended, &cap.guard_tag_type)))
		return pi_reason_set(reason, -EOPNOTSUPP,
			"LBA format %u+%u with protection information format %u is not known here; format it with another",
			lbs, md_size, pif_number(extended));
	if (type && storage_tag_bits(extended))
		return pi_reason_set(reason, -EOPNOTSUPP,
			"a storage tag of %u bits is not supported; format it without one",
			storage_tag_bits(extended));
	if (type) {
		cap.pi_size = pi_guard_by_csum(cap.guard_tag_type)->pi_size;
		if (!(ns->dps & NVME_NS_DPS_PI_FIRST))
			cap.pi_offset = md_size - cap.pi_size;
		if (type != NVME_NS_DPS_PI_TYPE3)
			cap.flags = PI_LBMD_CAP_REFTAG;
	}
	ret = pi_format_from_cap(format, &cap, reason);
	format->extended = ns->flbas & NVME_NS_FLBAS_META_EXT;
	return ret;
}

int pi_namespace_probe(int fd, struct pi_namespace *ns,
		       struct pi_reason *reason)
{
	struct nvme_nvm_id_ns nvm;
	struct nvme_id_ns id;
	__u32 nsid;
	int ret;

	if (nvme_get_nsid(fd, &nsid))
		return pi_reason_set(reason, -ENOTBLK,
			"not a block device, and not the character device of an NVMe namespace; name a block device or /dev/ngXnY");
	ret = identify(fd, nsid, &id, &nvm);
	if (ret < 0)
		return pi_reason_set(reason, -errno,
			"Identify Namespace: %s; run as root (before Linux 6.2 it takes that)",
			strerror(errno));
	if (ret)
		return pi_reason_set(reason, -EIO,
			"Identify Namespace: NVMe status 0x%x; is this the NVM command set?",
			ret);
	ret = namespace_format(&id, le32toh(nvm.elbaf[format_in_use(&id)]),
			       &ns->format, reason);
	if (ret)
		return ret;

	ns->nsid = nsid;
	ns->any_ref = (id.dps & NVME_NS_DPS_PI_MASK) == NVME_NS_DPS_PI_TYPE2;
	ns->blocks = le64toh(id.nsze);
	return 0;
}

int pi_namespace_pi_first(int fd)
{
	struct nvme_id_ns ns;
	__u32 nsid;

	if (nvme_get_nsid(fd, &nsid) || nvme_identify_ns(fd, nsid, &ns))
		return -EPERM;
	return !!(ns.dps & NVME_NS_DPS_PI_FIRST);
}

/* the guard that Linux would use an LBA format with; @extended is its ELBAF */
static const struct pi_guard *lba_format_guard(const struct nvme_id_ns *ns,
					       uint16_t md_size,
					       uint32_t extended)
{
	const struct pi_guard *guard = NULL;
	uint8_t csum;

	if (pif_csum(extended, &csum))
		guard = pi_guard_by_csum(csum);
	if (!guard || storage_tag_bits(extended) || md_size < guard->pi_size ||
	    !(ns->mc & NVME_NS_MC_SEPARATE) ||
	    !(ns->dpc & (NVME_NS_DPC_PI_TYPE1 | NVME_NS_DPC_PI_TYPE3)))
		return NULL;
	return guard;
}

int pi_namespace_lba_formats(int fd, struct pi_lba_format *formats)
{
	struct nvme_nvm_id_ns nvm;
	struct nvme_id_ns ns;
	unsigned int count;
	__u32 nsid;

	if (nvme_get_nsid(fd, &nsid) || identify(fd, nsid, &ns, &nvm))
		return -ENOTTY;

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
			.in_use		= i == format_in_use(&ns),
		};
	}
	return count;
}
