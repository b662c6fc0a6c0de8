// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests with real rings of the running kernel; older kernels are simulated by
 * failing the calls that they would fail:
 *
 * wrap: io_uring_setup io_uring_queue_mmap io_uring_queue_init_params
 * wrap: io_uring_register io_uring_enter
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "pi_test.h"

#include "io.h"
#include "ring.h"

#define LADDER_MAX	8
#define SETUP_NO_SQARRAY	(1U << 16)
#define BLOCK		512
#define BLOCKS		1024

static struct {
	unsigned int refused;
	unsigned int ignored;
	int error;
	int mmap_error;
	bool only_maps;
	unsigned int idle_ms;
	unsigned int tries;
	struct io_uring_params tried[LADDER_MAX];
	unsigned int entries;
	bool registers_none;
	unsigned int entered[2];	/* by descriptor, and by what is registered */
	int next_fd;
} setup;

/* a file of BLOCKS blocks that contain their own number */
static int file = -1;
static bool kernel_registers;

int __real_io_uring_setup(unsigned int entries, struct io_uring_params *p);
int __wrap_io_uring_setup(unsigned int entries, struct io_uring_params *p);
int __real_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *ring);
int __wrap_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *ring);
int __real_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p);

int __real_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr);
int __wrap_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr);
int __real_io_uring_enter(unsigned int fd, unsigned int nr, unsigned int min,
			  unsigned int flags, sigset_t *sig);
int __wrap_io_uring_enter(unsigned int fd, unsigned int nr, unsigned int min,
			  unsigned int flags, sigset_t *sig);

int __wrap_io_uring_register(unsigned int fd, unsigned int opcode,
			     const void *arg, unsigned int nr)
{
	if (setup.registers_none && opcode == IORING_REGISTER_RING_FDS)
		return -EINVAL;
	return __real_io_uring_register(fd, opcode, arg, nr);
}

int __wrap_io_uring_enter(unsigned int fd, unsigned int nr, unsigned int min,
			  unsigned int flags, sigset_t *sig)
{
	setup.entered[!!(flags & IORING_ENTER_REGISTERED_RING)]++;
	return __real_io_uring_enter(fd, nr, min, flags, sig);
}

int __wrap_io_uring_setup(unsigned int entries, struct io_uring_params *p)
{
	pi_test_in_range(setup.tries, 0, LADDER_MAX - 1);
	setup.tried[setup.tries++] = *p;
	setup.entries = entries;
	if (setup.error)
		return setup.error;
	if (p->flags & setup.refused)
		return -EINVAL;
	p->flags &= ~setup.ignored;
	if (setup.idle_ms)
		p->sq_thread_idle = setup.idle_ms;
	return __real_io_uring_setup(entries, p);
}

/* in liburing 2.9 it only maps the ring */
int __wrap_io_uring_queue_mmap(int fd, struct io_uring_params *p,
			       struct io_uring *ring)
{
	int ret = setup.mmap_error ?: __real_io_uring_queue_mmap(fd, p, ring);

	if (!ret && setup.only_maps)
		ring->flags = ring->features = ring->ring_fd =
			ring->enter_ring_fd = 0;
	return ret;
}

/* like liburing from 2.6 on: without an SQ array */
int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p)
{
	int ret;

	p->flags |= SETUP_NO_SQARRAY;
	ret = __real_io_uring_queue_init_params(entries, ring, p);
	ring->sq.array = NULL;
	return ret;
}

static void fill_block(uint8_t *buf, uint64_t block)
{
	for (unsigned int i = 0; i < BLOCK; i += 8, block += BLOCKS)
		memcpy(buf + i, &block, 8);
}

/* check before setting up rings, because a task can register only a few */
static bool can_register(void)
{
	struct io_uring_params params = { 0 };
	int fd = __real_io_uring_setup(1, &params);
	struct io_uring_rsrc_update update = { .offset = -1U, .data = fd };
	bool can = __real_io_uring_register(fd, IORING_REGISTER_RING_FDS,
					    &update, 1) == 1;

	update.data = 0;
	if (can)
		__real_io_uring_register(fd, IORING_UNREGISTER_RING_FDS,
					 &update, 1);
	close(fd);
	return can;
}

static int group_setup(void **state)
{
	char name[] = "/tmp/pi-test-ring-XXXXXX";
	uint8_t buf[BLOCK];

	kernel_registers = can_register();
	file = mkostemp(name, O_CLOEXEC);
	if (file < 0 || unlink(name))
		return -1;
	for (unsigned int i = 0; i < BLOCKS; i++) {
		fill_block(buf, i);
		if (write(file, buf, BLOCK) != BLOCK)
			return -1;
	}
	return pi_test_seed(state);
}

static int group_teardown(void **state)
{
	(void)state;
	return close(file);
}

/* each test starts with the real kernel */
static int test_setup(void **state)
{
	memset(&setup, 0, sizeof(setup));
	setup.next_fd = pi_test_next_fd();
	return pi_test_rewind(state);
}

static int test_teardown(void **state)
{
	(void)state;
	assert_int_equal(pi_test_next_fd(), setup.next_fd);
	return 0;
}

/* a machine whose policy denies io_uring cannot run these tests */
static void ring_init(struct pi_ring *ring, const struct pi_ring_options *options)
{
	struct pi_reason reason = { "" };
	int ret = pi_ring_init(ring, options, &reason);

	if (ret == -EPERM || ret == -ENOSYS) {
		pi_test_skip("io_uring", reason.text);
	}
	if (ret)
		fail_msg("%d: %s", ret, reason.text);
}

/* a ring with I/Os that read random blocks, each into its own buffer */
struct reader {
	struct pi_ring ring;
	struct pi_io_mode mode;
	unsigned int depth;
	int fd;
	bool vectored;
	struct pi_io *io;
	struct iovec *iov;
	uint8_t *buf;
	uint64_t *block;
	unsigned int *idle;
	unsigned int nr_idle;
};

static void reader_init(struct reader *r, const struct pi_ring_options *options)
{
	unsigned int depth = options->depth;

	*r = (struct reader) {
		.mode		= { .opcode = { IORING_OP_READ }, .slots = 1,
				    .iov_bytes = BLOCK / 2 },
		.depth		= depth,
		.fd		= file,
	};
	ring_init(&r->ring, options);
	r->io = aligned_alloc(_Alignof(struct pi_io), depth * sizeof(*r->io));
	r->iov = malloc(2 * depth * sizeof(*r->iov));
	r->buf = malloc(depth * BLOCK);
	r->block = malloc(depth * sizeof(*r->block));
	r->idle = malloc(depth * sizeof(*r->idle));
	assert_true(r->io && r->iov && r->buf && r->block && r->idle);
	for (r->nr_idle = 0; r->nr_idle < depth; r->nr_idle++) {
		r->io[r->nr_idle].sqe = pi_ring_sqe(&r->ring, r->nr_idle);
		r->io[r->nr_idle].iov = r->iov + 2 * r->nr_idle;
		r->idle[r->nr_idle] = r->nr_idle;
	}
}

static void reader_exit(struct reader *r)
{
	pi_ring_exit(&r->ring);
	free(r->io);
	free(r->iov);
	free(r->buf);
	free(r->block);
	free(r->idle);
}

static void reader_prep(struct reader *r, unsigned int i)
{
	uint8_t *buf = r->buf + i * BLOCK;
	uint64_t offset;

	r->block[i] = pi_test_below(BLOCKS);
	offset = r->block[i] * BLOCK;
	memset(buf, PI_TEST_CANARY, BLOCK);
	pi_io_rw(&r->io[i], &r->mode, 0, r->fd, offset, buf, BLOCK, 0, 0, i,
		 r->vectored);
	*pi_io_sqe_attr(&r->io[i]) = (struct pi_uapi_sqe_attr) { 0 };
}

/* pick a random idle I/O, so that SQEs are submitted in any order */
static unsigned int reader_pick(struct reader *r)
{
	unsigned int n = pi_test_below(r->nr_idle), i = r->idle[n];

	r->idle[n] = r->idle[--r->nr_idle];
	return i;
}

static void reader_submit(struct reader *r, unsigned int nr)
{
	unsigned int first = 0, i = 0;

	for (unsigned int n = 0; n < nr; n++) {
		i = reader_pick(r);
		first = n ? first : i;
		reader_prep(r, i);
		pi_ring_queue(&r->ring, i, r->io[i].slots);
	}
	assert_int_equal(pi_ring_index(&r->ring, nr), first);
	assert_int_equal(pi_ring_index(&r->ring, 1), i);
	assert_int_equal(pi_ring_submit(&r->ring, nr), nr);
}

static void reader_wait(struct reader *r, unsigned int min)
{
	while (pi_ring_ready(&r->ring) < min) {
		int ret = pi_ring_wait(&r->ring, min);

		assert_true(!ret || ret == -EINTR);
	}
}

static void reader_reap(struct reader *r, unsigned int nr, int expected)
{
	unsigned int ready = pi_ring_ready(&r->ring);
	unsigned int first = pi_ring_take(&r->ring, nr);

	/* more may be ready by now with SQPOLL */
	pi_test_in_range(pi_ring_ready(&r->ring), ready - nr, r->depth);
	for (unsigned int n = 0; n < nr; n++) {
		const struct io_uring_cqe *cqe = pi_ring_cqe(&r->ring, first + n);
		uint64_t i = cqe->user_data;
		uint8_t block[BLOCK];

		pi_test_in_range(i, 0, r->depth - 1);
		assert_int_equal(cqe->res, expected);
		if (expected == BLOCK) {
			fill_block(block, r->block[i]);
			assert_memory_equal(r->buf + i * BLOCK, block, BLOCK);
		}
		for (unsigned int k = 0; k < r->nr_idle; k++)
			assert_int_not_equal(r->idle[k], i);
		r->idle[r->nr_idle++] = i;
	}
}

/* enough for the ring to wrap around several times */
static void reader_run(struct reader *r, int expected)
{
	unsigned int left = 3 * r->depth + 50;

	while (left || r->nr_idle < r->depth) {
		unsigned int nr = pi_test_below(r->nr_idle + 1);

		nr = nr < left ? nr : left;
		if (nr)
			reader_submit(r, nr);
		left -= nr;
		if (r->nr_idle == r->depth)
			continue;
		reader_wait(r, 1 + pi_test_below(r->depth - r->nr_idle));
		reader_reap(r, 1 + pi_test_below(pi_ring_ready(&r->ring)),
			    expected);
	}
	assert_int_equal(pi_ring_ready(&r->ring), 0);
}

static void run_ring(const struct pi_ring_options *options)
{
	struct reader r;

	reader_init(&r, options);
	reader_run(&r, BLOCK);
	reader_exit(&r);
}

static const struct pi_ring_options plain = { .depth = 16 };

static void test_depths(void **state)
{
	static const unsigned int depth[] = {
		1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 64, 100, 128, 129, 500,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(depth); i++) {
		const struct pi_ring_options options = { .depth = depth[i] };

		setup.tries = 0;
		run_ring(&options);
		assert_int_equal(setup.entries, depth[i]);
		assert_int_equal(setup.tried[0].cq_entries, 2 * depth[i]);
		assert_true(setup.tried[0].flags & IORING_SETUP_CQSIZE);
	}
}

static void test_deepest(void **state)
{
	const struct pi_ring_options options = { .depth = 32768 };
	struct reader r;

	(void)state;
	reader_init(&r, &options);
	reader_submit(&r, 1000);
	reader_wait(&r, 1000);
	reader_reap(&r, 1000, BLOCK);
	reader_exit(&r);
}

static void test_sqe_size(void **state)
{
	struct pi_ring_options options = plain;

	(void)state;
	for (unsigned int size = 64; size <= 128; size *= 2) {
		const char *first;
		struct reader r;

		options.flags = size == 128 ? IORING_SETUP_SQE128 : 0;
		reader_init(&r, &options);
		first = (const char *)r.ring.uring.sq.sqes;
		for (unsigned int i = 0; i < r.depth; i++)
			assert_ptr_equal(pi_ring_sqe(&r.ring, i), first + i * size);
		reader_run(&r, BLOCK);
		reader_exit(&r);
	}
}

static unsigned int mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int nr = 0;
	char line[4096];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		nr += !!strstr(line, "[io_uring]");
	fclose(maps);
	return nr;
}

/* both kinds of rings, two at a time, with any version of liburing */
static void test_libraries(void **state)
{
	struct pi_ring_options options = plain;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct reader r[2];

		setup.tries = 0;
		setup.only_maps = i & 1;
		options.flags = i & 2 ? IORING_SETUP_SQE128 : 0;
		reader_init(&r[0], &options);
		reader_init(&r[1], &options);
		for (unsigned int k = 0; k < 2; k++) {
			assert_true(pi_ring_has_op(&r[k].ring, IORING_OP_READ));
			reader_run(&r[k], BLOCK);
		}
		reader_exit(&r[0]);
		reader_exit(&r[1]);
		while (setup.tries)
			assert_false(setup.tried[--setup.tries].flags &
				     SETUP_NO_SQARRAY);
		assert_int_equal(pi_test_next_fd(), setup.next_fd);
		assert_int_equal(mapped(), 0);
	}
}

#define TASK_RINGS	16

static void count_entered(struct reader *r, bool registered)
{
	memset(setup.entered, 0, sizeof(setup.entered));
	reader_run(r, BLOCK);
	pi_test_in_range(setup.entered[registered], 1, UINT_MAX);
	assert_int_equal(setup.entered[!registered], 0);
}

/* many rings in turn, and as many at a time as a task can register */
static void test_registered_ring(void **state)
{
	struct reader r[TASK_RINGS + 2];

	(void)state;
	for (unsigned int i = 0; i < 3 * TASK_RINGS; i++) {
		setup.tries = 0;
		reader_init(&r[0], &plain);
		count_entered(&r[0], kernel_registers);
		reader_exit(&r[0]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++) {
		setup.tries = 0;
		reader_init(&r[i], &plain);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		count_entered(&r[i], kernel_registers && i < TASK_RINGS);
	pi_ring_unregister(&r[0].ring);
	count_entered(&r[0], false);
	pi_ring_register(&r[TASK_RINGS].ring);
	count_entered(&r[TASK_RINGS], kernel_registers);
	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		reader_exit(&r[i]);
}

static void test_unregistered_ring(void **state)
{
	struct reader r;

	(void)state;
	setup.registers_none = true;
	reader_init(&r, &plain);
	count_entered(&r, false);
	reader_exit(&r);
}

static void *init_elsewhere(void *r)
{
	reader_init(r, &plain);
	return NULL;
}

/* an index registered by another task may be a ring of this task, too */
static void test_exit_elsewhere(void **state)
{
	struct reader other, own;
	pthread_t thread;

	(void)state;
	/* before Linux 6.0 the kernel does not check the task */
	setup.refused = IORING_SETUP_SINGLE_ISSUER;
	assert_int_equal(pthread_create(&thread, NULL, init_elsewhere, &other), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	setup.tries = 0;
	reader_init(&own, &plain);
	if (kernel_registers)
		assert_int_equal(own.ring.enter_fd, other.ring.enter_fd);
	reader_exit(&other);
	count_entered(&own, kernel_registers);
	reader_exit(&own);
}

/* a ring of mixed sizes has two slots for each I/O; 64-byte SQEs take one */
static void test_mixed(void **state)
{
	struct pi_ring_options options = { .flags = PI_IORING_SETUP_SQE_MIXED };

	(void)state;
	setup.ignored = PI_IORING_SETUP_SQE_MIXED;
	for (options.depth = 1; options.depth < 300; options.depth *= 3) {
		const char *first;
		struct reader r;

		setup.tries = 0;
		reader_init(&r, &options);
		assert_int_equal(setup.entries, 2 * options.depth);
		/* the kernel refuses fewer completions than SQEs */
		assert_int_equal(setup.tried[0].cq_entries, 2 * options.depth);
		first = (const char *)r.ring.uring.sq.sqes;
		for (unsigned int i = 0; i < r.depth; i++)
			assert_ptr_equal(pi_ring_sqe(&r.ring, i), first + i * 128);
		reader_run(&r, BLOCK);
		reader_exit(&r);
	}
}

/*
 * A kernel with 128-byte opcodes in a ring of mixed sizes: it reads the second
 * half of an SQE from the following slot, and skips one entry of the SQ array.
 */
struct model {
	struct pi_ring ring;
	unsigned int entries;
	unsigned int head;
	unsigned int tail;
	unsigned int *array;
	struct io_uring_sqe *sqes;
	unsigned int most;	/* slots that it takes at once */
	uint64_t *seen;
	unsigned int nr_seen;
};

#define MODEL_OP128	200

static int model_submit(struct pi_ring *ring, unsigned int nr)
{
	struct model *m = (struct model *)ring;
	unsigned int left, ret;

	left = nr < m->tail - m->head ? nr : m->tail - m->head;
	left = left < m->most ? left : m->most;
	ret = left;
	while (left) {
		unsigned int at = m->array[m->head & (m->entries - 1)];
		const struct io_uring_sqe *sqe = &m->sqes[at];

		pi_test_in_range(at, 0, m->entries - 1);
		if (sqe->opcode == MODEL_OP128) {
			if (left < 2)
				break;
			pi_test_in_range(at + 1, 1, m->entries - 1);
			m->head++;
			left--;
		}
		m->head++;
		left--;
		m->seen[m->nr_seen++] = sqe->user_data;
	}
	return ret - left;
}

static void model_init(struct model *m, unsigned int depth)
{
	*m = (struct model) { .entries = 1 };
	while (m->entries < 2 * depth)
		m->entries <<= 1;
	/* close before the counters wrap around */
	m->head = m->tail = -3U - pi_test_below(m->entries);
	m->array = malloc(m->entries * sizeof(*m->array));
	m->sqes = malloc(m->entries * sizeof(*m->sqes));
	m->seen = malloc(depth * sizeof(*m->seen));
	assert_true(m->array && m->sqes && m->seen);
	memset(m->array, 0xff, m->entries * sizeof(*m->array));
	m->ring.sqe_shift = m->ring.slot_shift = 1;
	m->ring.submit = model_submit;
	m->ring.uring.sq.ktail = &m->tail;
	m->ring.uring.sq.array = m->array;
	m->ring.uring.sq.sqes = m->sqes;
	m->ring.uring.sq.ring_mask = m->entries - 1;
}

static void model_exit(struct model *m)
{
	free(m->array);
	free(m->sqes);
	free(m->seen);
}

/* some I/Os in any order, submitted in pieces like the engine does */
static void model_round(struct model *m, unsigned int depth,
			struct pi_io *io, unsigned int *order)
{
	unsigned int nr = 1 + pi_test_below(depth), queued = 0, done = 0;

	for (unsigned int i = 0; i < depth; i++)
		order[i] = i;
	m->nr_seen = 0;
	for (unsigned int n = 0; n < nr; n++) {
		unsigned int swap = n + pi_test_below(depth - n), i = order[swap];

		order[swap] = order[n];
		order[n] = i;
		io[i].slots = 1 + pi_test_below(2);
		io[i].sqe = pi_ring_sqe(&m->ring, i);
		io[i].sqe->opcode = io[i].slots == 2 ? MODEL_OP128 :
				    IORING_OP_READ;
		io[i].sqe->user_data = i;
		pi_ring_queue(&m->ring, i, io[i].slots);
		queued += io[i].slots;
	}
	while (queued) {
		int ret;

		m->most = 2 + pi_test_below(m->entries);
		ret = pi_ring_submit(&m->ring, queued);
		pi_test_in_range(ret, 1, queued);
		for (int i = 0; i < ret; i += io[order[done++]].slots)
			assert_int_equal(pi_ring_index(&m->ring, queued - i),
					 order[done]);
		queued -= ret;
	}
	assert_int_equal(m->nr_seen, nr);
	for (unsigned int n = 0; n < nr; n++)
		assert_int_equal(m->seen[n], order[n]);
}

static void test_slots(void **state)
{
	static const unsigned int depth[] = { 1, 2, 3, 8, 31, 64 };

	(void)state;
	for (size_t d = 0; d < ARRAY_SIZE(depth); d++) {
		struct pi_io *io = calloc(depth[d], sizeof(*io));
		unsigned int order[64];
		struct model m;

		assert_non_null(io);
		model_init(&m, depth[d]);
		for (unsigned int round = 0; round < 200; round++)
			model_round(&m, depth[d], io, order);
		model_exit(&m);
		free(io);
	}
}

/* one I/O with no other in flight, like in a probe or a tool */
static void test_run_one(void **state)
{
	struct pi_ring_options options = { .depth = 4, .sqpoll_cpu = -1 };

	(void)state;
	for (int sqpoll = 0; sqpoll < 2; sqpoll++) {
		struct reader r;

		options.sqpoll = sqpoll;
		reader_init(&r, &options);
		for (unsigned int i = 0; i < 3 * r.depth; i++) {
			unsigned int n = i % r.depth;
			uint8_t block[BLOCK];

			reader_prep(&r, n);
			assert_int_equal(pi_ring_run(&r.ring, n, 1), BLOCK);
			fill_block(block, r.block[n]);
			assert_memory_equal(r.buf + n * BLOCK, block, BLOCK);
		}
		r.fd = -1;
		reader_prep(&r, 1);
		assert_int_equal(pi_ring_run(&r.ring, 1, 1), -EBADF);
		r.io[1].sqe->opcode = 0xff;
		assert_int_equal(pi_ring_run(&r.ring, 1, 1), -EINVAL);
		assert_int_equal(pi_ring_ready(&r.ring), 0);
		reader_exit(&r);
	}
}

static void run_as(uint8_t opcode, uint8_t sqe_flags, bool vectored)
{
	struct reader r;

	reader_init(&r, &plain);
	r.mode.opcode[0] = opcode;
	r.mode.sqe_flags = sqe_flags;
	r.vectored = vectored;
	reader_run(&r, BLOCK);
	reader_exit(&r);
}

static void test_vectored(void **state)
{
	(void)state;
	run_as(IORING_OP_READV, 0, true);
}

static void test_async(void **state)
{
	(void)state;
	run_as(IORING_OP_READ, IOSQE_ASYNC, false);
}

static void test_registered(void **state)
{
	struct io_uring *uring;
	struct iovec iov;
	struct reader r;

	(void)state;
	reader_init(&r, &plain);
	uring = &r.ring.uring;
	iov = (struct iovec) { r.buf, r.depth * BLOCK };
	assert_int_equal(io_uring_register_buffers(uring, &iov, 1), 0);
	assert_int_equal(io_uring_register_files(uring, &file, 1), 0);
	r.mode.opcode[0] = IORING_OP_READ_FIXED;
	r.mode.sqe_flags = IOSQE_FIXED_FILE;
	r.fd = 0;
	reader_run(&r, BLOCK);
	reader_exit(&r);
}

/* attr-cost depends on this: the request is prepared, and then fails */
static void test_invalid_descriptor(void **state)
{
	static const unsigned int depth[] = { 1, 7, 128 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(depth); i++) {
		const struct pi_ring_options options = { .depth = depth[i] };
		struct reader r;

		reader_init(&r, &options);
		r.fd = -1;
		reader_run(&r, -EBADF);
		reader_exit(&r);
	}
}

/* of the first @nr I/Os */
static void expect_results(struct reader *r, unsigned int nr, const int *res)
{
	unsigned int first;

	reader_wait(r, nr);
	first = pi_ring_take(&r->ring, nr);
	for (unsigned int n = 0; n < nr; n++) {
		const struct io_uring_cqe *cqe = pi_ring_cqe(&r->ring, first + n);

		pi_test_in_range(cqe->user_data, 0, nr - 1);
		assert_int_equal(cqe->res, res[cqe->user_data]);
	}
}

/* the kernel stops submitting after a request that it cannot prepare */
static void test_short_submit(void **state)
{
	static const int expected[] = { BLOCK, -EINVAL, BLOCK, BLOCK };
	struct reader r;

	(void)state;
	reader_init(&r, &plain);
	for (unsigned int i = 0; i < 4; i++) {
		reader_prep(&r, i);
		pi_ring_queue(&r.ring, i, r.io[i].slots);
	}
	pi_ring_sqe(&r.ring, 1)->opcode = 0xff;
	assert_int_equal(pi_ring_submit(&r.ring, 4), 2);
	assert_int_equal(pi_ring_index(&r.ring, 2), 2);
	assert_int_equal(pi_ring_submit(&r.ring, 2), 2);
	expect_results(&r, 4, expected);
	reader_exit(&r);
}

static void expect_enter_errors(struct pi_ring *ring)
{
	int fd = ring->enter_fd;
	int err = ring->enter_flags ? -EINVAL : -EBADF;

	ring->enter_fd = -1;
	assert_int_equal(pi_ring_submit(ring, 1), err);
	assert_int_equal(pi_ring_wait(ring, 1), err);
	ring->enter_fd = fd;
}

static void test_enter_errors(void **state)
{
	struct pi_ring ring;

	(void)state;
	ring_init(&ring, &plain);
	expect_enter_errors(&ring);
	pi_ring_exit(&ring);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* a read that never completes, interrupted by a signal */
static void test_wait_is_interrupted(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval soon = {
		.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000,
	};
	const struct itimerval never = { 0 };
	static const int expected[] = { 1 };
	struct reader r;
	int pipes[2];

	(void)state;
	reader_init(&r, &plain);
	assert_return_code(pipe(pipes), errno);
	assert_return_code(sigaction(SIGALRM, &action, NULL), errno);
	r.fd = pipes[0];
	reader_prep(&r, 0);
	pi_ring_queue(&r.ring, 0, r.io[0].slots);
	assert_int_equal(pi_ring_submit(&r.ring, 1), 1);
	assert_int_equal(pi_ring_wait(&r.ring, 0), 0);
	assert_int_equal(pi_ring_ready(&r.ring), 0);
	assert_return_code(setitimer(ITIMER_REAL, &soon, NULL), errno);
	assert_int_equal(pi_ring_wait(&r.ring, 1), -EINTR);
	assert_return_code(setitimer(ITIMER_REAL, &never, NULL), errno);

	assert_int_equal(write(pipes[1], "x", 1), 1);
	expect_results(&r, 1, expected);
	close(pipes[0]);
	close(pipes[1]);
	reader_exit(&r);
}

static void test_sqpoll(void **state)
{
	static const unsigned int depth[] = { 1, 8, 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(depth); i++) {
		const struct pi_ring_options options = {
			.depth = depth[i], .sqpoll = true, .sqpoll_cpu = -1,
		};

		run_ring(&options);
	}
}

static void test_sqpoll_cpu(void **state)
{
	struct pi_ring_options options = {
		.depth = 4, .sqpoll = true, .sqpoll_cpu = -1,
	};

	(void)state;
	run_ring(&options);
	assert_int_equal(setup.tried[0].flags & (IORING_SETUP_SQPOLL |
						 IORING_SETUP_SQ_AFF),
			 IORING_SETUP_SQPOLL);

	setup.error = -ENOMEM;
	options.sqpoll_cpu = 5;
	assert_int_equal(pi_ring_init(&(struct pi_ring) { 0 }, &options, NULL),
			 -ENOMEM);
	assert_int_equal(setup.tried[1].flags & IORING_SETUP_SQ_AFF,
			 IORING_SETUP_SQ_AFF);
	assert_int_equal(setup.tried[1].sq_thread_cpu, 5);
}

static void until_asleep(const struct pi_ring *ring)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	while (!(IO_URING_READ_ONCE(*ring->uring.sq.kflags) &
		 IORING_SQ_NEED_WAKEUP))
		nanosleep(&ms, NULL);
}

/* the thread goes to sleep after a while, and is woken by a submission */
static void test_sqpoll_wakes(void **state)
{
	const struct pi_ring_options options = {
		.depth = 4, .sqpoll = true, .sqpoll_cpu = -1,
	};
	struct reader r;

	(void)state;
	setup.idle_ms = 1;
	reader_init(&r, &options);
	for (unsigned int nr = 1; nr <= r.depth; nr++) {
		until_asleep(&r.ring);
		reader_submit(&r, nr);
		reader_wait(&r, nr);
		reader_reap(&r, nr, BLOCK);
	}
	until_asleep(&r.ring);
	expect_enter_errors(&r.ring);
	reader_exit(&r);
}

#define TASKRUN		(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)
#define FASTER		(TASKRUN | IORING_SETUP_SINGLE_ISSUER)

/* set up a ring on a kernel that refuses @refused, and check what was tried */
static void ladder(const struct pi_ring_options *options, unsigned int refused,
		   unsigned int tries, unsigned int flags)
{
	setup.tries = 0;
	setup.refused = refused;
	run_ring(options);
	assert_int_equal(setup.tries, tries);
	assert_int_equal(setup.tried[tries - 1].flags & FASTER, flags);
	for (unsigned int i = 0; i < tries; i++) {
		assert_int_equal(setup.tried[i].flags & options->flags,
				 options->flags);
		assert_int_equal(setup.tried[i].cq_entries,
				 2 * options->depth);
	}
}

static void test_ladder(void **state)
{
	const struct pi_ring_options options = {
		.depth = 6, .flags = IORING_SETUP_SQE128,
	};

	(void)state;
	ladder(&options, 0, 1, FASTER);
	/* Linux 6.0, 5.19, a hypothetical one, before 5.19 */
	ladder(&options, IORING_SETUP_DEFER_TASKRUN, 2, IORING_SETUP_COOP_TASKRUN);
	ladder(&options, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
	       2, IORING_SETUP_COOP_TASKRUN);
	ladder(&options, TASKRUN, 3, IORING_SETUP_SINGLE_ISSUER);
	ladder(&options, FASTER, 4, 0);
}

static void test_ladder_sqpoll(void **state)
{
	const struct pi_ring_options options = {
		.depth = 6, .sqpoll = true, .sqpoll_cpu = -1,
	};

	(void)state;
	/* the kernel refuses both task run flags with SQPOLL */
	ladder(&options, TASKRUN, 1, IORING_SETUP_SINGLE_ISSUER);
	ladder(&options, 0, 1, IORING_SETUP_SINGLE_ISSUER);
	ladder(&options, FASTER, 2, 0);
	assert_true(setup.tried[1].flags & IORING_SETUP_SQPOLL);
}

static void test_iopoll(void **state)
{
	struct pi_ring_options options = { .depth = 4, .iopoll = true };
	struct pi_ring ring;

	(void)state;
	ring_init(&ring, &options);
	assert_true(setup.tried[setup.tries - 1].flags & IORING_SETUP_IOPOLL);
	pi_ring_exit(&ring);

	options.iopoll = false;
	ring_init(&ring, &options);
	assert_false(setup.tried[setup.tries - 1].flags & IORING_SETUP_IOPOLL);
	pi_ring_exit(&ring);
}

static void refuse(const struct pi_ring_options *options, int err,
		   unsigned int tries, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_ring ring;

	setup.tries = 0;
	assert_int_equal(pi_ring_init(&ring, options, &reason), err);
	assert_int_equal(setup.tries, tries);
	pi_test_says(&reason, part);
	setup.tries = 0;
	assert_int_equal(pi_ring_init(&ring, options, NULL), err);
}

/* only after -EINVAL may older flags work; other errors are final */
static void test_refusals(void **state)
{
	const struct pi_ring_options options = { .depth = 77 };

	(void)state;
	setup.error = -ENOSYS;
	refuse(&options, -ENOSYS, 1, "Linux 5.6");
	refuse(&options, -ENOSYS, 1, "seccomp");
	setup.error = -EPERM;
	refuse(&options, -EPERM, 1, "kernel.io_uring_disabled");
	refuse(&options, -EPERM, 1, "seccomp");
	setup.error = -ENOMEM;
	refuse(&options, -ENOMEM, 1, "ring of 77");
	refuse(&options, -ENOMEM, 1, "lower iodepth or raise ulimit -l");
	setup.error = -EMFILE;
	refuse(&options, -EMFILE, 1, "Too many open files for an io_uring; raise ulimit -n");
	setup.error = -EINVAL;
	refuse(&options, -EINVAL, 4, "set-up of 77 entries");
}

/* skip the test if the kernel would fail for another reason */
static void need_io_uring(void)
{
	struct pi_ring ring;

	ring_init(&ring, &plain);
	pi_ring_exit(&ring);
}

static void test_mmap_refused(void **state)
{
	const struct pi_ring_options options = { .depth = 77 };

	(void)state;
	need_io_uring();
	setup.mmap_error = -ENOMEM;
	refuse(&options, -ENOMEM, 1, "ring of 77");
}

/* a kernel without a required flag */
static void test_flags_refused(void **state)
{
	struct pi_ring_options options = {
		.depth = 77, .sqpoll = true, .sqpoll_cpu = 0,
	};

	(void)state;
	for (int sqpoll = 0; sqpoll < 2; sqpoll++) {
		unsigned int tries = sqpoll ? 3 : 5;

		options.sqpoll = sqpoll;
		options.flags = setup.refused = PI_IORING_SETUP_SQE_MIXED;
		refuse(&options, -EINVAL, tries, "IORING_SETUP_SQE_MIXED");
		refuse(&options, -EINVAL, tries, "6.19");
		options.flags = setup.refused = IORING_SETUP_SQE128;
		refuse(&options, -EINVAL, tries, "IORING_SETUP_SQE128");
		refuse(&options, -EINVAL, tries, "5.19");
	}
}

static void test_too_deep(void **state)
{
	struct pi_ring_options options = { .depth = 32769 };

	(void)state;
	need_io_uring();
	refuse(&options, -EINVAL, 4, "the kernel takes at most 32768");

	/* an I/O takes two slots, and the message is not about the size */
	setup.ignored = PI_IORING_SETUP_SQE_MIXED;
	options.depth = 16385;
	options.flags = PI_IORING_SETUP_SQE_MIXED;
	refuse(&options, -EINVAL, 5, "32770 entries");
}

/* the message is about the CPU, not about the number of entries */
static void test_sqpoll_cpu_refused(void **state)
{
	const struct pi_ring_options options = {
		.depth = 4, .sqpoll = true, .sqpoll_cpu = 1 << 20,
	};

	(void)state;
	need_io_uring();
	refuse(&options, -EINVAL, 2, "1048576");
}

static void test_kernel_knows(void **state)
{
	struct pi_ring ring;

	(void)state;
	ring_init(&ring, &plain);
	assert_true(pi_ring_has_op(&ring, IORING_OP_READ));
	assert_true(pi_ring_has_op(&ring, IORING_OP_NOP));
	assert_false(pi_ring_has_op(&ring, 254));

	/* every kernel since 5.6 has these two */
	assert_true(ring.features & IORING_FEAT_NODROP);
	assert_true(ring.features & IORING_FEAT_RW_CUR_POS);
	assert_int_equal(ring.features, ring.uring.features);
	pi_ring_exit(&ring);
}

static void test_many_rings(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		setup.tries = 0;
		run_ring(&plain);
	}
}

/* the kernel must accept the SQEs of io.c */
static void test_other_operations(void **state)
{
	static const int expected[3] = { 0 };
	struct reader r;

	(void)state;
	reader_init(&r, &plain);
	pi_io_fsync(&r.io[0], 0, file, false, 0);
	pi_io_fsync(&r.io[1], 0, file, true, 1);
	pi_io_sync_range(&r.io[2], 0, file, 0, BLOCK, SYNC_FILE_RANGE_WRITE, 2);
	for (unsigned int i = 0; i < 3; i++)
		pi_ring_queue(&r.ring, i, r.io[i].slots);
	assert_int_equal(pi_ring_submit(&r.ring, 3), 3);
	expect_results(&r, 3, expected);
	reader_exit(&r);
}

#define ring_test(test) \
	cmocka_unit_test_setup_teardown(test, test_setup, test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ring_test(test_depths),
		ring_test(test_deepest),
		ring_test(test_sqe_size),
		ring_test(test_libraries),
		ring_test(test_registered_ring),
		ring_test(test_unregistered_ring),
		ring_test(test_exit_elsewhere),
		ring_test(test_mixed),
		ring_test(test_slots),
		ring_test(test_run_one),
		ring_test(test_vectored),
		ring_test(test_registered),
		ring_test(test_async),
		ring_test(test_invalid_descriptor),
		ring_test(test_short_submit),
		ring_test(test_enter_errors),
		ring_test(test_wait_is_interrupted),
		ring_test(test_sqpoll),
		ring_test(test_sqpoll_cpu),
		ring_test(test_sqpoll_wakes),
		ring_test(test_ladder),
		ring_test(test_ladder_sqpoll),
		ring_test(test_iopoll),
		ring_test(test_refusals),
		ring_test(test_mmap_refused),
		ring_test(test_flags_refused),
		ring_test(test_too_deep),
		ring_test(test_sqpoll_cpu_refused),
		ring_test(test_kernel_knows),
		ring_test(test_many_rings),
		ring_test(test_other_operations),
	};

	return cmocka_run_group_tests_name("ring", tests, group_setup,
					   group_teardown);
}
