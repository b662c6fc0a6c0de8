// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads on an invalid descriptor: the kernel prepares the request, which takes
 * the attribute in, and only then finds that there is nothing to read from.
 * So any kernel with the attribute can be measured, without a device and
 * without a driver's cost.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attr-way.h"
#include "measure.h"

#define BAD_FD		-1
#define READ_BYTES	4096
#define MD_BYTES	8
/* objects by which each repetition moves the slab caches on, for good; they keep stocks of 28 and 60 */
#define SLAB_STEP	11

static char buffer[READ_BYTES];

const char *way_sqe(const struct way *way)
{
	if (way->ring_flags & PI_IORING_SETUP_SQE_MIXED)
		return "mixed";
	if (!(way->ring_flags & IORING_SETUP_SQE128))
		return "64";
	return way->zeroed ? "128 zeroed" : "128";
}

int way_open(struct way *way, unsigned int place, struct pi_reason *reason)
{
	const struct pi_ring_options options = {
		.depth	= RING_DEPTH,
		.flags	= way->ring_flags,
	};
	int ret;

	if (way->layout->passthru)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"layout '%s' has the metadata in an NVMe command, and only the driver of a namespace takes that in: see pi-bench lab --dut",
			way->layout->name);
	ret = pi_layout_probe(way->layout, reason);
	if (ret)
		return ret;
	ret = pi_ring_init(&way->ring, &options, reason);
	if (ret)
		return ret;
	/* there is no room for all: each is while it is measured */
	pi_ring_unregister(&way->ring);
	way->pad = allocate(1 + place, 1088);
	if (pi_io_set_init(&way->set, RING_DEPTH, MD_BYTES))
		return pi_reason_set(reason, -ENOMEM, "no memory for its metadata");
	pi_io_mode_init(&way->mode[0], false, false);
	pi_io_mode_init(&way->mode[1], false, false);
	return way->layout->mode(&way->mode[1], reason) ?:
		pi_layout_open(way->layout, &way->ring, &way->set, reason);
}

/*
 * Stores of 16 bytes, whatever the compiler makes of a memset() here: for 128
 * bytes gcc takes rep stos, which costs more than all that is measured.
 */
static inline void zero_tail(struct io_uring_sqe *sqe)
{
	typedef uint64_t half __attribute__((vector_size(16), may_alias));
	volatile half *tail = (void *)(sqe + 1);

	tail[0] = (half) { 0 };
	tail[1] = (half) { 0 };
	tail[2] = (half) { 0 };
	tail[3] = (half) { 0 };
}

static inline void fill(struct way *way, struct pi_io *io, bool pi)
{
	const struct pi_layout *layout =
		pi ? way->layout : &pi_layouts[PI_LAYOUT_NONE];

	/* all of the first half: there is nothing left to zero */
	pi_io_rw(io, &way->mode[pi], 0, BAD_FD, 0, buffer, READ_BYTES, 0, 0, 0,
		 false);
	if (way->zeroed) {
		zero_tail(io->sqe);
		if (pi)
			io->attr->addr = (uintptr_t)io->md;
	}
	layout->fill(io, PI_IO_INTEGRITY_CHK_GUARD | PI_IO_INTEGRITY_CHK_REFTAG,
		     0, MD_BYTES, 0);
}

void way_wrong(const struct way *way, const char *what, int res)
{
	fail(1, "layout %s, SQE %s: %s %s, not 'Bad file descriptor'; this kernel prepares requests otherwise than attr-cost assumes",
	     way->layout->name, way_sqe(way), what,
	     res < 0 ? strerror(-res) : "done");
}

uint64_t way_run(struct way *way, unsigned int mix, unsigned int batch,
		 unsigned long batches)
{
	struct pi_ring *ring = &way->ring;
	uint64_t start = now();
	unsigned int share = 0;

	while (batches--) {
		unsigned int slots = 0, first;
		int ret;

		for (unsigned int i = 0; i < batch; i++) {
			struct pi_io *io = &way->set.io[way->next];

			share += mix;
			fill(way, io, share >= ALL_PI);
			share -= share >= ALL_PI ? ALL_PI : 0;
			pi_ring_queue(ring, way->next, io->slots);
			slots += io->slots;
			way->next = (way->next + 1) % RING_DEPTH;
		}
		ret = pi_ring_submit(ring, slots);
		if (ret != (int)slots)
			way_wrong(way, "io_uring_enter() said", ret);
		first = pi_ring_take(ring, batch);
		for (unsigned int i = 0; i < batch; i++) {
			int res = pi_ring_cqe(ring, first + i)->res;

			if (res != -EBADF)
				way_wrong(way, "a read ended with", res);
		}
	}
	return now() - start;
}

static int submit_nothing(struct pi_ring *ring, unsigned int nr)
{
	(void)ring;
	return nr;
}

uint64_t way_run_user(struct way *way, unsigned int mix, unsigned int batch,
		      unsigned long batches)
{
	const struct pi_ring saved = way->ring;
	const unsigned int tail = *saved.uring.sq.ktail;
	uint64_t took;

	way->ring.submit = submit_nothing;
	took = way_run(way, mix, batch, batches);
	way->ring = saved;
	io_uring_smp_store_release(saved.uring.sq.ktail, tail);
	io_uring_smp_store_release(saved.uring.cq.khead, saved.cq_head);
	return took;
}

void pending_open(struct pending *pending)
{
	struct pi_reason reason;

	pending->way.layout = &pi_layouts[PI_LAYOUT_NONE];
	if (way_open(&pending->way, 0, &reason))
		fail(1, "%s", reason.text);
	if (pipe(pending->pipe))
		fail(1, "no pipe: %s", strerror(errno));
}

void pending_add(struct pending *pending)
{
	struct way *way = &pending->way;
	struct pi_io *io = &way->set.io[0];

	for (unsigned int i = 0; i < SLAB_STEP; i++) {
		pi_io_rw(io, &way->mode[0], 0, pending->pipe[0], 0, buffer,
			 READ_BYTES, 0, 0, 0, false);
		way->layout->fill(io, 0, 0, 0, 0);
		pi_ring_queue(&way->ring, 0, io->slots);
		if (pi_ring_submit(&way->ring, io->slots) != (int)io->slots ||
		    pi_ring_ready(&way->ring))
			fail(1, "a read of an empty pipe did not wait; this kernel treats pipes otherwise than attr-cost assumes");
	}
}
