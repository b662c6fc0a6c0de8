// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare commands with bytes written out by hand: struct nvme_uring_cmd from
 * Linux's include/uapi/linux/nvme_ioctl.h is at byte 48 of the SQE, and its dwords
 * are numbered as in the NVM Command Set specification 1.0
 */
#include <errno.h>
#include <libnvme.h>

#include "pi_test.h"
#include "pi_test_nvme.h"

#include "layout.h"
#include "nvme.h"

#define BUF		0x7f0000012340ULL
#define LEN		0x8000
#define BLOCKS		8
#define USER_DATA	0x0123456789abcdefULL

static const struct pi_nvme_ns ns32 = {
	.nsid		= 0x1f,
	.stride		= 4096,
	.app_mask	= 0xf0ff,
	.ref_varies	= 0xffffffff,
};

static const struct pi_nvme_ns ns48 = {
	.nsid		= 0x1f,
	.stride		= 4096,
	.app_mask	= 0xffff,
	.ref_varies	= 0xffffffffffff,
};

struct sample {
	uint8_t sqe[128];
	uint8_t want[128];
	uint8_t md[64];
	struct pi_io io;
	struct iovec iov;
};

static void sample_init(struct sample *s, const struct pi_nvme_ns *ns)
{
	memset(s, PI_TEST_CANARY, sizeof(*s));
	memset(s->want, 0, sizeof(s->want));
	s->io = (struct pi_io) {
		.iov	= &s->iov,
		.sqe	= (void *)s->sqe,
		.md	= s->md,
		.ns	= ns,
		.blocks	= BLOCKS,
	};
	pi_nvme_arm(&s->io);
}

/* fill in a read or write like the engine does */
static void rw(struct sample *s, unsigned int dir, bool vectored, bool fixed,
	       uint16_t chk, uint32_t md_len, uint64_t ref)
{
	struct pi_io_mode mode;

	pi_io_mode_init(&mode, vectored, fixed);
	mode.sqe_flags = IOSQE_FIXED_FILE;
	pi_io_rw(&s->io, &mode, dir, 5, ref << 12, (void *)BUF, LEN, 0x4007, 3,
		 USER_DATA, vectored);
	pi_nvme_rw(&s->io, chk, 0x1234, md_len, ref);
}

static void want_sqe(struct sample *s, uint32_t cmd_op)
{
	pi_test_put(s->want, 0, uint8_t, 46);		/* IORING_OP_URING_CMD */
	pi_test_put(s->want, 1, uint8_t, 1);		/* IOSQE_FIXED_FILE */
	pi_test_put(s->want, 4, uint32_t, 5);		/* descriptor */
	pi_test_put(s->want, 8, uint32_t, cmd_op);
	pi_test_put(s->want, 32, uint64_t, USER_DATA);
	pi_test_put(s->want, NSID, uint32_t, 0x1f);
}

static void want_rw(struct sample *s, uint8_t opcode, uint32_t cmd_op,
		    uint32_t md_len)
{
	want_sqe(s, cmd_op);
	pi_test_put(s->want, 16, uint64_t, BUF);	/* not looked at, as is len */
	pi_test_put(s->want, 24, uint32_t, LEN);
	pi_test_put(s->want, 40, uint16_t, 3);		/* registered buffer */
	pi_test_put(s->want, OPCODE, uint8_t, opcode);
	pi_test_put(s->want, METADATA, uint64_t, (uintptr_t)s->md);
	pi_test_put(s->want, ADDR, uint64_t, BUF);
	pi_test_put(s->want, METADATA_LEN, uint32_t, md_len);
	pi_test_put(s->want, DATA_LEN, uint32_t, LEN);
	pi_test_put(s->want, CDW(12), uint32_t, BLOCKS - 1);
	pi_test_put(s->want, CDW(15), uint32_t, 0xf0ff1234);
}

static void expect(const struct sample *s)
{
	for (unsigned int i = 0; i < sizeof(s->want); i++)
		if (s->sqe[i] != s->want[i])
			fail_msg("byte %u is 0x%02x, should be 0x%02x", i,
				 s->sqe[i], s->want[i]);
}

#define IO	0xc0484e80U	/* NVME_URING_CMD_IO */
#define IO_VEC	0xc0484e81U

static void test_read(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, &ns32);
	rw(&s, 0, false, false, 7, 64, 0x123456789a);
	want_rw(&s, 2, IO, 64);
	pi_test_put(s.want, CDW(10), uint32_t, 0x3456789a);
	pi_test_put(s.want, CDW(11), uint32_t, 0x12);
	pi_test_put(s.want, CDW(12), uint32_t, 0x1c000007);
	pi_test_put(s.want, CDW(14), uint32_t, 0x3456789a);
	expect(&s);
}

static void test_write(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, &ns32);
	rw(&s, 1, false, false, 0, 0, 0x77);
	want_rw(&s, 1, IO, 0);
	pi_test_put(s.want, CDW(10), uint32_t, 0x77);
	pi_test_put(s.want, CDW(14), uint32_t, 0x77);
	expect(&s);
}

/* PRCHK: guard bit 28, application tag 27, reference tag 26 */
static void test_checks(void **state)
{
	static const uint32_t prchk[] = {
		0, 0x10000000, 0x04000000, 0x14000000,
		0x08000000, 0x18000000, 0x0c000000, 0x1c000000,
	};
	struct sample s;

	(void)state;
	for (unsigned int chk = 0; chk < 8; chk++) {
		sample_init(&s, &ns32);
		rw(&s, 1, false, false, chk, 64, 1);
		want_rw(&s, 1, IO, 64);
		pi_test_put(s.want, CDW(10), uint32_t, 1);
		pi_test_put(s.want, CDW(12), uint32_t, prchk[chk] | 7);
		pi_test_put(s.want, CDW(14), uint32_t, 1);
		expect(&s);
	}
}

/* PRACT is bit 29, FUA bit 30 */
static void test_control(void **state)
{
	struct pi_nvme_ns ns = ns32;
	struct sample s;

	(void)state;
	ns.control[0] = NVME_IO_PRINFO_PRACT;
	ns.control[1] = NVME_IO_PRINFO_PRACT | NVME_IO_FUA;
	for (unsigned int dir = 0; dir < 2; dir++) {
		sample_init(&s, &ns);
		rw(&s, dir, false, false, 1, 0, 1);
		want_rw(&s, 2 - dir, IO, 0);
		pi_test_put(s.want, CDW(10), uint32_t, 1);
		pi_test_put(s.want, CDW(12), uint32_t,
			    dir ? 0x70000007 : 0x30000007);
		pi_test_put(s.want, CDW(14), uint32_t, 1);
		expect(&s);
	}
}

/* 48 bits of reference tag: the low 32 in dword 14, the others in dword 3 */
static void test_wide_reference_tag(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, &ns48);
	rw(&s, 1, false, false, 0, 128, 0xfedcba9876543210);
	want_rw(&s, 1, IO, 128);
	pi_test_put(s.want, CDW3, uint32_t, 0xba98);
	pi_test_put(s.want, CDW(10), uint32_t, 0x76543210);
	pi_test_put(s.want, CDW(11), uint32_t, 0xfedcba98);
	pi_test_put(s.want, CDW(14), uint32_t, 0x76543210);
	pi_test_put(s.want, CDW(15), uint32_t, 0xffff1234);
	expect(&s);
}

/* a reference tag chosen by the application, and one with another start */
static void test_own_reference_tag(void **state)
{
	struct pi_nvme_ns ns = ns32;
	struct sample s;

	(void)state;
	ns.ref_varies = 0;
	ns.ref = 0xcafe;
	sample_init(&s, &ns);
	rw(&s, 1, false, false, 0, 64, 0x77);
	want_rw(&s, 1, IO, 64);
	pi_test_put(s.want, CDW(10), uint32_t, 0x77);
	pi_test_put(s.want, CDW(14), uint32_t, 0xcafe);
	expect(&s);

	ns = ns32;
	ns.renumber = -0x1000ULL;
	sample_init(&s, &ns);
	rw(&s, 1, false, false, 0, 64, 0x1077);
	want_rw(&s, 1, IO, 64);
	pi_test_put(s.want, CDW(10), uint32_t, 0x77);
	pi_test_put(s.want, CDW(14), uint32_t, 0x1077);
	expect(&s);
}

static void test_vectored(void **state)
{
	struct sample s;

	(void)state;
	for (unsigned int dir = 0; dir < 2; dir++) {
		sample_init(&s, &ns32);
		rw(&s, dir, true, false, 0, 64, 1);
		want_rw(&s, 2 - dir, IO_VEC, 64);
		pi_test_put(s.want, 16, uint64_t, (uintptr_t)&s.iov);
		pi_test_put(s.want, 24, uint32_t, 1);
		pi_test_put(s.want, ADDR, uint64_t, (uintptr_t)&s.iov);
		pi_test_put(s.want, DATA_LEN, uint32_t, 1);
		pi_test_put(s.want, CDW(10), uint32_t, 1);
		pi_test_put(s.want, CDW(14), uint32_t, 1);
		expect(&s);
		assert_int_equal((uintptr_t)s.iov.iov_base, BUF);
		assert_int_equal(s.iov.iov_len, LEN);
	}
}

static void test_fixed(void **state)
{
	struct sample s;

	(void)state;
	for (unsigned int dir = 0; dir < 2; dir++) {
		sample_init(&s, &ns32);
		rw(&s, dir, false, true, 0, 64, 1);
		want_rw(&s, 2 - dir, IO, 64);
		pi_test_put(s.want, 28, uint32_t, 1);	/* IORING_URING_CMD_FIXED */
		pi_test_put(s.want, CDW(10), uint32_t, 1);
		pi_test_put(s.want, CDW(14), uint32_t, 1);
		expect(&s);
	}
}

static void test_flush(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, &ns32);
	rw(&s, 1, false, true, 7, 64, 0x123456789a);
	pi_nvme_flush(&s.io, IOSQE_FIXED_FILE, 5, USER_DATA);
	want_sqe(&s, IO);
	expect(&s);
}

static void test_deallocate(void **state)
{
	const uint8_t *range;
	struct sample s;

	(void)state;
	sample_init(&s, &ns32);
	rw(&s, 1, false, true, 7, 64, 0x123456789a);
	pi_nvme_deallocate(&s.io, IOSQE_FIXED_FILE, 5, 0x123456789a, USER_DATA);
	range = (const uint8_t *)&s.io.attr_mem;
	want_sqe(&s, IO);
	pi_test_put(s.want, OPCODE, uint8_t, 9);
	pi_test_put(s.want, ADDR, uint64_t, (uintptr_t)range);
	pi_test_put(s.want, DATA_LEN, uint32_t, 16);
	pi_test_put(s.want, CDW(11), uint32_t, 4);	/* one range, AD */
	expect(&s);
	assert_memory_equal(range, "\0\0\0\0\x08\0\0\0\x9a\x78\x56\x34\x12\0\0\0",
			    16);

	/* nothing of it remains for the next read */
	rw(&s, 0, false, false, 0, 64, 1);
	memset(s.want, 0, sizeof(s.want));
	want_rw(&s, 2, IO, 64);
	pi_test_put(s.want, CDW(10), uint32_t, 1);
	pi_test_put(s.want, CDW(14), uint32_t, 1);
	expect(&s);
}

/* the number of ranges in dword 10 is zero-based */
static void test_ranges(void **state)
{
	struct pi_nvme_range ranges[256];
	struct sample s;

	(void)state;
	for (unsigned int nr = 2; nr <= 256; nr += 254) {
		for (unsigned int i = 0; i < nr; i++)
			ranges[i] = pi_nvme_range(0x123456789aULL + i, 0x80000000 + i);
		sample_init(&s, &ns32);
		rw(&s, 0, true, false, 7, 64, 0x123456789a);
		pi_nvme_deallocate_ranges(&s.io, IOSQE_FIXED_FILE, 5, ranges, nr,
					  USER_DATA);
		want_sqe(&s, IO);
		pi_test_put(s.want, OPCODE, uint8_t, 9);
		pi_test_put(s.want, ADDR, uint64_t, (uintptr_t)ranges);
		pi_test_put(s.want, DATA_LEN, uint32_t, nr * 16);
		pi_test_put(s.want, CDW(10), uint32_t, nr - 1);
		pi_test_put(s.want, CDW(11), uint32_t, 4);
		expect(&s);
		assert_memory_equal(&ranges[1],
				    "\0\0\0\0\x01\0\0\x80\x9b\x78\x56\x34\x12\0\0\0", 16);
	}
}

/* the layout's functions do the same */
static void test_layout(void **state)
{
	const struct pi_layout *layout = &pi_layouts[PI_LAYOUT_PASSTHRU];
	struct pi_io_mode mode, plain;
	struct sample s;

	(void)state;
	sample_init(&s, &ns32);
	layout->arm(NULL, &s.io);
	assert_non_null(s.io.ns);
	assert_int_equal(s.io.ns->nsid, 0);
	pi_io_mode_init(&mode, false, false);
	plain = mode;
	assert_int_equal(layout->mode(&mode, NULL), 0);
	assert_memory_equal(&mode, &plain, sizeof(mode));
	assert_ptr_equal(layout->fill, pi_nvme_rw);
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(pi_nvme_status(0x4282), 0x282);
	assert_int_equal(pi_nvme_status(0x7fff), 0x7ff);
	assert_int_equal(pi_nvme_status_tag(0x282), PI_TAG_GUARD);
	assert_int_equal(pi_nvme_status_tag(0x283), PI_TAG_APP);
	assert_int_equal(pi_nvme_status_tag(0x284), PI_TAG_REF);
	assert_int_equal(pi_nvme_status_tag(0x285), -1);
	assert_int_equal(pi_nvme_status_tag(0x288), PI_TAG_STORAGE);
	assert_int_equal(pi_nvme_status_tag(0), -1);
	for (unsigned int status = 1; status < 0x800; status++) {
		int err = pi_nvme_status_errno(status);

		assert_true(err > 0);
		assert_int_equal(err == EILSEQ, status == 0x288 ||
				 (status >= 0x282 && status <= 0x284));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_wide_reference_tag),
		cmocka_unit_test(test_own_reference_tag),
		cmocka_unit_test(test_vectored),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_deallocate),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests_name("nvme", tests, NULL, NULL);
}
