// SPDX-License-Identifier: GPL-2.0-only
/*
 * floor - random I/O with protection information, but without checksums
 *
 * This is the least that I/O with PI can cost: writes send blocks whose guard
 * never changes, and reads are not verified.  make perf compares the engine with
 * it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "io.h"
#include "layout.h"
#include "measure.h"
#include "ring.h"
#include "tuple.h"

#define BLOCK_BYTES	4096
#define TUPLE_BYTES	8
#define REF_OFFSET	4
#define CHECKS		(PI_IO_INTEGRITY_CHK_GUARD | PI_IO_INTEGRITY_CHK_REFTAG | \
			 PI_IO_INTEGRITY_CHK_APPTAG)

struct floor {
	struct pi_ring ring;
	struct pi_io_set set;
	struct pi_io_mode mode;
	struct pi_tuple tuple;
	unsigned int depth;
	unsigned int dir;
	uint64_t blocks;
	uint64_t random;
	char *data;
	unsigned int *idle;
};

/* accept only 4096+8 type 1, where each block has one 8-byte tuple */
static void probe(struct floor *f, int fd, const char *name)
{
	const struct pi_tuple_options tags = { .app_mask = 0xffff };
	struct pi_reason reason;
	struct pi_device dev;

	if (pi_device_probe(fd, &dev, &reason))
		fail(1, "%s: %s", name, reason.text);
	if (dev.nsid || dev.format.interval != BLOCK_BYTES ||
	    dev.format.md_size != TUPLE_BYTES || dev.format.type != 1 ||
	    pi_tuple_init(&f->tuple, &dev.format, &tags))
		fail(1, "%s: not a block device of 4096+8 with type 1", name);
	f->blocks = dev.intervals;
}

static void open_ring(struct floor *f)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	const struct pi_ring_options options = { .depth = f->depth };
	struct pi_reason reason;

	if (pi_layout_probe(layout, &reason) ||
	    pi_ring_init(&f->ring, &options, &reason))
		fail(1, "%s", reason.text);
	if (pi_io_set_init(&f->set, f->depth, TUPLE_BYTES))
		fail(1, "no memory for a depth of %u", f->depth);
	pi_io_mode_init(&f->mode, false, true);
	f->mode.sqe_flags = IOSQE_FIXED_FILE;
	if (pi_layout_open(layout, &f->ring, &f->set, &reason))
		fail(1, "%s", reason.text);
}

/* all blocks have the same contents and therefore the same guard */
static void open_buffers(struct floor *f)
{
	struct iovec *iov = calloc(f->depth, sizeof(*iov));
	int ret;

	f->data = aligned_alloc(BLOCK_BYTES, (size_t)f->depth * BLOCK_BYTES);
	f->idle = calloc(f->depth, sizeof(*f->idle));
	if (!iov || !f->data || !f->idle)
		fail(1, "no memory for a depth of %u", f->depth);
	memset(f->data, 0xa5, (size_t)f->depth * BLOCK_BYTES);
	for (unsigned int i = 0; i < f->depth; i++) {
		iov[i].iov_base = f->data + (size_t)i * BLOCK_BYTES;
		iov[i].iov_len = BLOCK_BYTES;
		f->tuple.generate(&f->tuple, iov[i].iov_base, f->set.io[i].md,
				  1, 0, 0);
		f->idle[i] = i;
	}
	ret = io_uring_register_buffers(&f->ring.uring, iov, f->depth);
	if (ret)
		fail(1, "buffers of a depth of %u: %s", f->depth, strerror(-ret));
	free(iov);
}

static void queue(struct floor *f, unsigned int index)
{
	struct pi_io *io = &f->set.io[index];
	uint64_t block;

	f->random = f->random * 6364136223846793005ULL + 1442695040888963407ULL;
	block = (f->random >> 32) * f->blocks >> 32;
	*(uint32_t *)((char *)io->md + REF_OFFSET) = htobe32(block);
	pi_io_rw(io, &f->mode, f->dir, 0, block * BLOCK_BYTES,
		 f->data + (size_t)index * BLOCK_BYTES, BLOCK_BYTES, 0, index,
		 index, false);
	pi_layouts[PI_LAYOUT_INDIRECT].fill(io, CHECKS, 0, TUPLE_BYTES, block);
	pi_ring_queue(&f->ring, index, 1);
}

static void run(struct floor *f, unsigned long nr)
{
	unsigned long queued = 0, done = 0;
	unsigned int nr_idle = f->depth;

	while (done < nr) {
		unsigned int fresh = 0, ready, first;
		int ret;

		for (; nr_idle && queued < nr; queued++, fresh++)
			queue(f, f->idle[--nr_idle]);
		if (fresh) {
			ret = pi_ring_submit(&f->ring, fresh);
			if (ret != (int)fresh)
				fail(1, "submission of %u: %s", fresh, ret < 0 ? strerror(-ret) : "not all taken");
		}
		while (!(ready = pi_ring_ready(&f->ring))) {
			ret = pi_ring_wait(&f->ring, 1);
			if (ret && ret != -EINTR)
				fail(1, "io_uring_enter: %s", strerror(-ret));
		}
		first = pi_ring_take(&f->ring, ready);
		for (unsigned int i = 0; i < ready; i++) {
			const struct io_uring_cqe *cqe =
				pi_ring_cqe(&f->ring, first + i);

			if (cqe->res != BLOCK_BYTES)
				fail(1, "I/O %lu: %s", done + i, cqe->res < 0 ?
				     strerror(-cqe->res) : "cut short");
			f->idle[nr_idle++] = cqe->user_data;
		}
		done += ready;
	}
}

int main(int argc, char **argv)
{
	struct floor f = { .random = 1 };
	unsigned long nr, blocks;
	int fd, ret;

	if (argc != 6 || (strcmp(argv[2], "randread") &&
			  strcmp(argv[2], "randwrite")))
		fail(2, "usage: floor DEVICE randread|randwrite DEPTH NUMBER BLOCKS; a write overwrites the first BLOCKS of DEVICE");
	f.dir = !strcmp(argv[2], "randwrite");
	f.depth = number("DEPTH", argv[3], 1, 4096);
	nr = number("NUMBER", argv[4], 1, UINT32_MAX);
	blocks = number("BLOCKS", argv[5], 1, UINT32_MAX);

	fd = open(argv[1], (f.dir ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		fail(1, "%s: %s", argv[1], strerror(errno));
	probe(&f, fd, argv[1]);
	if (blocks > f.blocks)
		fail(1, "%s: has only %" PRIu64 " blocks", argv[1], f.blocks);
	f.blocks = blocks;
	open_ring(&f);
	open_buffers(&f);
	ret = io_uring_register_files(&f.ring.uring, &fd, 1);
	if (ret)
		fail(1, "%s: %s", argv[1], strerror(-ret));
	run(&f, nr);
	pi_ring_exit(&f.ring);
	pi_io_set_exit(&f.set);
	free(f.data);
	free(f.idle);
	return 0;
}
