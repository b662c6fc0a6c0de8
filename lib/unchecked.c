// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "layout.h"
#include "unchecked.h"

/* tuples are neither inserted nor stripped: what is on the media is wanted */
static void name_blocks(struct pi_io *io, const struct pi_nvme_ns *ns,
			struct pi_nvme_ns *bare, uint32_t len)
{
	*bare = *ns;
	memset(bare->control, 0, sizeof(bare->control));
	io->ns = bare;
	io->blocks = len / ns->stride;
}

int pi_unchecked_rw(const struct pi_nvme_ns *ns, unsigned int dir, int fd,
		    uint64_t offset, void *data, uint32_t len, void *md,
		    uint32_t md_len, uint64_t ref)
{
	const struct pi_layout *layout =
		&pi_layouts[ns ? PI_LAYOUT_PASSTHRU : PI_LAYOUT_INDIRECT];
	const struct pi_ring_options options = {
		.depth	= 1,
		.flags	= layout->ring_flags,
	};
	struct pi_io io = { .md = md };
	struct pi_io_set set = { .io = &io, .depth = 1 };
	struct pi_nvme_ns bare;
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
		if (ns)
			name_blocks(&io, ns, &bare, len);
		pi_io_rw(&io, &mode, dir, fd, offset, data, len, 0, 0, 0,
			 false);
		layout->fill(&io, 0, 0, md_len, ref);
		ret = pi_ring_run(&ring, 0, io.slots);
	}
	pi_ring_exit(&ring);
	if (ret < 0)
		return ret;
	if (ns)
		return ret ? -pi_nvme_status_errno(pi_nvme_status(ret)) : 0;
	return (uint32_t)ret == len ? 0 : -EIO;
}
