// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "layout.h"
#include "recheck.h"

static int read_unchecked(struct pi_ring *ring, struct pi_io *io, int fd,
			  uint64_t offset, void *data, uint32_t len,
			  uint32_t md_len)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	const struct pi_io_mode mode = { .opcode = { IORING_OP_READ } };

	io->sqe = pi_ring_sqe(ring, 0);
	layout->arm(io);
	pi_io_rw(io, &mode, 0, fd, offset, data, len, 0, 0, 0, false);
	layout->fill(io, 0, 0, md_len, io->ref);
	pi_ring_queue(ring, 0);
	if (pi_ring_submit(ring, 1) != 1)
		return -EIO;
	while (!pi_ring_ready(ring)) {
		int ret = pi_ring_wait(ring, 1);

		if (ret && ret != -EINTR)
			return ret;
	}
	return pi_ring_cqe(ring, pi_ring_take(ring, 1))->res;
}

int pi_recheck_read(int fd, uint64_t offset, void *data, uint32_t len,
		    void *md, uint32_t md_len, uint64_t ref)
{
	const struct pi_ring_options options = { .depth = 1 };
	struct pi_io io = { .md = md, .ref = ref };
	struct pi_ring ring;
	int ret;

	if (pi_ring_init(&ring, &options, NULL))
		return -EIO;
	ret = read_unchecked(&ring, &io, fd, offset, data, len, md_len);
	pi_ring_exit(&ring);
	return ret < 0 || (uint32_t)ret != len ? -EIO : 0;
}
