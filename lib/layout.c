// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"
#include "nvme.h"

/* bytes per attribute in the region: one cache line */
#define REGION_STRIDE	64

static int probe_any(const struct pi_layout *layout, struct pi_ring *ring,
		     struct pi_reason *reason)
{
	(void)layout, (void)ring, (void)reason;
	return 0;
}

/* kernels before 6.14 silently ignore the attribute */
static int probe_rw_attr(const struct pi_layout *layout, struct pi_ring *ring,
			 struct pi_reason *reason)
{
	if (ring->features & PI_IORING_FEAT_RW_ATTR)
		return 0;
	return pi_reason_set(reason, -EOPNOTSUPP,
		"pi_layout=%s needs Linux 6.14 or newer (this kernel has no IORING_FEAT_RW_ATTR); use pi_layout=none",
		layout->name);
}

/*
 * Use index 1, because the kernel checks the descriptor before the flag: with
 * index 0 the field would pass for a reserved one that is zero.
 */
static int register_md(struct pi_ring *ring, struct pi_io_set *set)
{
	const struct iovec iov[] = {
		{ NULL, 0 },
		{ set->md, set->md_bytes },
	};

	set->md_fixed = true;
	set->md_index = 1;
	return io_uring_register_buffers(&ring->uring, iov, 2);
}

/*
 * Submit a read on an invalid descriptor.  The kernel parses the attribute
 * before it looks up the file, so a kernel that supports the layout fails the
 * read with EBADF and any other one with EINVAL.
 */
static int read_nothing(const struct pi_layout *layout, struct pi_ring *ring,
			bool fixed_md)
{
	struct pi_io_mode mode;
	struct pi_io_set set;
	uint64_t md, buf;
	int ret;

	ret = pi_io_set_init(&set, 1, sizeof(md));
	if (ret)
		return ret;
	pi_io_mode_init(&mode, false, false);
	ret = layout->mode(&mode, NULL);
	if (fixed_md)
		ret = ret ?: register_md(ring, &set);
	ret = ret ?: pi_layout_open(layout, ring, &set, NULL);
	if (!ret) {
		pi_io_rw(set.io, &mode, 0, -1, 0, &buf, sizeof(buf), 0, 0, 0,
			 false);
		layout->fill(set.io, 0, 0, sizeof(md), 0);
		ret = pi_ring_run(ring, 0, set.io->slots);
	}
	pi_io_set_exit(&set);
	return ret;
}

/* @ret: result of read_nothing(); EBADF means that @what is supported */
static int needs_lab(int ret, const char *what, const char *name,
		     struct pi_reason *reason)
{
	if (ret == -EBADF)
		return 0;
	if (ret == -EINVAL)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"%s'%s' needs the lab kernel: see scripts/kernel/",
			what, name);
	return pi_reason_set(reason, ret < 0 ? ret : -EIO,
		"%s'%s' could not be tried: %s", what, name,
		strerror(ret < 0 ? -ret : EIO));
}

static int probe_lab(const struct pi_layout *layout, struct pi_ring *ring,
		     struct pi_reason *reason)
{
	int ret = -EINVAL;

	if (ring->features & PI_IORING_FEAT_RW_ATTR)
		ret = read_nothing(layout, ring, false);
	return needs_lab(ret, "layout ", layout->name, reason);
}

/* on any other kernel these opcodes are unknown or have another meaning */
static int probe_lab_opcode(const struct pi_layout *layout,
			    struct pi_ring *ring, struct pi_reason *reason)
{
	if (pi_ring_has_op(ring, PI_LAB_OP_WRITE_META) &&
	    !pi_ring_has_op(ring, PI_LAB_OP_WRITE_META + 1))
		return probe_lab(layout, ring, reason);
	return pi_reason_set(reason, -EOPNOTSUPP,
		"layout '%s' needs the lab kernel: see scripts/kernel/",
		layout->name);
}

/* whether the driver supports commands only shows with the first one */
static int probe_passthru(const struct pi_layout *layout,
			  struct pi_ring *ring, struct pi_reason *reason)
{
	if (pi_ring_has_op(ring, IORING_OP_URING_CMD))
		return 0;
	return pi_reason_set(reason, -EOPNOTSUPP,
		"pi_layout=%s needs Linux 5.19 or newer (this kernel has no IORING_OP_URING_CMD)",
		layout->name);
}

static int mode_plain(struct pi_io_mode *mode, struct pi_reason *reason)
{
	(void)mode, (void)reason;
	return 0;
}

static uint8_t opcode128(uint8_t opcode)
{
	switch (opcode) {
	case IORING_OP_READ:
		return PI_LAB_OP_READ128;
	case IORING_OP_WRITE:
		return PI_LAB_OP_WRITE128;
	case IORING_OP_READV:
		return PI_LAB_OP_READV128;
	case IORING_OP_WRITEV:
		return PI_LAB_OP_WRITEV128;
	case IORING_OP_READ_FIXED:
		return PI_LAB_OP_READ_FIXED128;
	default:
		return PI_LAB_OP_WRITE_FIXED128;
	}
}

static int mode_mixed(struct pi_io_mode *mode, struct pi_reason *reason)
{
	(void)reason;
	mode->opcode[0] = opcode128(mode->opcode[0]);
	mode->opcode[1] = opcode128(mode->opcode[1]);
	mode->slots = 2;
	return 0;
}

static int mode_opcode(struct pi_io_mode *mode, struct pi_reason *reason)
{
	if (mode->opcode[0] != IORING_OP_READ)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"layout 'opcode' has neither vectored nor fixed opcodes; drop fixedbufs and nonvectored=0");
	mode->opcode[0] = PI_LAB_OP_READ_META;
	mode->opcode[1] = PI_LAB_OP_WRITE_META;
	return 0;
}

static int open_plain(struct pi_ring *ring, struct pi_io_set *set,
		      struct pi_reason *reason)
{
	(void)ring, (void)set, (void)reason;
	return 0;
}

static int open_region(struct pi_ring *ring, struct pi_io_set *set,
		       struct pi_reason *reason)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct pi_uapi_region region = {
		.flags	= PI_IORING_MEM_REGION_TYPE_USER,
	};
	struct pi_uapi_region_reg reg = { .region_uptr = (uintptr_t)&region };
	void *map;
	int ret;

	region.size = (set->depth * REGION_STRIDE + page - 1) & ~(page - 1);
	map = mmap(NULL, region.size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (map == MAP_FAILED)
		return pi_reason_set(reason, -ENOMEM,
			"no memory for the attributes of %u I/Os; lower iodepth",
			set->depth);
	set->region = map;
	set->region_bytes = region.size;
	region.user_addr = (uintptr_t)map;
	ret = io_uring_register(ring->uring.ring_fd,
				PI_IORING_REGISTER_MEM_REGION, &reg, 1);
	if (ret)
		return pi_reason_set(reason, ret,
			"the kernel does not accept the memory region that layout 'region' needs: %s; it needs Linux 6.13, and counts against ulimit -l",
			strerror(-ret));
	return 0;
}

static void arm_none(struct pi_io_set *set, struct pi_io *io)
{
	(void)set, (void)io;
}

static void arm(const struct pi_io_set *set, struct pi_io *io,
		struct pi_uapi_attr *attr, uint64_t ptr, uint64_t selector)
{
	*attr = (struct pi_uapi_attr) { .addr = (uintptr_t)io->md };
	io->attr_flags = 0;
	if (set->md_fixed) {
		attr->rsvd = set->md_index;
		io->attr_flags = PI_LAB_FIXED_MD;
	}
	io->attr = attr;
	io->sqe_attr = (struct pi_uapi_sqe_attr) {
		.attr_ptr	= ptr,
		.attr_type_mask	= PI_IORING_RW_ATTR_FLAG_PI | selector,
	};
}

static void arm_indirect(struct pi_io_set *set, struct pi_io *io)
{
	arm(set, io, &io->attr_mem.pi, (uintptr_t)&io->attr_mem.pi, 0);
}

static void arm_sqe128(struct pi_io_set *set, struct pi_io *io)
{
	struct pi_uapi_attr *attr = (void *)(io->sqe + 1);

	arm(set, io, attr, (uintptr_t)attr, 0);
}

static void arm_inline(struct pi_io_set *set, struct pi_io *io)
{
	arm(set, io, (void *)(io->sqe + 1), 0, PI_LAB_ATTR_INLINE);
}

static void arm_opcode(struct pi_io_set *set, struct pi_io *io)
{
	(void)set, (void)io;
}

static void arm_vec(struct pi_io_set *set, struct pi_io *io)
{
	io->attr_mem.vec.vec = (struct pi_lab_attr_vec) {
		.type	= PI_LAB_ATTR_TYPE_PI,
		.addr	= (uintptr_t)&io->attr_mem.vec.pi,
	};
	arm(set, io, &io->attr_mem.vec.pi, (uintptr_t)&io->attr_mem.vec.vec,
	    PI_LAB_ATTR_VEC | 1 << PI_LAB_ATTR_VEC_NR_SHIFT);
}

static void arm_flat(struct pi_io_set *set, struct pi_io *io)
{
	struct pi_lab_attr_flat *flat = &io->attr_mem.flat;

	*flat = (struct pi_lab_attr_flat) {
		.map	= PI_IORING_RW_ATTR_FLAG_PI,
		.type	= PI_LAB_ATTR_TYPE_PI,
	};
	arm(set, io, &flat->pi, (uintptr_t)flat, PI_LAB_ATTR_FLAT |
	    sizeof(*flat) << PI_LAB_ATTR_FLAT_SIZE_SHIFT);
}

static void arm_region(struct pi_io_set *set, struct pi_io *io)
{
	uint64_t offset = (io - set->io) * REGION_STRIDE;

	arm(set, io, (void *)((char *)set->region + offset), offset,
	    PI_LAB_ATTR_REGION);
}

static void arm_passthru(struct pi_io_set *set, struct pi_io *io)
{
	static const struct pi_nvme_ns none;

	(void)set;
	pi_nvme_arm(io);
	io->ns = &none;
}

static void fill_none(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		      uint32_t len, uint64_t seed)
{
	(void)chk, (void)app_tag, (void)len, (void)seed;
	pi_io_no_attr(io);
}

static void fill_attr(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		      uint32_t len, uint64_t seed)
{
	io->attr->flags = chk | io->attr_flags;
	io->attr->app_tag = app_tag;
	io->attr->len = len;
	io->attr->seed = seed;
	*pi_io_sqe_attr(io) = io->sqe_attr;
}

/* in the first versions the APPTAG flag comes before the REFTAG flag */
static void fill_opcode(struct pi_io *io, uint16_t chk, uint16_t app_tag,
			uint32_t len, uint64_t seed)
{
	static const uint16_t flags[] = {
#define FLAG(chk, tag) ((chk) & PI_IO_INTEGRITY_CHK_##tag ? PI_LAB_META_CHK_##tag : 0)
#define FLAGS(chk) (FLAG(chk, GUARD) | FLAG(chk, REFTAG) | FLAG(chk, APPTAG))
		FLAGS(0), FLAGS(1), FLAGS(2), FLAGS(3),
		FLAGS(4), FLAGS(5), FLAGS(6), FLAGS(7),
	};
	struct pi_lab_sqe_meta *meta = (void *)pi_io_sqe_attr(io);

	(void)seed;
	meta->addr = (uintptr_t)io->md;
	meta->len = len;
	meta->flags = flags[chk];
	meta->app_tag = app_tag;
}

const struct pi_layout pi_layouts[PI_NR_LAYOUTS] = {
	[PI_LAYOUT_NONE] = {
		.name	= "none",
		.help	= "Plain io_uring, no protection information",
		.probe	= probe_any,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_none,
		.fill	= fill_none,
	},
	[PI_LAYOUT_INDIRECT] = {
		.name	= "indirect",
		.help	= "The SQE points to the attribute (Linux 6.14)",
		.pi	= true,
		.fixed_md = true,
		.probe	= probe_rw_attr,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_indirect,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_SQE128] = {
		.name	= "sqe128",
		.help	= "The same, with the attribute in the second half of a 128-byte SQE (Linux 6.14)",
		.pi	= true,
		.fixed_md = true,
		.ring_flags = IORING_SETUP_SQE128,
		.probe	= probe_rw_attr,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_sqe128,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_PASSTHRU] = {
		.name	= "passthru",
		.help	= "NVMe command in a 128-byte SQE, on /dev/ngXnY (Linux 5.19)",
		.pi	= true,
		.passthru = true,
		.ring_flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
		.probe	= probe_passthru,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_passthru,
		.fill	= pi_nvme_rw,
	},
	[PI_LAYOUT_INLINE] = {
		.name	= "inline",
		.help	= "The attribute is the second half of a 128-byte SQE (lab kernel)",
		.pi	= true,
		.fixed_md = true,
		.ring_flags = IORING_SETUP_SQE128,
		.probe	= probe_lab,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_inline,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_MIXED] = {
		.name	= "mixed",
		.help	= "128-byte opcodes in a ring of mixed SQE sizes, the attribute in the second half (lab kernel)",
		.pi	= true,
		.fixed_md = true,
		.ring_flags = PI_IORING_SETUP_SQE_MIXED,
		.probe	= probe_lab_opcode,
		.mode	= mode_mixed,
		.open	= open_plain,
		.arm	= arm_inline,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_OPCODE] = {
		.name	= "opcode",
		.help	= "READ_META and WRITE_META, with the metadata's address in the SQE's last 16 bytes (lab kernel)",
		.pi	= true,
		.no_seed = true,
		.probe	= probe_lab_opcode,
		.mode	= mode_opcode,
		.open	= open_plain,
		.arm	= arm_opcode,
		.fill	= fill_opcode,
	},
	[PI_LAYOUT_VEC] = {
		.name	= "vec",
		.help	= "The SQE points to an array of types and addresses (lab kernel)",
		.pi	= true,
		.fixed_md = true,
		.probe	= probe_lab,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_vec,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_FLAT] = {
		.name	= "flat",
		.help	= "The SQE points to a type map, a type and the attribute in one piece (lab kernel)",
		.pi	= true,
		.fixed_md = true,
		.probe	= probe_lab,
		.mode	= mode_plain,
		.open	= open_plain,
		.arm	= arm_flat,
		.fill	= fill_attr,
	},
	[PI_LAYOUT_REGION] = {
		.name	= "region",
		.help	= "The attribute is in memory registered with the ring (lab kernel)",
		.pi	= true,
		.fixed_md = true,
		.probe	= probe_lab,
		.mode	= mode_plain,
		.open	= open_region,
		.arm	= arm_region,
		.fill	= fill_attr,
	},
};

static int ring_of(const struct pi_layout *layout, struct pi_ring *ring,
		   struct pi_reason *reason)
{
	const struct pi_ring_options options = {
		.depth	= 1,
		.flags	= layout->ring_flags,
	};
	struct pi_reason why;
	int ret = pi_ring_init(ring, &options, &why);

	return ret ? pi_reason_set(reason, ret, "pi_layout=%s: %s",
				   layout->name, why.text) : 0;
}

int pi_layout_probe(const struct pi_layout *layout, struct pi_reason *reason)
{
	struct pi_ring ring;
	int ret = ring_of(layout, &ring, reason);

	if (ret)
		return ret;
	ret = layout->probe(layout, &ring, reason);
	pi_ring_exit(&ring);
	return ret;
}

int pi_layout_probe_fixed_md(const struct pi_layout *layout,
			     struct pi_reason *reason)
{
	struct pi_ring ring;
	int ret = ring_of(layout, &ring, reason);

	if (ret)
		return ret;
	ret = read_nothing(layout, &ring, true);
	pi_ring_exit(&ring);
	return needs_lab(ret, "fixedmd with layout ",
			 layout->name, reason);
}

int pi_layout_open(const struct pi_layout *layout, struct pi_ring *ring,
		   struct pi_io_set *set, struct pi_reason *reason)
{
	int ret = layout->open(ring, set, reason);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < set->depth; i++) {
		set->io[i].sqe = pi_ring_sqe(ring, i);
		layout->arm(set, &set->io[i]);
	}
	return 0;
}
