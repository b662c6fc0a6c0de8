// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout-refuse - what the lab kernel does with each attribute layout
 *
 * For tests only, and overwrites the first blocks of DEVICE: I/O that is well
 * formed, in each layout and in all the ways to the device, carries what it
 * should; I/O that is not is refused with the errno it should be, and harms
 * nothing.  Speaks TAP; the exit status is 77 on another kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "ring.h"
#include "tuple.h"
#include "uapi.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BLOCKS		2
#define MD_BYTES	(BLOCKS * 8)
#define ENTRIES		8
#define REGION_BYTES	4096
#define PAGE		4096
#define APP_TAG		0x1234
#define CHK_ALL		(PI_IO_INTEGRITY_CHK_GUARD | PI_IO_INTEGRITY_CHK_REFTAG | \
			 PI_IO_INTEGRITY_CHK_APPTAG)
#define KERNEL_ADDRESS	0xffff888000000000ULL
#define INLINE		(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_INLINE)
#define REGION		(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_REGION)
#define VEC(nr)		(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_VEC | \
			 (uint64_t)(nr) << PI_LAB_ATTR_VEC_NR_SHIFT)
#define FLAT(size)	(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_FLAT | \
			 (uint64_t)(size) << PI_LAB_ATTR_FLAT_SIZE_SHIFT)

enum way { PLAIN, VECTORED, FIXED, NR_WAYS };

static const char * const way_name[NR_WAYS] = { "plain", "vectored", "fixed" };

struct ring {
	const char *name;
	struct io_uring uring;
	unsigned int flags;
	uint8_t *region;
};

/* where the attribute and what leads to it can be */
struct memory {
	struct pi_uapi_attr attr;
	struct pi_lab_attr_vec vec[16];
	struct pi_lab_attr_flat flat;
	struct iovec iov[2];
};

struct io {
	struct ring *ring;
	unsigned int index;
	unsigned int slots;
	struct io_uring_sqe *sqe;
	struct pi_uapi_sqe_attr *sqe_attr;
	struct pi_uapi_attr *attr;
	struct memory *memory;
	uint8_t *data;
	uint8_t *md;
};

struct layout {
	const char *name;
	uint8_t opcode[NR_WAYS][2];
	void (*fill)(struct io *io, const struct pi_uapi_attr *attr);
};

static int fd;
static struct pi_device dev;
static struct pi_tuple tuple;
static uint32_t bytes;
static unsigned int checks, failures;
static struct memory memory[2];
static uint8_t *buffers;
static uint8_t stored[BLOCKS * PAGE];
static uint8_t edge[2 * PAGE] __attribute__((aligned(PAGE)));

static __attribute__((format(printf, 2, 3))) bool ok(bool passed,
						     const char *fmt, ...)
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

static void die(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err));
	exit(1);
}

/* layouts */

static void fill_indirect(struct io *io, const struct pi_uapi_attr *attr)
{
	io->attr = &io->memory->attr;
	*io->attr = *attr;
	io->sqe_attr->attr_ptr = (uintptr_t)io->attr;
	io->sqe_attr->attr_type_mask = PI_IORING_RW_ATTR_FLAG_PI;
}

static void fill_inline(struct io *io, const struct pi_uapi_attr *attr)
{
	io->attr = (void *)(io->sqe + 1);
	*io->attr = *attr;
	io->sqe_attr->attr_type_mask = INLINE;
}

static void fill_vec(struct io *io, const struct pi_uapi_attr *attr)
{
	io->attr = &io->memory->attr;
	*io->attr = *attr;
	for (unsigned int i = 0; i < ARRAY_SIZE(io->memory->vec); i++)
		io->memory->vec[i] = (struct pi_lab_attr_vec) {
			.type	= PI_LAB_ATTR_TYPE_PI,
			.addr	= (uintptr_t)io->attr,
		};
	io->sqe_attr->attr_ptr = (uintptr_t)io->memory->vec;
	io->sqe_attr->attr_type_mask = VEC(1);
}

static void fill_flat(struct io *io, const struct pi_uapi_attr *attr)
{
	io->memory->flat = (struct pi_lab_attr_flat) {
		.map	= PI_IORING_RW_ATTR_FLAG_PI,
		.type	= PI_LAB_ATTR_TYPE_PI,
		.pi	= *attr,
	};
	io->attr = &io->memory->flat.pi;
	io->sqe_attr->attr_ptr = (uintptr_t)&io->memory->flat;
	io->sqe_attr->attr_type_mask = FLAT(sizeof(io->memory->flat));
}

/*
 * The last place of the region and the one before it; also where it is not
 * aligned, so that it can be refused for no other reason.
 */
static void fill_region(struct io *io, const struct pi_uapi_attr *attr)
{
	size_t offset = REGION_BYTES - (io->index + 1) * sizeof(*attr);

	io->attr = (void *)(io->ring->region + offset);
	*io->attr = *attr;
	if (!io->index) {
		memcpy(io->ring->region + 4, attr, sizeof(*attr));
		memcpy(io->ring->region + 65, attr, sizeof(*attr));
	}
	io->sqe_attr->attr_ptr = offset;
	io->sqe_attr->attr_type_mask = REGION;
}

static void fill_opcode(struct io *io, const struct pi_uapi_attr *attr)
{
	struct pi_lab_sqe_meta *meta = (void *)io->sqe_attr;

	*meta = (struct pi_lab_sqe_meta) {
		.addr		= attr->addr,
		.len		= attr->len,
		.app_tag	= attr->app_tag,
	};
	if (attr->flags & PI_IO_INTEGRITY_CHK_GUARD)
		meta->flags |= PI_LAB_META_CHK_GUARD;
	if (attr->flags & PI_IO_INTEGRITY_CHK_APPTAG)
		meta->flags |= PI_LAB_META_CHK_APPTAG;
	if (attr->flags & PI_IO_INTEGRITY_CHK_REFTAG)
		meta->flags |= PI_LAB_META_CHK_REFTAG;
}

#define OPCODES_64 {							\
	[PLAIN]		= { IORING_OP_READ, IORING_OP_WRITE },		\
	[VECTORED]	= { IORING_OP_READV, IORING_OP_WRITEV },	\
	[FIXED]		= { IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED }, \
}
#define OPCODES_128 {							\
	[PLAIN]		= { PI_LAB_OP_READ128, PI_LAB_OP_WRITE128 },	\
	[VECTORED]	= { PI_LAB_OP_READV128, PI_LAB_OP_WRITEV128 },	\
	[FIXED]		= { PI_LAB_OP_READ_FIXED128, PI_LAB_OP_WRITE_FIXED128 }, \
}

static const struct layout indirect = { "indirect", OPCODES_64, fill_indirect };
static const struct layout in_sqe = { "inline", OPCODES_64, fill_inline };
static const struct layout mixed = { "mixed", OPCODES_128, fill_inline };
static const struct layout vec = { "vec", OPCODES_64, fill_vec };
static const struct layout flat = { "flat", OPCODES_64, fill_flat };
static const struct layout region = { "region", OPCODES_64, fill_region };
static const struct layout opcode = {
	"opcode", { [PLAIN] = { PI_LAB_OP_READ_META, PI_LAB_OP_WRITE_META } },
	fill_opcode
};

/* rings */

static void open_ring(struct ring *ring, bool with_region)
{
	struct io_uring_params params = { .flags = ring->flags };
	struct iovec iov = { buffers, 4 * PAGE * BLOCKS };
	int ret = pi_ring_map(&ring->uring, ENTRIES, &params);

	if (!ret)
		ret = io_uring_register_buffers(&ring->uring, &iov, 1);
	if (ret)
		die(ring->name, -ret);
	if (!with_region)
		return;

	ring->region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring->region == MAP_FAILED)
		die("mmap", errno);
	struct pi_uapi_region desc = {
		.user_addr	= (uintptr_t)ring->region,
		.size		= REGION_BYTES,
		.flags		= PI_IORING_MEM_REGION_TYPE_USER,
	};
	struct pi_uapi_region_reg reg = { .region_uptr = (uintptr_t)&desc };

	ret = io_uring_register(ring->uring.ring_fd,
				PI_IORING_REGISTER_MEM_REGION, &reg, 1);
	if (ret)
		die("IORING_REGISTER_MEM_REGION", -ret);
}

static bool is_lab_kernel(struct ring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
	bool is = probe && io_uring_opcode_supported(probe, PI_LAB_OP_WRITE_META);

	io_uring_free_probe(probe);
	return is;
}

/* index 0 or 1: two I/Os can be in flight */
static struct io make(struct ring *ring, const struct layout *layout,
		      unsigned int index, enum way way, unsigned int dir,
		      uint64_t seed)
{
	const bool mixed_ring = ring->flags & PI_IORING_SETUP_SQE_MIXED;
	const bool large = ring->flags & IORING_SETUP_SQE128;
	struct io io = {
		.ring	= ring,
		.index	= index,
		.slots	= 1 + (mixed_ring && layout == &mixed),
		.sqe	= &ring->uring.sq.sqes[index << 1],
		.memory	= &memory[index],
		.data	= buffers + index * 2 * PAGE * BLOCKS,
	};
	const struct pi_uapi_attr attr = {
		.flags		= CHK_ALL,
		.app_tag	= APP_TAG,
		.len		= MD_BYTES,
		.addr		= (uintptr_t)io.data + PAGE * BLOCKS,
		.seed		= seed,
	};

	io.md = (void *)(uintptr_t)attr.addr;
	io.sqe_attr = (void *)((char *)io.sqe + PI_SQE_ATTR_OFFSET);
	memset(io.sqe, 0, sizeof(*io.sqe) << (large || io.slots == 2));
	*io.sqe = (struct io_uring_sqe) {
		.opcode		= layout->opcode[way][dir],
		.fd		= fd,
		.addr		= (uintptr_t)io.data,
		.len		= bytes,
		.user_data	= index,
	};
	if (way == VECTORED) {
		io.memory->iov[0] = (struct iovec) { io.data, bytes / 2 };
		io.memory->iov[1] = (struct iovec) { io.data + bytes / 2, bytes / 2 };
		io.sqe->addr = (uintptr_t)io.memory->iov;
		io.sqe->len = 2;
	}
	layout->fill(&io, &attr);
	return io;
}

static void queue(const struct io *io)
{
	struct io_uring_sq *sq = &io->ring->uring.sq;
	unsigned int first = io->sqe - sq->sqes, tail = *sq->ktail;

	if (io->ring->flags & IORING_SETUP_SQE128)
		first >>= 1;
	for (unsigned int i = 0; i < io->slots; i++)
		sq->array[(tail + i) & (ENTRIES - 1)] = first + i;
	io_uring_smp_store_release(sq->ktail, tail + io->slots);
}

static void submit(struct ring *ring, unsigned int slots)
{
	int ret = io_uring_enter(ring->uring.ring_fd, slots, 0, 0, NULL);

	if (ret != (int)slots)
		die("io_uring_enter", ret < 0 ? -ret : EIO);
}

static void reap(struct ring *ring, int *res, unsigned int nr)
{
	while (nr--) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe(&ring->uring, &cqe);

		if (ret)
			die("io_uring_wait_cqe", -ret);
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&ring->uring, cqe);
	}
}

static int run(const struct io *io)
{
	int res[2] = { 0 };

	queue(io);
	submit(io->ring, io->slots);
	reap(io->ring, res, 1);
	return res[io->index];
}

/* content */

static uint64_t seed_of(const struct layout *layout, uint64_t seed)
{
	return layout == &opcode ? 0 : seed;
}

static void generate(const struct io *io, uint64_t seed)
{
	for (uint32_t i = 0; i < bytes; i++)
		io->data[i] = rand();
	tuple.generate(&tuple, io->data, io->md, BLOCKS, seed, seed);
	memcpy(stored, io->data, bytes);
}

static bool as_stored(const struct io *io, uint64_t seed)
{
	struct pi_mismatch bad;

	return !memcmp(io->data, stored, bytes) &&
	       !tuple.verify(&tuple, io->data, io->md, BLOCKS, seed, seed, &bad);
}

static bool store(struct ring *ring, const struct layout *layout)
{
	const uint64_t seed = seed_of(layout, 0x10000);
	struct io io = make(ring, layout, 0, PLAIN, 1, seed);

	generate(&io, seed);
	return run(&io) == (int)bytes;
}

/* well-formed I/O on the same ring finds the blocks as they were */
static bool intact(struct ring *ring, const struct layout *layout)
{
	const uint64_t seed = seed_of(layout, 0x20000);
	struct io io = make(ring, layout, 0, PLAIN, 0, seed);

	memset(io.data, 0x5a, bytes);
	memset(io.md, 0xa5, MD_BYTES);
	return run(&io) == (int)bytes && as_stored(&io, seed);
}

/* well-formed I/O */

enum { ASYNC = 1, LINK = 2, OVERWRITE = 4 };

static void overwrite(const struct io *io)
{
	memset(io->sqe, 0xff, sizeof(*io->sqe) <<
	       (io->slots == 2 || io->ring->flags & IORING_SETUP_SQE128));
	memset(io->memory, 0xff, sizeof(*io->memory));
	if (io->ring->region)
		memset(io->ring->region, 0xff, REGION_BYTES);
}

static void round_trip(struct ring *ring, const struct layout *layout,
		       enum way way, unsigned int how)
{
	const uint64_t seed[2] = { seed_of(layout, 0x30000), seed_of(layout, 0x40000) };
	int res[2] = { 0 };
	struct io io[2];

	for (unsigned int i = 0; i < 2; i++) {
		io[i] = make(ring, layout, i, way, !i, seed[i]);
		io[i].sqe->flags = how & ASYNC ? IOSQE_ASYNC : 0;
	}
	if (how & LINK)
		io[0].sqe->flags |= IOSQE_IO_LINK;
	generate(&io[0], seed[0]);
	memset(io[1].data, 0, bytes);
	memset(io[1].md, 0, MD_BYTES);

	queue(&io[0]);
	if (how & LINK) {
		queue(&io[1]);
		submit(ring, io[0].slots + io[1].slots);
		if (how & OVERWRITE) {
			overwrite(&io[0]);
			overwrite(&io[1]);
		}
		reap(ring, res, 2);
	} else {
		submit(ring, io[0].slots);
		reap(ring, res, 1);
		queue(&io[1]);
		submit(ring, io[1].slots);
		reap(ring, res, 1);
	}
	if (!ok(res[0] == (int)bytes && res[1] == (int)bytes && as_stored(&io[1], seed[1]),
		"%s, %s: %s%s%s%swrite and read back", layout->name, ring->name,
		way_name[way], how & ASYNC ? ", async" : "", how & LINK ? ", linked" : "",
		how & OVERWRITE ? ", overwritten after submission: " : ": "))
		printf("# write %d, read %d\n", res[0], res[1]);
}

/* each tag is compared if its flag says so, and otherwise not */
static void flags(struct ring *ring, const struct layout *layout)
{
	static const struct {
		const char *name;
		uint16_t chk;
		unsigned int byte;
	} tags[] = {
		{ "guard", PI_IO_INTEGRITY_CHK_GUARD, 0 },
		{ "application tag", PI_IO_INTEGRITY_CHK_APPTAG, 2 },
		{ "reference tag", PI_IO_INTEGRITY_CHK_REFTAG, 5 },
	};
	const uint64_t seed = seed_of(layout, 0x50000);

	for (unsigned int i = 0; i < ARRAY_SIZE(tags); i++) {
		int res[2];

		for (unsigned int only = 0; only < 2; only++) {
			struct io io = make(ring, layout, 0, PLAIN, 1, seed);
			struct pi_uapi_attr attr = {
				.flags		= only ? tags[i].chk : CHK_ALL & ~tags[i].chk,
				.app_tag	= APP_TAG,
				.len		= MD_BYTES,
				.addr		= (uintptr_t)io.md,
				.seed		= seed,
			};

			generate(&io, seed);
			io.md[MD_BYTES / 2 + tags[i].byte] ^= 0x40;
			layout->fill(&io, &attr);
			res[only] = run(&io);
		}
		if (!ok(res[0] == (int)bytes && res[1] == -EILSEQ,
			"%s: a wrong %s, checked only if asked for", layout->name, tags[i].name))
			printf("# unchecked %d, checked %d\n", res[0], res[1]);
	}
	ok(store(ring, layout) && intact(ring, layout), "%s: and well again", layout->name);
}

static void good(struct ring *ring, const struct layout *layout)
{
	static const unsigned int hows[] = {
		0, ASYNC, LINK, ASYNC | LINK, LINK | OVERWRITE, ASYNC | LINK | OVERWRITE,
	};

	for (unsigned int way = 0; way < NR_WAYS; way++)
		for (unsigned int i = 0; layout->opcode[way][1] && i < ARRAY_SIZE(hows); i++)
			round_trip(ring, layout, way, hows[i]);
	flags(ring, layout);
}

/* malformed I/O */

enum base { NOTHING, SQE, SQE_ATTR, ATTR, ELEMENT, HEADER };

struct edit {
	enum base base;
	unsigned int offset, size;
	uint64_t value;
};

struct bad {
	const char *what;
	int err;
	struct edit edit[2];
};

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)0)->field)
#define PTR(v)		{ SQE_ATTR, FIELD(struct pi_uapi_sqe_attr, attr_ptr), v }
#define MASK(v)		{ SQE_ATTR, FIELD(struct pi_uapi_sqe_attr, attr_type_mask), v }
#define PI(field, v)	{ ATTR, FIELD(struct pi_uapi_attr, field), v }
#define META(field, v)	{ SQE_ATTR, FIELD(struct pi_lab_sqe_meta, field), v }
#define ELEM(field, v)	{ ELEMENT, FIELD(struct pi_lab_attr_vec, field), v }
#define HEAD(field, v)	{ HEADER, FIELD(struct pi_lab_attr_flat, field), v }

static const struct bad bad_attr[] = {
	{ "metadata a byte short", EINVAL, { PI(len, MD_BYTES - 1) } },
	{ "metadata of one block", EINVAL, { PI(len, MD_BYTES / 2) } },
	{ "no metadata", EINVAL, { PI(len, 0) } },
	{ "reserved field", EINVAL, { PI(rsvd, 1) } },
	{ "reserved field, its last bit", EINVAL, { PI(rsvd, 1ULL << 63) } },
	{ "unknown flag", EINVAL, { PI(flags, CHK_ALL | 8) } },
	{ "unknown flag, the last one", EINVAL, { PI(flags, 0x8000) } },
	{ "metadata at NULL", EIO, { PI(addr, 0) } },
	{ "metadata in the kernel", EFAULT, { PI(addr, KERNEL_ADDRESS) } },
};

static const struct bad bad_pointer[] = {
	{ "pointer NULL", EFAULT, { PTR(0) } },
	{ "pointer into the kernel", EFAULT, { PTR(KERNEL_ADDRESS) } },
	{ "pointer to the last 8 bytes of a mapping", EFAULT,
	  { PTR((uintptr_t)edge + PAGE - 8) } },
};

static const struct bad bad_inline[] = {
	{ "a pointer too", EINVAL, { PTR((uintptr_t)memory) } },
};

static const struct bad bad_vec[] = {
	{ "no element", EINVAL, { MASK(VEC(0)) } },
	{ "17 elements", EINVAL, { MASK(VEC(17)) } },
	{ "255 elements", EINVAL, { MASK(VEC(255)) } },
	{ "the attribute twice", EBUSY, { MASK(VEC(2)) } },
	{ "the attribute 16 times", EBUSY, { MASK(VEC(16)) } },
	{ "unknown type", EOPNOTSUPP, { ELEM(type, 1) } },
	{ "unknown type, the last one", EOPNOTSUPP,
	  { ELEM(type, 15) } },
	{ "unknown type after the attribute", EOPNOTSUPP,
	  { MASK(VEC(2)), { ELEMENT, sizeof(struct pi_lab_attr_vec), 4, 3 } } },
	{ "a type too large", EINVAL, { ELEM(type, 16) } },
	{ "a type much too large", EINVAL,
	  { ELEM(type, 0xffffffff) } },
	{ "element's address NULL", EFAULT, { ELEM(addr, 0) } },
	{ "element's address in the kernel", EFAULT,
	  { ELEM(addr, KERNEL_ADDRESS) } },
};

static const struct bad bad_flat[] = {
	{ "size 0", EINVAL, { MASK(FLAT(0)) } },
	{ "a byte short", EINVAL, { MASK(FLAT(sizeof(struct pi_lab_attr_flat) - 1)) } },
	{ "a byte long", EINVAL, { MASK(FLAT(sizeof(struct pi_lab_attr_flat) + 1)) } },
	{ "size of the attribute alone", EINVAL, { MASK(FLAT(sizeof(struct pi_uapi_attr))) } },
	{ "size 65535", EINVAL, { MASK(FLAT(0xffff)) } },
	{ "empty map", EINVAL, { HEAD(map, 0) } },
	{ "map of another type", EINVAL, { HEAD(map, 2) } },
	{ "map of two", EINVAL, { HEAD(map, 3) } },
	{ "map's last bit", EINVAL, { HEAD(map, 1 | 1ULL << 63) } },
	{ "unknown type", EINVAL, { HEAD(type, 1) } },
	{ "reserved field", EINVAL, { HEAD(pad[0], 1) } },
	{ "reserved field, its middle", EINVAL, { HEAD(pad[1], 1) } },
	{ "reserved field, its last bit", EINVAL, { HEAD(pad[2], 0x8000) } },
};

static const struct bad bad_region[] = {
	{ "offset of the region's end", EFAULT, { PTR(REGION_BYTES) } },
	{ "8 bytes beyond the region", EFAULT,
	  { PTR(REGION_BYTES - sizeof(struct pi_uapi_attr) + 8) } },
	{ "offset that overflows", EFAULT, { PTR(-(uint64_t)sizeof(struct pi_uapi_attr)) } },
	{ "offset 2^63", EFAULT, { PTR(1ULL << 63) } },
	{ "an address", EFAULT, { PTR((uintptr_t)memory) } },
	{ "offset 4", EINVAL, { PTR(4) } },
	{ "offset 65", EINVAL, { PTR(65) } },
};

static const struct bad bad_opcode[] = {
	{ "metadata a byte short", EINVAL, { META(len, MD_BYTES - 1) } },
	{ "no metadata", EINVAL, { META(len, 0) } },
	{ "unknown flag", EINVAL, { META(flags, 8) } },
	{ "unknown flag, the last one", EINVAL, { META(flags, 0x8007) } },
	{ "metadata at NULL", EIO, { META(addr, 0) } },
	{ "metadata in the kernel", EFAULT, { META(addr, KERNEL_ADDRESS) } },
	{ "current position", EINVAL, { { SQE, FIELD(struct io_uring_sqe, off), -1ULL } } },
	{ "negative position", EINVAL, { { SQE, FIELD(struct io_uring_sqe, off), -PAGE } } },
};

static void apply(const struct io *io, const struct edit *edit)
{
	void *base[] = {
		[SQE]		= io->sqe,
		[SQE_ATTR]	= io->sqe_attr,
		[ATTR]		= io->attr,
		[ELEMENT]	= io->memory->vec,
		[HEADER]	= &io->memory->flat,
	};

	if (edit->base)
		memcpy((char *)base[edit->base] + edit->offset, &edit->value, edit->size);
}

/*
 * Neither direction transfers anything: a write leaves the blocks, a read
 * the buffers; what is linked to it is cancelled.
 */
static void refused(struct ring *ring, const struct layout *layout,
		    const struct layout *recover, const struct bad *bad)
{
	int res[2][2] = { 0 };
	bool untouched = true;

	for (unsigned int dir = 0; dir < 2; dir++) {
		struct io io = make(ring, layout, 0, PLAIN, dir, 0);
		struct io next = make(ring, recover, 1, PLAIN, 1, 0);
		const uint8_t pattern = dir ? 0xee : 0xdd;

		for (unsigned int i = 0; i < ARRAY_SIZE(bad->edit); i++)
			apply(&io, &bad->edit[i]);
		io.sqe->flags = IOSQE_IO_LINK;
		memset(io.data, pattern, bytes);
		memset(io.md, pattern, MD_BYTES);
		queue(&io);
		queue(&next);
		submit(ring, io.slots + next.slots);
		reap(ring, res[dir], 2);
		for (uint32_t i = 0; i < bytes; i++)
			untouched &= io.data[i] == pattern;
		for (uint32_t i = 0; i < MD_BYTES; i++)
			untouched &= io.md[i] == pattern;
	}
	if (!ok(res[0][0] == -bad->err && res[1][0] == -bad->err &&
		res[0][1] == -ECANCELED && res[1][1] == -ECANCELED && untouched &&
		intact(ring, recover), "%s, %s: %s: %s", layout->name, ring->name,
		bad->what, strerrorname_np(bad->err))) {
		printf("# read %d, next %d, write %d, next %d%s\n", res[0][0], res[0][1],
		       res[1][0], res[1][1], untouched ? "" : ", buffers changed");
		store(ring, recover);
	}
}

static void bad(struct ring *ring, const struct layout *layout,
		const struct bad *table, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		refused(ring, layout, layout, &table[i]);
}

#define BAD(ring, layout, table) bad(ring, layout, table, ARRAY_SIZE(table))

/* all masks that are one bit away from a good one, or have two selectors */
static void bad_masks(struct ring *ring, const struct layout *layout,
		      uint64_t mask, uint64_t parameter)
{
	const uint64_t selectors = PI_LAB_ATTR_INLINE | PI_LAB_ATTR_VEC |
				   PI_LAB_ATTR_FLAT | PI_LAB_ATTR_REGION;
	unsigned int wrong = 0, tried = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		const uint64_t value = mask ^ 1ULL << bit;
		struct io io = make(ring, layout, 0, PLAIN, 1, 0);
		int res;

		/* those that make another good mask */
		if (1ULL << bit & (parameter | (mask & selectors)))
			continue;
		if (!(mask & selectors) && (!bit || bit >= 60))
			continue;
		apply(&io, &(struct edit)MASK(value));
		res = run(&io);
		tried++;
		if (res == -EINVAL)
			continue;
		wrong++;
		printf("# attr_type_mask %#llx: %d\n", (unsigned long long)value, res);
	}
	if (!ok(!wrong && intact(ring, layout), "%s, %s: any of %u other masks: EINVAL",
		layout->name, ring->name, tried))
		store(ring, layout);
}

static void bad_selectors(struct ring *ring)
{
	unsigned int wrong = 0;

	for (unsigned int selectors = 0; selectors < 16; selectors++) {
		struct io io = make(ring, &indirect, 0, PLAIN, 1, 0);

		if (__builtin_popcount(selectors) < 2)
			continue;
		io.sqe_attr->attr_type_mask |= (uint64_t)selectors << 60;
		wrong += run(&io) != -EINVAL;
	}
	if (!ok(!wrong && intact(ring, &indirect), "%s: two selectors or more: EINVAL",
		ring->name))
		store(ring, &indirect);
}

/* what only the place in the ring makes wrong */
static void bad_places(struct ring *small, struct ring *mixed_ring,
		       struct ring *without_region)
{
	static const struct bad good_one = { "this ring", EINVAL, { { 0 } } };
	static const struct bad no_region = { "no region", EFAULT, { { 0 } } };
	struct io io;

	refused(small, &mixed, &indirect, &good_one);
	refused(small, &in_sqe, &indirect, &good_one);
	refused(mixed_ring, &in_sqe, &indirect, &good_one);

	without_region->region = small->region;
	refused(without_region, &region, &indirect, &no_region);
	without_region->region = NULL;

	io = make(mixed_ring, &mixed, 0, PLAIN, 1, 0);
	io.slots = 1;
	ok(run(&io) == -EINVAL && intact(mixed_ring, &mixed),
	   "mixed: half of it submitted: EINVAL");

	io = make(mixed_ring, &indirect, 0, PLAIN, 1, 0);
	io.sqe->opcode = PI_LAB_OP_WRITE128;
	mixed_ring->uring.sq.sqes[ENTRIES - 1] = *io.sqe;
	io.sqe = &mixed_ring->uring.sq.sqes[ENTRIES - 1];
	io.slots = 1;
	ok(run(&io) == -EINVAL && intact(mixed_ring, &mixed),
	   "mixed: at the last place of the ring: EINVAL");
}

int main(int argc, char **argv)
{
	static struct ring small = { .name = "64-byte ring" };
	static struct ring without_region = { .name = "ring without a region" };
	static struct ring large = { .name = "128-byte ring", .flags = IORING_SETUP_SQE128 };
	static struct ring both = { .name = "mixed ring", .flags = PI_IORING_SETUP_SQE_MIXED };
	const struct pi_tuple_options options = { .app = APP_TAG, .app_mask = 0xffff };
	static const struct {
		struct ring *ring;
		const struct layout *layout;
	} good_ones[] = {
		{ &small, &indirect }, { &large, &indirect }, { &both, &indirect },
		{ &large, &in_sqe }, { &both, &mixed }, { &large, &mixed },
		{ &small, &vec }, { &small, &flat }, { &small, &region },
		{ &large, &region }, { &both, &region }, { &small, &opcode },
		{ &large, &opcode }, { &both, &opcode },
	};
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (unsigned long)time(NULL);
	struct pi_reason reason;

	if (argc < 2) {
		fprintf(stderr, "usage: layout-refuse DEVICE [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %u\n", seed);
	srand(seed);

	buffers = mmap(NULL, 4 * PAGE * BLOCKS, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffers == MAP_FAILED || mprotect(edge + PAGE, PAGE, PROT_NONE))
		die("memory", errno);
	open_ring(&small, false);
	if (!is_lab_kernel(&small)) {
		printf("1..0 # SKIP not the lab kernel\n");
		return 77;
	}
	io_uring_queue_exit(&small.uring);

	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0)
		die(argv[1], errno);
	if (pi_device_probe(fd, &dev, &reason)) {
		printf("Bail out! %s: %s\n", argv[1], reason.text);
		return 1;
	}
	if (dev.format.md_size != MD_BYTES / BLOCKS || dev.format.type != 1 ||
	    pi_tuple_init(&tuple, &dev.format, &options)) {
		printf("Bail out! %s: format it with 8 bytes of metadata and PI type 1\n", argv[1]);
		return 1;
	}
	bytes = BLOCKS << dev.format.shift;
	open_ring(&small, true);
	open_ring(&large, true);
	open_ring(&both, true);
	open_ring(&without_region, false);

	for (unsigned int i = 0; i < ARRAY_SIZE(good_ones); i++)
		good(good_ones[i].ring, good_ones[i].layout);

	BAD(&small, &indirect, bad_attr);
	BAD(&small, &indirect, bad_pointer);
	BAD(&large, &in_sqe, bad_attr);
	BAD(&large, &in_sqe, bad_inline);
	BAD(&both, &mixed, bad_attr);
	BAD(&both, &mixed, bad_inline);
	BAD(&small, &vec, bad_attr);
	BAD(&small, &vec, bad_pointer);
	BAD(&small, &vec, bad_vec);
	BAD(&small, &flat, bad_attr);
	BAD(&small, &flat, bad_pointer);
	BAD(&small, &flat, bad_flat);
	BAD(&small, &region, bad_attr);
	BAD(&small, &region, bad_region);
	BAD(&small, &opcode, bad_opcode);

	bad_masks(&small, &indirect, PI_IORING_RW_ATTR_FLAG_PI, 0);
	bad_masks(&large, &in_sqe, INLINE, 0);
	bad_masks(&both, &mixed, INLINE, 0);
	bad_masks(&small, &vec, VEC(1), VEC(255) & ~VEC(0));
	bad_masks(&small, &flat, FLAT(sizeof(struct pi_lab_attr_flat)), FLAT(0xffff) & ~FLAT(0));
	bad_masks(&small, &region, REGION, 0);
	bad_selectors(&small);
	bad_selectors(&large);
	bad_places(&small, &both, &without_region);

	printf("1..%u\n", checks);
	return failures != 0;
}
