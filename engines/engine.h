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
/* out of the way of what every I/O goes: there it would cost saved registers */
#define PI_NOINLINE		__attribute__((noinline))

/* instructions to waste on each I/O, so that scripts/pi-bench has what to find */
#ifndef PI_SELFTEST_SPIN
#define PI_SELFTEST_SPIN 0
#endif

/**
 * struct pi_engine - one job
 * @ring:	io_us are handed to the kernel through it
 * @ios:	what an I/O has beside its io_u, by io_u->index
 * @mode:	of reads and writes with PI
 * @plain:	of those without
 * @layout:	of the attribute
 * @path:	through the block layer or not
 * @prep:	for any I/O, what fio calls
 * @prep_now:	what force_async= puts itself before
 * @prep_unplaced: what dataplacement= puts itself before
 * @prep_part:	what pi_chk= of several parts puts itself before
 * @queue:	for any I/O, what fio calls
 * @queue_next:	what experimental_verify= puts itself before
 * @submit:	what the clock of pi_time= stands before
 * @wait:	for completions
 * @generate:	the tuples of a write
 * @generate_now: what pi_inject= puts itself around
 * @verify_now:	likewise, the tuples of a read
 * @done:	with reads and with writes
 * @done_part:	what pi_chk= of several parts puts itself around
 * @parts:	the part of pi_chk= that each I/O is of, or NULL
 * @turn:	of the next, where they take turns
 * @command_debt: by share of write_mode=, what it has to come
 * @mix:	percent of I/Os with PI
 * @mix_carry:	what is left of it
 * @vectors:	iovecs of the largest I/O
 * @queued:	slots of the ring that wait for the next commit
 * @first_event: position of the first that getevents took
 * @async_every: force_async=
 * @async_count: since the last that it was done for
 * @sync_trim:	the kernel has no trims for io_uring
 * @flush_alone: a flush waits for the writes before it
 * @ranges:	of trims with several, PI_NUM_RANGE() for each I/O
 * @registered:	files are
 * @ring_up:	the ring is to be released
 * @cmdprio:	of fio
 * @io_us:	by index
 * @iovecs:	of registered buffers: data of each I/O, and all metadata
 * @fds:	of registered files
 * @nr_fds:	how many are open
 * @targets:	list of the job's files
 * @errors:	what was found wrong
 * @stats:	what was done
 * @faults:	those that are injected, or NULL
 * @unchecked:	to read what a device has refused
 */
struct pi_engine {
	struct pi_ring ring;
	struct pi_io_set ios;
	struct pi_io_mode mode;
	struct pi_io_mode plain;
	const struct pi_layout *layout;
	const struct pi_path_ops *path;
	int (*prep)(struct thread_data *td, struct io_u *io_u);
	int (*prep_now)(struct thread_data *td, struct io_u *io_u);
	int (*prep_unplaced)(struct thread_data *td, struct io_u *io_u);
	int (*prep_part)(struct thread_data *td, struct io_u *io_u);
	enum fio_q_status (*queue)(struct thread_data *td, struct io_u *io_u);
	enum fio_q_status (*queue_next)(struct thread_data *td,
					struct io_u *io_u);
	int (*submit)(struct pi_ring *ring, unsigned int nr);
	int (*wait)(struct pi_ring *ring, unsigned int min);
	void (*generate)(struct thread_data *td, struct io_u *io_u);
	void (*generate_now)(struct thread_data *td, struct io_u *io_u);
	void (*verify_now)(struct thread_data *td, struct io_u *io_u,
			   uint32_t blocks);
	void (*done[2])(struct thread_data *td, struct io_u *io_u,
			uint32_t blocks);
	void (*done_part[2])(struct thread_data *td, struct io_u *io_u,
			     uint32_t blocks);
	uint8_t *parts;
	unsigned int turn;
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
 * pi_fail() - end a job, of which was said why
 * @td:		of the job
 * @err:	an errno
 */
static inline void pi_fail(struct thread_data *td, int err)
{
	td_verror(td, err, "io_uring_pi");
}

/**
 * pi_prep_with_pi() - prepare a read or write with PI
 * @td:		of the job
 * @io_u:	the I/O
 * @vectored:	give a constant, so that the compiler drops the other branch
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
 * PI_PREP() - define what fio may call for any I/O: kind_vectored() and
 *	       kind_single(), of kind() for reads and writes and prep_other()
 * @kind:	a function of td, io_u and whether it is vectored
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
 * pi_done_with_pi() - a read or write with PI is done
 * @td:		of the job
 * @io_u:	the I/O
 * @bytes:	that it has moved
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
 * pi_choose_functions() - settle what each I/O of a job goes through
 * @td:		of the job
 * @vectored:	its reads and writes are
 */
void pi_choose_functions(struct thread_data *td, bool vectored);

/* explain.c: what went wrong with an I/O */

/**
 * pi_wrong() - the host found wrong PI in a read
 * @td:		of the job
 * @io_u:	the I/O
 * @blocks:	that it brought
 */
void pi_wrong(struct thread_data *td, struct io_u *io_u, uint32_t blocks);

/**
 * pi_failed() - a read or write ended in error
 * @td:		of the job
 * @io_u:	the I/O
 * @err:	an errno
 * @status:	of NVMe, where the device gave one; else 0
 */
void pi_failed(struct thread_data *td, struct io_u *io_u, int err,
	       unsigned int status);

/**
 * pi_read_again() - read what an I/O was about, without the device's checks
 * @td:		of the job
 * @io_u:	the I/O, whose buffers get data and metadata as the media has
 *		them
 *
 * Return: false when that fails too.
 */
bool pi_read_again(struct thread_data *td, struct io_u *io_u);

/* setup.c: what comes before the first I/O and after the last */

/**
 * pi_get_file_size() - refuse what a job cannot do with a file, and say how
 *			large a character device is
 * @td:		of the job
 * @f:		one of its files
 *
 * Return: as fio has it, 0 or 1.
 */
int pi_get_file_size(struct thread_data *td, struct fio_file *f);

/**
 * pi_init() - make a struct pi_engine, without a ring yet
 * @td:		of the job
 *
 * Return: as fio has it, 0 or 1.
 */
int pi_init(struct thread_data *td);

/**
 * pi_io_u_init() - take note of one of the job's I/Os
 * @td:		of the job
 * @io_u:	the I/O
 *
 * Return: 0.
 */
int pi_io_u_init(struct thread_data *td, struct io_u *io_u);

/**
 * pi_post_init() - set up the ring and what is registered with it
 * @td:		of the job; called in the thread that submits
 *
 * Return: as fio has it, 0 or 1.
 */
int pi_post_init(struct thread_data *td);

/**
 * pi_cleanup() - report, and release all
 * @td:		of the job
 */
void pi_cleanup(struct thread_data *td);

/**
 * pi_open_file() - open a file, or take the descriptor that is registered
 * @td:		of the job
 * @f:		one of its files
 *
 * Return: as fio has it, 0 or 1.
 */
int pi_open_file(struct thread_data *td, struct fio_file *f);

/**
 * pi_close_file() - close it, unless it is registered
 * @td:		of the job
 * @f:		one of its files
 *
 * Return: as fio has it, 0 or 1.
 */
int pi_close_file(struct thread_data *td, struct fio_file *f);

#endif
