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

/**
 * struct pi_uapi_attr - Linux's struct io_uring_attr_pi
 * @flags:	PI_IO_INTEGRITY_CHK_*; on the lab kernel also PI_LAB_FIXED_MD
 * @app_tag:	application tag that the device compares with, in host byte
 *		order
 * @len:	length of the metadata buffer in bytes
 * @addr:	address of the metadata buffer
 * @seed:	reference tag of the first interval
 * @rsvd:	zero; with PI_LAB_FIXED_MD the index of the registered buffer
 */
struct pi_uapi_attr {
	__u16	flags;
	__u16	app_tag;
	__u32	len;
	__u64	addr;
	__u64	seed;
	__u64	rsvd;
};

#define PI_IO_INTEGRITY_CHK_GUARD	(1U << 0)
#define PI_IO_INTEGRITY_CHK_REFTAG	(1U << 1)
#define PI_IO_INTEGRITY_CHK_APPTAG	(1U << 2)

/**
 * struct pi_uapi_sqe_attr - bytes 48-63 of struct io_uring_sqe for reads and
 *			     writes
 * @attr_ptr:	address of the attribute
 * @attr_type_mask: PI_IORING_RW_ATTR_FLAG_PI, or 0 if there is no attribute
 */
struct pi_uapi_sqe_attr {
	__u64	attr_ptr;
	__u64	attr_type_mask;
};

#define PI_SQE_ATTR_OFFSET		48

/*
 * Lab kernel only (scripts/kernel/): bits of attr_type_mask that select another
 * layout.  At most one may be set, together with PI_IORING_RW_ATTR_FLAG_PI.
 */
#define PI_LAB_ATTR_INLINE		(1ULL << 63)	/* attribute in the SQE's second half */
#define PI_LAB_ATTR_VEC			(1ULL << 62)	/* array of struct pi_lab_attr_vec */
#define PI_LAB_ATTR_FLAT		(1ULL << 61)	/* struct pi_lab_attr_flat */
#define PI_LAB_ATTR_REGION		(1ULL << 60)	/* attr_ptr: offset in the registered region */
#define PI_LAB_ATTR_VEC_NR_SHIFT	8		/* number of elements, 8 bits */
#define PI_LAB_ATTR_FLAT_SIZE_SHIFT	16		/* size of the structure, 16 bits */

/* flag in struct pi_uapi_attr: @addr is in the registered buffer @rsvd */
#define PI_LAB_FIXED_MD			(1U << 15)

#define PI_LAB_ATTR_TYPE_PI		0		/* ATTR_TYPE_PI of v9 */

/**
 * struct pi_lab_attr_vec - element of the array in layout vec
 * @type:	PI_LAB_ATTR_TYPE_PI
 * @addr:	address of the attribute
 */
struct pi_lab_attr_vec {
	__u32	type;
	__u64	addr;
};

/**
 * struct pi_lab_attr_flat - what the SQE points to in layout flat
 * @map:	PI_IORING_RW_ATTR_FLAG_PI
 * @type:	PI_LAB_ATTR_TYPE_PI
 * @pad:	zero
 * @pi:		the attribute
 */
struct pi_lab_attr_flat {
	__u64	map;
	__u16	type;
	__u16	pad[3];
	struct pi_uapi_attr pi;
};

/**
 * enum pi_lab_op - opcodes of the lab kernel, following the last one of Linux
 *		    7.3
 * @PI_LAB_OP_READ128: read with a 128-byte SQE, attribute in its second half
 * @PI_LAB_OP_WRITE128: write, same
 * @PI_LAB_OP_READV128: vectored read, same
 * @PI_LAB_OP_WRITEV128: vectored write, same
 * @PI_LAB_OP_READ_FIXED128: read into a registered buffer, same
 * @PI_LAB_OP_WRITE_FIXED128: write from a registered buffer, same
 * @PI_LAB_OP_READ_META: read with a 64-byte SQE and struct pi_lab_sqe_meta, as
 *		in the first versions of the patch series
 * @PI_LAB_OP_WRITE_META: write, same
 */
enum pi_lab_op {
	PI_LAB_OP_READ128 = 65,
	PI_LAB_OP_WRITE128,
	PI_LAB_OP_READV128,
	PI_LAB_OP_WRITEV128,
	PI_LAB_OP_READ_FIXED128,
	PI_LAB_OP_WRITE_FIXED128,
	PI_LAB_OP_READ_META,
	PI_LAB_OP_WRITE_META,
};

/**
 * struct pi_lab_sqe_meta - bytes 48-63 of the SQE for READ_META and WRITE_META
 * @addr:	address of the metadata buffer
 * @len:	length of the metadata buffer in bytes
 * @flags:	PI_LAB_META_CHK_*
 * @app_tag:	application tag that the device compares with, in host byte
 *		order
 *
 * There is no seed; the kernel uses the LBA.
 */
struct pi_lab_sqe_meta {
	__u64	addr;
	__u32	len;
	__u16	flags;
	__u16	app_tag;
};

#define PI_LAB_META_CHK_GUARD		(1U << 0)
#define PI_LAB_META_CHK_APPTAG		(1U << 1)
#define PI_LAB_META_CHK_REFTAG		(1U << 2)

/* IORING_SETUP_SQE_MIXED (6.19), IORING_REGISTER_MEM_REGION (6.13) */
#define PI_IORING_SETUP_SQE_MIXED	(1U << 19)
#define PI_IORING_REGISTER_MEM_REGION	34
#define PI_IORING_MEM_REGION_TYPE_USER	1

/**
 * struct pi_uapi_region - Linux's struct io_uring_region_desc
 * @user_addr:	address of the memory
 * @size:	size of the memory in bytes
 * @flags:	PI_IORING_MEM_REGION_TYPE_*
 * @id:		zero
 * @mmap_offset: zero
 * @resv:	zero
 */
struct pi_uapi_region {
	__u64	user_addr;
	__u64	size;
	__u32	flags;
	__u32	id;
	__u64	mmap_offset;
	__u64	resv[4];
};

/**
 * struct pi_uapi_region_reg - Linux's struct io_uring_mem_region_reg
 * @region_uptr: address of a struct pi_uapi_region
 * @flags:	zero
 * @resv:	zero
 */
struct pi_uapi_region_reg {
	__u64	region_uptr;
	__u64	flags;
	__u64	resv[2];
};

/**
 * struct pi_uapi_cap - Linux's struct logical_block_metadata_cap, filled in by
 *			FS_IOC_GETLBMD_CAP (6.17)
 * @flags:	PI_LBMD_CAP_*
 * @interval:	bytes of data per interval
 * @size:	bytes of metadata per interval
 * @opaque_size: bytes of metadata outside the tuple
 * @opaque_offset: offset of these bytes in the metadata
 * @pi_size:	bytes of the tuple
 * @pi_offset:	offset of the tuple in the metadata
 * @guard_tag_type: PI_LBMD_CSUM_*
 * @app_tag_size: bytes of the application tag
 * @ref_tag_size: bytes of the reference tag
 * @storage_tag_size: bytes of the storage tag
 * @pad:	zero
 */
struct pi_uapi_cap {
	__u32	flags;
	__u16	interval;
	__u8	size;
	__u8	opaque_size;
	__u8	opaque_offset;
	__u8	pi_size;
	__u8	pi_offset;
	__u8	guard_tag_type;
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

/* block device commands through io_uring (6.12) */
#define PI_BLOCK_URING_CMD_DISCARD	_IO(0x12, 0)

#define PI_RWF_NOWAIT			0x00000008
#define PI_RWF_ATOMIC			0x00000040
#define PI_RWF_DONTCACHE		0x00000080

_Static_assert(sizeof(struct pi_uapi_attr) == 32, "io_uring_attr_pi");
_Static_assert(sizeof(struct pi_lab_attr_vec) == 16, "io_uring_attr_vec");
_Static_assert(sizeof(struct pi_lab_attr_flat) == 48, "header, preamble, PI");
_Static_assert(sizeof(struct pi_lab_sqe_meta) == 16, "an SQE's spare bytes");
_Static_assert(sizeof(struct pi_uapi_region) == 64, "io_uring_region_desc");
_Static_assert(sizeof(struct pi_uapi_cap) == 16, "LBMD_SIZE_VER0");
_Static_assert(PI_FS_IOC_GETLBMD_CAP == 0xc0101502, "FS_IOC_GETLBMD_CAP");
_Static_assert(sizeof(struct io_uring_sqe) == 64, "SQE");
_Static_assert(offsetof(struct io_uring_sqe, addr3) == PI_SQE_ATTR_OFFSET,
	       "attr_ptr is at the offset of addr3");

#endif
