/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pi-ublk needs of Linux's include/uapi/linux/ublk_cmd.h, whose system
 * header may be older than metadata is (7.0).
 */
#ifndef UBLK_H
#define UBLK_H

#include <stddef.h>
#include <sys/ioctl.h>
#include <linux/types.h>

#define UBLK_F_CMD_IOCTL_ENCODE	(1ULL << 6)
#define UBLK_F_USER_COPY	(1ULL << 7)
#define UBLK_F_INTEGRITY	(1ULL << 16)

#define UBLK_OP_MASK		0xff
#define UBLK_OP_READ		0
#define UBLK_OP_WRITE		1
#define UBLK_OP_FLUSH		2
#define UBLK_OP_F_INTEGRITY	(1U << 18)

#define UBLK_PARAM_BASIC	(1U << 0)
#define UBLK_PARAM_INTEGRITY	(1U << 6)

/* what of the device's file is the data, or metadata, of the request @tag */
#define UBLK_DATA_POS(tag)	(0x80000000ULL + ((__u64)(tag) << 25))
#define UBLK_MD_POS(tag)	(UBLK_DATA_POS(tag) | 1ULL << 62)

struct ublk_ctrl_cmd {
	__u32	dev_id;
	__u16	queue_id;
	__u16	len;
	__u64	addr;
	__u64	data;
	__u16	dev_path_len;
	__u16	pad;
	__u32	reserved;
};

struct ublk_info {
	__u16	nr_queues;
	__u16	depth;
	__u16	state;
	__u16	pad0;
	__u32	max_bytes;
	__u32	dev_id;
	__s32	pid;
	__u32	pad1;
	__u64	flags;
	__u64	private;
	__u32	uid;
	__u32	gid;
	__u64	reserved[2];
};

struct ublk_desc {
	__u32	op_flags;
	__u32	sectors;
	__u64	sector;
	__u64	addr;
};

struct ublk_io_cmd {
	__u16	queue_id;
	__u16	tag;
	__s32	result;
	__u64	addr;
};

struct ublk_params {
	__u32	len;
	__u32	types;
	struct {
		__u32	attrs;
		__u8	logical_shift;
		__u8	physical_shift;
		__u8	opt_shift;
		__u8	min_shift;
		__u32	max_sectors;
		__u32	chunk_sectors;
		__u64	sectors;
		__u64	virt_boundary;
	} basic;
	/* discard, devt, zoned, DMA alignment and segments: not used here */
	__u8	other[96];
	struct {
		__u32	flags;
		__u16	max_segments;
		__u8	interval_shift;
		__u8	md_size;
		__u8	pi_offset;
		__u8	csum;
		__u8	tag_size;
		__u8	pad[5];
	} integrity;
};

_Static_assert(sizeof(struct ublk_ctrl_cmd) == 32, "struct ublksrv_ctrl_cmd");
_Static_assert(sizeof(struct ublk_info) == 64, "struct ublksrv_ctrl_dev_info");
_Static_assert(sizeof(struct ublk_desc) == 24, "struct ublksrv_io_desc");
_Static_assert(sizeof(struct ublk_io_cmd) == 16, "struct ublksrv_io_cmd");
_Static_assert(offsetof(struct ublk_params, integrity) == 136, "struct ublk_params");

#define UBLK_ADD_DEV		_IOWR('u', 0x04, struct ublk_ctrl_cmd)
#define UBLK_START_DEV		_IOWR('u', 0x06, struct ublk_ctrl_cmd)
#define UBLK_SET_PARAMS		_IOWR('u', 0x08, struct ublk_ctrl_cmd)
#define UBLK_FETCH		_IOWR('u', 0x20, struct ublk_io_cmd)
#define UBLK_COMMIT_AND_FETCH	_IOWR('u', 0x21, struct ublk_io_cmd)

#endif
