/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_RING_H
#define PI_RING_H

#include <stdbool.h>
#include <sys/types.h>
#include <liburing.h>

#include "reason.h"

/**
 * struct pi_ring_options - parameters of a ring
 * @depth:	maximum number of I/Os in flight. I/Os 0 .. @depth - 1 each have
 *		an SQE of their own, of 128 bytes if @flags contains
 *		IORING_SETUP_SQE128 or IORING_SETUP_SQE_MIXED.
 * @flags:	IORING_SETUP_* flags that are required; pi_ring_init() tries
 *		flags that only improve performance by itself
 * @sqpoll:	a kernel thread submits
 * @sqpoll_cpu:	CPU to bind that thread to, or -1
 * @iopoll:	poll for completions
 */
struct pi_ring_options {
	unsigned int depth;
	unsigned int flags;
	bool sqpoll;
	int sqpoll_cpu;
	bool iopoll;
};

/**
 * struct pi_ring - an io_uring in which each I/O has an SQE of its own
 * @uring:	liburing's ring
 * @features:	IORING_FEAT_* of the kernel
 * @submit:	called by pi_ring_submit()
 *
 * The owner of I/O n fills in its SQE in place, without a copy, and
 * pi_ring_queue() puts its index into the SQ array. In a ring of mixed SQE
 * sizes the kernel counts slots of 64 bytes: an SQE of 128 bytes takes two
 * entries of the array, the second of which the kernel ignores.
 *
 * Not thread-safe.
 */
struct pi_ring {
	struct io_uring uring;
	unsigned int features;
	/* private: log2 of the sizes of SQEs, slots and CQEs; CQEs taken so far */
	unsigned int sqe_shift;
	unsigned int slot_shift;
	unsigned int cqe_shift;
	unsigned int cq_head;
	/* arguments for io_uring_enter(): the descriptor that @task registered */
	int enter_fd;
	unsigned int enter_flags;
	pid_t task;
	/* public: */
	int (*submit)(struct pi_ring *ring, unsigned int nr);
};

/**
 * pi_ring_map() - io_uring_queue_init_params(), but with exactly the given
 *		   flags
 * @uring:	ring to initialize
 * @entries:	number of SQ entries
 * @params:	flags on input; filled in by the kernel
 *
 * From 2.6 on, io_uring_queue_init_params() drops the SQ array if the kernel
 * supports that, and this code depends on the array.
 *
 * Return: 0 or -errno. On success, release the ring with io_uring_queue_exit().
 */
int pi_ring_map(struct io_uring *uring, unsigned int entries,
		struct io_uring_params *params);

/**
 * pi_ring_init() - set up a ring, using the newest flags that the kernel
 *		    supports
 * @ring:	ring to initialize
 * @options:	parameters of the ring
 * @reason:	filled in on failure
 *
 * Call this in the thread that will use the ring: if possible, its descriptor
 * is registered, which is per thread.
 *
 * Return: 0, or -errno with a @reason.
 */
int pi_ring_init(struct pi_ring *ring, const struct pi_ring_options *options,
		 struct pi_reason *reason);

/**
 * pi_ring_exit() - release a ring
 * @ring:	ring initialized by pi_ring_init()
 */
void pi_ring_exit(struct pi_ring *ring);

/**
 * pi_ring_register() - register the ring's descriptor for the calling thread
 * @ring:	ring; pi_ring_init() registers it, so this is for use after
 *		pi_ring_unregister()
 *
 * This saves io_uring_enter() the lookup of the descriptor. The kernel supports
 * 16 registered rings per thread, from Linux 5.18 on. If it cannot register
 * another, the ring works without.
 */
void pi_ring_register(struct pi_ring *ring);

/**
 * pi_ring_unregister() - undo pi_ring_register(), to make room for another ring
 * @ring:	ring, which remains usable
 */
void pi_ring_unregister(struct pi_ring *ring);

/**
 * pi_ring_has_op() - test whether the kernel supports an opcode
 * @ring:	any ring
 * @op:		IORING_OP_*
 *
 * Return: whether it does; false if that cannot be determined.
 */
bool pi_ring_has_op(struct pi_ring *ring, unsigned int op);

/**
 * pi_ring_sqe() - get the SQE of an I/O
 * @ring:	ring
 * @index:	number of the I/O
 *
 * Return: the SQE, to be filled in by the caller.
 */
static inline struct io_uring_sqe *pi_ring_sqe(const struct pi_ring *ring,
					       unsigned int index)
{
	return &ring->uring.sq.sqes[index << ring->sqe_shift];
}

/**
 * pi_ring_queue() - add the SQE of an I/O to the next pi_ring_submit()
 * @ring:	ring
 * @index:	number of the I/O
 * @slots:	number of SQ slots that the SQE takes: 2 for 128 bytes in a ring
 *		of mixed sizes, otherwise 1
 */
static inline void pi_ring_queue(struct pi_ring *ring, unsigned int index,
				 unsigned int slots)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	unsigned int tail = *sq->ktail;

	sq->array[tail & sq->ring_mask] = index << ring->slot_shift;
	io_uring_smp_store_release(sq->ktail, tail + slots);
}

/**
 * pi_ring_submit() - submit queued SQEs
 * @ring:	ring
 * @nr:		number of slots to submit; all that were queued since the last
 *		submission
 *
 * Return: number of slots that the kernel consumed, or -errno.
 */
static inline int pi_ring_submit(struct pi_ring *ring, unsigned int nr)
{
	return ring->submit(ring, nr);
}

/**
 * pi_ring_index() - tell which I/O is in a queued slot
 * @ring:	ring
 * @nr:		position counted back from the end of the queue, starting at 1
 *
 * Return: number of the I/O.
 */
static inline unsigned int pi_ring_index(const struct pi_ring *ring,
					 unsigned int nr)
{
	const struct io_uring_sq *sq = &ring->uring.sq;

	return sq->array[(*sq->ktail - nr) & sq->ring_mask] >> ring->slot_shift;
}

/**
 * pi_ring_ready() - number of completions that were not taken yet
 * @ring:	any ring
 *
 * Return: number of completions.
 */
static inline unsigned int pi_ring_ready(const struct pi_ring *ring)
{
	return io_uring_smp_load_acquire(ring->uring.cq.ktail) - ring->cq_head;
}

/**
 * pi_ring_take() - consume completions
 * @ring:	ring
 * @nr:		number of completions, at most pi_ring_ready()
 *
 * This returns the CQ entries to the kernel at once, so that the next
 * submission finds room. They stay valid until then: the CQ has an entry for
 * each I/O of the ring, and the I/Os whose completions were taken are not in
 * flight.
 *
 * Return: position of the first completion, for pi_ring_cqe().
 */
static inline unsigned int pi_ring_take(struct pi_ring *ring, unsigned int nr)
{
	unsigned int first = ring->cq_head;

	ring->cq_head += nr;
	io_uring_smp_store_release(ring->uring.cq.khead, ring->cq_head);
	return first;
}

/**
 * pi_ring_cqe() - get the completion at a position
 * @ring:	ring
 * @position:	position from pi_ring_take(), plus an offset
 *
 * Return: the completion, which stays valid until other I/Os are submitted.
 */
static inline const struct io_uring_cqe *
pi_ring_cqe(const struct pi_ring *ring, unsigned int position)
{
	const struct io_uring_cq *cq = &ring->uring.cq;

	return &cq->cqes[(position & cq->ring_mask) << ring->cqe_shift];
}

/**
 * pi_ring_wait() - enter the kernel to wait for completions
 * @ring:	any ring
 * @min:	number of completions to wait for; 0 only runs deferred work
 *
 * Return: 0 or -errno, including -EINTR.
 */
int pi_ring_wait(struct pi_ring *ring, unsigned int min);

/**
 * pi_ring_run() - execute one I/O synchronously, with no other in flight
 * @ring:	ring
 * @index:	number of the I/O
 * @slots:	number of SQ slots that its SQE takes, see pi_ring_queue()
 *
 * Retries waiting until the I/O has completed, even if waiting fails.
 *
 * Return: result of the I/O, or -EIO if it could not be submitted.
 */
int pi_ring_run(struct pi_ring *ring, unsigned int index, unsigned int slots);

#endif
