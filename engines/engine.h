/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ENGINE_H
#define PI_ENGINE_H

#include "errors.h"
#include "faults.h"
#include "io.h"
#include "layout.h"
#include "path_ops.h"
#include "ring.h"
#include "stats.h"
#include "target.h"
#include "unchecked.h"

#define PI_ALWAYS_INLINE	inline __attribute__((always_inline))
/* keeps rare cases out of line, where they would cost the hot path saved registers */
#define PI_NOINLINE		__attribute__((noinline))

/* instructions to waste on each I/O: a regression for pi-bench selftest to find */
#ifndef PI_SELFTEST_SPIN
#define PI_SELFTEST_SPIN 0
#endif

/**
 * struct pi_engine - state of one job
 * @ring:	ring that the job submits to
 * @ios:	per-I/O state in addition to the io_u, indexed by io_u->index
 * @mode:	reads and writes with PI
 * @plain:	reads and writes without PI
 * @layout:	layout of the PI attribute
 * @path:	I/O path: block layer or passthrough
 * @prep:	fio's prep hook
 * @async_prep_next: called by the prep function for force_async=
 * @placement_prep_next: called by the prep functions for dataplacement=
 * @chk_prep_next: called by the prep functions for a pi_chk= pattern
 * @queue:	fio's queue hook
 * @queue_next:	called by the queue function for experimental_verify=
 * @submit_next: called by the submit function for pi_time=
 * @wait:	waits for completions
 * @generate:	generates the tuples of a write
 * @generate_next: called by the generate functions for pi_inject= and
 *		write_mode=
 * @verify_next: called by the verify function for pi_inject=
 * @done:	handles a read or a write with PI that has succeeded
 * @chk_done_next: called by the done functions for a pi_chk= pattern
 * @parts:	part of the pi_chk= pattern that each I/O belongs to, or NULL
 * @chk_turn:	shares in pi_chk=: position of the next I/O in the sequence
 * @command_debt: percentage points that each share of write_mode= is behind
 * @mix:	percentage of I/Os with PI
 * @mix_carry:	percentage points carried over to the next I/O
 * @vectors:	number of iovecs of the largest I/O
 * @queued:	number of SQ slots queued since the last commit
 * @first_event: ring position of the first completion returned by getevents
 * @async_every: force_async=
 * @async_count: number of I/Os since the last one with IOSQE_ASYNC
 * @sync_trim:	trim synchronously, because the kernel cannot do it through
 *		io_uring
 * @flush_alone: a flush must wait for all earlier writes to complete
 * @ranges:	ranges of multi-range trims, PI_NUM_RANGE() for each I/O
 * @registered:	files are registered
 * @ring_up:	@ring is initialized
 * @cmdprio:	fio's state for cmdprio options
 * @io_us:	fio's I/Os by index
 * @iovecs:	buffers to register: data of each I/O, then all metadata
 * @fds:	file descriptors to register
 * @nr_fds:	number of descriptors in @fds
 * @targets:	list of the job's files
 * @errors:	errors found so far
 * @stats:	statistics
 * @faults:	injected faults, or NULL
 * @unchecked:	ring for reading again what the device failed
 */
struct pi_engine {
	struct pi_ring ring;
	struct pi_io_set ios;
	struct pi_io_mode mode;
	struct pi_io_mode plain;
	const struct pi_layout *layout;
	const struct pi_path_ops *path;
	int (*prep)(struct thread_data *td, struct io_u *io_u);
	int (*async_prep_next)(struct thread_data *td, struct io_u *io_u);
	int (*placement_prep_next)(struct thread_data *td, struct io_u *io_u);
	int (*chk_prep_next)(struct thread_data *td, struct io_u *io_u);
	enum fio_q_status (*queue)(struct thread_data *td, struct io_u *io_u);
	enum fio_q_status (*queue_next)(struct thread_data *td,
					struct io_u *io_u);
	int (*submit_next)(struct pi_ring *ring, unsigned int nr);
	int (*wait)(struct pi_ring *ring, unsigned int min);
	void (*generate)(struct thread_data *td, struct io_u *io_u);
	void (*generate_next)(struct thread_data *td, struct io_u *io_u);
	void (*verify_next)(struct thread_data *td, struct io_u *io_u,
			    uint32_t blocks);
	void (*done[2])(struct thread_data *td, struct io_u *io_u,
			uint32_t blocks);
	void (*chk_done_next[2])(struct thread_data *td, struct io_u *io_u,
				 uint32_t blocks);
	uint8_t *parts;
	unsigned int chk_turn;
	int command_debt[PI_COMMAND_SHARES];
	unsigned int mix;
	unsigned int mix_carry;
	unsigned int vectors;
	unsigned int queued;
	unsigned int first_event;
	uint64_t async_every;
	uint64_t async_count;
	bool sync_trim;
	bool flush_alone;
	struct pi_nvme_range *ranges;
	bool registered;
	bool ring_up;
	struct cmdprio cmdprio;

	struct io_u **io_us;
	struct iovec *iovecs;
	int *fds;
	unsigned int nr_fds;
	struct pi_target *targets;
	struct pi_errors errors;
	struct pi_stats stats;
	struct pi_faults *faults;
	struct pi_unchecked unchecked;
};

extern struct ioengine_ops ioengine;

/**
 * pi_fail() - fail the job after a message has been printed
 * @td:		thread of the job
 * @err:	positive errno
 */
static inline void pi_fail(struct thread_data *td, int err)
{
	td_verror(td, err, "io_uring_pi");
}

/**
 * pi_prep_with_pi() - fill in the SQE of a read or write with PI
 * @td:		thread of the job
 * @io_u:	the I/O
 * @vectored:	use iovecs; must be a compile-time constant, so that the other
 *		branch is optimized out
 */
static PI_ALWAYS_INLINE void pi_prep_with_pi(struct thread_data *td,
					     struct io_u *io_u, bool vectored)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	pi_io_rw(io, &e->mode, io_u->ddir, t->fd, io_u->offset, io_u->xfer_buf,
		 io_u->xfer_buflen, td->ioprio, io_u->index, (uintptr_t)io_u,
		 vectored);
	io->blocks = pi_target_blocks(t, io_u->xfer_buflen);
	io->number = t->start + pi_target_blocks(t, io_u->offset);
	io->ref = (io->number + t->ref_add) & t->ref_mask;
	e->layout->fill(io, t->chk, t->app_tag, io->blocks * t->md_size,
			io->ref);
}

/**
 * PI_PREP() - define prep hooks kind_vectored() and kind_single()
 * @kind:	function for reads and writes, called with td, io_u and whether
 *		they are vectored; prep_other() is called for everything else
 */
#define PI_PREP(kind)							\
static int kind##_vectored(struct thread_data *td, struct io_u *io_u)	\
{									\
	return io_u->ddir <= DDIR_WRITE ? kind(td, io_u, true) :	\
					  prep_other(td, io_u);		\
}									\
									\
static int kind##_single(struct thread_data *td, struct io_u *io_u)	\
{									\
	return io_u->ddir <= DDIR_WRITE ? kind(td, io_u, false) :	\
					  prep_other(td, io_u);		\
}

/**
 * pi_done_with_pi() - account for a successful read or write with PI, and
 *		       verify it
 * @td:		thread of the job
 * @io_u:	the I/O
 * @bytes:	number of bytes transferred
 *
 * Return: @io_u.
 */
static PI_ALWAYS_INLINE struct io_u *pi_done_with_pi(struct thread_data *td,
						     struct io_u *io_u,
						     int bytes)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);

	e->stats.pi_ios++;
	e->done[io_u->ddir](td, io_u, pi_target_blocks(t, bytes));
	if (!io_u->error)
		t->bytes[io_u->ddir] += bytes;
	return io_u;
}

/**
 * pi_io_ctx() - collect what is known about an I/O
 * @td:		thread of the job
 * @io_u:	the I/O
 * @finder:	who found it to be wrong
 * @blocks:	number of intervals that were transferred
 *
 * Return: the context.
 */
static inline struct pi_io_ctx pi_io_ctx(struct thread_data *td,
					 struct io_u *io_u,
					 enum pi_finder finder,
					 uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	return (struct pi_io_ctx) {
		.td	= td,
		.io_u	= io_u,
		.target	= t,
		.io	= io,
		.command = t->ns.nsid ? pi_command_of(io) : PI_COMMAND_RW,
		.finder	= finder,
		.blocks	= blocks,
	};
}

/* io_uring_pi.c */

/**
 * pi_choose_functions() - set the functions in struct pi_engine for a job
 * @td:		thread of the job
 * @vectored:	reads and writes are vectored
 */
void pi_choose_functions(struct thread_data *td, bool vectored);

/* explain.c: report failed I/Os */

/**
 * pi_read_mismatch() - fail a read in which the host found wrong PI, and report
 *			it
 * @td:		thread of the job
 * @io_u:	the I/O
 * @blocks:	number of intervals that were read
 */
void pi_read_mismatch(struct thread_data *td, struct io_u *io_u,
		      uint32_t blocks);

/**
 * pi_io_failed() - handle a read or write that ended in an error
 * @td:		thread of the job
 * @io_u:	the I/O
 * @err:	positive errno
 * @status:	NVMe status if the device reported one, otherwise 0
 */
void pi_io_failed(struct thread_data *td, struct io_u *io_u, int err,
		  unsigned int status);

/**
 * pi_reread() - read the blocks of an I/O again, without the device's checks
 * @td:		thread of the job
 * @io_u:	the I/O, whose buffers are filled with the data and metadata on
 *		the media
 *
 * Return: false if the read fails.
 */
bool pi_reread(struct thread_data *td, struct io_u *io_u);

/* setup.c: set-up and tear-down of a job */

/**
 * pi_get_file_size() - fio's get_file_size hook: check options and file
 * @td:		thread of the job
 * @f:		file of the job
 *
 * Sets the size of character devices, which fio cannot determine.
 *
 * Return: 0 or 1, as fio expects.
 */
int pi_get_file_size(struct thread_data *td, struct fio_file *f);

/**
 * pi_init() - fio's init hook: allocate struct pi_engine, without a ring
 * @td:		thread of the job
 *
 * Return: 0 or 1, as fio expects.
 */
int pi_init(struct thread_data *td);

/**
 * pi_io_u_init() - fio's io_u_init hook: remember one of the job's I/Os
 * @td:		thread of the job
 * @io_u:	the I/O
 *
 * Return: 0.
 */
int pi_io_u_init(struct thread_data *td, struct io_u *io_u);

/**
 * pi_post_init() - fio's post_init hook: set up the ring and register resources
 * @td:		thread of the job. Called in the thread that submits.
 *
 * Return: 0 or 1, as fio expects.
 */
int pi_post_init(struct thread_data *td);

/**
 * pi_cleanup() - fio's cleanup hook: report statistics and release everything
 * @td:		thread of the job
 */
void pi_cleanup(struct thread_data *td);

/**
 * pi_open_file() - fio's open_file hook: open a file, or use its registered
 *		    descriptor
 * @td:		thread of the job
 * @f:		file of the job
 *
 * Return: 0 or 1, as fio expects.
 */
int pi_open_file(struct thread_data *td, struct fio_file *f);

/**
 * pi_close_file() - fio's close_file hook: close a file unless it is registered
 * @td:		thread of the job
 * @f:		file of the job
 *
 * Return: 0 or 1, as fio expects.
 */
int pi_close_file(struct thread_data *td, struct fio_file *f);

#endif
