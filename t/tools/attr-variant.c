// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submit reads on an invalid descriptor: the kernel prepares the request, which
 * includes the attribute, and only then fails to look up the file.  So any
 * kernel with the attribute can be measured, without a device and without the
 * cost of a driver.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attr-variant.h"
#include "measure.h"

#define BAD_FD		-1
#define READ_BYTES	4096
#define MD_BYTES	8
/* objects that each repetition takes from the slab caches, whose slabs have 28 and 60 */
#define SLAB_STEP	11

static char buffer[READ_BYTES];

const char *variant_sqe(const struct variant *v)
{
	if (v->ring_flags & PI_IORING_SETUP_SQE_MIXED)
		return "mixed";
	if (!(v->ring_flags & IORING_SETUP_SQE128))
		return "64";
	return v->zeroed ? "128 zeroed" : "128";
}

int variant_open(struct variant *v, unsigned int place, struct pi_reason *reason)
{
	const struct pi_ring_options options = {
		.depth	= RING_DEPTH,
		.flags	= v->ring_flags,
	};
	int ret;

	if (v->layout->passthru)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"layout '%s' has the metadata in an NVMe command, and only the driver of a namespace takes that in: see pi-bench lab --dut",
			v->layout->name);
	ret = pi_layout_probe(v->layout, reason);
	if (ret)
		return ret;
	ret = pi_ring_init(&v->ring, &options, reason);
	if (ret)
		return ret;
	/* only so many rings can be registered: do it while measuring */
	pi_ring_unregister(&v->ring);
	v->pad = allocate(1 + place, 1088);
	if (pi_io_set_init(&v->set, RING_DEPTH, MD_BYTES))
		return pi_reason_set(reason, -ENOMEM, "no memory for its metadata");
	pi_io_mode_init(&v->mode[0], false, false);
	pi_io_mode_init(&v->mode[1], false, false);
	return v->layout->mode(&v->mode[1], reason) ?:
		pi_layout_open(v->layout, &v->ring, &v->set, reason);
}

/*
 * Use 16-byte stores rather than memset(): for 128 bytes gcc emits rep stos,
 * which costs more than everything that is measured.
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

static inline void fill(struct variant *v, struct pi_io *io, bool pi)
{
	const struct pi_layout *layout =
		pi ? v->layout : &pi_layouts[PI_LAYOUT_NONE];

	/* sets every field of the first half, which needs no zeroing */
	pi_io_rw(io, &v->mode[pi], 0, BAD_FD, 0, buffer, READ_BYTES, 0, 0, 0,
		 false);
	if (v->zeroed) {
		zero_tail(io->sqe);
		if (pi)
			io->attr->addr = (uintptr_t)io->md;
	}
	layout->fill(io, PI_IO_INTEGRITY_CHK_GUARD | PI_IO_INTEGRITY_CHK_REFTAG,
		     0, MD_BYTES, 0);
}

void variant_wrong(const struct variant *v, const char *what, int res)
{
	fail(1, "layout %s, SQE %s: %s %s, not 'Bad file descriptor'; this kernel does not prepare requests as attr-cost assumes",
	     v->layout->name, variant_sqe(v), what,
	     res < 0 ? strerror(-res) : "done");
}

uint64_t variant_run(struct variant *v, unsigned int mix, unsigned int batch,
		     unsigned long batches)
{
	struct pi_ring *ring = &v->ring;
	uint64_t start = now();
	unsigned int share = 0;

	while (batches--) {
		unsigned int slots = 0, first;
		int ret;

		for (unsigned int i = 0; i < batch; i++) {
			struct pi_io *io = &v->set.io[v->next];

			share += mix;
			fill(v, io, share >= ALL_PI);
			share -= share >= ALL_PI ? ALL_PI : 0;
			pi_ring_queue(ring, v->next, io->slots);
			slots += io->slots;
			v->next = (v->next + 1) % RING_DEPTH;
		}
		ret = pi_ring_submit(ring, slots);
		if (ret != (int)slots)
			variant_wrong(v, "io_uring_enter() said", ret);
		first = pi_ring_take(ring, batch);
		for (unsigned int i = 0; i < batch; i++) {
			int res = pi_ring_cqe(ring, first + i)->res;

			if (res != -EBADF)
				variant_wrong(v, "a read ended with", res);
		}
	}
	return now() - start;
}

static int submit_nothing(struct pi_ring *ring, unsigned int nr)
{
	(void)ring;
	return nr;
}

uint64_t variant_run_user(struct variant *v, unsigned int mix, unsigned int batch,
			  unsigned long batches)
{
	const struct pi_ring saved = v->ring;
	const unsigned int tail = *saved.uring.sq.ktail;
	uint64_t took;

	v->ring.submit = submit_nothing;
	took = variant_run(v, mix, batch, batches);
	v->ring = saved;
	io_uring_smp_store_release(saved.uring.sq.ktail, tail);
	io_uring_smp_store_release(saved.uring.cq.khead, saved.cq_head);
	return took;
}

void pending_open(struct pending *pending)
{
	struct pi_reason reason;

	pending->variant.layout = &pi_layouts[PI_LAYOUT_NONE];
	if (variant_open(&pending->variant, 0, &reason))
		fail(1, "%s", reason.text);
	if (pipe(pending->pipe))
		fail(1, "no pipe: %s", strerror(errno));
}

void pending_add(struct pending *pending)
{
	struct variant *v = &pending->variant;
	struct pi_io *io = &v->set.io[0];

	for (unsigned int i = 0; i < SLAB_STEP; i++) {
		pi_io_rw(io, &v->mode[0], 0, pending->pipe[0], 0, buffer,
			 READ_BYTES, 0, 0, 0, false);
		v->layout->fill(io, 0, 0, 0, 0);
		pi_ring_queue(&v->ring, 0, io->slots);
		if (pi_ring_submit(&v->ring, io->slots) != (int)io->slots ||
		    pi_ring_ready(&v->ring))
			fail(1, "a read of an empty pipe did not wait; this kernel does not treat pipes as attr-cost assumes");
	}
}
