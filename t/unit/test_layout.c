// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test.h"

#include "layout.h"

#define ATTR_SIZE	32

#define APP		0xbeef
#define CHK		7
#define MD_LEN		0x00123458
#define SEED		0x123456789abcULL

/* an I/O whose SQE and attribute hold what an earlier one has left there */
struct sample {
	struct pi_io io;
	uint8_t sqe[64];
	uint8_t md[8];
};

static void sample_init(struct sample *s, const struct pi_layout *layout)
{
	memset(s, PI_TEST_CANARY, sizeof(*s));
	s->io.sqe = (struct io_uring_sqe *)s->sqe;
	s->io.md = s->md;
	layout->arm(&s->io);
	layout->fill(&s->io, CHK, APP, MD_LEN, SEED);
}

/* @attr is all that a layout may write in the SQE */
static void expect_sqe(const struct sample *s, const uint8_t *attr)
{
	uint8_t expected[64];

	memset(expected, PI_TEST_CANARY, sizeof(expected));
	memcpy(expected + 48, attr, 16);
	assert_memory_equal(s->sqe, expected, sizeof(expected));
}

static void test_none(void **state)
{
	const uint8_t zeroes[16] = { 0 };
	struct sample s;

	(void)state;
	sample_init(&s, &pi_layouts[PI_LAYOUT_NONE]);
	expect_sqe(&s, zeroes);
}

static void expect_attr(const struct sample *s, uint16_t chk, uint16_t app,
			uint32_t len, uint64_t seed)
{
	uint8_t expected[ATTR_SIZE] = { 0 };

	pi_test_put(expected, 0, uint16_t, chk);
	pi_test_put(expected, 2, uint16_t, app);
	pi_test_put(expected, 4, uint32_t, len);
	pi_test_put(expected, 8, uint64_t, (uintptr_t)s->md);
	pi_test_put(expected, 16, uint64_t, seed);
	assert_memory_equal(s->io.attr, expected, ATTR_SIZE);
}

static void test_indirect(void **state)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_INDIRECT];
	uint8_t attr[16];
	struct sample s;

	(void)state;
	sample_init(&s, layout);
	pi_test_put(attr, 0, uint64_t, (uintptr_t)&s.io.attr_mem);
	pi_test_put(attr, 8, uint64_t, 1);
	expect_sqe(&s, attr);
	assert_ptr_equal(s.io.attr, &s.io.attr_mem);
	expect_attr(&s, CHK, APP, MD_LEN, SEED);

	/* the next I/O from the same slot, after an SQE of another kind */
	memset(s.sqe, PI_TEST_CANARY, sizeof(s.sqe));
	layout->fill(&s.io, 0, 0x1234, 8, UINT64_MAX);
	expect_sqe(&s, attr);
	expect_attr(&s, 0, 0x1234, 8, UINT64_MAX);
}

static void test_table(void **state)
{
	(void)state;
	assert_string_equal(pi_layouts[PI_LAYOUT_NONE].name, "none");
	assert_false(pi_layouts[PI_LAYOUT_NONE].pi);
	assert_string_equal(pi_layouts[PI_LAYOUT_INDIRECT].name, "indirect");
	assert_true(pi_layouts[PI_LAYOUT_INDIRECT].pi);
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		const struct pi_layout *layout = &pi_layouts[i];

		assert_true(layout->name[0] && layout->help[0]);
		assert_true(layout->probe && layout->arm && layout->fill);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(layout->name, pi_layouts[j].name);
	}
}

static void test_probe_features(void **state)
{
	struct pi_ring ring = { .features = ~(1U << 16) };
	struct pi_reason reason = { "" };

	(void)state;
	assert_int_equal(pi_layouts[PI_LAYOUT_NONE].probe(&ring, &reason), 0);
	assert_int_equal(pi_layouts[PI_LAYOUT_INDIRECT].probe(&ring, &reason),
			 -EOPNOTSUPP);
	pi_test_says(&reason, "pi_layout=indirect needs Linux 6.14");
	pi_test_says(&reason, "IORING_FEAT_RW_ATTR");
	pi_test_says(&reason, "use pi_layout=none");
	assert_int_equal(pi_layouts[PI_LAYOUT_INDIRECT].probe(&ring, NULL),
			 -EOPNOTSUPP);
	ring.features = 1U << 16;
	assert_int_equal(pi_layouts[PI_LAYOUT_INDIRECT].probe(&ring, NULL), 0);
}

static int submit_one(struct pi_ring *ring)
{
	pi_ring_queue(ring, 0);
	assert_int_equal(pi_ring_submit(ring, 1), 1);
	while (!pi_ring_ready(ring)) {
		int ret = pi_ring_wait(ring, 1);

		assert_true(!ret || ret == -EINTR);
	}
	return pi_ring_cqe(ring, pi_ring_take(ring, 1))->res;
}

/*
 * The kernel takes the attribute in before it looks at the descriptor: with
 * an attribute in order an invalid one is all there is to complain about.
 */
static void test_kernel_takes_it(void **state)
{
	const struct pi_ring_options options = { .depth = 1 };
	const struct pi_io_mode mode = { .opcode = { IORING_OP_READ } };
	struct pi_io io = { .md = &io };
	struct pi_reason reason;
	struct pi_ring ring;
	char buf[16];

	(void)state;
	if (pi_ring_init(&ring, &options, &reason)) {
		print_message("# %s\n", reason.text);
		skip();
	}
	io.sqe = pi_ring_sqe(&ring, 0);
	for (int i = 0; i < PI_NR_LAYOUTS; i++) {
		const struct pi_layout *layout = &pi_layouts[i];

		if (layout->ring_flags || layout->probe(&ring, &reason))
			continue;
		layout->arm(&io);
		pi_io_rw(&io, &mode, 0, -1, 0, buf, sizeof(buf), 0, 0, 0, false);
		layout->fill(&io, CHK, APP, MD_LEN, SEED);
		assert_int_equal(submit_one(&ring), -EBADF);
		if (i != PI_LAYOUT_INDIRECT)
			continue;
		io.attr->rsvd = 1;
		assert_int_equal(submit_one(&ring), -EINVAL);
	}
	pi_ring_exit(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_probe_features),
		cmocka_unit_test(test_kernel_takes_it),
	};

	return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
