/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_NVME_H
#define PI_NVME_H

#include <linux/nvme_ioctl.h>

#include "io.h"
#include "tuple.h"

/**
 * struct pi_nvme_ns - what all commands for a namespace have in common
 * @nsid:	namespace identifier
 * @stride:	bytes transferred per block, including metadata in an extended
 *		LBA
 * @control:	flags for reads and for writes: libnvme's NVME_IO_PRINFO_PRACT,
 *		NVME_IO_STC and NVME_IO_FUA
 * @cdw2:	command dword 2 of reads and writes: the top of a storage tag
 *		with a 32-bit guard (NVM Command Set 1.0, 5.2.1.4.1)
 * @app_mask:	bits of the application tag that the device compares
 * @renumber:	what to add to a reference tag to get the block number
 * @ref_varies:	bits of the reference tag that count up with the block number;
 *		the other bits are taken from @ref
 * @ref:	bits that are the same in each command, including the storage
 *		tag
 */
struct pi_nvme_ns {
	uint32_t nsid;
	uint32_t stride;
	uint32_t control[2];
	uint32_t cdw2;
	uint16_t app_mask;
	uint64_t renumber;
	uint64_t ref_varies;
	uint64_t ref;
};

/**
 * struct pi_nvme_range - a Dataset Management range, little-endian
 * @attributes:	zero
 * @blocks:	number of blocks
 * @first:	number of the first block
 */
struct pi_nvme_range {
	uint32_t attributes;
	uint32_t blocks;
	uint64_t first;
};

/**
 * pi_nvme_range() - encode a range for pi_nvme_deallocate_ranges()
 * @block:	number of the first block
 * @blocks:	number of blocks
 *
 * Return: the range in the drive's byte order.
 */
struct pi_nvme_range pi_nvme_range(uint64_t block, uint32_t blocks);

/**
 * pi_nvme_arm() - clear the 128-byte SQE of an I/O before its first use
 * @io:		I/O whose SQE is assigned
 */
void pi_nvme_arm(struct pi_io *io);

/**
 * pi_nvme_rw() - turn a read or write into an NVMe command
 * @io:		I/O filled in by pi_io_rw(), with @ns and @blocks set
 * @chk:	PI_IO_INTEGRITY_CHK_* for the device to check
 * @app_tag:	application tag that the device compares with
 * @md_len:	bytes of separate metadata; 0 if there is none
 * @ref:	reference tag of the first interval
 *
 * This is @fill in struct pi_layout.
 */
void pi_nvme_rw(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		uint32_t md_len, uint64_t ref);

/**
 * pi_nvme_flush() - fill in the SQE of a Flush
 * @io:		I/O whose SQE is assigned, with @ns set
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @user_data:	returned with the completion
 */
void pi_nvme_flush(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t user_data);

/**
 * pi_nvme_deallocate() - fill in the SQE of a deallocation of consecutive
 *			  blocks
 * @io:		I/O whose SQE is assigned, with @ns and @blocks set
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @block:	number of the first block; @io->blocks says how many
 * @user_data:	returned with the completion
 *
 * Dataset Management, NVM Command Set 1.0, 3.2.3.
 */
void pi_nvme_deallocate(struct pi_io *io, uint8_t sqe_flags, int fd,
			uint64_t block, uint64_t user_data);

/**
 * pi_nvme_deallocate_ranges() - fill in the SQE of a deallocation of several
 *				 ranges
 * @io:		I/O whose SQE is assigned, with @ns set
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @ranges:	ranges from pi_nvme_range(); must stay valid until completion
 * @nr:		number of ranges, 1 to 256
 * @user_data:	returned with the completion
 */
void pi_nvme_deallocate_ranges(struct pi_io *io, uint8_t sqe_flags, int fd,
			       const struct pi_nvme_range *ranges,
			       unsigned int nr, uint64_t user_data);

/**
 * pi_nvme_status() - extract the status from a completion
 * @res:	result in the CQE, positive
 *
 * Return: status code type and status code, like libnvme's NVME_SCT_* and
 * NVME_SC_*, without the retry bits.
 */
static inline unsigned int pi_nvme_status(int res)
{
	return res & 0x7ff;
}

/**
 * pi_nvme_status_tag() - tell which tag the device found to be wrong
 * @status:	from pi_nvme_status()
 *
 * Return: an enum pi_tag, or -1 if the status is not about a tag.
 */
int pi_nvme_status_tag(unsigned int status);

/**
 * pi_nvme_status_errno() - convert an NVMe status to an errno
 * @status:	from pi_nvme_status(), not 0
 *
 * A wrong tag is EILSEQ, as in the block layer.
 *
 * Return: a positive errno.
 */
int pi_nvme_status_errno(unsigned int status);

#endif
