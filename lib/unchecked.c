// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "layout.h"
#include "unchecked.h"

static int complete(struct pi_ring *ring)
{
	if (pi_ring_submit(ring, 1) != 1)
		return -EIO;
	while (!pi_ring_ready(ring)) {
		int ret = pi_ring_wait(ring, 1);

		if (ret && ret != -EINTR)
			return ret;
	}
	return pi_ring_cqe(ring, pi_ring_take(ring, 1))->res;
}

int pi_unchecked_rw(unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	const struct pi_ring_options options = { .depth = 1 };
	const struct pi_io_mode mode = {
		.opcode = { IORING_OP_READ, IORING_OP_WRITE },
	};
	struct pi_io io = { .md = md };
	struct pi_ring ring;
	int ret;

	ret = pi_ring_init(&ring, &options, NULL);
	if (ret)
		return ret;
	ret = layout->probe(&ring, NULL);
	if (!ret) {
		io.sqe = pi_ring_sqe(&ring, 0);
		layout->arm(&io);
		pi_io_rw(&io, &mode, dir, fd, offset, data, len, 0, 0, 0,
			 false);
		layout->fill(&io, 0, 0, md_len, ref);
		pi_ring_queue(&ring, 0);
		ret = complete(&ring);
	}
	pi_ring_exit(&ring);
	if (ret < 0)
		return ret;
	return (uint32_t)ret == len ? 0 : -EIO;
}
