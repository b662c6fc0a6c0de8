// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "ring.h"
#include "uapi.h"

static int submit_enter(struct pi_ring *ring, unsigned int nr)
{
	return io_uring_enter(ring->enter_fd, nr, 0,
			      ring->enter_flags | IORING_ENTER_GETEVENTS, NULL);
}

static int submit_sqpoll(struct pi_ring *ring, unsigned int nr)
{
	/* the tail must be visible before the thread is seen asleep */
	io_uring_smp_mb();
	if (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_NEED_WAKEUP) {
		int ret = io_uring_enter(ring->enter_fd, nr, 0,
					 ring->enter_flags | IORING_ENTER_SQ_WAKEUP,
					 NULL);

		if (ret < 0)
			return ret;
	}
	return nr;
}

int pi_ring_map(struct io_uring *uring, unsigned int entries,
		struct io_uring_params *params)
{
	int fd = io_uring_setup(entries, params);
	int ret;

	if (fd < 0)
		return fd;
	ret = io_uring_queue_mmap(fd, params, uring);
	if (ret) {
		close(fd);
		return ret;
	}
	/* some versions of io_uring_queue_mmap() do not set these */
	uring->flags = params->flags;
	uring->features = params->features;
	uring->ring_fd = uring->enter_ring_fd = fd;
	return 0;
}

/* whether the kernel supports the required flags */
static bool knows_flags(unsigned int flags)
{
	struct io_uring_params params = { .flags = flags };
	struct io_uring uring;
	int ret;

	if (!flags)
		return true;
	ret = pi_ring_map(&uring, 1, &params);
	if (!ret)
		io_uring_queue_exit(&uring);
	return ret != -EINVAL;
}

static int init_reason(int err, const struct pi_ring_options *options,
		       unsigned int entries, struct pi_reason *reason)
{
	switch (err) {
	case -ENOSYS:
		return pi_reason_set(reason, err,
			"there is no io_uring here; it needs Linux 5.6 with CONFIG_IO_URING, and a container's seccomp profile can hide it");
	case -EPERM:
		return pi_reason_set(reason, err,
			"io_uring is not permitted here; see sysctl kernel.io_uring_disabled and the container's seccomp profile");
	case -ENOMEM:
		return pi_reason_set(reason, err,
			"no memory for a ring of %u; lower iodepth or raise ulimit -l",
			entries);
	case -EMFILE:
		return pi_reason_set(reason, err,
			"%s for an io_uring; raise ulimit -n", strerror(EMFILE));
	case -EINVAL:
		if (!knows_flags(options->flags))
			return pi_reason_set(reason, err,
				options->flags & PI_IORING_SETUP_SQE_MIXED ?
				"this kernel has no rings of mixed SQE sizes (IORING_SETUP_SQE_MIXED), which need Linux 6.19" :
				"this kernel has no SQEs of 128 bytes (IORING_SETUP_SQE128), which need Linux 5.19");
		if (options->sqpoll && options->sqpoll_cpu >= 0)
			return pi_reason_set(reason, err,
				"io_uring cannot bind its thread to CPU %d; choose one that is online and allowed here",
				options->sqpoll_cpu);
		/* fall through */
	default:
		return pi_reason_set(reason, err,
			"io_uring set-up of %u entries failed: %s; the kernel takes at most 32768",
			entries, strerror(-err));
	}
}

void pi_ring_register(struct pi_ring *ring)
{
	struct io_uring_rsrc_update update = {
		.offset	= -1U,
		.data	= ring->uring.ring_fd,
	};

	ring->enter_fd = ring->uring.ring_fd;
	ring->enter_flags = 0;
	ring->task = gettid();
	/* fails before Linux 5.18, and for a task with 16 registered rings */
	if (io_uring_register(ring->uring.ring_fd, IORING_REGISTER_RING_FDS,
			      &update, 1) == 1) {
		ring->enter_fd = update.offset;
		ring->enter_flags = IORING_ENTER_REGISTERED_RING;
	}
}

void pi_ring_unregister(struct pi_ring *ring)
{
	struct io_uring_rsrc_update update = { .offset = ring->enter_fd };

	/* the index belongs to the task that registered it, which frees it on exit */
	if (ring->enter_flags && ring->task == gettid())
		io_uring_register(ring->uring.ring_fd,
				  IORING_UNREGISTER_RING_FDS, &update, 1);
	ring->enter_fd = ring->uring.ring_fd;
	ring->enter_flags = 0;
}

int pi_ring_init(struct pi_ring *ring, const struct pi_ring_options *options,
		 struct pi_reason *reason)
{
	const bool mixed = options->flags & PI_IORING_SETUP_SQE_MIXED;
	const unsigned int entries = options->depth << mixed;
	/* the kernel refuses both task run flags together with SQPOLL */
	static const unsigned int ladder[] = {
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
		IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER,
		0,
	};
	const unsigned int steps = sizeof(ladder) / sizeof(ladder[0]);
	struct io_uring_params params;
	int ret = -EINVAL;

	for (unsigned int i = options->sqpoll ? 2 : 0;
	     ret == -EINVAL && i < steps; i++) {
		params = (struct io_uring_params) {
			.flags = ladder[i] | options->flags | IORING_SETUP_CQSIZE,
			/* with room to spare, the kernel refreshes its view of the CQ less often */
			.cq_entries = 2 * options->depth,
		};
		if (options->iopoll)
			params.flags |= IORING_SETUP_IOPOLL;
		if (options->sqpoll)
			params.flags |= IORING_SETUP_SQPOLL;
		if (options->sqpoll && options->sqpoll_cpu >= 0) {
			params.flags |= IORING_SETUP_SQ_AFF;
			params.sq_thread_cpu = options->sqpoll_cpu;
		}
		ret = pi_ring_map(&ring->uring, entries, &params);
	}
	if (ret < 0)
		return init_reason(ret, options, entries, reason);

	ring->features = params.features;
	ring->sqe_shift = mixed || params.flags & IORING_SETUP_SQE128;
	ring->slot_shift = mixed;
	ring->cqe_shift = !!(params.flags & IORING_SETUP_CQE32);
	ring->cq_head = *ring->uring.cq.khead;
	ring->submit = options->sqpoll ? submit_sqpoll : submit_enter;
	pi_ring_register(ring);
	return 0;
}

void pi_ring_exit(struct pi_ring *ring)
{
	pi_ring_unregister(ring);
	io_uring_queue_exit(&ring->uring);
}

bool pi_ring_has_op(struct pi_ring *ring, unsigned int op)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
	bool has = probe && io_uring_opcode_supported(probe, op);

	io_uring_free_probe(probe);
	return has;
}

int pi_ring_wait(struct pi_ring *ring, unsigned int min)
{
	int ret = io_uring_enter(ring->enter_fd, 0, min,
				 ring->enter_flags | IORING_ENTER_GETEVENTS, NULL);

	return ret < 0 ? ret : 0;
}

int pi_ring_run(struct pi_ring *ring, unsigned int index, unsigned int slots)
{
	const unsigned int tail = *ring->uring.sq.ktail;

	pi_ring_queue(ring, index, slots);
	if (pi_ring_submit(ring, slots) != (int)slots) {
		/* otherwise the next submission would include it */
		io_uring_smp_store_release(ring->uring.sq.ktail, tail);
		return -EIO;
	}
	while (!pi_ring_ready(ring)) {
		/* the kernel owns the buffer until completion, so keep waiting */
		if (pi_ring_wait(ring, 1))
			sched_yield();
	}
	return pi_ring_cqe(ring, pi_ring_take(ring, 1))->res;
}
