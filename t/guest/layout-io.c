// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "layout-io.h"
#include "tuple.h"

#define APP_TAG		0x1234
/* each I/O beside a place that is free: in a small ring, what is too large for it lies there */
#define DEPTH		(2 * IOS)

static int fd;
static struct pi_tuple tuple;
static struct pi_lab_attr_vec elements[IOS][NR_ELEMENTS];
static uint8_t buffers[IOS * BLOCKS * PAGE] __attribute__((aligned(PAGE)));
static uint8_t stored[BLOCKS * PAGE];

uint32_t io_bytes;
uint8_t other_md[2 * PAGE] __attribute__((aligned(PAGE)));
unsigned int checks, failures;

bool ok(bool passed, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%sok %u - ", passed ? "" : "not ", ++checks);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	failures += !passed;
	return passed;
}

void die(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

void open_device(const char *name)
{
	const struct pi_tuple_options options = { .app = APP_TAG, .app_mask = 0xffff };
	struct pi_reason reason;
	struct pi_device dev;

	fd = open(name, O_RDWR | O_DIRECT);
	if (fd < 0)
		die(name, strerror(errno));
	if (pi_device_probe(fd, &dev, &reason))
		die(name, reason.text);
	if (dev.format.md_size != MD_BYTES / BLOCKS || dev.format.type != 1 ||
	    pi_tuple_init(&tuple, &dev.format, &options))
		die(name, "format it with 8 bytes of metadata and PI type 1");
	io_bytes = BLOCKS << dev.format.shift;
}

void register_buffers(struct ring *ring, const __u64 *tags)
{
	const struct iovec iov[NR_BUFFERS] = {
		[DATA]		= { buffers, sizeof(buffers) },
		[MD]		= { ring->set.md, ring->set.md_bytes },
		[OTHER_MD]	= { other_md + MARGIN, sizeof(other_md) - 2 * MARGIN },
	};
	static const __u64 none[NR_BUFFERS];
	int ret = io_uring_register_buffers_tags(&ring->pi.uring, iov, tags ?: none,
						 NR_BUFFERS);

	if (ret)
		die("registered buffers", strerror(-ret));
}

void open_ring(struct ring *ring, bool with_region)
{
	const struct pi_ring_options options = { .depth = DEPTH, .flags = ring->flags };
	struct pi_reason reason;
	int ret;

	if (pi_ring_init(&ring->pi, &options, &reason))
		die(ring->name, reason.text);
	ret = pi_io_set_init(&ring->set, DEPTH, MD_BYTES) ?:
	      pi_io_set_vectors(&ring->set, 2);
	if (ret)
		die(ring->name, strerror(-ret));
	register_buffers(ring, NULL);
	ring->set.md_fixed = ring->fixed_md;
	ring->set.md_index = MD;
	if (with_region && pi_layout_open(&pi_layouts[PI_LAYOUT_REGION], &ring->pi, &ring->set, &reason))
		die(ring->name, reason.text);
	if (with_region && ring->set.region_bytes != REGION_BYTES)
		die(ring->name, "its region has another size");
}

/* with more elements behind the one that there is */
static void fill_vec(const struct io *io)
{
	for (unsigned int i = 0; i < NR_ELEMENTS; i++)
		io->elements[i] = io->pi->attr_mem.vec.vec;
	pi_io_sqe_attr(io->pi)->attr_ptr = (uintptr_t)io->elements;
}

/*
 * The last place of the region and the one before it; also where it is not
 * aligned, so that it can be refused for no other reason.
 */
static void fill_region(const struct io *io)
{
	const struct pi_uapi_attr attr = *io->pi->attr;
	const size_t offset = REGION_BYTES - (io->nr + 1) * sizeof(attr);
	char *start = io->ring->set.region;

	io->pi->attr = (void *)(start + offset);
	*io->pi->attr = attr;
	if (!io->nr) {
		memcpy(start + 4, &attr, sizeof(attr));
		memcpy(start + 65, &attr, sizeof(attr));
	}
	pi_io_sqe_attr(io->pi)->attr_ptr = offset;
}

void fill(const struct io *io, const struct pi_layout *layout, uint16_t chk,
	  uint64_t seed)
{
	layout->fill(io->pi, chk, APP_TAG, MD_BYTES, seed);
	if (layout == &pi_layouts[PI_LAYOUT_VEC])
		fill_vec(io);
	if (layout == &pi_layouts[PI_LAYOUT_REGION])
		fill_region(io);
}

bool has_way(const struct pi_layout *layout, enum way way,
	     struct pi_io_mode *mode)
{
	struct pi_reason reason;

	pi_io_mode_init(mode, way == VECTORED, way == FIXED);
	mode->iov_bytes = io_bytes / 2;
	return !layout->mode(mode, &reason);
}

struct io make(struct ring *ring, const struct pi_layout *layout,
	       unsigned int nr, enum way way, unsigned int dir, uint64_t seed)
{
	struct io io = {
		.ring		= ring,
		.nr		= nr,
		.pi		= &ring->set.io[2 * nr],
		.elements	= elements[nr],
		.data		= buffers + nr * BLOCKS * PAGE,
		.md		= ring->set.io[2 * nr].md,
	};
	struct pi_io_mode mode;

	has_way(layout, way, &mode);
	io.pi->sqe = pi_ring_sqe(&ring->pi, 2 * nr);
	memset(io.pi->sqe, 0, sizeof(*io.pi->sqe) << ring->pi.sqe_shift);
	layout->arm(&ring->set, io.pi);
	pi_io_rw(io.pi, &mode, dir, fd, 0, io.data, io_bytes, 0, DATA, nr,
		 way == VECTORED);
	if (!ring->pi.slot_shift)
		io.pi->slots = 1;
	fill(&io, layout, CHK_ALL, seed);
	return io;
}

void queue(const struct io *io)
{
	pi_ring_queue(&io->ring->pi, 2 * io->nr, io->pi->slots);
}

void submit(struct ring *ring, unsigned int slots)
{
	int ret = pi_ring_submit(&ring->pi, slots);

	if (ret != (int)slots)
		die("io_uring_enter", strerror(ret < 0 ? -ret : EIO));
}

void reap(struct ring *ring, int *res, unsigned int nr)
{
	while (nr--) {
		const struct io_uring_cqe *cqe;

		while (!pi_ring_ready(&ring->pi)) {
			int ret = pi_ring_wait(&ring->pi, 1);

			if (ret && ret != -EINTR)
				die("io_uring_enter", strerror(-ret));
		}
		cqe = pi_ring_cqe(&ring->pi, pi_ring_take(&ring->pi, 1));
		res[cqe->user_data] = cqe->res;
	}
}

int run(const struct io *io)
{
	int res[IOS] = { 0 };

	queue(io);
	submit(io->ring, io->pi->slots);
	reap(io->ring, res, 1);
	return res[io->nr];
}

uint64_t seed_of(const struct pi_layout *layout, uint64_t seed)
{
	return layout->no_seed ? 0 : seed;
}

void generate(const struct io *io, uint64_t seed)
{
	for (uint32_t i = 0; i < io_bytes; i++)
		io->data[i] = rand();
	tuple.generate(&tuple, io->data, io->md, BLOCKS, seed, seed);
	memcpy(stored, io->data, io_bytes);
}

bool as_stored(const struct io *io, uint64_t seed)
{
	struct pi_mismatch bad;

	return !memcmp(io->data, stored, io_bytes) &&
	       !tuple.verify(&tuple, io->data, io->md, BLOCKS, seed, seed, &bad);
}

bool store(struct ring *ring, const struct pi_layout *layout)
{
	const uint64_t seed = seed_of(layout, 0x10000);
	struct io io = make(ring, layout, 0, PLAIN, 1, seed);

	generate(&io, seed);
	return run(&io) == (int)io_bytes;
}

/* well-formed I/O on the same ring finds the blocks as they were */
bool intact(struct ring *ring, const struct pi_layout *layout)
{
	const uint64_t seed = seed_of(layout, 0x20000);
	struct io io = make(ring, layout, 0, PLAIN, 0, seed);

	memset(io.data, 0x5a, io_bytes);
	memset(io.md, 0xa5, MD_BYTES);
	return run(&io) == (int)io_bytes && as_stored(&io, seed);
}
