/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TARGET_H
#define PI_TARGET_H

#include "device.h"
#include "nvme.h"
#include "options.h"
#include "tuple.h"

/**
 * struct pi_chk_part - a part of a pi_chk= pattern, applied to one file
 * @chk:	what the device checks, PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG
 * @control:	as in struct pi_nvme_ns
 * @on_read:	compares what the host checks in reads
 * @by_device:	compares what the device checks
 * @blocks:	number of blocks read and written without error
 */
struct pi_chk_part {
	uint16_t chk;
	uint16_t control[2];
	struct pi_tuple on_read;
	struct pi_tuple by_device;
	uint64_t blocks[2];
};

/**
 * struct pi_target - a file or device of a job
 * @tuple:	generates tuples, and compares every tag
 * @format:	format of the protection information
 * @on_read:	compares what the host checks in reads
 * @by_device:	compares what the device checks
 * @compared:	generates tuples, and compares what host or device check: what
 *		faults of pi_inject= can show in
 * @start:	number on the disk of the block at offset 0
 * @ref_add:	what to add to the number of an I/O's first block to get its
 *		reference tag, before applying @ref_mask
 * @ref_mask:	bits of the reference tag that the host sends: (number +
 *		@ref_add) & @ref_mask
 * @tag_add:	what to add to a block's number to get the reference tag shown
 *		in messages, which is that on the media or that counted from
 *		pi_reftag=
 * @stacked:	the kernel remaps the reference tags of writes to the block
 *		numbers of an underlying device
 * @app_tag:	application tag that the device compares with
 * @shift:	log2 of the protection interval; with an extended format, of the
 *		largest power of two that divides the stride
 * @inverse:	inverse modulo 2^64 of the odd part of the stride
 * @md_size:	bytes of separate metadata per interval
 * @chk:	what the device checks, PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG
 * @fd:		file descriptor, or index of the registered file
 * @faults:	kinds of faults that pi_inject= may inject, bits 1 << PI_FAULT_*
 * @reach:	number of blocks in the largest request that I/Os may be merged
 *		into
 * @bytes:	bytes read and written without error
 * @ns:		layout passthru: namespace that commands are sent to
 * @size:	size of a character device in bytes, metadata of an extended
 *		format included
 * @next:	next file of the job
 * @parts:	parts of a pi_chk= pattern. With a pattern, @chk, @on_read,
 *		@by_device and @ns.control are those of the current part.
 * @recalled:	the part that @on_read and @by_device belong to, or NULL
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
 * pi_target_blocks() - convert bytes to protection intervals
 * @t:		target
 * @bytes:	bytes in the data buffer, a multiple of the stride
 *
 * The stride of an extended format need not be a power of two, but as it
 * divides @bytes without remainder, multiplying by its inverse is enough.
 *
 * Return: number of intervals.
 */
static inline uint64_t pi_target_blocks(const struct pi_target *t,
					uint64_t bytes)
{
	return (bytes >> t->shift) * t->inverse;
}

/**
 * pi_refuse_file() - print why a file is refused
 * @f:		the file
 * @err:	positive errno
 * @why:	the reason, and what to do about it
 *
 * Return: @err.
 */
int pi_refuse_file(struct fio_file *f, int err, const char *why);

/**
 * pi_target_probe() - determine the PI format of a file, and check that the job
 *		       can use it
 * @td:		thread of the job
 * @f:		file of the job
 * @target:	target to initialize
 *
 * This does not write to the file.
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_target_probe(struct thread_data *td, struct fio_file *f,
		    struct pi_target *target);

#endif
