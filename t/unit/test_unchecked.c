// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring without a kernel: a wrapper for io_uring_enter() checks the SQE and
 * posts the completion.
 *
 * wrap: io_uring_setup io_uring_queue_mmap io_uring_queue_exit io_uring_enter
 */
#include <errno.h>

#include "pi_test.h"

#include "unchecked.h"
#include "uapi.h"

#define FD	1234
#define RING_FD	4321
#define BLOCKS	3
#define LEN	(BLOCKS * 4096)
#define MD_LEN	(BLOCKS * 64)

static struct {
	int init_ret;
	unsigned int features;
	int submit_ret;
	unsigned int failures;	/* waits that fail before it is done */
	int wait_ret;
	int res;

	struct io_uring *ring;
	struct io_uring_sqe sqe;	/* as submitted */
	struct pi_uapi_attr attr;
	unsigned int submitted;
	unsigned int waited;
	unsigned int inits;
	unsigned int exited;

	struct io_uring_sqe sqes[2];
	struct io_uring_cqe cqes[2];
	unsigned int array[2];
	unsigned int sq_tail, cq_head, cq_tail;
} kernel;

static struct pi_unchecked unchecked;
static uint8_t data[LEN], md[MD_LEN];

int __wrap_io_uring_setup(unsigned int entries, struct io_uring_params *p);
int __wrap_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
int __wrap_io_uring_enter(unsigned int fd, unsigned int to_submit,
			  unsigned int min, unsigned int flags, void *sig);

int __wrap_io_uring_setup(unsigned int entries, struct io_uring_params *p)
{
	assert_int_equal(entries, 1);
	if (kernel.init_ret)
		return kernel.init_ret;
	kernel.inits++;
	p->features = kernel.features;
	return RING_FD;
}

int __wrap_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *ring)
{
	(void)p;
	assert_int_equal(fd, RING_FD);
	/* a used ring does not start at 0, and its SQEs are not zeroed */
	kernel.cq_head = kernel.cq_tail = 7;
	kernel.sq_tail = 5;
	memset(kernel.sqes, PI_TEST_CANARY, sizeof(kernel.sqes));
	*ring = (struct io_uring) { 0 };
	ring->sq.sqes = kernel.sqes;
	ring->sq.array = kernel.array;
	ring->sq.ktail = &kernel.sq_tail;
	ring->sq.ring_mask = 1;
	ring->cq.cqes = kernel.cqes;
	ring->cq.khead = &kernel.cq_head;
	ring->cq.ktail = &kernel.cq_tail;
	ring->cq.ring_mask = 1;
	kernel.ring = ring;
	return 0;
}

void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
	assert_ptr_equal(ring, kernel.ring);
	kernel.exited++;
}

static void post(void)
{
	kernel.cqes[kernel.cq_tail++ & 1] = (struct io_uring_cqe) {
		.user_data	= kernel.sqe.user_data,
		.res		= kernel.res,
	};
}

static int submit(void)
{
	const struct pi_uapi_sqe_attr *by;

	if (kernel.submit_ret != 1)
		return kernel.submit_ret;
	assert_int_equal(kernel.sq_tail, 6 + kernel.submitted);
	kernel.submitted++;
	kernel.sqe = kernel.sqes[kernel.array[(kernel.sq_tail - 1) & 1]];
	by = (void *)((char *)&kernel.sqe + 48);
	assert_int_equal(by->attr_type_mask, 1);
	memcpy(&kernel.attr, (void *)(uintptr_t)by->attr_ptr,
	       sizeof(kernel.attr));
	if (!kernel.failures)
		post();
	return 1;
}

int __wrap_io_uring_enter(unsigned int fd, unsigned int to_submit,
			  unsigned int min, unsigned int flags, void *sig)
{
	assert_int_equal(fd, RING_FD);
	assert_int_equal(flags, IORING_ENTER_GETEVENTS);
	assert_null(sig);
	if (to_submit) {
		assert_int_equal(to_submit, 1);
		return submit();
	}
	assert_int_equal(min, 1);
	kernel.waited++;
	if (kernel.failures) {
		kernel.failures--;
		return kernel.wait_ret;
	}
	post();
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.features = PI_IORING_FEAT_RW_ATTR;
	kernel.submit_ret = 1;
	kernel.res = LEN;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pi_unchecked_exit(&unchecked);
	assert_int_equal(kernel.exited, kernel.inits);
	return 0;
}

static int transfer(unsigned int dir, uint64_t ref)
{
	return pi_unchecked_rw(&unchecked, NULL, dir, FD, 1ULL << 44, data, LEN,
			       md, MD_LEN, ref);
}

static void check_sqe(unsigned int opcode, uint64_t ref)
{
	assert_int_equal(kernel.submitted, 1);
	assert_int_equal(kernel.sqe.opcode, opcode);
	assert_int_equal(kernel.sqe.flags, 0);
	assert_int_equal(kernel.sqe.ioprio, 0);
	assert_int_equal(kernel.sqe.fd, FD);
	assert_int_equal(kernel.sqe.off, 1ULL << 44);
	assert_int_equal(kernel.sqe.addr, (uintptr_t)data);
	assert_int_equal(kernel.sqe.len, LEN);
	assert_int_equal(kernel.sqe.rw_flags, 0);
	assert_int_equal(kernel.sqe.personality, 0);
	/* no checks are requested, but metadata is transferred */
	assert_int_equal(kernel.attr.flags, 0);
	assert_int_equal(kernel.attr.addr, (uintptr_t)md);
	assert_int_equal(kernel.attr.len, MD_LEN);
	assert_int_equal(kernel.attr.seed, ref);
	assert_int_equal(kernel.attr.rsvd, 0);
}

static void test_read(void **state)
{
	(void)state;
	assert_int_equal(transfer(0, 7), 0);
	check_sqe(IORING_OP_READ, 7);
}

static void test_write(void **state)
{
	(void)state;
	assert_int_equal(transfer(1, 0x123456789abc), 0);
	check_sqe(IORING_OP_WRITE, 0x123456789abc);
}

static void test_waits(void **state)
{
	(void)state;
	kernel.wait_ret = -EINTR;
	kernel.failures = 3;
	assert_int_equal(transfer(0, 0), 0);
	assert_int_equal(kernel.waited, 4);
	assert_int_equal(kernel.submitted, 1);
}

/* wait, because the kernel may still be writing to the buffers */
static void test_wait_fails(void **state)
{
	static const int ret[] = { -EBADR, -ENOMEM, -EBUSY };

	for (size_t i = 0; i < ARRAY_SIZE(ret); i++) {
		teardown(state);
		setup(state);
		kernel.wait_ret = ret[i];
		kernel.failures = 5;
		assert_int_equal(transfer(0, 0), 0);
		assert_int_equal(kernel.cq_head, kernel.cq_tail);
		assert_int_equal(kernel.waited, 6);
	}
}

/* 4096 calls set up a single ring */
static void test_one_ring(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(transfer(i & 1, i), 0);
	assert_int_equal(kernel.submitted, 50);
	assert_int_equal(kernel.inits, 1);
	assert_int_equal(kernel.exited, 0);
	pi_unchecked_exit(&unchecked);
	pi_unchecked_exit(&unchecked);
	assert_int_equal(kernel.exited, 1);
}

static void test_device_fails(void **state)
{
	static const int res[] = { -EILSEQ, -EIO, -EINVAL, -EAGAIN };

	for (size_t i = 0; i < ARRAY_SIZE(res); i++) {
		teardown(state);
		setup(state);
		kernel.res = res[i];
		assert_int_equal(transfer(0, 0), res[i]);
	}
}

static void test_short(void **state)
{
	static const int res[] = { 0, 4096, LEN - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(res); i++) {
		teardown(state);
		setup(state);
		kernel.res = res[i];
		assert_int_equal(transfer(i & 1, 0), -EIO);
	}
}

static void test_not_submitted(void **state)
{
	static const int ret[] = { 0, -EAGAIN, -EBUSY };

	for (size_t i = 0; i < ARRAY_SIZE(ret); i++) {
		teardown(state);
		setup(state);
		kernel.submit_ret = ret[i];
		assert_int_equal(transfer(1, 0), -EIO);
		assert_int_equal(kernel.waited, 0);
		/* and the completion is consumed */
		kernel.submit_ret = 1;
		assert_int_equal(transfer(0, 7), 0);
		check_sqe(IORING_OP_READ, 7);
	}
}

static void test_no_ring(void **state)
{
	(void)state;
	kernel.init_ret = -EPERM;
	assert_int_equal(transfer(0, 0), -EPERM);
	assert_int_equal(kernel.submitted, 0);
}

/* before 6.14 it would write with the kernel's metadata */
static void test_before_6_14(void **state)
{
	(void)state;
	kernel.features = 0;
	assert_int_equal(transfer(1, 0), -EOPNOTSUPP);
	assert_int_equal(kernel.submitted, 0);
}

#define with_kernel(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_kernel(test_read),
		with_kernel(test_write),
		with_kernel(test_waits),
		with_kernel(test_wait_fails),
		with_kernel(test_one_ring),
		with_kernel(test_device_fails),
		with_kernel(test_short),
		with_kernel(test_not_submitted),
		with_kernel(test_no_ring),
		with_kernel(test_before_6_14),
	};

	return cmocka_run_group_tests_name("unchecked", tests, NULL, NULL);
}
