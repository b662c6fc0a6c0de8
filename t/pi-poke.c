// SPDX-License-Identifier: GPL-2.0-only
/*
 * pi-poke - flip bits of one block and its metadata as they are on the media
 *
 * For tests only: it writes with the device's checks off, so that what is
 * wrong afterwards stays wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "layout.h"
#include "reason.h"

static int transfer(struct pi_ring *ring, struct pi_io *io, unsigned int dir,
		    int fd, uint64_t offset, void *data,
		    const struct pi_format *format)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	const struct pi_io_mode mode = {
		.opcode = { IORING_OP_READ, IORING_OP_WRITE },
	};

	pi_io_rw(io, &mode, dir, fd, offset, data, format->interval, 0, 0, 0,
		 false);
	layout->fill(io, 0, 0, format->md_size, io->ref);
	pi_ring_queue(ring, 0);
	if (pi_ring_submit(ring, 1) != 1 || pi_ring_wait(ring, 1))
		return -EIO;
	return pi_ring_cqe(ring, pi_ring_take(ring, 1))->res;
}

static void dump(const char *what, const uint8_t *buf, size_t len)
{
	printf("%s", what);
	for (size_t i = 0; i < len; i++)
		printf(" %02x", buf[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	const struct pi_ring_options options = { .depth = 1 };
	struct pi_reason reason = { "" };
	struct pi_device dev;
	struct pi_io_set ios;
	struct pi_ring ring;
	uint8_t *data, *md;
	uint64_t block;
	int fd, ret;

	if (argc < 3 || argc % 3) {
		fprintf(stderr, "usage: pi-poke DEVICE BLOCK [data|md BYTE MASK]...\n"
			"Flips the bits of MASK in a BYTE of the block's data or metadata, and prints\n"
			"the metadata.  BLOCK counts protection intervals.\n");
		return 2;
	}
	block = strtoull(argv[2], NULL, 0);
	fd = open(argv[1], (argc > 3 ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0) {
		fprintf(stderr, "pi-poke: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	ret = pi_device_probe(fd, &dev, &reason);
	ret = ret ?: pi_ring_init(&ring, &options, &reason);
	ret = ret ?: pi_io_set_init(&ios, 1, dev.format.md_size);
	if (ret) {
		fprintf(stderr, "pi-poke: %s: %s\n", argv[1], reason.text);
		return 1;
	}
	data = aligned_alloc(dev.format.interval, dev.format.interval);
	md = ios.io->md;
	ios.io->sqe = pi_ring_sqe(&ring, 0);
	ios.io->ref = dev.start + block;
	pi_layouts[PI_LAYOUT_INDIRECT].arm(ios.io);

	ret = transfer(&ring, ios.io, 0, fd, block << dev.format.shift, data,
		       &dev.format);
	for (int i = 3; i < argc && ret > 0; i += 3) {
		uint8_t *buf = strcmp(argv[i], "md") ? data : md;

		buf[strtoul(argv[i + 1], NULL, 0)] ^= strtoul(argv[i + 2], NULL, 0);
	}
	dump("metadata", md, dev.format.md_size);
	if (argc > 3 && ret > 0)
		ret = transfer(&ring, ios.io, 1, fd,
			       block << dev.format.shift, data, &dev.format);
	if (ret < 0)
		fprintf(stderr, "pi-poke: %s: block %" PRIu64 ": %s\n", argv[1],
			block, strerror(-ret));
	pi_io_set_exit(&ios);
	pi_ring_exit(&ring);
	free(data);
	return ret < 0;
}
