// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "layout.h"
#include "unchecked.h"

static int ring_up(struct pi_unchecked *unchecked, const struct pi_layout *layout)
{
	const struct pi_ring_options options = {
		.depth	= 1,
		.flags	= layout->ring_flags,
	};
	int ret;

	if (unchecked->layout == layout)
		return 0;
	pi_unchecked_exit(unchecked);
	ret = pi_ring_init(&unchecked->ring, &options, NULL);
	if (ret)
		return ret;
	unchecked->layout = layout;
	ret = layout->probe(layout, &unchecked->ring, NULL);
	if (ret)
		pi_unchecked_exit(unchecked);
	return ret;
}

void pi_unchecked_exit(struct pi_unchecked *unchecked)
{
	if (unchecked->layout)
		pi_ring_exit(&unchecked->ring);
	unchecked->layout = NULL;
}

/* clear PRACT and all other flags, to transfer the tuples as on the media */
static void name_blocks(struct pi_io *io, const struct pi_nvme_ns *ns,
			struct pi_nvme_ns *bare, uint32_t len)
{
	*bare = *ns;
	memset(bare->control, 0, sizeof(bare->control));
	io->ns = bare;
	io->blocks = len / ns->stride;
}

int pi_unchecked_rw(struct pi_unchecked *unchecked, const struct pi_nvme_ns *ns,
		    unsigned int dir, int fd, uint64_t offset, void *data,
		    uint32_t len, void *md, uint32_t md_len, uint64_t ref)
{
	const struct pi_layout *layout =
		&pi_layouts[ns ? PI_LAYOUT_PASSTHRU : PI_LAYOUT_INDIRECT];
	struct pi_io io = { .md = md };
	struct pi_io_set set = { .io = &io, .depth = 1 };
	struct pi_nvme_ns bare;
	struct pi_io_mode mode;
	int ret;

	ret = ring_up(unchecked, layout);
	if (ret)
		return ret;
	pi_io_mode_init(&mode, false, false);
	pi_layout_open(layout, &unchecked->ring, &set, NULL);
	if (ns)
		name_blocks(&io, ns, &bare, len);
	pi_io_rw(&io, &mode, dir, fd, offset, data, len, 0, 0, 0, false);
	layout->fill(&io, 0, 0, md_len, ref);
	ret = pi_ring_run(&unchecked->ring, 0, io.slots);
	if (ret < 0)
		return ret;
	if (ns)
		return ret ? -pi_nvme_status_errno(pi_nvme_status(ret)) : 0;
	return (uint32_t)ret == len ? 0 : -EIO;
}
