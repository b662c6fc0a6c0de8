// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "layout.h"
#include "unchecked.h"

int pi_unchecked_rw(unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	const struct pi_ring_options options = { .depth = 1 };
	struct pi_io io = { .md = md };
	struct pi_io_set set = { .io = &io, .depth = 1 };
	struct pi_io_mode mode;
	struct pi_ring ring;
	int ret;

	ret = pi_ring_init(&ring, &options, NULL);
	if (ret)
		return ret;
	ret = layout->probe(layout, &ring, NULL);
	if (!ret) {
		pi_io_mode_init(&mode, false, false);
		pi_layout_open(layout, &ring, &set, NULL);
		pi_io_rw(&io, &mode, dir, fd, offset, data, len, 0, 0, 0,
			 false);
		layout->fill(&io, 0, 0, md_len, ref);
		ret = pi_ring_run(&ring, 0, io.slots);
	}
	pi_ring_exit(&ring);
	if (ret < 0)
		return ret;
	return (uint32_t)ret == len ? 0 : -EIO;
}
