/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_IO_H
#define PI_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "uapi.h"

struct pi_nvme_ns;

/**
 * union pi_io_attr - where a layout keeps an attribute that is not in the ring
 * @pi:		the attribute alone
 * @flat:	of layout flat
 * @vec:	of layout vec
 */
union pi_io_attr {
	struct pi_uapi_attr pi;
	struct pi_lab_attr_flat flat;
	struct {
		struct pi_lab_attr_vec vec;
		struct pi_uapi_attr pi;
	} vec;
};

/**
 * struct pi_io - one I/O that can be in flight
 * @sqe:	its place in the ring
 * @md:		its metadata, no other I/O's: a write with PI may come back
 *		with rewritten reference tags
 * @number:	of the first interval on the disk
 * @ref:	reference tag of the first interval, as the host sends it
 * @blocks:	protection intervals; 0 when it carries no PI
 * @slots:	of the ring that its SQE takes, see pi_ring_queue()
 * @attr_flags:	of the attribute, beside what the device checks
 * @attr:	where the layout has put the attribute
 * @sqe_attr:	what the SQE says about it, always the same
 * @attr_mem:	room for it outside the ring
 * @iov:	for vectored opcodes, see pi_io_set_vectors()
 * @ns:		of layout passthru: what its commands go to
 */
struct pi_io {
	struct io_uring_sqe *sqe;
	void *md;
	uint64_t number;
	uint64_t ref;
	uint32_t blocks;
	uint8_t slots;
	uint16_t attr_flags;
	struct pi_uapi_attr *attr;
	struct pi_uapi_sqe_attr sqe_attr;
	union pi_io_attr attr_mem __attribute__((aligned(64)));
	struct iovec *iov;
	const struct pi_nvme_ns *ns;
} __attribute__((aligned(64)));

/**
 * struct pi_io_mode - what reads and writes of a ring have in common
 * @opcode:	for reads and for writes
 * @sqe_flags:	IOSQE_*
 * @slots:	that their SQEs take, see pi_ring_queue()
 * @rw_flags:	RWF_*, for reads and for writes
 * @iov_bytes:	length of each iovec but the last, for vectored opcodes
 */
struct pi_io_mode {
	uint8_t opcode[2];
	uint8_t sqe_flags;
	uint8_t slots;
	uint32_t rw_flags[2];
	uint32_t iov_bytes;
};

/**
 * struct pi_io_set - the I/Os of one ring and their metadata
 * @io:		@depth of them
 * @depth:	how many I/Os
 * @md_stride:	bytes from one I/O's metadata to the next
 * @md_bytes:	metadata of all of them
 * @md:		where it is
 * @md_fixed:	set it before pi_layout_open() when @md is registered with the
 *		ring as buffer @md_index
 * @md_index:	of that buffer
 * @region:	attributes, where the layout has them in memory that the ring
 *		knows; @region_bytes long
 * @region_bytes: how long @region is
 * @iov:	of all I/Os, where they are vectored
 */
struct pi_io_set {
	struct pi_io *io;
	unsigned int depth;
	size_t md_stride;
	size_t md_bytes;
	void *md;
	bool md_fixed;
	uint16_t md_index;
	void *region;
	size_t region_bytes;
	struct iovec *iov;
};

/**
 * pi_io_set_init() - allocate @depth I/Os
 * @set:	set
 * @depth:	how many I/Os
 * @md_bytes:	metadata of the largest I/O, 0 for none
 *
 * Metadata begins on a 64-byte boundary and crosses a page only when it is
 * larger than one: the kernel bounces what crosses (bio_integrity_map_user()
 * on a device of one integrity segment).  It is faulted in here, in large
 * pages when it fills one: registered, they are one segment each.
 *
 * Return: 0 or -ENOMEM.
 */
int pi_io_set_init(struct pi_io_set *set, unsigned int depth, size_t md_bytes);

/**
 * pi_io_set_exit() - release what pi_io_set_init() and pi_layout_open() took
 * @set:	may be zeros, or have failed to be set up
 */
void pi_io_set_exit(struct pi_io_set *set);

/**
 * pi_io_set_vectors() - let the I/Os be vectored
 * @set:	of pi_io_set_init()
 * @nr:		iovecs of the largest
 *
 * pi_io_set_exit() releases what it takes.
 *
 * Return: 0 or -ENOMEM.
 */
int pi_io_set_vectors(struct pi_io_set *set, unsigned int nr);

/**
 * pi_io_mode_init() - plain reads and writes, without any flags
 * @mode:	set
 * @vectored:	by iovecs
 * @fixed:	from and into registered buffers; not together with @vectored
 */
void pi_io_mode_init(struct pi_io_mode *mode, bool vectored, bool fixed);

/**
 * pi_io_sqe_attr() - where an SQE has its attribute
 * @io:		with its SQE
 *
 * Return: bytes 48 to 63 of the SQE.
 */
static inline struct pi_uapi_sqe_attr *pi_io_sqe_attr(struct pi_io *io)
{
	return (void *)((char *)io->sqe + PI_SQE_ATTR_OFFSET);
}

/**
 * pi_io_no_attr() - say in the SQE of a read or write that it has none
 * @io:		with its SQE
 */
static inline void pi_io_no_attr(struct pi_io *io)
{
	*pi_io_sqe_attr(io) = (struct pi_uapi_sqe_attr) { 0 };
}

/**
 * pi_io_rw() - fill the SQE of a read or write, its attribute excepted
 * @io:		with its SQE
 * @mode:	what the I/O has in common with others
 * @dir:	0 read, 1 write
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @offset:	bytes from the beginning of the file
 * @buf:	its data
 * @len:	how many bytes
 * @ioprio:	as ioprio_set(2) has it
 * @index:	of the registered buffer
 * @user_data:	comes back with the completion
 * @vectored:	give a constant, so that the compiler drops the other branch
 */
static inline __attribute__((always_inline)) void
pi_io_rw(struct pi_io *io, const struct pi_io_mode *mode, unsigned int dir,
	 int fd, uint64_t offset, void *buf, uint32_t len, uint16_t ioprio,
	 uint16_t index, uint64_t user_data, bool vectored)
{
	struct io_uring_sqe *sqe = io->sqe;

	io->slots = mode->slots;
	sqe->opcode = mode->opcode[dir];
	sqe->flags = mode->sqe_flags;
	sqe->ioprio = ioprio;
	sqe->fd = fd;
	sqe->off = offset;
	if (vectored) {
		struct iovec *iov = io->iov;

		for (; len > mode->iov_bytes; len -= mode->iov_bytes) {
			*iov++ = (struct iovec) { buf, mode->iov_bytes };
			buf = (char *)buf + mode->iov_bytes;
		}
		*iov = (struct iovec) { buf, len };
		sqe->addr = (uintptr_t)io->iov;
		sqe->len = iov + 1 - io->iov;
	} else {
		sqe->addr = (uintptr_t)buf;
		sqe->len = len;
	}
	sqe->rw_flags = mode->rw_flags[dir];
	sqe->user_data = user_data;
	sqe->buf_index = index;
	sqe->personality = 0;
	sqe->file_index = 0;
}

/**
 * pi_io_fsync() - fill the SQE of an fsync or, with @datasync, fdatasync
 * @io:		with its SQE
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @datasync:	leave out what no read needs
 * @user_data:	comes back with the completion
 */
void pi_io_fsync(struct pi_io *io, uint8_t sqe_flags, int fd, bool datasync,
		 uint64_t user_data);

/**
 * pi_io_sync_range() - fill the SQE of a sync_file_range(2)
 * @io:		with its SQE
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @offset:	of the first byte
 * @len:	how many bytes
 * @range_flags: SYNC_FILE_RANGE_*
 * @user_data:	comes back with the completion
 */
void pi_io_sync_range(struct pi_io *io, uint8_t sqe_flags, int fd,
		      uint64_t offset, uint32_t len, uint32_t range_flags,
		      uint64_t user_data);

/**
 * pi_io_discard() - fill the SQE of a block device discard (Linux 6.12)
 * @io:		with its SQE
 * @sqe_flags:	IOSQE_*
 * @fd:		or index, with IOSQE_FIXED_FILE
 * @offset:	of the first byte
 * @len:	how many bytes
 * @user_data:	comes back with the completion
 */
void pi_io_discard(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t offset, uint64_t len, uint64_t user_data);

#endif
