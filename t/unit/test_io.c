// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test.h"

#include "io.h"

#define SQE_SIZE	64

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static size_t pages(uintptr_t from, size_t bytes)
{
	size_t page = page_size();

	return (from % page + bytes + page - 1) / page;
}

static void check_slots(const struct pi_io_set *set, size_t md_bytes)
{
	for (unsigned int i = 0; i < set->depth; i++) {
		uintptr_t md = (uintptr_t)set->io[i].md;

		assert_int_equal(md % 64, 0);
		assert_int_equal(pages(md, md_bytes), pages(0, md_bytes));
		assert_int_equal((uintptr_t)&set->io[i] % 64, 0);
		memset(set->io[i].md, i, md_bytes);
	}
	for (unsigned int i = 0; i < set->depth; i++) {
		const uint8_t *md = set->io[i].md;

		for (size_t n = 0; n < md_bytes; n++)
			assert_int_equal(md[n], (uint8_t)i);
	}
}

static void check_size(const struct pi_io_set *set)
{
	const size_t bytes = set->depth * set->md_stride, large = 2 << 20;

	if (bytes < large) {
		assert_int_equal(set->md_bytes, bytes);
		return;
	}
	assert_int_equal((uintptr_t)set->md % large, 0);
	assert_int_equal(set->md_bytes % large, 0);
	pi_test_in_range(set->md_bytes, bytes, bytes + large - 1);
}

static void check_resident(const struct pi_io_set *set)
{
	size_t nr = pages(0, set->md_bytes);
	unsigned char *resident = malloc(nr);

	assert_non_null(resident);
	assert_return_code(mincore(set->md, set->md_bytes, resident), errno);
	for (size_t i = 0; i < nr; i++)
		assert_true(resident[i] & 1);
	free(resident);
}

static void test_slots(void **state)
{
	static const unsigned int depth[] = { 1, 2, 3, 32, 257 };
	const size_t page = page_size();
	const size_t bytes[] = {
		1, 8, 63, 64, 65, 100, 128, 1000, 2048, 2049, page - 1, page,
		page + 1, 2 * page - 64, 2 * page, 2 * page + 8, 64 << 10,
	};

	(void)state;
	for (size_t d = 0; d < ARRAY_SIZE(depth); d++)
		for (size_t b = 0; b < ARRAY_SIZE(bytes); b++) {
			struct pi_io_set set;

			memset(&set, PI_TEST_CANARY, sizeof(set));
			assert_int_equal(pi_io_set_init(&set, depth[d],
							bytes[b]), 0);
			assert_int_equal(set.depth, depth[d]);
			check_size(&set);
			check_resident(&set);
			check_slots(&set, bytes[b]);
			pi_io_set_exit(&set);
			assert_null(set.io);
			assert_null(set.md);
		}
}

/* memory from the heap is not zeroed */
static void test_ios_begin_clear(void **state)
{
	const struct pi_io clear = { 0 };

	(void)state;
	for (unsigned int round = 0; round < 8; round++) {
		struct pi_io_set set;

		assert_int_equal(pi_io_set_init(&set, 16, 0), 0);
		for (unsigned int i = 0; i < set.depth; i++)
			assert_memory_equal(&set.io[i], &clear, sizeof(clear));
		assert_null(set.md);
		memset(set.io, PI_TEST_CANARY, 16 * sizeof(*set.io));
		pi_io_set_exit(&set);
	}
}

static void test_no_memory(void **state)
{
	static const size_t bytes[] = { 1ULL << 46, 1ULL << 58, SIZE_MAX };
	struct pi_io_set set;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		assert_int_equal(pi_io_set_init(&set, 8, bytes[i]), -ENOMEM);
		assert_null(set.io);
		assert_null(set.md);
		pi_io_set_exit(&set);
	}
}

static const struct pi_io_mode mode = {
	.opcode		= { IORING_OP_READ, IORING_OP_WRITE },
	.sqe_flags	= IOSQE_FIXED_FILE | IOSQE_ASYNC,
	.slots		= 2,
	.rw_flags	= { PI_RWF_NOWAIT, PI_RWF_ATOMIC },
	.iov_bytes	= UINT32_MAX,
};

/* an I/O whose SQE still has the contents of an earlier one */
static void io_init(struct pi_io *io)
{
	memset(io, PI_TEST_CANARY, sizeof(*io));
	io->sqe = malloc(SQE_SIZE);
	assert_non_null(io->sqe);
	memset(io->sqe, PI_TEST_CANARY, SQE_SIZE);
}

static void io_expect(struct pi_io *io, const uint8_t *expected)
{
	assert_memory_equal(io->sqe, expected, SQE_SIZE);
	free(io->sqe);
}

/* struct io_uring_sqe as include/uapi/linux/io_uring.h lays it out */
static void expect_rw(uint8_t *sqe, unsigned int dir, uintptr_t addr,
		      uint32_t len)
{
	memset(sqe, 0, SQE_SIZE);
	sqe[0] = dir ? 23 : 22;
	sqe[1] = 1 << 0 | 1 << 4;
	pi_test_put(sqe, 2, uint16_t, 0x6123);
	pi_test_put(sqe, 4, int32_t, 77);
	pi_test_put(sqe, 8, uint64_t, 0x0123456789abcdef);
	pi_test_put(sqe, 16, uint64_t, addr);
	pi_test_put(sqe, 24, uint32_t, len);
	pi_test_put(sqe, 28, uint32_t, dir ? 0x40 : 0x08);
	pi_test_put(sqe, 32, uint64_t, 0xfedcba9876543210);
	pi_test_put(sqe, 40, uint16_t, 0x8765);
	/* the attribute belongs to the layout */
	memset(sqe + 48, PI_TEST_CANARY, 16);
}

static void test_rw(void **state)
{
	uint8_t expected[SQE_SIZE], buf[1];

	(void)state;
	for (unsigned int kind = 0; kind < 4; kind++) {
		bool vectored = kind & 1;
		unsigned int dir = kind >> 1;
		struct iovec iov;
		struct pi_io io;

		io_init(&io);
		io.iov = &iov;
		pi_io_rw(&io, &mode, dir, 77, 0x0123456789abcdef, buf,
			 0x89abc000, 0x6123, 0x8765, 0xfedcba9876543210, vectored);
		assert_int_equal(io.slots, 2);
		expect_rw(expected, dir, (uintptr_t)buf, 0x89abc000);
		if (vectored) {
			assert_ptr_equal(iov.iov_base, buf);
			assert_int_equal(iov.iov_len, 0x89abc000);
			expect_rw(expected, dir, (uintptr_t)&iov, 1);
		}
		io_expect(&io, expected);
	}
}

/* pieces of 4 KiB, the last one what is left: 1, 3, 3 and a bit, and less than 1 */
static void test_vectors(void **state)
{
	const uint32_t lengths[] = { 4096, 12288, 12800, 512 };
	struct pi_io_mode cut = mode;
	struct pi_io_set set;
	uint8_t buf[12800];

	(void)state;
	cut.iov_bytes = 4096;
	assert_int_equal(pi_io_set_init(&set, 3, 0), 0);
	assert_int_equal(pi_io_set_vectors(&set, 4), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct pi_io *io = &set.io[i % 3];
		struct io_uring_sqe sqe;
		uint32_t at = 0;

		io->sqe = &sqe;
		pi_io_rw(io, &cut, 0, 77, 0, buf, lengths[i], 0, 0, 0, true);
		assert_ptr_equal((void *)(uintptr_t)sqe.addr, io->iov);
		assert_int_equal(sqe.len, (lengths[i] + 4095) / 4096);
		for (unsigned int n = 0; n < sqe.len; n++) {
			assert_ptr_equal(io->iov[n].iov_base, buf + at);
			at += io->iov[n].iov_len;
			assert_true(io->iov[n].iov_len == 4096 || n + 1 == sqe.len);
		}
		assert_int_equal(at, lengths[i]);
	}
	assert_ptr_equal(set.io[1].iov, set.io[0].iov + 4);
	assert_ptr_equal(set.io[2].iov, set.io[1].iov + 4);
	pi_io_set_exit(&set);
}

static void test_mode_init(void **state)
{
	static const struct {
		bool vectored;
		bool fixed;
		uint8_t opcode[2];
	} kind[] = {
		{ false, false, { 22, 23 } },
		{ true, false, { 1, 2 } },
		{ false, true, { 4, 5 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
		struct pi_io_mode m;

		memset(&m, PI_TEST_CANARY, sizeof(m));
		pi_io_mode_init(&m, kind[i].vectored, kind[i].fixed);
		assert_memory_equal(m.opcode, kind[i].opcode, 2);
		assert_int_equal(m.slots, 1);
		assert_int_equal(m.sqe_flags, 0);
		assert_int_equal(m.rw_flags[0] | m.rw_flags[1], 0);
	}
}

static void test_sqe_attr_place(void **state)
{
	struct io_uring_sqe sqe;
	struct pi_io io = { .sqe = &sqe };

	(void)state;
	assert_ptr_equal(pi_io_sqe_attr(&io), (char *)&sqe + 48);
	assert_int_equal(sizeof(struct pi_uapi_sqe_attr), 16);
}

/* all other bytes must be 0, because the kernel refuses SQEs otherwise */
struct other {
	uint8_t opcode;
	uint64_t off;
	uint64_t addr;
	uint32_t len;
	uint32_t op_flags;
	uint64_t addr3;
};

#define OTHER_FLAGS	(IOSQE_FIXED_FILE | IOSQE_IO_DRAIN)
#define OTHER_FD	77
#define OTHER_USER_DATA	0x123456789abc

static void expect_other(struct pi_io *io, const struct other *other)
{
	uint8_t expected[SQE_SIZE] = { other->opcode, 1 << 0 | 1 << 1 };

	pi_test_put(expected, 4, int32_t, OTHER_FD);
	pi_test_put(expected, 8, uint64_t, other->off);
	pi_test_put(expected, 16, uint64_t, other->addr);
	pi_test_put(expected, 24, uint32_t, other->len);
	pi_test_put(expected, 28, uint32_t, other->op_flags);
	pi_test_put(expected, 32, uint64_t, OTHER_USER_DATA);
	pi_test_put(expected, 48, uint64_t, other->addr3);
	assert_int_equal(io->slots, 1);
	io_expect(io, expected);
}

static void test_fsync(void **state)
{
	(void)state;
	for (int datasync = 0; datasync < 2; datasync++) {
		struct pi_io io;

		io_init(&io);
		pi_io_fsync(&io, OTHER_FLAGS, OTHER_FD, datasync, OTHER_USER_DATA);
		expect_other(&io, &(struct other) { .opcode = 3,
						    .op_flags = datasync });
	}
}

static void test_sync_range(void **state)
{
	struct pi_io io;

	(void)state;
	io_init(&io);
	pi_io_sync_range(&io, OTHER_FLAGS, OTHER_FD, 0x123456789000, 0xfffff000,
			 7, OTHER_USER_DATA);
	expect_other(&io, &(struct other) {
		.opcode = 8, .off = 0x123456789000, .len = 0xfffff000,
		.op_flags = 7,
	});
}

static void test_nop(void **state)
{
	uint8_t expected[SQE_SIZE] = { 0 };
	struct pi_io io;

	(void)state;
	io_init(&io);
	pi_io_nop(&io, OTHER_USER_DATA);
	pi_test_put(expected, 32, uint64_t, OTHER_USER_DATA);
	assert_int_equal(io.slots, 1);
	io_expect(&io, expected);
}

static void test_discard(void **state)
{
	struct pi_io io;

	(void)state;
	io_init(&io);
	pi_io_discard(&io, OTHER_FLAGS, OTHER_FD, 0x123456789000, 0x200000000,
		      OTHER_USER_DATA);
	/* cmd_op is at the offset of off */
	assert_int_equal(io.sqe->cmd_op, 0x1200);
	io.sqe->cmd_op = 0;
	expect_other(&io, &(struct other) {
		.opcode = 46, .addr = 0x123456789000, .addr3 = 0x200000000,
	});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_ios_begin_clear),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mode_init),
		cmocka_unit_test(test_rw),
		cmocka_unit_test(test_sqe_attr_place),
		cmocka_unit_test(test_fsync),
		cmocka_unit_test(test_sync_range),
		cmocka_unit_test(test_nop),
		cmocka_unit_test(test_discard),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
