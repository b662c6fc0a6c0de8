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
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "reason.h"
#include "unchecked.h"

static void dump(const char *what, const uint8_t *buf, size_t len)
{
	printf("%s", what);
	for (size_t i = 0; i < len; i++)
		printf(" %02x", buf[i]);
	printf("\n");
}

static int open_device(const char *name, bool write, struct pi_device *dev)
{
	struct pi_reason reason;
	struct stat st;
	int direct = !stat(name, &st) && S_ISCHR(st.st_mode) ? 0 : O_DIRECT;
	int fd = open(name, (write ? O_RDWR : O_RDONLY) | direct);

	if (fd < 0) {
		fprintf(stderr, "pi-poke: %s: %s\n", name, strerror(errno));
	} else if (pi_device_probe(fd, dev, &reason)) {
		fprintf(stderr, "pi-poke: %s: %s\n", name, reason.text);
		fd = -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct pi_format *f;
	struct pi_device dev;
	struct pi_unchecked unchecked = { 0 };
	struct pi_nvme_ns ns = { 0 }, *via;
	uint64_t block, offset;
	uint8_t *data, *md;
	uint32_t stride;
	int fd, ret;

	if (argc < 3 || argc % 3) {
		fprintf(stderr, "usage: pi-poke DEVICE BLOCK [data|md BYTE MASK]...\n"
			"Flips the bits of MASK in a BYTE of the block's data or metadata, and prints\n"
			"the metadata.  BLOCK counts protection intervals.\n");
		return 2;
	}
	block = strtoull(argv[2], NULL, 0);
	fd = open_device(argv[1], argc > 3, &dev);
	if (fd < 0)
		return 1;
	f = &dev.format;
	stride = pi_format_stride(f);
	offset = block * stride;
	ns.nsid = dev.nsid;
	ns.stride = stride;
	via = dev.nsid ? &ns : NULL;
	data = aligned_alloc(f->interval, 2 * f->interval);
	md = data + f->interval;
	if (!data) {
		fprintf(stderr, "pi-poke: no memory\n");
		return 1;
	}

	ret = pi_unchecked_rw(&unchecked, via, 0, fd, offset, data, stride, md,
			      pi_format_md_bytes(f, f->interval),
			      dev.start + block);
	for (int i = 3; i < argc && !ret; i += 3) {
		uint8_t *buf = strcmp(argv[i], "md") ? data : md;

		buf[strtoul(argv[i + 1], NULL, 0)] ^= strtoul(argv[i + 2], NULL, 0);
	}
	if (!ret)
		dump("metadata", md, f->md_size);
	if (argc > 3 && !ret)
		ret = pi_unchecked_rw(&unchecked, via, 1, fd, offset, data, stride, md,
				      pi_format_md_bytes(f, f->interval),
				      dev.start + block);
	if (ret)
		fprintf(stderr, "pi-poke: %s: block %" PRIu64 ": %s\n", argv[1],
			block, strerror(-ret));
	pi_unchecked_exit(&unchecked);
	free(data);
	return !!ret;
}
