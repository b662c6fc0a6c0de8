/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_RING_H
#define PI_RING_H

#include <stdbool.h>
#include <sys/types.h>
#include <liburing.h>

#include "reason.h"

/**
 * struct pi_ring_options - what a ring is to be able to do
 * @depth:	I/Os in flight at most; those numbered 0 .. @depth - 1 have a
 *		place for their SQE, of 128 bytes with IORING_SETUP_SQE128 or
 *		IORING_SETUP_SQE_MIXED among @flags
 * @flags:	IORING_SETUP_* flags that must be had, or the set-up fails;
 *		those that only make it faster are tried by pi_ring_init()
 * @sqpoll:	a kernel thread submits
 * @sqpoll_cpu:	bind it to this CPU, or -1
 * @iopoll:	completions are polled for
 */
struct pi_ring_options {
	unsigned int depth;
	unsigned int flags;
	bool sqpoll;
	int sqpoll_cpu;
	bool iopoll;
};

/**
 * struct pi_ring - an io_uring whose SQEs belong to I/Os
 * @uring:	of liburing
 * @features:	IORING_FEAT_* of the kernel
 * @submit:	what pi_ring_submit() calls
 *
 * The SQE of I/O n is filled in place by whoever owns it, which costs no copy,
 * and reaches the kernel through the index array.  In a ring of mixed SQE
 * sizes the kernel counts in slots of 64 bytes: an SQE of 128 takes two
 * entries of the array, and of the second it does not look at the value.
 * One thread at a time.
 */
struct pi_ring {
	struct io_uring uring;
	unsigned int features;
	/* private: of its SQEs, slots and CQEs, as powers of two; taken so far */
	unsigned int sqe_shift;
	unsigned int slot_shift;
	unsigned int cqe_shift;
	unsigned int cq_head;
	/* what io_uring_enter() is told: the number that @task registered */
	int enter_fd;
	unsigned int enter_flags;
	pid_t task;
	/* public: */
	int (*submit)(struct pi_ring *ring, unsigned int nr);
};

/**
 * pi_ring_map() - io_uring_queue_init_params() with @params' flags and no more
 * @uring:	set
 * @entries:	of the submission queue
 * @params:	its flags go in, what the kernel says comes out
 *
 * From liburing 2.6 on that one drops the index array, through which all
 * here goes, wherever the kernel lets it.
 *
 * Return: 0, and io_uring_queue_exit() is due, or -errno.
 */
int pi_ring_map(struct io_uring *uring, unsigned int entries,
		struct io_uring_params *params);

/**
 * pi_ring_init() - set up a ring with the newest flags the kernel takes
 * @ring:	set
 * @options:	what it is to be able to do
 * @reason:	says why not
 *
 * Call in the thread that will use it: its descriptor is registered for that
 * thread alone, where the kernel can do that.
 *
 * Return: 0 or -errno with a @reason.
 */
int pi_ring_init(struct pi_ring *ring, const struct pi_ring_options *options,
		 struct pi_reason *reason);

/**
 * pi_ring_exit() - release what pi_ring_init() took
 * @ring:	of pi_ring_init()
 */
void pi_ring_exit(struct pi_ring *ring);

/**
 * pi_ring_register() - register the ring's descriptor for this thread, so that
 *			io_uring_enter() need not look it up
 * @ring:	of pi_ring_init(), which has done it; after pi_ring_unregister()
 *
 * The kernel keeps 16 for each thread, from Linux 5.18 on.  Where it has no
 * room, the ring works without.
 */
void pi_ring_register(struct pi_ring *ring);

/**
 * pi_ring_unregister() - make room for another of this thread's rings
 * @ring:	works as before
 */
void pi_ring_unregister(struct pi_ring *ring);

/**
 * pi_ring_has_op() - whether the kernel knows an opcode
 * @ring:	any
 * @op:		IORING_OP_*
 *
 * Return: whether it does; false where it does not tell.
 */
bool pi_ring_has_op(struct pi_ring *ring, unsigned int op);

/**
 * pi_ring_sqe() - the SQE of I/O @index
 * @ring:	where it is
 * @index:	of the I/O
 *
 * Return: where it is to be filled in.
 */
static inline struct io_uring_sqe *pi_ring_sqe(const struct pi_ring *ring,
					       unsigned int index)
{
	return &ring->uring.sq.sqes[index << ring->sqe_shift];
}

/**
 * pi_ring_queue() - hand the SQE of I/O @index over with the next
 *		     pi_ring_submit()
 * @ring:	where the SQE is
 * @index:	of the I/O
 * @slots:	that it takes: 2 for one of 128 bytes in a ring of mixed sizes,
 *		else 1
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
 * pi_ring_submit() - submit what the last @nr slots were queued for
 * @ring:	where they were queued
 * @nr:		how many
 *
 * Return: how many slots the kernel took, or -errno.
 */
static inline int pi_ring_submit(struct pi_ring *ring, unsigned int nr)
{
	return ring->submit(ring, nr);
}

/**
 * pi_ring_index() - the I/O that was queued @nr slots before the next one
 * @ring:	where it was queued
 * @nr:		from 1
 *
 * Return: its index.
 */
static inline unsigned int pi_ring_index(const struct pi_ring *ring,
					 unsigned int nr)
{
	const struct io_uring_sq *sq = &ring->uring.sq;

	return sq->array[(*sq->ktail - nr) & sq->ring_mask] >> ring->slot_shift;
}

/**
 * pi_ring_ready() - number of completions not yet taken
 * @ring:	any
 *
 * Return: how many there are.
 */
static inline unsigned int pi_ring_ready(const struct pi_ring *ring)
{
	return io_uring_smp_load_acquire(ring->uring.cq.ktail) - ring->cq_head;
}

/**
 * pi_ring_take() - take @nr completions that are ready
 * @ring:	where they are
 * @nr:		no more than pi_ring_ready() says
 *
 * The kernel gets their places back at once, so that what is submitted next
 * finds room.  It does not write there before that: there is a place for
 * each of the ring's I/Os, and those taken are not in flight.
 *
 * Return: position of the first, for pi_ring_cqe().
 */
static inline unsigned int pi_ring_take(struct pi_ring *ring, unsigned int nr)
{
	unsigned int first = ring->cq_head;

	ring->cq_head += nr;
	io_uring_smp_store_release(ring->uring.cq.khead, ring->cq_head);
	return first;
}

/**
 * pi_ring_cqe() - the completion at a position
 * @ring:	where it is
 * @position:	of pi_ring_take(), or after it
 *
 * Return: the completion, which stays there until other I/Os are submitted.
 */
static inline const struct io_uring_cqe *
pi_ring_cqe(const struct pi_ring *ring, unsigned int position)
{
	const struct io_uring_cq *cq = &ring->uring.cq;

	return &cq->cqes[(position & cq->ring_mask) << ring->cqe_shift];
}

/**
 * pi_ring_wait() - enter the kernel for completions
 * @ring:	any
 * @min:	return when as many have come; 0 only lets deferred work run
 *
 * Return: 0 or -errno, -EINTR among them.
 */
int pi_ring_wait(struct pi_ring *ring, unsigned int min);

/**
 * pi_ring_run() - do I/O @index, with no other one in flight
 * @ring:	where its SQE is
 * @index:	of the I/O
 * @slots:	that its SQE takes, see pi_ring_queue()
 *
 * Waits until it is done, also where the kernel does not let it wait.
 *
 * Return: its result, or -EIO when it was not submitted.
 */
int pi_ring_run(struct pi_ring *ring, unsigned int index, unsigned int slots);

#endif
