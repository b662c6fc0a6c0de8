// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "ring.h"

static int submit_enter(struct pi_ring *ring, unsigned int nr)
{
	return io_uring_enter(ring->uring.ring_fd, nr, 0,
			      IORING_ENTER_GETEVENTS, NULL);
}

static int submit_sqpoll(struct pi_ring *ring, unsigned int nr)
{
	/* the tail must be visible before the thread is seen asleep */
	io_uring_smp_mb();
	if (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_NEED_WAKEUP) {
		int ret = io_uring_enter(ring->uring.ring_fd, nr, 0,
					 IORING_ENTER_SQ_WAKEUP, NULL);

		if (ret < 0)
			return ret;
	}
	return nr;
}

static int init_reason(int err, const struct pi_ring_options *options,
		       struct pi_reason *reason)
{
	switch (err) {
	case -ENOSYS:
		return pi_reason_set(reason, err,
			"this kernel has no io_uring; it takes Linux 5.6");
	case -EPERM:
		return pi_reason_set(reason, err,
			"io_uring is not permitted here; see sysctl kernel.io_uring_disabled and the container's seccomp profile");
	case -ENOMEM:
		return pi_reason_set(reason, err,
			"no memory for a ring of %u; lower iodepth or raise ulimit -l",
			options->depth);
	case -EINVAL:
		if (options->sqpoll && options->sqpoll_cpu >= 0)
			return pi_reason_set(reason, err,
				"io_uring cannot bind its thread to CPU %d; choose one that is online and allowed here",
				options->sqpoll_cpu);
		/* fall through */
	default:
		return pi_reason_set(reason, err,
			"io_uring set-up of %u entries failed: %s; the kernel takes at most 32768",
			options->depth, strerror(-err));
	}
}

int pi_ring_init(struct pi_ring *ring, const struct pi_ring_options *options,
		 struct pi_reason *reason)
{
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
			.cq_entries = options->depth,
		};
		if (options->iopoll)
			params.flags |= IORING_SETUP_IOPOLL;
		if (options->sqpoll)
			params.flags |= IORING_SETUP_SQPOLL;
		if (options->sqpoll && options->sqpoll_cpu >= 0) {
			params.flags |= IORING_SETUP_SQ_AFF;
			params.sq_thread_cpu = options->sqpoll_cpu;
		}
		ret = io_uring_queue_init_params(options->depth, &ring->uring,
						 &params);
	}
	if (ret < 0)
		return init_reason(ret, options, reason);

	ring->features = params.features;
	ring->sqe_shift = !!(params.flags & IORING_SETUP_SQE128);
	ring->cq_head = *ring->uring.cq.khead;
	ring->submit = options->sqpoll ? submit_sqpoll : submit_enter;
	return 0;
}

void pi_ring_exit(struct pi_ring *ring)
{
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
	int ret = io_uring_enter(ring->uring.ring_fd, 0, min,
				 IORING_ENTER_GETEVENTS, NULL);

	return ret < 0 ? ret : 0;
}
