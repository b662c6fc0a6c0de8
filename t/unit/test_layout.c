// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare what each layout writes with bytes written out by hand, and probe the
 * running kernel.  Kernels that support more or less are simulated:
 *
 * wrap: io_uring_register pi_ring_has_op pi_ring_run
 */
#include <errno.h>

#include "pi_test.h"

#include "layout.h"

#define DEPTH		3

#define APP		0xbeef
#define CHK		7
#define MD_LEN		0x00123458
#define SEED		0x123456789abcULL

#define PI		(1ULL << 0)
#define INLINE		(1ULL << 63)
#define VEC		(1ULL << 62)
#define FLAT		(1ULL << 61)
#define REGION		(1ULL << 60)
#define FIXED_MD	0x8000

/* arguments of io_uring_register(), in place of the kernel */
static struct {
	bool wrapped;
	int error;
	unsigned int opcode;
	unsigned int nr_args;
	uint64_t reg[4];
	struct {
		uint64_t addr, size;
		uint32_t type;
		uint8_t zero[44];
	} region;
} registered;

int __real_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr_args);
int __wrap_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr_args);

int __wrap_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr_args)
{
	if (!registered.wrapped)
		return __real_io_uring_register(fd, opcode, arg, nr_args);
	registered.opcode = opcode;
	registered.nr_args = nr_args;
	memcpy(registered.reg, arg, sizeof(registered.reg));
	memcpy(&registered.region, (void *)(uintptr_t)registered.reg[0],
	       sizeof(registered.region));
	return registered.error;
}

/* a kernel that supports what the test says */
static struct {
	bool wrapped;
	unsigned int last_op;
	int result;
	unsigned int runs;
	unsigned int slots;
	struct io_uring_sqe sqe;
} kernel;

bool __real_pi_ring_has_op(struct pi_ring *ring, unsigned int op);
bool __wrap_pi_ring_has_op(struct pi_ring *ring, unsigned int op);
int __real_pi_ring_run(struct pi_ring *ring, unsigned int index,
		       unsigned int slots);
int __wrap_pi_ring_run(struct pi_ring *ring, unsigned int index,
		       unsigned int slots);

bool __wrap_pi_ring_has_op(struct pi_ring *ring, unsigned int op)
{
	return kernel.wrapped ? op <= kernel.last_op :
	       __real_pi_ring_has_op(ring, op);
}

int __wrap_pi_ring_run(struct pi_ring *ring, unsigned int index,
		       unsigned int slots)
{
	if (!kernel.wrapped)
		return __real_pi_ring_run(ring, index, slots);
	kernel.runs++;
	kernel.slots = slots;
	kernel.sqe = *pi_ring_sqe(ring, index);
	return kernel.result;
}

/* whose md_index samples have, where their metadata is registered */
static const struct pi_io_set *fixed_md;

/*
 * I/Os of a ring without a kernel.  SQEs, attributes and I/Os still have the
 * contents of earlier ones.
 */
struct sample {
	const struct pi_layout *layout;
	unsigned int size;	/* of an SQE */
	struct pi_ring ring;
	struct pi_io_set set;
	uint8_t sqes[DEPTH][128];
};

static void sample_init(struct sample *s, const struct pi_layout *layout)
{
	const unsigned int two = IORING_SETUP_SQE128 | PI_IORING_SETUP_SQE_MIXED;

	memset(s, PI_TEST_CANARY, sizeof(*s));
	s->layout = layout;
	s->size = layout->ring_flags & two ? 128 : 64;
	s->ring.sqe_shift = s->size == 128;
	s->ring.uring.sq.sqes = (struct io_uring_sqe *)s->sqes;
	assert_int_equal(pi_io_set_init(&s->set, DEPTH, 8), 0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		memset(&s->set.io[i].attr_mem, PI_TEST_CANARY,
		       sizeof(s->set.io[i].attr_mem));
		memset(&s->set.io[i].sqe_attr, PI_TEST_CANARY,
		       sizeof(s->set.io[i].sqe_attr));
	}
	if (fixed_md) {
		s->set.md_fixed = true;
		s->set.md_index = fixed_md->md_index;
	}
	registered.wrapped = true;
	registered.error = 0;
	assert_int_equal(pi_layout_open(layout, &s->ring, &s->set, NULL), 0);
	registered.wrapped = false;
	/* an SQE of another kind came before */
	for (unsigned int i = 0; i < DEPTH; i++)
		memset(s->set.io[i].sqe, PI_TEST_CANARY, 64);
}

static void sample_exit(struct sample *s)
{
	pi_io_set_exit(&s->set);
	assert_null(s->set.region);
}

static void put_attr(uint8_t *attr, const struct pi_io *io, uint16_t chk,
		     uint16_t app, uint32_t len, uint64_t seed)
{
	memset(attr, 0, 32);
	pi_test_put(attr, 0, uint16_t, chk);
	pi_test_put(attr, 2, uint16_t, app);
	pi_test_put(attr, 4, uint32_t, len);
	pi_test_put(attr, 8, uint64_t, (uintptr_t)io->md);
	pi_test_put(attr, 16, uint64_t, seed);
	if (fixed_md) {
		pi_test_put(attr, 0, uint16_t, chk | FIXED_MD);
		pi_test_put(attr, 24, uint64_t, fixed_md->md_index);
	}
}

static void put_sqe(uint8_t *sqe, uint64_t attr_ptr, uint64_t attr_type_mask)
{
	pi_test_put(sqe, 48, uint64_t, attr_ptr);
	pi_test_put(sqe, 56, uint64_t, attr_type_mask);
}

/* what is not in @sqe was not written either */
static void expect_sqe(const struct sample *s, unsigned int i,
		       const uint8_t *sqe)
{
	const uint8_t *first = (const uint8_t *)s->sqes;

	assert_ptr_equal(s->set.io[i].sqe, first + i * s->size);
	assert_memory_equal(s->set.io[i].sqe, sqe, s->size);
}

/* @check is called to compare the SQE and @mem */
typedef void check_fn(const struct sample *s, unsigned int i, uint16_t chk,
		      uint16_t app, uint32_t len, uint64_t seed);

static void run(enum pi_layout_id id, check_fn *check)
{
	const struct pi_layout *layout = &pi_layouts[id];
	struct sample s;

	sample_init(&s, layout);
	for (unsigned int i = 0; i < DEPTH; i++) {
		layout->fill(&s.set.io[i], CHK, APP, MD_LEN + i, SEED + i);
		check(&s, i, CHK, APP, MD_LEN + i, SEED + i);
		/* the next I/O from the same slot, after an SQE of another kind */
		memset(s.set.io[i].sqe, PI_TEST_CANARY, 64);
		layout->fill(&s.set.io[i], 0, 0x1234, 8, UINT64_MAX);
		check(&s, i, 0, 0x1234, 8, UINT64_MAX);
	}
	/* and none of them has overwritten another one */
	for (unsigned int i = 0; i < DEPTH; i++)
		check(&s, i, 0, 0x1234, 8, UINT64_MAX);
	sample_exit(&s);
}

static void check_none(const struct sample *s, unsigned int i, uint16_t chk,
		       uint16_t app, uint32_t len, uint64_t seed)
{
	uint8_t sqe[128];

	(void)chk, (void)app, (void)len, (void)seed;
	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, 0, 0);
	expect_sqe(s, i, sqe);
}

static void test_none(void **state)
{
	(void)state;
	run(PI_LAYOUT_NONE, check_none);
}

static void check_indirect(const struct sample *s, unsigned int i,
			   uint16_t chk, uint16_t app, uint32_t len,
			   uint64_t seed)
{
	const struct pi_io *io = &s->set.io[i];
	uint8_t sqe[128], attr[32];

	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, (uintptr_t)&io->attr_mem, PI);
	expect_sqe(s, i, sqe);
	put_attr(attr, io, chk, app, len, seed);
	assert_memory_equal(&io->attr_mem, attr, 32);
}

static void test_indirect(void **state)
{
	(void)state;
	run(PI_LAYOUT_INDIRECT, check_indirect);
}

/* @ptr, @mask: bytes 48 to 63; the rest of the second half is not touched */
static void expect_half(const struct sample *s, unsigned int i, uint64_t ptr,
			uint64_t mask, uint16_t chk, uint16_t app,
			uint32_t len, uint64_t seed)
{
	uint8_t sqe[128];

	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, ptr, mask);
	put_attr(sqe + 64, &s->set.io[i], chk, app, len, seed);
	expect_sqe(s, i, sqe);
}

static void check_sqe128(const struct sample *s, unsigned int i, uint16_t chk,
			 uint16_t app, uint32_t len, uint64_t seed)
{
	expect_half(s, i, (uintptr_t)s->set.io[i].sqe + 64, PI, chk, app, len,
		    seed);
}

static void check_inline(const struct sample *s, unsigned int i, uint16_t chk,
			 uint16_t app, uint32_t len, uint64_t seed)
{
	expect_half(s, i, 0, PI | INLINE, chk, app, len, seed);
}

static void test_second_half(void **state)
{
	(void)state;
	run(PI_LAYOUT_SQE128, check_sqe128);
	run(PI_LAYOUT_INLINE, check_inline);
	run(PI_LAYOUT_MIXED, check_inline);
}

static void check_opcode(const struct sample *s, unsigned int i, uint16_t chk,
			 uint16_t app, uint32_t len, uint64_t seed)
{
	uint8_t sqe[64];

	(void)seed;
	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	pi_test_put(sqe, 48, uint64_t, (uintptr_t)s->set.io[i].md);
	pi_test_put(sqe, 56, uint32_t, len);
	pi_test_put(sqe, 60, uint16_t, chk);
	pi_test_put(sqe, 62, uint16_t, app);
	expect_sqe(s, i, sqe);
}

static void test_opcode(void **state)
{
	/* guard, reference, application tag: 1, 2, 4 become 1, 4, 2 */
	static const uint16_t flags[] = { 0, 1, 4, 5, 2, 3, 6, 7 };
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_OPCODE];
	struct sample s;

	(void)state;
	run(PI_LAYOUT_OPCODE, check_opcode);
	sample_init(&s, layout);
	for (uint16_t chk = 0; chk < 8; chk++) {
		layout->fill(&s.set.io[1], chk, APP, MD_LEN, SEED);
		check_opcode(&s, 1, flags[chk], APP, MD_LEN, SEED);
	}
	sample_exit(&s);
}

static void check_vec(const struct sample *s, unsigned int i, uint16_t chk,
		      uint16_t app, uint32_t len, uint64_t seed)
{
	const struct pi_io *io = &s->set.io[i];
	uint8_t sqe[64], attr[32];
	const uint8_t *vec, *pi;
	uint64_t addr;

	vec = (const uint8_t *)&io->attr_mem;
	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, (uintptr_t)vec, PI | VEC | 1 << 8);
	expect_sqe(s, i, sqe);
	/* type 0, a hole, the address */
	assert_int_equal(vec[0] | vec[1] | vec[2] | vec[3], 0);
	memcpy(&addr, vec + 8, sizeof(addr));
	pi = (const uint8_t *)(uintptr_t)addr;
	assert_true(pi >= vec + 16 && pi + 32 <= (const uint8_t *)(io + 1));
	put_attr(attr, io, chk, app, len, seed);
	assert_memory_equal(pi, attr, 32);
}

static void check_flat(const struct sample *s, unsigned int i, uint16_t chk,
		       uint16_t app, uint32_t len, uint64_t seed)
{
	/* type map 1, type 0, padding of zeroes, attribute */
	uint8_t sqe[64], flat[48] = { 0 };
	const struct pi_io *io = &s->set.io[i];

	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, (uintptr_t)&io->attr_mem, PI | FLAT | 48 << 16);
	expect_sqe(s, i, sqe);
	pi_test_put(flat, 0, uint64_t, 1);
	put_attr(flat + 16, io, chk, app, len, seed);
	assert_memory_equal(&io->attr_mem, flat, sizeof(flat));
}

static void test_vec_and_flat(void **state)
{
	(void)state;
	run(PI_LAYOUT_VEC, check_vec);
	run(PI_LAYOUT_FLAT, check_flat);
}

static void check_region(const struct sample *s, unsigned int i, uint16_t chk,
			 uint16_t app, uint32_t len, uint64_t seed)
{
	const struct pi_io *io = &s->set.io[i];
	const uint64_t offset = i * 64;
	uint8_t sqe[64], attr[32];

	memset(sqe, PI_TEST_CANARY, sizeof(sqe));
	put_sqe(sqe, offset, PI | REGION);
	expect_sqe(s, i, sqe);
	put_attr(attr, io, chk, app, len, seed);
	assert_memory_equal((uint8_t *)s->set.region + offset, attr, 32);
}

static void test_region(void **state)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct sample s;

	(void)state;
	run(PI_LAYOUT_REGION, check_region);

	/* IORING_REGISTER_MEM_REGION of user memory in whole pages */
	sample_init(&s, &pi_layouts[PI_LAYOUT_REGION]);
	assert_int_equal(registered.opcode, 34);
	assert_int_equal(registered.nr_args, 1);
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(registered.reg[i], 0);
	assert_int_equal(registered.region.addr, (uintptr_t)s.set.region);
	assert_int_equal(registered.region.addr % page, 0);
	assert_int_equal(registered.region.size, page);
	assert_int_equal(registered.region.type, 1);
	for (unsigned int i = 0; i < sizeof(registered.region.zero); i++)
		assert_int_equal(registered.region.zero[i], 0);
	sample_exit(&s);
}

/* an offset is less than the region's size, whatever the depth */
static void test_region_size(void **state)
{
	static const unsigned int depth[] = { 1, 63, 64, 65, 32768 };
	const uint64_t page = sysconf(_SC_PAGESIZE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(depth); i++) {
		struct io_uring_sqe *sqes = calloc(depth[i], 64);
		struct pi_ring ring = { .uring.sq.sqes = sqes };
		struct pi_io_set set;

		assert_int_equal(pi_io_set_init(&set, depth[i], 8), 0);
		registered.wrapped = true;
		registered.error = 0;
		assert_int_equal(pi_layout_open(&pi_layouts[PI_LAYOUT_REGION],
						&ring, &set, NULL), 0);
		registered.wrapped = false;
		assert_int_equal(set.region_bytes % page, 0);
		pi_test_in_range(set.region_bytes, depth[i] * 64,
				depth[i] * 64 + page - 1);
		assert_int_equal(registered.region.size, set.region_bytes);
		pi_io_set_exit(&set);
		free(sqes);
	}
}

static void test_region_refused(void **state)
{
	struct io_uring_sqe sqe;
	struct pi_ring ring = { .uring.sq.sqes = &sqe };
	struct pi_reason reason = { "" };
	struct pi_io_set set;

	(void)state;
	assert_int_equal(pi_io_set_init(&set, 1, 8), 0);
	registered.wrapped = true;
	registered.error = -ENOMEM;
	assert_int_equal(pi_layout_open(&pi_layouts[PI_LAYOUT_REGION], &ring,
					&set, &reason), -ENOMEM);
	registered.wrapped = false;
	pi_test_says(&reason, "layout 'region' needs: Cannot allocate memory");
	pi_test_says(&reason, "ulimit -l");
	pi_io_set_exit(&set);
}

static void test_fixed_md(void **state)
{
	static const uint16_t index[] = { 0, 1, 0x3fff, 0xffff };
	static check_fn * const check[PI_NR_LAYOUTS] = {
		[PI_LAYOUT_INDIRECT]	= check_indirect,
		[PI_LAYOUT_SQE128]	= check_sqe128,
		[PI_LAYOUT_INLINE]	= check_inline,
		[PI_LAYOUT_MIXED]	= check_inline,
		[PI_LAYOUT_VEC]		= check_vec,
		[PI_LAYOUT_FLAT]	= check_flat,
		[PI_LAYOUT_REGION]	= check_region,
	};

	(void)state;
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		assert_int_equal(pi_layouts[i].fixed_md, !!check[i]);
		for (size_t n = 0; check[i] && n < ARRAY_SIZE(index); n++) {
			const struct pi_io_set set = { .md_index = index[n] };

			fixed_md = &set;
			run(i, check[i]);
			fixed_md = NULL;
		}
	}
}

/* in a ring with 128-byte SQEs too */
static void test_plain_in_any_ring(void **state)
{
	(void)state;
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		struct sample s;
		uint8_t sqe[128];

		sample_init(&s, &pi_layouts[i]);
		memset(s.set.io[1].sqe, PI_TEST_CANARY, s.size);
		pi_layouts[PI_LAYOUT_NONE].fill(&s.set.io[1], CHK, APP, MD_LEN,
						SEED);
		memset(sqe, PI_TEST_CANARY, sizeof(sqe));
		put_sqe(sqe, 0, 0);
		expect_sqe(&s, 1, sqe);
		sample_exit(&s);
	}
}

static void test_table(void **state)
{
	static const char *const names[PI_NR_LAYOUTS] = {
		"none", "indirect", "sqe128", "passthru", "inline", "mixed",
		"opcode", "vec", "flat", "region",
	};

	(void)state;
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		const struct pi_layout *layout = &pi_layouts[i];

		assert_string_equal(layout->name, names[i]);
		assert_true(layout->help[0]);
		assert_true(layout->probe && layout->mode && layout->open &&
			    layout->arm && layout->fill);
		assert_int_equal(layout->pi, i != PI_LAYOUT_NONE);
		assert_int_equal(layout->no_seed, i == PI_LAYOUT_OPCODE);
		assert_int_equal(layout->passthru, i == PI_LAYOUT_PASSTHRU);
		/* IORING_SETUP_SQE128, _CQE32, _SQE_MIXED */
		assert_int_equal(layout->ring_flags,
				 i == PI_LAYOUT_MIXED ? 1 << 19 :
				 i == PI_LAYOUT_PASSTHRU ? 1 << 10 | 1 << 11 :
				 i == PI_LAYOUT_SQE128 ||
				 i == PI_LAYOUT_INLINE ? 1 << 10 : 0);
	}
}

/* plain, vectored, fixed: READ and WRITE of each */
static const uint8_t stock_opcode[3][2] = { { 22, 23 }, { 1, 2 }, { 4, 5 } };

static void expect_mode(enum pi_layout_id id, unsigned int kind,
			const uint8_t *opcode, unsigned int slots)
{
	struct pi_io_mode mode, before;

	pi_io_mode_init(&mode, kind == 1, kind == 2);
	mode.sqe_flags = IOSQE_FIXED_FILE;
	mode.rw_flags[1] = PI_RWF_NOWAIT;
	before = mode;
	assert_int_equal(pi_layouts[id].mode(&mode, NULL), 0);
	assert_memory_equal(mode.opcode, opcode, 2);
	assert_int_equal(mode.slots, slots);
	assert_int_equal(mode.sqe_flags, before.sqe_flags);
	assert_memory_equal(mode.rw_flags, before.rw_flags,
			    sizeof(mode.rw_flags));
}

static void test_modes(void **state)
{
	static const uint8_t mixed[3][2] = { { 65, 66 }, { 67, 68 }, { 69, 70 } };
	static const uint8_t meta[2] = { 71, 72 };
	struct pi_reason reason = { "" };

	(void)state;
	for (int i = 0; i < PI_NR_LAYOUTS; i++)
		for (unsigned int kind = 0; kind < 3; kind++) {
			if (i == PI_LAYOUT_OPCODE)
				continue;
			if (i == PI_LAYOUT_MIXED)
				expect_mode(i, kind, mixed[kind], 2);
			else
				expect_mode(i, kind, stock_opcode[kind], 1);
		}

	expect_mode(PI_LAYOUT_OPCODE, 0, meta, 1);
	for (unsigned int kind = 1; kind < 3; kind++) {
		struct pi_io_mode mode;

		pi_io_mode_init(&mode, kind == 1, kind == 2);
		assert_int_equal(pi_layouts[PI_LAYOUT_OPCODE].mode(&mode, &reason),
				 -EOPNOTSUPP);
		pi_test_says(&reason, "layout 'opcode'");
		pi_test_says(&reason, "drop fixedbufs and nonvectored=0");
		assert_memory_equal(mode.opcode, stock_opcode[kind], 2);
	}
}

static bool is_lab(enum pi_layout_id id)
{
	return id >= PI_LAYOUT_INLINE;
}

static bool has_opcodes(enum pi_layout_id id)
{
	return id == PI_LAYOUT_MIXED || id == PI_LAYOUT_OPCODE;
}

/* one row's probe in a kernel with @features, opcodes up to @last_op */
static int probe(enum pi_layout_id id, unsigned int features,
		 unsigned int last_op, int result, struct pi_reason *reason)
{
	static struct io_uring_sqe sqes[2];
	struct pi_ring ring = {
		.uring.sq.sqes	= sqes,
		.features	= features,
	};
	int ret;

	memset(reason, 0, sizeof(*reason));
	memset(&kernel, 0, sizeof(kernel));
	kernel.last_op = last_op;
	kernel.result = result;
	kernel.wrapped = registered.wrapped = true;
	registered.error = 0;
	ret = pi_layouts[id].probe(&pi_layouts[id], &ring, reason);
	kernel.wrapped = registered.wrapped = false;
	return ret;
}

#define RW_ATTR		(1U << 16)
#define LAB_LAST_OP	72

static void test_probe_features(void **state)
{
	struct pi_reason reason;

	(void)state;
	assert_int_equal(probe(PI_LAYOUT_NONE, 0, 0, 0, &reason), 0);
	assert_int_equal(probe(PI_LAYOUT_PASSTHRU, 0, IORING_OP_URING_CMD, 0,
			       &reason), 0);
	assert_int_equal(probe(PI_LAYOUT_PASSTHRU, ~0U, IORING_OP_URING_CMD - 1,
			       0, &reason), -EOPNOTSUPP);
	pi_test_says(&reason, "pi_layout=passthru needs Linux 5.19");
	for (int i = PI_LAYOUT_INDIRECT; i <= PI_LAYOUT_SQE128; i++) {
		assert_int_equal(probe(i, ~RW_ATTR, 255, -EBADF, &reason),
				 -EOPNOTSUPP);
		pi_test_says(&reason, i == PI_LAYOUT_SQE128 ?
			     "pi_layout=sqe128 needs Linux 6.14" :
			     "pi_layout=indirect needs Linux 6.14");
		pi_test_says(&reason, "IORING_FEAT_RW_ATTR");
		pi_test_says(&reason, "use pi_layout=none");
		assert_int_equal(probe(i, RW_ATTR, 0, 0, &reason), 0);
	}
}

static void expect_needs_lab(enum pi_layout_id id, int ret,
			     const struct pi_reason *reason)
{
	char text[64];

	snprintf(text, sizeof(text), "layout '%s' needs the lab kernel: see scripts/kernel/",
		 pi_layouts[id].name);
	assert_int_equal(ret, -EOPNOTSUPP);
	pi_test_says(reason, text);
}

static void test_probe_lab(void **state)
{
	struct pi_reason reason;

	(void)state;
	for (int i = PI_LAYOUT_INLINE; i < PI_NR_LAYOUTS; i++) {
		/* the attribute is accepted, but the descriptor is invalid */
		assert_int_equal(probe(i, RW_ATTR, LAB_LAST_OP, -EBADF, &reason), 0);
		assert_int_equal(kernel.runs, 1);
		assert_int_equal(kernel.sqe.fd, -1);
		assert_int_equal(kernel.sqe.opcode, i == PI_LAYOUT_MIXED ? 65 :
				 i == PI_LAYOUT_OPCODE ? 71 : 22);
		assert_int_equal(kernel.slots, i == PI_LAYOUT_MIXED ? 2 : 1);

		/* the selector bit is unknown */
		expect_needs_lab(i, probe(i, RW_ATTR, LAB_LAST_OP, -EINVAL,
					  &reason), &reason);
		/* attributes are ignored before 6.14 */
		expect_needs_lab(i, probe(i, ~RW_ATTR, LAB_LAST_OP, -EBADF,
					  &reason), &reason);
		assert_int_equal(kernel.runs, 0);

		/* any other error */
		assert_int_equal(probe(i, RW_ATTR, LAB_LAST_OP, -ENOMEM, &reason),
				 -ENOMEM);
		pi_test_says(&reason, "could not be tried: Cannot allocate memory");
		assert_int_equal(probe(i, RW_ATTR, LAB_LAST_OP, 8, &reason), -EIO);
		pi_test_says(&reason, "could not be tried");
	}
}

/* Linux 7.3 has fewer opcodes; a kernel with more may use these for others */
static void test_probe_opcodes(void **state)
{
	struct pi_reason reason;

	(void)state;
	for (int i = PI_LAYOUT_INLINE; i < PI_NR_LAYOUTS; i++)
		for (int last = LAB_LAST_OP - 1; last <= LAB_LAST_OP + 1; last += 2) {
			int ret = probe(i, RW_ATTR, last, -EBADF, &reason);

			if (!has_opcodes(i)) {
				assert_int_equal(ret, 0);
				continue;
			}
			expect_needs_lab(i, ret, &reason);
			assert_int_equal(kernel.runs, 0);
		}
}

/* a machine whose policy denies io_uring cannot run these tests */
static bool probe_here(enum pi_layout_id id)
{
	struct pi_reason reason = { "" };
	int ret = pi_layout_probe(&pi_layouts[id], &reason);

	if (ret == -EPERM || ret == -ENOSYS) {
		pi_test_skip("io_uring", reason.text);
	}
	if (!ret)
		return true;
	print_message("# %s\n", reason.text);
	if (id == PI_LAYOUT_MIXED && ret == -EINVAL)
		pi_test_says(&reason, "pi_layout=mixed: this kernel has no rings of mixed SQE sizes");
	else if (is_lab(id))
		expect_needs_lab(id, ret, &reason);
	else
		pi_test_says(&reason, "needs Linux 6.14");
	return false;
}

static int probe_fixed_md(int result, struct pi_reason *reason)
{
	int ret;

	memset(reason, 0, sizeof(*reason));
	memset(&kernel, 0, sizeof(kernel));
	kernel.result = result;
	kernel.wrapped = true;
	ret = pi_layout_probe_fixed_md(&pi_layouts[PI_LAYOUT_INDIRECT], reason);
	kernel.wrapped = false;
	return ret;
}

static void test_probe_fixed_md(void **state)
{
	const char *needs = "fixedmd with layout 'indirect' needs the lab kernel: see scripts/kernel/";
	const int next = pi_test_next_fd();
	struct pi_reason reason;
	int ret;

	(void)state;
	if (!probe_here(PI_LAYOUT_INDIRECT))
		return;
	assert_int_equal(probe_fixed_md(-EBADF, &reason), 0);
	assert_int_equal(kernel.runs, 1);
	assert_int_equal(kernel.sqe.fd, -1);
	assert_int_equal(probe_fixed_md(-EINVAL, &reason), -EOPNOTSUPP);
	pi_test_says(&reason, needs);
	assert_int_equal(probe_fixed_md(-EFAULT, &reason), -EFAULT);
	pi_test_says(&reason, "fixedmd with layout 'indirect' could not be tried: Bad address");

	/* EINVAL because of the index, rather than EBADF because of the descriptor */
	ret = pi_layout_probe_fixed_md(&pi_layouts[PI_LAYOUT_INDIRECT], &reason);
	if (ret) {
		assert_int_equal(ret, -EOPNOTSUPP);
		pi_test_says(&reason, needs);
	}
	assert_int_equal(pi_test_next_fd(), next);
}

static int submit(const struct pi_layout *layout, struct pi_ring *ring,
		  struct pi_io *io)
{
	struct pi_io_mode mode;
	static char buf[16];

	pi_io_mode_init(&mode, false, false);
	assert_int_equal(layout->mode(&mode, NULL), 0);
	pi_io_rw(io, &mode, 0, -1, 0, buf, sizeof(buf), 0, 0, 0, false);
	layout->fill(io, CHK, APP, 8, SEED);
	return pi_ring_run(ring, 0, io->slots);
}

static void test_running_kernel(void **state)
{
	(void)state;
	assert_true(probe_here(PI_LAYOUT_NONE));
	assert_int_equal(probe_here(PI_LAYOUT_INDIRECT),
			 probe_here(PI_LAYOUT_SQE128));
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		const struct pi_layout *layout = &pi_layouts[i];
		const struct pi_ring_options options = {
			.depth = 1, .flags = layout->ring_flags,
		};
		struct pi_io_set set;
		struct pi_ring ring;

		if (!probe_here(i))
			continue;
		assert_int_equal(pi_ring_init(&ring, &options, NULL), 0);
		assert_int_equal(pi_io_set_init(&set, 1, 8), 0);
		assert_int_equal(pi_layout_open(layout, &ring, &set, NULL), 0);
		assert_int_equal(submit(layout, &ring, set.io), -EBADF);
		/* so EBADF means that the kernel has parsed the attribute */
		if (set.io->attr) {
			set.io->attr->rsvd = 1;
			assert_int_equal(submit(layout, &ring, set.io), -EINVAL);
		}
		pi_io_set_exit(&set);
		pi_ring_exit(&ring);
	}
}

/* nothing stays open */
static void test_probe_leaves_nothing(void **state)
{
	const int next = pi_test_next_fd();

	(void)state;
	for (int i = 0; i < PI_NR_LAYOUTS; i++)
		probe_here(i);
	assert_int_equal(pi_test_next_fd(), next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_second_half),
		cmocka_unit_test(test_opcode),
		cmocka_unit_test(test_vec_and_flat),
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_region_size),
		cmocka_unit_test(test_region_refused),
		cmocka_unit_test(test_fixed_md),
		cmocka_unit_test(test_plain_in_any_ring),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_probe_features),
		cmocka_unit_test(test_probe_lab),
		cmocka_unit_test(test_probe_opcodes),
		cmocka_unit_test(test_probe_fixed_md),
		cmocka_unit_test(test_running_kernel),
		cmocka_unit_test(test_probe_leaves_nothing),
	};

	return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
