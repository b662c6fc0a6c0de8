/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_NVME_H
#define PI_NVME_H

#include <linux/nvme_ioctl.h>

#include "io.h"
#include "tuple.h"

/**
 * struct pi_nvme_ns - what the commands for one namespace have in common
 * @nsid:	its number
 * @stride:	bytes of a block as they are transferred
 * @control:	libnvme's NVME_IO_PRINFO_PRACT, NVME_IO_STC and NVME_IO_FUA, for
 *		reads and for writes
 * @cdw2:	of each read and write: the top of a storage tag beside a 32-bit
 *		guard (NVM Command Set 1.0, 5.2.1.4.1)
 * @app_mask:	bits of the application tag that the device compares
 * @renumber:	what to add to a reference tag for the block's number
 * @ref_varies:	bits that the reference tags of commands take from the
 *		block's; the others are those of @ref
 * @ref:	bits that are the same in each of them, the storage tag included
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
 * struct pi_nvme_range - a range of Dataset Management, as the drive reads it
 * @attributes:	zero
 * @blocks:	how many
 * @first:	number of the first
 */
struct pi_nvme_range {
	uint32_t attributes;
	uint32_t blocks;
	uint64_t first;
};

/**
 * pi_nvme_range() - name blocks for pi_nvme_deallocate_ranges()
 * @block:	number of the first
 * @blocks:	how many
 *
 * Return: the range.
 */
struct pi_nvme_range pi_nvme_range(uint64_t block, uint32_t blocks);

/**
 * pi_nvme_arm() - ready an I/O's SQE of 128 bytes for the others
 * @io:		with its SQE
 */
void pi_nvme_arm(struct pi_io *io);

/**
 * pi_nvme_rw() - make a read or write that pi_io_rw() has filled into the NVMe
 *		  command
 * @io:		that pi_io_rw() has filled
 * @chk:	PI_IO_INTEGRITY_CHK_* for the device
 * @app_tag:	what it compares application tags with
 * @md_len:	bytes of metadata
 * @ref:	reference tag of the first interval
 *
 * @io->ns and @io->blocks are set.  The rest is what @fill of struct pi_layout
 * has; without bytes of metadata in a buffer of their own @md_len is 0.
 */
void pi_nvme_rw(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		uint32_t md_len, uint64_t ref);

/**
 * pi_nvme_flush() - fill the SQE of a flush of @io->ns
 * @io:		with its SQE and @ns
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @user_data:	comes back with the completion
 */
void pi_nvme_flush(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t user_data);

/**
 * pi_nvme_deallocate() - fill the SQE of a discard of @io->blocks from @block
 *			  on (Dataset Management, NVM Command Set 1.0, 3.2.3)
 * @io:		with its SQE, @ns and @blocks
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @block:	number of the first
 * @user_data:	comes back with the completion
 */
void pi_nvme_deallocate(struct pi_io *io, uint8_t sqe_flags, int fd,
			uint64_t block, uint64_t user_data);

/**
 * pi_nvme_deallocate_ranges() - the same for several ranges
 * @io:		with its SQE and @ns
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @ranges:	kept until the command is done, see pi_nvme_range()
 * @nr:		how many, 1 to 256
 * @user_data:	comes back with the completion
 */
void pi_nvme_deallocate_ranges(struct pi_io *io, uint8_t sqe_flags, int fd,
			       const struct pi_nvme_range *ranges,
			       unsigned int nr, uint64_t user_data);

/**
 * pi_nvme_status() - the status in a completion, without its retry bits
 * @res:	of the CQE, positive
 *
 * Return: as libnvme's NVME_SCT_* and NVME_SC_* have it.
 */
static inline unsigned int pi_nvme_status(int res)
{
	return res & 0x7ff;
}

/**
 * pi_nvme_status_tag() - the tag that the device found wrong
 * @status:	of pi_nvme_status()
 *
 * Return: an enum pi_tag, or -1 when the status says something else.
 */
int pi_nvme_status_tag(unsigned int status);

/**
 * pi_nvme_status_errno() - the errno for a status that is no success
 * @status:	of pi_nvme_status(), not 0
 *
 * EILSEQ for a wrong tag, as the block layer has it.
 *
 * Return: a positive errno.
 */
int pi_nvme_status_errno(unsigned int status);

#endif
