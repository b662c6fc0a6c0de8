// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout-seed - whether a seed of more than 32 bits is whole when an I/O is
 * tried again
 *
 * For tests only, and overwrites the first megabyte of DEVICE, whose guard has
 * 64 bits and whose largest request is smaller than that: an I/O of all of it
 * comes to io-wq after a first attempt.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "layout.h"
#include "tuple.h"

#define BYTES	(1U << 20)
#define SEED	0x123400000777ULL
#define APP_TAG	0x1234

static uint8_t data[BYTES] __attribute__((aligned(4096)));

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "layout-seed: %s: %s\n", what, why);
	return 1;
}

static int run(struct pi_ring *ring, struct pi_io *io, unsigned int dir, int fd,
	       uint32_t md_bytes)
{
	struct pi_io_mode mode;

	pi_io_mode_init(&mode, false, false);
	pi_io_rw(io, &mode, dir, fd, 0, data, BYTES, 0, 0, 0, false);
	pi_layouts[PI_LAYOUT_INDIRECT].fill(io, PI_IO_INTEGRITY_CHK_GUARD |
					    PI_IO_INTEGRITY_CHK_REFTAG,
					    APP_TAG, md_bytes, SEED);
	return pi_ring_run(ring, 0, io->slots);
}

int main(int argc, char **argv)
{
	const struct pi_tuple_options options = { .app = APP_TAG, .app_mask = 0xffff };
	const struct pi_ring_options ring_options = { .depth = 1 };
	struct pi_mismatch bad = { 0 };
	uint32_t blocks, md_bytes;
	struct pi_reason reason;
	struct pi_tuple tuple;
	struct pi_device dev;
	struct pi_ring ring;
	struct pi_io_set set;
	int fd, ret;

	fd = argc == 2 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
	if (fd < 0)
		return fail("usage", "layout-seed DEVICE");
	if (pi_device_probe(fd, &dev, &reason))
		return fail(argv[1], reason.text);
	if (dev.format.guard->ref_size != 6 || pi_tuple_init(&tuple, &dev.format, &options))
		return fail(argv[1], "format it with a 64-bit guard");
	blocks = BYTES >> dev.format.shift;
	md_bytes = blocks * dev.format.md_size;
	if (pi_ring_init(&ring, &ring_options, &reason))
		return fail("ring", reason.text);
	if (pi_io_set_init(&set, 1, md_bytes) ||
	    pi_layout_open(&pi_layouts[PI_LAYOUT_INDIRECT], &ring, &set, &reason))
		return fail("I/O", reason.text);

	memset(data, 0x5a, BYTES);
	tuple.generate(&tuple, data, set.io->md, blocks, SEED, SEED);
	ret = run(&ring, set.io, 1, fd, md_bytes);
	if (ret != (int)BYTES)
		return fail("write", strerror(ret < 0 ? -ret : EIO));
	memset(set.io->md, 0, md_bytes);
	ret = run(&ring, set.io, 0, fd, md_bytes);
	if (ret != (int)BYTES)
		return fail("read", strerror(ret < 0 ? -ret : EIO));
	if (tuple.verify(&tuple, data, set.io->md, blocks, SEED, SEED, &bad)) {
		fprintf(stderr, "layout-seed: read: expected 0x%llx, found 0x%llx\n",
			(unsigned long long)bad.expected, (unsigned long long)bad.actual);
		return 1;
	}
	return 0;
}
