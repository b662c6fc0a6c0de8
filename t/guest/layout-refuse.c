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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "layout-io.h"

#define KERNEL_ADDRESS	0xffff888000000000ULL
#define VEC(nr)		(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_VEC | \
			 (uint64_t)(nr) << PI_LAB_ATTR_VEC_NR_SHIFT)
#define FLAT(size)	(PI_IORING_RW_ATTR_FLAG_PI | PI_LAB_ATTR_FLAT | \
			 (uint64_t)(size) << PI_LAB_ATTR_FLAT_SIZE_SHIFT)

static const char * const way_name[NR_WAYS] = { "plain", "vectored", "fixed" };

static const struct pi_layout * const indirect = &pi_layouts[PI_LAYOUT_INDIRECT];
static const struct pi_layout * const in_sqe = &pi_layouts[PI_LAYOUT_INLINE];
static const struct pi_layout * const mixed = &pi_layouts[PI_LAYOUT_MIXED];
static const struct pi_layout * const opcode = &pi_layouts[PI_LAYOUT_OPCODE];
static const struct pi_layout * const vec = &pi_layouts[PI_LAYOUT_VEC];
static const struct pi_layout * const flat = &pi_layouts[PI_LAYOUT_FLAT];
static const struct pi_layout * const region = &pi_layouts[PI_LAYOUT_REGION];

static struct ring small = { .name = "64-byte ring" };
static struct ring without_region = { .name = "ring without a region" };
static struct ring large = { .name = "128-byte ring", .flags = IORING_SETUP_SQE128 };
static struct ring both = { .name = "mixed ring", .flags = PI_IORING_SETUP_SQE_MIXED };

/* the same with metadata in registered buffers */
static struct ring small_md = { .name = "64-byte ring, registered metadata", .fixed_md = true };
static struct ring large_md = { .name = "128-byte ring, registered metadata", .fixed_md = true,
				.flags = IORING_SETUP_SQE128 };
static struct ring both_md = { .name = "mixed ring, registered metadata", .fixed_md = true,
			       .flags = PI_IORING_SETUP_SQE_MIXED };

static uint8_t edge[2 * PAGE] __attribute__((aligned(PAGE)));

/* well-formed I/O */

enum { ASYNC = 1, LINK = 2, OVERWRITE = 4 };

static void overwrite(const struct io *io)
{
	struct pi_io *pi = io->pi;

	memset(pi->sqe, 0xff, sizeof(*pi->sqe) << io->ring->pi.sqe_shift);
	memset(&pi->attr_mem, 0xff, sizeof(pi->attr_mem));
	memset(pi->iov, 0xff, 2 * sizeof(*pi->iov));
	memset(io->elements, 0xff, NR_ELEMENTS * sizeof(*io->elements));
	memset(io->ring->set.region, 0xff, REGION_BYTES);
}

static void round_trip(struct ring *ring, const struct pi_layout *layout,
		       enum way way, unsigned int how)
{
	const uint64_t seed[2] = { seed_of(layout, 0x30000), seed_of(layout, 0x40000) };
	int res[2] = { 0 };
	struct io io[2];

	for (unsigned int i = 0; i < 2; i++) {
		io[i] = make(ring, layout, i, way, !i, seed[i]);
		io[i].pi->sqe->flags = how & ASYNC ? IOSQE_ASYNC : 0;
	}
	if (how & LINK)
		io[0].pi->sqe->flags |= IOSQE_IO_LINK;
	generate(&io[0], seed[0]);
	memset(io[1].data, 0, io_bytes);
	memset(io[1].md, 0, MD_BYTES);

	queue(&io[0]);
	if (how & LINK) {
		queue(&io[1]);
		submit(ring, io[0].pi->slots + io[1].pi->slots);
		if (how & OVERWRITE) {
			overwrite(&io[0]);
			overwrite(&io[1]);
		}
		reap(ring, res, 2);
	} else {
		submit(ring, io[0].pi->slots);
		reap(ring, res, 1);
		queue(&io[1]);
		submit(ring, io[1].pi->slots);
		reap(ring, res, 1);
	}
	if (!ok(res[0] == (int)io_bytes && res[1] == (int)io_bytes && as_stored(&io[1], seed[1]),
		"%s, %s: %s%s%s%swrite and read back", layout->name, ring->name,
		way_name[way], how & ASYNC ? ", async" : "", how & LINK ? ", linked" : "",
		how & OVERWRITE ? ", overwritten after submission: " : ": "))
		printf("# write %d, read %d\n", res[0], res[1]);
}

/* each tag is compared if its flag says so, and otherwise not */
static void flags(struct ring *ring, const struct pi_layout *layout)
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

			generate(&io, seed);
			io.md[MD_BYTES / 2 + tags[i].byte] ^= 0x40;
			fill(&io, layout, only ? tags[i].chk : CHK_ALL & ~tags[i].chk, seed);
			res[only] = run(&io);
		}
		if (!ok(res[0] == (int)io_bytes && res[1] == -EILSEQ,
			"%s: a wrong %s, checked only if asked for", layout->name, tags[i].name))
			printf("# unchecked %d, checked %d\n", res[0], res[1]);
	}
	ok(store(ring, layout) && intact(ring, layout), "%s: and well again", layout->name);
}

static void good(struct ring *ring, const struct pi_layout *layout)
{
	static const unsigned int hows[] = {
		0, ASYNC, LINK, ASYNC | LINK, LINK | OVERWRITE, ASYNC | LINK | OVERWRITE,
	};
	struct pi_io_mode mode;

	for (unsigned int way = 0; way < NR_WAYS; way++)
		for (unsigned int i = 0; has_way(layout, way, &mode) && i < ARRAY_SIZE(hows); i++)
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
	{ "unknown flag, the last one", EINVAL, { PI(flags, 0x4000) } },
	{ "metadata at NULL", EIO, { PI(addr, 0) } },
	{ "metadata in the kernel", EFAULT, { PI(addr, KERNEL_ADDRESS) } },
};

static const struct bad bad_md[] = {
	{ "metadata a byte short", EINVAL, { PI(len, MD_BYTES - 1) } },
	{ "no metadata", EINVAL, { PI(len, 0) } },
	{ "longer than the buffer", EFAULT, { PI(len, 0x7fffffff) } },
	{ "index of no buffer", EFAULT, { PI(rsvd, HOLE) } },
	{ "index behind the table", EFAULT, { PI(rsvd, NR_BUFFERS) } },
	{ "the last index", EFAULT, { PI(rsvd, 0xffff) } },
	{ "index of another buffer", EFAULT, { PI(rsvd, DATA) } },
	{ "reserved field", EINVAL, { PI(rsvd, MD | 1 << 16) } },
	{ "reserved field, its middle", EINVAL, { PI(rsvd, MD | 1ULL << 32) } },
	{ "reserved field, its last bit", EINVAL, { PI(rsvd, MD | 1ULL << 63) } },
	{ "an index without the flag", EINVAL, { PI(flags, CHK_ALL) } },
	{ "unknown flag", EINVAL, { PI(flags, PI_LAB_FIXED_MD | CHK_ALL | 8) } },
	{ "unknown flag, the last one", EINVAL, { PI(flags, PI_LAB_FIXED_MD | 0x4000) } },
	{ "a byte before the buffer", EFAULT,
	  { PI(rsvd, OTHER_MD), PI(addr, (uintptr_t)other_md + MARGIN - 1) } },
	{ "a byte beyond the buffer", EFAULT,
	  { PI(rsvd, OTHER_MD),
	    PI(addr, (uintptr_t)other_md + sizeof(other_md) - MARGIN - MD_BYTES + 1) } },
	{ "behind the buffer", EFAULT,
	  { PI(rsvd, OTHER_MD), PI(addr, (uintptr_t)other_md + sizeof(other_md) - MARGIN) } },
	{ "metadata at NULL", EFAULT, { PI(addr, 0) } },
	{ "metadata in the kernel", EFAULT, { PI(addr, KERNEL_ADDRESS) } },
	{ "address that overflows", EFAULT, { PI(addr, -8ULL) } },
};

static const struct bad bad_pointer[] = {
	{ "pointer NULL", EFAULT, { PTR(0) } },
	{ "pointer into the kernel", EFAULT, { PTR(KERNEL_ADDRESS) } },
	{ "pointer to the last 8 bytes of a mapping", EFAULT,
	  { PTR((uintptr_t)edge + PAGE - 8) } },
};

static const struct bad bad_inline[] = {
	{ "a pointer too", EINVAL, { PTR((uintptr_t)edge) } },
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
	{ "an address", EFAULT, { PTR((uintptr_t)edge) } },
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
		[SQE]		= io->pi->sqe,
		[SQE_ATTR]	= pi_io_sqe_attr(io->pi),
		[ATTR]		= io->pi->attr,
		[ELEMENT]	= io->elements,
		[HEADER]	= &io->pi->attr_mem.flat,
	};

	if (edit->base)
		memcpy((char *)base[edit->base] + edit->offset, &edit->value, edit->size);
}

/*
 * Neither direction transfers anything: a write leaves the blocks, a read
 * the buffers; what is linked to it is cancelled.
 */
static void refused(struct ring *ring, const struct pi_layout *layout,
		    const struct pi_layout *recover, const struct bad *bad)
{
	int res[2][2] = { 0 };
	bool untouched = true;

	for (unsigned int dir = 0; dir < 2; dir++) {
		struct io io = make(ring, layout, 0, PLAIN, dir, 0);
		struct io next = make(ring, recover, 1, PLAIN, 1, 0);
		const uint8_t pattern = dir ? 0xee : 0xdd;

		for (unsigned int i = 0; i < ARRAY_SIZE(bad->edit); i++)
			apply(&io, &bad->edit[i]);
		io.pi->sqe->flags = IOSQE_IO_LINK;
		memset(io.data, pattern, io_bytes);
		memset(io.md, pattern, MD_BYTES);
		queue(&io);
		queue(&next);
		submit(ring, io.pi->slots + next.pi->slots);
		reap(ring, res[dir], 2);
		for (uint32_t i = 0; i < io_bytes; i++)
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

static void bad(struct ring *ring, const struct pi_layout *layout,
		const struct bad *table, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		refused(ring, layout, layout, &table[i]);
}

#define BAD(ring, layout, table) bad(ring, layout, table, ARRAY_SIZE(table))

/* all masks that are one bit away from a good one, or have two selectors */
static void bad_masks(struct ring *ring, const struct pi_layout *layout,
		      uint64_t parameter)
{
	const uint64_t selectors = PI_LAB_ATTR_INLINE | PI_LAB_ATTR_VEC |
				   PI_LAB_ATTR_FLAT | PI_LAB_ATTR_REGION;
	unsigned int wrong = 0, tried = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		struct io io = make(ring, layout, 0, PLAIN, 1, 0);
		const uint64_t mask = pi_io_sqe_attr(io.pi)->attr_type_mask;
		const uint64_t value = mask ^ 1ULL << bit;
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
		struct io io = make(ring, indirect, 0, PLAIN, 1, 0);

		if (__builtin_popcount(selectors) < 2)
			continue;
		pi_io_sqe_attr(io.pi)->attr_type_mask |= (uint64_t)selectors << 60;
		wrong += run(&io) != -EINVAL;
	}
	if (!ok(!wrong && intact(ring, indirect), "%s: two selectors or more: EINVAL",
		ring->name))
		store(ring, indirect);
}

/* what only the place in the ring makes wrong */
static void bad_places(void)
{
	static const struct bad good_one = { "this ring", EINVAL, { { 0 } } };
	static const struct bad no_region = { "no region", EFAULT, { { 0 } } };
	struct io_uring_sq *sq = &both.pi.uring.sq;
	const unsigned int last = sq->ring_entries - 1;
	int res[IOS] = { 0 };
	struct io io;

	refused(&small, mixed, indirect, &good_one);
	refused(&small, in_sqe, indirect, &good_one);
	refused(&both, in_sqe, indirect, &good_one);

	without_region.set.region = small.set.region;
	refused(&without_region, region, indirect, &no_region);
	without_region.set.region = NULL;

	io = make(&both, mixed, 0, PLAIN, 1, 0);
	io.pi->slots = 1;
	ok(run(&io) == -EINVAL && intact(&both, mixed),
	   "mixed: half of it submitted: EINVAL");

	io = make(&both, indirect, 0, PLAIN, 1, 0);
	io.pi->sqe->opcode = PI_LAB_OP_WRITE128;
	sq->sqes[last] = *io.pi->sqe;
	sq->array[*sq->ktail & sq->ring_mask] = last;
	io_uring_smp_store_release(sq->ktail, *sq->ktail + 1);
	submit(&both, 1);
	reap(&both, res, 1);
	ok(res[0] == -EINVAL && intact(&both, mixed),
	   "mixed: at the last place of the ring: EINVAL");
}

static void good_ones(void)
{
	good(&small, indirect);
	good(&large, indirect);
	good(&both, indirect);
	good(&large, in_sqe);
	good(&both, mixed);
	good(&large, mixed);
	good(&small, vec);
	good(&small, flat);
	good(&small, region);
	good(&large, region);
	good(&both, region);
	good(&small, opcode);
	good(&large, opcode);
	good(&both, opcode);

	good(&small_md, indirect);
	good(&large_md, indirect);
	good(&both_md, indirect);
	good(&large_md, in_sqe);
	good(&both_md, mixed);
	good(&small_md, vec);
	good(&small_md, flat);
	good(&small_md, region);
	registered_md(&small_md);
}

static void bad_ones(void)
{
	BAD(&small, indirect, bad_attr);
	BAD(&small, indirect, bad_pointer);
	BAD(&large, in_sqe, bad_attr);
	BAD(&large, in_sqe, bad_inline);
	BAD(&both, mixed, bad_attr);
	BAD(&both, mixed, bad_inline);
	BAD(&small, vec, bad_attr);
	BAD(&small, vec, bad_pointer);
	BAD(&small, vec, bad_vec);
	BAD(&small, flat, bad_attr);
	BAD(&small, flat, bad_pointer);
	BAD(&small, flat, bad_flat);
	BAD(&small, region, bad_attr);
	BAD(&small, region, bad_region);
	BAD(&small, opcode, bad_opcode);
	BAD(&small_md, indirect, bad_md);
	BAD(&large_md, in_sqe, bad_md);
	BAD(&both_md, mixed, bad_md);
	BAD(&small_md, vec, bad_md);
	BAD(&small_md, flat, bad_md);
	BAD(&small_md, region, bad_md);

	bad_masks(&small, indirect, 0);
	bad_masks(&large, in_sqe, 0);
	bad_masks(&both, mixed, 0);
	bad_masks(&small, vec, VEC(255) & ~VEC(0));
	bad_masks(&small, flat, FLAT(0xffff) & ~FLAT(0));
	bad_masks(&small, region, 0);
	bad_selectors(&small);
	bad_selectors(&large);
	bad_places();
}

int main(int argc, char **argv)
{
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (unsigned long)time(NULL);

	if (argc < 2) {
		fprintf(stderr, "usage: layout-refuse DEVICE [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %u\n", seed);
	srand(seed);

	if (mprotect(edge + PAGE, PAGE, PROT_NONE))
		die("memory", strerror(errno));
	open_ring(&without_region, false);
	if (!pi_ring_has_op(&without_region.pi, PI_LAB_OP_WRITE_META)) {
		printf("1..0 # SKIP not the lab kernel\n");
		return 77;
	}
	open_device(argv[1]);
	open_ring(&small, true);
	open_ring(&large, true);
	open_ring(&both, true);
	open_ring(&small_md, true);
	open_ring(&large_md, true);
	open_ring(&both_md, true);

	good_ones();
	bad_ones();

	printf("1..%u\n", checks);
	return failures != 0;
}
