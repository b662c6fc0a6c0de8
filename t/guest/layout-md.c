// SPDX-License-Identifier: GPL-2.0-only
/* metadata in registered buffers: where in them, and what becomes of them meanwhile */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "layout-io.h"

#define SEED			0x70000
#define REGISTER_CLONE_BUFFERS	30	/* Linux 6.12 */
/* user_data of what is no I/O of struct io */
#define GATE			1
#define TAG			2

static const struct pi_layout * const indirect = &pi_layouts[PI_LAYOUT_INDIRECT];

static int gate[2];

static struct io make_at(struct ring *ring, unsigned int dir, uint8_t *md,
			 unsigned int index)
{
	struct io io = make(ring, indirect, 0, PLAIN, dir, SEED);

	io.md = md;
	io.pi->attr->addr = (uintptr_t)md;
	io.pi->attr->rsvd = index;
	return io;
}

static bool untouched(const uint8_t *md)
{
	for (uint8_t *p = other_md; p < other_md + sizeof(other_md); p++)
		if ((p < md || p - md >= MD_BYTES) && *p != 0x5a)
			return false;
	return true;
}

static void place(struct ring *ring, const char *what, uint8_t *md)
{
	struct io io = make_at(ring, 1, md, OTHER_MD);
	int res[2];

	memset(other_md, 0x5a, sizeof(other_md));
	generate(&io, SEED);
	res[0] = run(&io);
	memset(io.data, 0, io_bytes);
	memset(other_md, 0x5a, sizeof(other_md));
	io = make_at(ring, 0, md, OTHER_MD);
	res[1] = run(&io);
	if (!ok(res[0] == (int)io_bytes && res[1] == (int)io_bytes && as_stored(&io, SEED) &&
		untouched(md), "registered metadata %s", what))
		printf("# write %d, read %d\n", res[0], res[1]);
}

static void places(struct ring *ring)
{
	uint8_t *end = other_md + sizeof(other_md) - MARGIN - MD_BYTES;

	place(ring, "at the beginning of a buffer", other_md + MARGIN);
	place(ring, "at its end", end);
	place(ring, "across pages, between tuples", other_md + PAGE - MD_BYTES / 2);
	place(ring, "across pages, within a tuple", other_md + PAGE - 4);
	place(ring, "at an odd address", other_md + MARGIN + 1);
	place(ring, "at an odd address across pages", other_md + PAGE - 7);
}

/* an I/O that waits until somebody writes to the gate */
static struct io hold(struct ring *ring, unsigned int dir)
{
	static char byte;
	struct io io = make(ring, indirect, 0, PLAIN, dir, SEED);
	struct pi_io *first = &ring->set.io[2];

	first->sqe = pi_ring_sqe(&ring->pi, 2);
	*first->sqe = (struct io_uring_sqe) {
		.opcode		= IORING_OP_READ,
		.fd		= gate[0],
		.flags		= IOSQE_IO_LINK,
		.addr		= (uintptr_t)&byte,
		.len		= 1,
		.user_data	= GATE,
	};
	if (dir) {
		generate(&io, SEED);
	} else {
		memset(io.data, 0, io_bytes);
		memset(io.md, 0, MD_BYTES);
	}
	pi_ring_queue(&ring->pi, 2, 1);
	queue(&io);
	submit(ring, 2);
	return io;
}

/*
 * @nr: completions; whether the I/O has done what it should.  What a write has
 * done shows later: its own tuples may have been rewritten.
 */
static bool let_go(struct ring *ring, const struct io *io, unsigned int dir,
		   unsigned int nr)
{
	int res[TAG + 1] = { 0 };

	if (write(gate[1], "", 1) != 1)
		die("pipe", strerror(errno));
	reap(ring, res, nr);
	if (res[io->nr] != (int)io_bytes || res[GATE] != 1)
		printf("# I/O %d, gate %d\n", res[io->nr], res[GATE]);
	return res[io->nr] == (int)io_bytes && (dir || as_stored(io, SEED));
}

static bool idle(struct ring *ring)
{
	return !pi_ring_wait(&ring->pi, 0) && !pi_ring_ready(&ring->pi);
}

static void unregistered(struct ring *ring)
{
	static const __u64 tags[NR_BUFFERS] = { [MD] = TAG };

	for (unsigned int dir = 2; dir--;) {
		struct io io;
		bool held, moved;

		io_uring_unregister_buffers(&ring->pi.uring);
		register_buffers(ring, tags);
		io = hold(ring, dir);
		held = !io_uring_unregister_buffers(&ring->pi.uring) && idle(ring);
		moved = let_go(ring, &io, dir, 3);
		ok(held && moved, "buffers unregistered while a %s waits: it keeps its metadata",
		   dir ? "write" : "read");
		ok(run(&io) == -EFAULT, "and the next one has none");
		register_buffers(ring, NULL);
		ok(intact(ring, indirect), "and with new ones it is all there");
	}
}

static void updated(struct ring *ring)
{
	const struct iovec other = { other_md, sizeof(other_md) };
	const struct iovec own = { ring->set.md, ring->set.md_bytes };
	struct io_uring *uring = &ring->pi.uring;
	__u64 tag = 0;

	for (unsigned int dir = 2; dir--;) {
		struct io io = hold(ring, dir);
		bool done = io_uring_register_buffers_update_tag(uring, MD, &other, &tag, 1) == 1;

		memset(other_md, 0x5a, sizeof(other_md));
		ok(done && let_go(ring, &io, dir, 2) && untouched(other_md + sizeof(other_md)),
		   "its buffer replaced while a %s waits: it keeps its metadata",
		   dir ? "write" : "read");
		ok(run(&io) == -EFAULT, "and the next one has none");
		done = io_uring_register_buffers_update_tag(uring, MD, &own, &tag, 1) == 1;
		ok(done && intact(ring, indirect), "until it is back");
	}
}

static void cloned(struct ring *ring)
{
	static struct ring clone = { .name = "ring with cloned buffers", .fixed_md = true };
	struct {
		uint32_t src_fd, flags, src_off, dst_off, nr, pad[3];
	} arg = { .src_fd = ring->pi.uring.ring_fd };
	bool alike = true;

	open_ring(&clone, false);
	io_uring_unregister_buffers(&clone.pi.uring);
	ok(!io_uring_register(clone.pi.uring.ring_fd, REGISTER_CLONE_BUFFERS, &arg, 1),
	   "buffers are cloned");
	io_uring_unregister_buffers(&ring->pi.uring);
	for (unsigned int dir = 2; dir--;) {
		struct io io = make_at(&clone, dir, ring->set.io[0].md, MD);

		if (dir)
			generate(&io, SEED);
		alike &= run(&io) == (int)io_bytes && (dir || as_stored(&io, SEED));
	}
	ok(alike, "and outlive those they were cloned from");
	io_uring_unregister_buffers(&clone.pi.uring);
	register_buffers(ring, NULL);
	pi_ring_exit(&clone.pi);
	pi_io_set_exit(&clone.set);
}

void registered_md(struct ring *ring)
{
	if (pipe(gate))
		die("pipe", strerror(errno));
	places(ring);
	unregistered(ring);
	updated(ring);
	cloned(ring);
	ok(store(ring, indirect) && intact(ring, indirect), "registered metadata: and well again");
	close(gate[0]);
	close(gate[1]);
}
