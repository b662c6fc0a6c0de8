// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <libnvme.h>

#include "namespace.h"

/* protection information capabilities, NVM Command Set 1.1, figure 118 */
enum {
	PIC_READ_CHECKS_STORAGE	= 1 << 2,
	PIC_QUALIFIED		= 1 << 3,
};

/* extended LBA format, NVM Command Set 1.1, figure 119 */
static unsigned int storage_tag_bits(uint32_t extended)
{
	return extended & 0x7f;
}

static unsigned int pif_number(const struct nvme_nvm_id_ns *nvm,
			       unsigned int index)
{
	const uint32_t extended = le32toh(nvm->elbaf[index]);
	const unsigned int pif = extended >> 7 & 3;

	if (pif == PI_PIF_QUALIFIED && nvm->pic & PIC_QUALIFIED)
		return extended >> 9 & 0xf;
	return pif;
}

static unsigned int format_in_use(const struct nvme_id_ns *ns)
{
	return (ns->flbas & NVME_NS_FLBAS_LOWER_MASK) |
	       (ns->flbas & NVME_NS_FLBAS_HIGHER_MASK) >> 1;
}

/* returns 0, an NVMe status, or -1 with errno set, like libnvme */
static int identify(int fd, __u32 nsid, struct nvme_id_ns *ns,
		    struct nvme_nvm_id_ns *nvm)
{
	int ret = nvme_identify_ns(fd, nsid, ns);

	/* controllers without the NVM-specific page support CRC16 only */
	if (ret || nvme_identify_ns_csi(fd, nsid, 0, NVME_CSI_NVM, nvm))
		memset(nvm, 0, sizeof(*nvm));
	return ret;
}

static int namespace_format(const struct nvme_id_ns *ns,
			    const struct nvme_nvm_id_ns *nvm,
			    struct pi_format *format, struct pi_reason *reason)
{
	const unsigned int index = format_in_use(ns);
	const struct nvme_lbaf *lbaf = &ns->lbaf[index];
	const unsigned int type = ns->dps & NVME_NS_DPS_PI_MASK;
	const unsigned int lbs = 1U << (lbaf->ds & 31);
	const unsigned int md_size = le16toh(lbaf->ms);
	const unsigned int pif = pif_number(nvm, index);
	const struct pi_guard *guard = type ? pi_guard_by_pif(pif) :
				       pi_guard_by_csum(PI_LBMD_CSUM_NONE);

	if (!md_size)
		return pi_reason_set(reason, -ENODATA,
			"no protection information (LBA format %u+0); format it with PI, or use fio's io_uring_cmd for I/O without",
			lbs);
	if (!guard || lbs > UINT16_MAX || md_size > UINT8_MAX)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"LBA format %u+%u with protection information format %u is not supported; format it with another",
			lbs, md_size, pif);
	*format = (struct pi_format) {
		.guard		= guard,
		.interval	= lbs,
		.md_size	= md_size,
		.type		= type && type != NVME_NS_DPS_PI_TYPE3 ? 1 : 3,
		.extended	= ns->flbas & NVME_NS_FLBAS_META_EXT,
	};
	if (type) {
		format->storage_bits = storage_tag_bits(le32toh(nvm->elbaf[index]));
		format->storage_mask = le64toh(nvm->lbstm);
	}
	if (type && !(ns->dps & NVME_NS_DPS_PI_FIRST))
		format->pi_offset = md_size - guard->pi_size;
	return pi_format_check(format, reason);
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
			"Identify Namespace: %s; run as root (required before Linux 6.2)",
			strerror(errno));
	if (ret)
		return pi_reason_set(reason, -EIO,
			"Identify Namespace: NVMe status 0x%x; is this the NVM command set?",
			ret);
	ret = namespace_format(&id, &nvm, &ns->format, reason);
	if (ret)
		return ret;

	ns->nsid = nsid;
	ns->reads_check_storage = nvm.pic & PIC_READ_CHECKS_STORAGE;
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

/* guard of an LBA format with PI enabled, or NULL if it cannot have PI */
static const struct pi_guard *lba_format_guard(const struct nvme_id_ns *ns,
					       const struct nvme_nvm_id_ns *nvm,
					       unsigned int index,
					       uint16_t md_size)
{
	const struct pi_guard *guard = pi_guard_by_pif(pif_number(nvm, index));

	if (!guard || md_size < guard->pi_size ||
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
			.guard		= lba_format_guard(&ns, &nvm, i, md_size),
			.storage_bits	= storage_tag_bits(le32toh(nvm.elbaf[i])),
			.in_use		= i == format_in_use(&ns),
		};
		formats[i].by_kernel = formats[i].guard &&
				       formats[i].guard->profile &&
				       !formats[i].storage_bits;
	}
	return count;
}
