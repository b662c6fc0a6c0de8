// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"

#define LARGE_PAGE	(2UL << 20)

static size_t md_stride(size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE), stride = 64;

	if (!bytes)
		return 0;
	if (bytes > page)
		return (bytes + page - 1) & ~(page - 1);
	while (stride < bytes)
		stride <<= 1;
	return stride;
}

static void *map_pages(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* @bytes is a multiple of LARGE_PAGE; falls back to small pages */
static void *map_large_pages(size_t bytes)
{
	size_t head;
	char *map;

	map = mmap(NULL, bytes + LARGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)map & (LARGE_PAGE - 1);
	if (head)
		munmap(map, head);
	map += head;
	munmap(map + bytes, LARGE_PAGE - head);
	madvise(map, bytes, MADV_HUGEPAGE);
	memset(map, 0, bytes);
	return map;
}

int pi_io_set_init(struct pi_io_set *set, unsigned int depth, size_t md_bytes)
{
	*set = (struct pi_io_set) {
		.depth		= depth,
		.md_stride	= md_stride(md_bytes),
	};
	set->io = aligned_alloc(_Alignof(struct pi_io), depth * sizeof(*set->io));
	if (!set->io)
		return -ENOMEM;
	memset(set->io, 0, depth * sizeof(*set->io));

	if (!md_bytes)
		return 0;
	set->md_bytes = depth * set->md_stride;
	if (set->md_bytes < LARGE_PAGE) {
		set->md = map_pages(set->md_bytes);
	} else {
		set->md_bytes = (set->md_bytes + LARGE_PAGE - 1) & -LARGE_PAGE;
		set->md = map_large_pages(set->md_bytes);
	}
	if (!set->md) {
		pi_io_set_exit(set);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < depth; i++)
		set->io[i].md = (char *)set->md + i * set->md_stride;
	return 0;
}

void pi_io_set_exit(struct pi_io_set *set)
{
	if (set->md)
		munmap(set->md, set->md_bytes);
	if (set->region)
		munmap(set->region, set->region_bytes);
	free(set->iov);
	free(set->io);
	*set = (struct pi_io_set) { 0 };
}

int pi_io_set_vectors(struct pi_io_set *set, unsigned int nr)
{
	set->iov = calloc((size_t)set->depth * nr, sizeof(*set->iov));
	if (!set->iov)
		return -ENOMEM;
	for (unsigned int i = 0; i < set->depth; i++)
		set->io[i].iov = set->iov + (size_t)i * nr;
	return 0;
}

void pi_io_mode_init(struct pi_io_mode *mode, bool vectored, bool fixed)
{
	*mode = (struct pi_io_mode) {
		.opcode	= { IORING_OP_READ, IORING_OP_WRITE },
		.slots	= 1,
		.iov_bytes = UINT32_MAX,
	};
	if (fixed) {
		mode->opcode[0] = IORING_OP_READ_FIXED;
		mode->opcode[1] = IORING_OP_WRITE_FIXED;
	} else if (vectored) {
		mode->opcode[0] = IORING_OP_READV;
		mode->opcode[1] = IORING_OP_WRITEV;
	}
}

/* liburing's prep functions clear the SQE in 2.3, but not in later versions */
static struct io_uring_sqe *sqe_clear(struct pi_io *io)
{
	io->slots = 1;
	*io->sqe = (struct io_uring_sqe) { 0 };
	return io->sqe;
}

/* call after liburing's prep functions, which clear both fields in 2.3 */
static void sqe_set(struct io_uring_sqe *sqe, uint8_t flags, uint64_t user_data)
{
	sqe->flags = flags;
	sqe->user_data = user_data;
}

void pi_io_fsync(struct pi_io *io, uint8_t sqe_flags, int fd, bool datasync,
		 uint64_t user_data)
{
	struct io_uring_sqe *sqe = sqe_clear(io);

	io_uring_prep_fsync(sqe, fd, datasync ? IORING_FSYNC_DATASYNC : 0);
	sqe_set(sqe, sqe_flags, user_data);
}

void pi_io_sync_range(struct pi_io *io, uint8_t sqe_flags, int fd,
		      uint64_t offset, uint32_t len, uint32_t range_flags,
		      uint64_t user_data)
{
	struct io_uring_sqe *sqe = sqe_clear(io);

	io_uring_prep_sync_file_range(sqe, fd, len, offset, range_flags);
	sqe_set(sqe, sqe_flags, user_data);
}

void pi_io_nop(struct pi_io *io, uint64_t user_data)
{
	struct io_uring_sqe *sqe = sqe_clear(io);

	sqe->opcode = IORING_OP_NOP;
	sqe_set(sqe, 0, user_data);
}

void pi_io_discard(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t offset, uint64_t len, uint64_t user_data)
{
	struct io_uring_sqe *sqe = sqe_clear(io);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = PI_BLOCK_URING_CMD_DISCARD;
	sqe->addr = offset;
	sqe->addr3 = len;
	sqe_set(sqe, sqe_flags, user_data);
}
