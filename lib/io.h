/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_IO_H
#define PI_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "uapi.h"

struct pi_nvme_ns;

/**
 * union pi_io_attr - memory for an attribute outside the ring
 * @pi:		the bare attribute
 * @flat:	the attribute in layout flat
 * @vec:	the attribute in layout vec, with the array that points to it
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
 * struct pi_io - per-I/O state, one for each I/O that can be in flight
 * @sqe:	the I/O's own SQE
 * @md:		the I/O's own metadata buffer. It cannot be shared, because a
 *		write with PI may come back with its reference tags remapped.
 * @number:	number on the disk of the first interval
 * @ref:	reference tag of the first interval, as the host sends it
 * @blocks:	number of protection intervals; 0 if the I/O carries no PI
 * @slots:	number of SQ slots that the SQE takes, see pi_ring_queue()
 * @attr_flags:	flags of the attribute other than those that tell the device
 *		what to check
 * @attr:	the attribute, where the layout puts it
 * @sqe_attr:	bytes 48 to 63 of the SQE, the same for each read and write
 * @attr_mem:	memory for @attr, unless the layout keeps that in the ring
 * @iov:	iovecs for vectored opcodes, see pi_io_set_vectors()
 * @ns:		layout passthru: namespace that the command is for
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
 * struct pi_io_mode - what all reads and writes of a ring have in common
 * @opcode:	IORING_OP_* for reads and for writes
 * @sqe_flags:	IOSQE_*
 * @slots:	number of SQ slots that an SQE takes, see pi_ring_queue()
 * @rw_flags:	RWF_* for reads and for writes
 * @iov_bytes:	vectored opcodes: length of each iovec but the last
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
 * @io:		array of @depth I/Os
 * @depth:	number of I/Os
 * @md_stride:	bytes from one I/O's metadata to the next
 * @md_bytes:	size of the metadata of all I/Os
 * @md:		metadata of all I/Os
 * @md_fixed:	@md is registered with the ring as buffer @md_index; set before
 *		pi_layout_open()
 * @md_index:	index of that buffer
 * @region:	attributes of all I/Os, if the layout keeps them in a memory
 *		region registered with the ring
 * @region_bytes: size of @region
 * @iov:	iovecs of all I/Os, if they are vectored
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
 * pi_io_set_init() - allocate I/Os and their metadata
 * @set:	set to initialize
 * @depth:	number of I/Os
 * @md_bytes:	bytes of metadata of the largest I/O, 0 if there is none
 *
 * The metadata of each I/O is aligned to 64 bytes and crosses a page boundary
 * only if it is larger than a page: the kernel would bounce it otherwise
 * (bio_integrity_map_user() on a device with one integrity segment). It is
 * faulted in here, in huge pages if it fills one, because each of those is a
 * single segment when registered.
 *
 * Return: 0 or -ENOMEM.
 */
int pi_io_set_init(struct pi_io_set *set, unsigned int depth, size_t md_bytes);

/**
 * pi_io_set_exit() - release what pi_io_set_init() and pi_layout_open()
 *		      allocated
 * @set:	set to release; may be all zeros, or only partly initialized
 */
void pi_io_set_exit(struct pi_io_set *set);

/**
 * pi_io_set_vectors() - allocate iovecs for vectored I/O
 * @set:	set initialized by pi_io_set_init()
 * @nr:		number of iovecs of the largest I/O
 *
 * pi_io_set_exit() releases them.
 *
 * Return: 0 or -ENOMEM.
 */
int pi_io_set_vectors(struct pi_io_set *set, unsigned int nr);

/**
 * pi_io_mode_init() - initialize for plain reads and writes without flags
 * @mode:	mode to initialize
 * @vectored:	use vectored opcodes
 * @fixed:	use registered buffers; cannot be combined with @vectored
 */
void pi_io_mode_init(struct pi_io_mode *mode, bool vectored, bool fixed);

/**
 * pi_io_sqe_attr() - get the attribute fields of an SQE
 * @io:		I/O whose SQE is assigned
 *
 * Return: pointer to bytes 48 to 63 of the SQE.
 */
static inline struct pi_uapi_sqe_attr *pi_io_sqe_attr(struct pi_io *io)
{
	return (void *)((char *)io->sqe + PI_SQE_ATTR_OFFSET);
}

/**
 * pi_io_no_attr() - mark the SQE of a read or write as having no attribute
 * @io:		I/O whose SQE is assigned
 */
static inline void pi_io_no_attr(struct pi_io *io)
{
	*pi_io_sqe_attr(io) = (struct pi_uapi_sqe_attr) { 0 };
}

/**
 * pi_io_rw() - fill in the SQE of a read or write, except for the attribute
 * @io:		I/O whose SQE is assigned
 * @mode:	what the reads and writes of the ring have in common
 * @dir:	0 for a read, 1 for a write
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @offset:	offset in the file, in bytes
 * @buf:	data buffer
 * @len:	length of @buf in bytes
 * @ioprio:	I/O priority, as for ioprio_set(2)
 * @index:	index of the registered buffer
 * @user_data:	returned with the completion
 * @vectored:	use iovecs; must be a compile-time constant, so that the other
 *		branch is optimized out
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
 * pi_io_fsync() - fill in the SQE of an fsync or fdatasync
 * @io:		I/O whose SQE is assigned
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @datasync:	fdatasync rather than fsync
 * @user_data:	returned with the completion
 */
void pi_io_fsync(struct pi_io *io, uint8_t sqe_flags, int fd, bool datasync,
		 uint64_t user_data);

/**
 * pi_io_sync_range() - fill in the SQE of a sync_file_range(2)
 * @io:		I/O whose SQE is assigned
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @offset:	start of the range, in bytes
 * @len:	length of the range in bytes
 * @range_flags: SYNC_FILE_RANGE_*
 * @user_data:	returned with the completion
 */
void pi_io_sync_range(struct pi_io *io, uint8_t sqe_flags, int fd,
		      uint64_t offset, uint32_t len, uint32_t range_flags,
		      uint64_t user_data);

/**
 * pi_io_nop() - fill in the SQE of an operation that does nothing
 * @io:		I/O whose SQE is assigned
 * @user_data:	returned with the completion
 */
void pi_io_nop(struct pi_io *io, uint64_t user_data);

/**
 * pi_io_discard() - fill in the SQE of a block device discard (Linux 6.12)
 * @io:		I/O whose SQE is assigned
 * @sqe_flags:	IOSQE_*
 * @fd:		file descriptor, or index of a registered file with
 *		IOSQE_FIXED_FILE
 * @offset:	start of the range, in bytes
 * @len:	length of the range in bytes
 * @user_data:	returned with the completion
 */
void pi_io_discard(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t offset, uint64_t len, uint64_t user_data);

#endif
