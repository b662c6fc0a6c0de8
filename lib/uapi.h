/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel interfaces newer than the oldest headers this builds with (Linux 6.1,
 * liburing 2.3).  Values and layouts are Linux's, include/uapi/linux/fs.h and
 * include/uapi/linux/io_uring.h; the names carry a PI_ prefix so that newer
 * system headers can be included next to this one.
 */
#ifndef PI_UAPI_H
#define PI_UAPI_H

#include <stddef.h>
#include <sys/ioctl.h>
#include <linux/types.h>
#include <liburing.h>

/* io_uring: attributes of a read or write (6.14) */
#define PI_IORING_FEAT_RW_ATTR		(1U << 16)
#define PI_IORING_RW_ATTR_FLAG_PI	(1ULL << 0)

/* struct io_uring_attr_pi */
struct pi_uapi_attr {
	__u16	flags;		/* PI_IO_INTEGRITY_CHK_* */
	__u16	app_tag;	/* what the device compares with, host order */
	__u32	len;		/* of the metadata buffer, bytes */
	__u64	addr;		/* of the metadata buffer */
	__u64	seed;		/* reference tag of the first interval */
	__u64	rsvd;
};

#define PI_IO_INTEGRITY_CHK_GUARD	(1U << 0)
#define PI_IO_INTEGRITY_CHK_REFTAG	(1U << 1)
#define PI_IO_INTEGRITY_CHK_APPTAG	(1U << 2)

/* bytes 48-63 of struct io_uring_sqe for READ* and WRITE* */
struct pi_uapi_sqe_attr {
	__u64	attr_ptr;
	__u64	attr_type_mask;
};

#define PI_SQE_ATTR_OFFSET		48

/* FS_IOC_GETLBMD_CAP (6.17), struct logical_block_metadata_cap */
struct pi_uapi_cap {
	__u32	flags;		/* PI_LBMD_CAP_* */
	__u16	interval;	/* bytes of data per tuple */
	__u8	size;		/* bytes of metadata per interval */
	__u8	opaque_size;
	__u8	opaque_offset;
	__u8	pi_size;
	__u8	pi_offset;
	__u8	guard_tag_type;	/* PI_LBMD_CSUM_* */
	__u8	app_tag_size;
	__u8	ref_tag_size;
	__u8	storage_tag_size;
	__u8	pad;
};

#define PI_LBMD_CAP_INTEGRITY		(1U << 0)
#define PI_LBMD_CAP_REFTAG		(1U << 1)

#define PI_LBMD_CSUM_NONE		0
#define PI_LBMD_CSUM_IP			1
#define PI_LBMD_CSUM_CRC16_T10DIF	2
#define PI_LBMD_CSUM_CRC64_NVME		4

#define PI_FS_IOC_GETLBMD_CAP		_IOWR(0x15, 2, struct pi_uapi_cap)

/* blkdev commands by io_uring (6.12) */
#define PI_BLOCK_URING_CMD_DISCARD	_IO(0x12, 0)

#define PI_RWF_NOWAIT			0x00000008
#define PI_RWF_ATOMIC			0x00000040
#define PI_RWF_DONTCACHE		0x00000080

_Static_assert(sizeof(struct pi_uapi_attr) == 32, "io_uring_attr_pi");
_Static_assert(sizeof(struct pi_uapi_cap) == 16, "LBMD_SIZE_VER0");
_Static_assert(PI_FS_IOC_GETLBMD_CAP == 0xc0101502, "FS_IOC_GETLBMD_CAP");
_Static_assert(sizeof(struct io_uring_sqe) == 64, "SQE");
_Static_assert(offsetof(struct io_uring_sqe, addr3) == PI_SQE_ATTR_OFFSET,
	       "attr_ptr shares its place with addr3");

#endif
