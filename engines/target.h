/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TARGET_H
#define PI_TARGET_H

#include "device.h"
#include "nvme.h"
#include "options.h"
#include "tuple.h"

/**
 * struct pi_chk_part - what a part of pi_chk= comes to on one file
 * @chk:	PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG for the device
 * @control:	struct pi_nvme_ns's
 * @on_read:	compares in reads what the host is to
 * @by_device:	compares what the device is asked to
 * @blocks:	read and written without error
 */
struct pi_chk_part {
	uint16_t chk;
	uint16_t control[2];
	struct pi_tuple on_read;
	struct pi_tuple by_device;
	uint64_t blocks[2];
};

/**
 * struct pi_target - one file or device of a job
 * @tuple:	generates, and compares every tag
 * @format:	of its protection information
 * @on_read:	compares in reads what the host is to
 * @by_device:	compares what the device is asked to
 * @compared:	generates, and compares what either of them does: what
 *		pi_inject= may count on
 * @start:	number on the disk of the block at byte 0
 * @ref_add:	to the number of an I/O's first block, for the reference tag
 * @ref_mask:	that the host gives it: (number + @ref_add) & @ref_mask
 * @tag_add:	to a block's number, for the reference tag that messages speak
 *		of: the media's, or that of pi_reftag=
 * @stacked:	the kernel puts the numbers of blocks below into what is written
 * @app_tag:	what the device compares with
 * @shift:	log2 of the protection interval; of an extended format, of the
 *		power of two in its stride
 * @inverse:	modulo 2^64, of what is left of that
 * @md_size:	bytes of metadata per interval in a buffer of their own
 * @chk:	PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG for the device
 * @fd:		what SQEs name: descriptor, or index of the registered file
 * @faults:	kinds that pi_inject= may damage it with, 1 << PI_FAULT_*
 * @reach:	blocks of the largest request, which I/Os may be merged into
 * @bytes:	read and written without error
 * @ns:		what layout passthru sends commands to
 * @size:	of a character device, as fio counts
 * @next:	of the job's files
 * @parts:	of pi_chk=, where there are several; @chk, @on_read, @by_device
 *		and @ns.control are of one of them then
 * @recalled:	the part that @on_read and @by_device are of, or NULL
 */
struct pi_target {
	struct pi_tuple tuple;
	struct pi_format format;
	struct pi_tuple on_read;
	struct pi_tuple by_device;
	struct pi_tuple compared;
	uint64_t start;
	uint64_t ref_add;
	uint64_t ref_mask;
	uint64_t tag_add;
	bool stacked;
	uint16_t app_tag;
	uint8_t shift;
	uint64_t inverse;
	uint16_t md_size;
	uint16_t chk;
	int fd;
	unsigned int faults;
	uint32_t reach;
	uint64_t bytes[2];
	struct pi_nvme_ns ns;
	uint64_t size;
	struct pi_target *next;
	struct pi_chk_part parts[PI_CHECKS_PARTS];
	const struct pi_chk_part *recalled;
};

/**
 * pi_target_blocks() - protection intervals in a number of bytes that is whole
 *			intervals, metadata in between included
 * @t:		the file
 * @bytes:	of its data
 *
 * A stride that is no power of two divides without remainder what it is
 * multiplied with, so that multiplying with the inverse does for dividing.
 *
 * Return: how many.
 */
static inline uint64_t pi_target_blocks(const struct pi_target *t,
					uint64_t bytes)
{
	return (bytes >> t->shift) * t->inverse;
}

/**
 * pi_refuse_file() - say why a file is refused
 * @f:		which
 * @err:	an errno
 * @why:	and what to do about it
 *
 * Return: @err.
 */
int pi_refuse_file(struct fio_file *f, int err, const char *why);

/**
 * pi_target_probe() - find out what PI a job's file takes and whether the job
 *		       fits it
 * @td:		the job
 * @f:		one of its files
 * @target:	set
 *
 * Reads only.
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_target_probe(struct thread_data *td, struct fio_file *f,
		    struct pi_target *target);

#endif
