// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring_pi - a fio ioengine for reads and writes that carry protection
 * information through io_uring: the I/O path
 */
#include <errno.h>
#include <sched.h>

#include "chk_pattern.h"
#include "data_placement.h"
#include "engine.h"

static PI_NOINLINE int prep_other(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	struct fio_file *f = io_u->file;

	/* operates on a directory; queue_sync() does it synchronously */
	if (PI_IS_SYNCFS(io_u))
		return 0;
	switch (io_u->ddir) {
	case DDIR_TRIM:
		pi_io_discard(io, e->mode.sqe_flags, t->fd, io_u->offset,
			      io_u->xfer_buflen, (uintptr_t)io_u);
		break;
	case DDIR_SYNC_FILE_RANGE:
		/* no write has completed since the last one */
		if (f->first_write == -1ULL) {
			pi_io_nop(io, (uintptr_t)io_u);
			break;
		}
		pi_io_sync_range(io, e->mode.sqe_flags, t->fd, f->first_write,
				 f->last_write - f->first_write,
				 td->o.sync_file_range, (uintptr_t)io_u);
		break;
	default:
		pi_io_fsync(io, e->mode.sqe_flags, t->fd,
			    io_u->ddir == DDIR_DATASYNC, (uintptr_t)io_u);
		break;
	}
	return 0;
}

static PI_ALWAYS_INLINE int prep_plain(struct thread_data *td,
				       struct io_u *io_u, bool vectored)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	pi_io_rw(io, &e->plain, io_u->ddir, t->fd, io_u->offset,
		 io_u->xfer_buf, io_u->xfer_buflen, td->ioprio, io_u->index,
		 (uintptr_t)io_u, vectored);
	pi_io_no_attr(io);
	io->blocks = 0;
	return 0;
}

/* pi_mix=: spread I/Os with PI evenly, the same way in every run */
static PI_ALWAYS_INLINE int prep_mixed(struct thread_data *td,
				       struct io_u *io_u, bool vectored)
{
	struct pi_engine *e = td->io_ops_data;

	e->mix_carry += e->mix;
	if (e->mix_carry < 100)
		return prep_plain(td, io_u, vectored);
	e->mix_carry -= 100;
	pi_prep_with_pi(td, io_u, vectored);
	return 0;
}

static PI_ALWAYS_INLINE int prep_with_pi(struct thread_data *td,
					 struct io_u *io_u, bool vectored)
{
	pi_prep_with_pi(td, io_u, vectored);
	return 0;
}

PI_PREP(prep_plain)
PI_PREP(prep_mixed)
PI_PREP(prep_with_pi)

static int prep_async(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	int ret = e->async_prep_next(td, io_u);

	if (++e->async_count == e->async_every) {
		e->async_count = 0;
		e->ios.io[io_u->index].sqe->flags |= IOSQE_ASYNC;
	}
	return ret;
}

static int prep(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	return e->prep(td, io_u);
}

static void generate(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	t->tuple.generate(&t->tuple, io_u->xfer_buf, io->md, io->blocks,
			  io->number, io->ref);
}

static void generate_timed(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	uint64_t start = pi_stats_now();

	generate(td, io_u);
	pi_stats_add(&e->stats, PI_STATS_GENERATE, start);
}

static void generate_faults(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io_ctx ctx =
		pi_io_ctx(td, io_u, PI_BY_NOBODY, e->ios.io[io_u->index].blocks);

	pi_faults_damage(e->faults, &ctx, PI_INJECT_BEFORE);
	e->generate_next(td, io_u);
	pi_faults_damage(e->faults, &ctx, PI_INJECT_OUT);
}

static PI_ALWAYS_INLINE enum fio_q_status publish(struct pi_engine *e,
						  struct io_u *io_u)
{
	unsigned int slots = e->ios.io[io_u->index].slots;

	pi_ring_queue(&e->ring, io_u->index, slots);
	e->queued += slots;
	return FIO_Q_QUEUED;
}

/* do synchronously what the ring cannot, after what is queued */
static enum fio_q_status queue_sync(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	if (e->queued)
		return FIO_Q_BUSY;
	if (io_u->ddir == DDIR_TRIM)
		do_io_u_trim(td, io_u);
	else
		do_io_u_sync(td, io_u);
	io_u_mark_submit(td, 1);
	io_u_mark_complete(td, 1);
	return FIO_Q_COMPLETED;
}

/*
 * Tuples are generated here and not in prep: between the two fio still
 * scrambles the buffer and writes its verify headers into it.
 */
static PI_NOINLINE enum fio_q_status queue_more(struct thread_data *td,
						struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	if (io_u->ddir == DDIR_WRITE) {
		e->generate(td, io_u);
	} else if (PI_IS_SYNCFS(io_u) ||
		   (io_u->ddir == DDIR_TRIM && e->sync_trim)) {
		return queue_sync(td, io_u);
	} else if (e->flush_alone && ddir_sync(io_u->ddir)) {
		/* cur_depth includes this I/O */
		if (td->cur_depth > 1)
			return FIO_Q_BUSY;
	}
	return publish(e, io_u);
}

static enum fio_q_status queue_prepared(struct thread_data *td,
					struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	if (io_u->ddir == DDIR_READ ||
	    (io_u->ddir == DDIR_WRITE && !e->ios.io[io_u->index].blocks))
		return publish(e, io_u);
	return queue_more(td, io_u);
}

static enum fio_q_status queue_prio(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	if (io_u->ddir <= DDIR_WRITE &&
	    fio_cmdprio_set_ioprio(td, &e->cmdprio, io_u))
		e->ios.io[io_u->index].sqe->ioprio = io_u->ioprio;
	return queue_prepared(td, io_u);
}

/* experimental_verify=1: fio turned the I/O into a read after it was prepared */
static enum fio_q_status queue_again(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	if (io_u->ddir == DDIR_READ) {
		io_u->error = -e->prep(td, io_u);
		if (io_u->error)
			return FIO_Q_COMPLETED;
	}
	return e->queue_next(td, io_u);
}

static PI_ALWAYS_INLINE void selftest_spin(void)
{
	__asm__ volatile (".rept %c0\n\tnop\n\t.endr" : : "i" (PI_SELFTEST_SPIN));
}

static enum fio_q_status queue(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	fio_ro_check(td, io_u);
	selftest_spin();

	return e->queue(td, io_u);
}

/* returns the number of I/Os in the next @slots slots of the queue */
static unsigned int stamp_issue_time(struct thread_data *td, unsigned int slots)
{
	struct pi_engine *e = td->io_ops_data;
	bool stamp = fio_fill_issue_time(td);
	unsigned int nr = 0;
	struct timespec now;

	if (stamp)
		fio_gettime(&now, NULL);
	for (unsigned int i = 0; i < slots; nr++) {
		unsigned int index = pi_ring_index(&e->ring, e->queued - i);
		struct io_u *io_u = e->io_us[index];

		i += e->ios.io[index].slots;
		if (stamp) {
			io_u->issue_time = now;
			io_u_queued(td, io_u);
		}
	}
	/* only used for iolog */
	if (stamp && td->o.read_iolog_file)
		td->last_issue = now;
	return nr;
}

static int commit(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	while (e->queued) {
		int ret = pi_ring_submit(&e->ring, e->queued);

		if (ret > 0) {
			io_u_mark_submit(td, stamp_issue_time(td, ret));
			e->queued -= ret;
		} else if (ret == -EAGAIN || ret == -EINTR || ret == -EBUSY) {
			sched_yield();
		} else if (ret < 0) {
			td_verror(td, -ret, "io_uring_enter");
			return ret;
		}
	}
	return 0;
}

/* sqthread_poll=1: the kernel thread posts completions without being asked */
static int wait_for_thread(struct pi_ring *ring, unsigned int min)
{
	return 0;
}

static int wait_timed(struct pi_ring *ring, unsigned int min)
{
	struct pi_engine *e = container_of(ring, struct pi_engine, ring);
	uint64_t start = pi_stats_now();
	int ret = pi_ring_wait(ring, min);

	pi_stats_add(&e->stats, PI_STATS_WAIT, start);
	return ret;
}

static int submit_timed(struct pi_ring *ring, unsigned int nr)
{
	struct pi_engine *e = container_of(ring, struct pi_engine, ring);
	uint64_t start = pi_stats_now();
	int ret = e->submit_next(ring, nr);

	pi_stats_add(&e->stats, PI_STATS_SUBMIT, start);
	return ret;
}

/*
 * Take what is ready before waiting for more: with IOPOLL the kernel does not
 * poll while there are completions in the CQ.
 */
static int getevents(struct thread_data *td, unsigned int min,
		     unsigned int max, const struct timespec *t)
{
	struct pi_engine *e = td->io_ops_data;
	unsigned int wait = td->o.iodepth_batch_complete_min ? min : 0;
	unsigned int got = 0;

	for (bool asked = false;; asked = true) {
		unsigned int ready = min(pi_ring_ready(&e->ring), max - got);
		unsigned int first = pi_ring_take(&e->ring, ready);
		int ret;

		if (!got)
			e->first_event = first;
		got += ready;
		/* fio calls this with min == 0 while it waits to replay an iolog */
		if (got >= min && (got || asked))
			return got;
		ret = e->wait(&e->ring, wait > got ? wait - got : 0);
		if (ret && ret != -EINTR && ret != -EAGAIN) {
			td_verror(td, -ret, "io_uring_enter");
			return ret;
		}
	}
}

static PI_ALWAYS_INLINE int compare(struct thread_data *td, struct io_u *io_u,
				    uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	struct pi_mismatch bad;

	return t->on_read.verify(&t->on_read, io_u->xfer_buf, io->md, blocks,
				 io->number, io->ref, &bad);
}

static void verify(struct thread_data *td, struct io_u *io_u, uint32_t blocks)
{
	if (compare(td, io_u, blocks))
		pi_read_mismatch(td, io_u, blocks);
}

static void verify_timed(struct thread_data *td, struct io_u *io_u,
			 uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	uint64_t start = pi_stats_now();
	int ret = compare(td, io_u, blocks);

	if (t->on_read.verify != pi_tuple_none.verify)
		pi_stats_add(&e->stats, PI_STATS_VERIFY, start);
	if (ret)
		pi_read_mismatch(td, io_u, blocks);
}

static void verify_faults(struct thread_data *td, struct io_u *io_u,
			  uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io_ctx ctx = pi_io_ctx(td, io_u, PI_BY_NOBODY, blocks);

	pi_faults_damage(e->faults, &ctx, PI_INJECT_BACK);
	e->verify_next(td, io_u, blocks);
	pi_faults_read(e->faults, &ctx);
}

static void written(struct thread_data *td, struct io_u *io_u, uint32_t blocks)
{
}

static void written_faults(struct thread_data *td, struct io_u *io_u,
			   uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io_ctx ctx = pi_io_ctx(td, io_u, PI_BY_NOBODY, blocks);

	pi_faults_written(e->faults, &ctx, true);
}

static void complete_trim(struct thread_data *td, struct io_u *io_u, int res)
{
	struct pi_engine *e = td->io_ops_data;

	if (res == -EINVAL || res == -EOPNOTSUPP) {
		/* io_uring cannot discard before Linux 6.12, or in files */
		e->sync_trim = true;
		/* makes fio record the issue time of synchronous trims */
		td->flags |= (uint64_t)FIO_ASYNCIO_SYNC_TRIM << TD_ENG_FLAG_SHIFT;
		do_io_u_trim(td, io_u);
	} else if (res < 0) {
		io_u->error = -res;
	}
}

/* a disk that was removed has size 0, so any I/O is past its end */
static void complete_short(struct thread_data *td, struct io_u *io_u, int bytes)
{
	struct pi_engine *e = td->io_ops_data;

	io_u->resid = io_u->xfer_buflen - bytes;
	if (!bytes && io_u->file->filetype == FIO_TYPE_BLOCK) {
		pi_errors_gone(&e->errors, io_u);
		pi_io_failed(td, io_u, EIO, 0);
	} else if (e->ios.io[io_u->index].blocks) {
		pi_done_with_pi(td, io_u, bytes);
	} else {
		e->stats.plain_ios++;
	}
}

static PI_NOINLINE struct io_u *event_other(struct thread_data *td,
					    struct io_u *io_u, int res)
{
	if (io_u->ddir == DDIR_TRIM)
		complete_trim(td, io_u, res);
	else if (res < 0 && ddir_rw(io_u->ddir))
		pi_io_failed(td, io_u, -res, 0);
	else if (res < 0)
		io_u->error = -res;
	else if (ddir_rw(io_u->ddir))
		complete_short(td, io_u, res);
	return io_u;
}

static PI_NOINLINE struct io_u *event_with_pi(struct thread_data *td,
					      struct io_u *io_u, int res)
{
	if (fio_unlikely(res != (int)io_u->xfer_buflen))
		return event_other(td, io_u, res);
	return pi_done_with_pi(td, io_u, res);
}

static struct io_u *event(struct thread_data *td, int nr)
{
	struct pi_engine *e = td->io_ops_data;
	const struct io_uring_cqe *cqe =
		pi_ring_cqe(&e->ring, e->first_event + nr);
	struct io_u *io_u = (struct io_u *)(uintptr_t)cqe->user_data;
	int res = cqe->res;

	io_u->error = 0;
	io_u->resid = 0;
	if (fio_unlikely(io_u->ddir > DDIR_WRITE))
		return e->path->event_other(td, io_u, res);
	if (e->ios.io[io_u->index].blocks)
		return e->path->event(td, io_u, res);
	if (fio_unlikely(res != (int)io_u->xfer_buflen))
		return e->path->event_other(td, io_u, res);
	e->stats.plain_ios++;
	return io_u;
}

static __attribute__((unused)) char *errdetails(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	return pi_errors_details(&e->errors, io_u);
}

static int adapt_nothing(struct thread_data *td)
{
	return 0;
}

static int take_any(struct thread_data *td, struct fio_file *f,
		    const struct pi_device *dev,
		    const struct pi_format *format)
{
	return 0;
}

static int set_nothing(struct pi_target *target, const struct pi_device *dev,
		       const struct pi_options *o)
{
	return 0;
}

const struct pi_path_ops pi_path_block = {
	.renumbers	= true,
	.check_job	= pi_check_attribute,
	.check_target	= take_any,
	.set_target	= set_nothing,
	.init		= adapt_nothing,
	.prep		= { prep_with_pi_single, prep_with_pi_vectored },
	.event		= event_with_pi,
	.event_other	= event_other,
};

static void choose_prep(struct pi_engine *e, bool vectored)
{
	if (!e->layout->pi)
		e->prep = vectored ? prep_plain_vectored : prep_plain_single;
	else if (e->mix < 100)
		e->prep = vectored ? prep_mixed_vectored : prep_mixed_single;
	else
		e->prep = e->path->prep[vectored];
	if (e->async_every) {
		e->async_prep_next = e->prep;
		e->prep = prep_async;
	}
}

static void choose_queue(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	e->queue = e->cmdprio.mode == CMDPRIO_MODE_NONE ? queue_prepared :
							  queue_prio;
	if (td->o.experimental_verify) {
		e->queue_next = e->queue;
		e->queue = queue_again;
	}
}

void pi_choose_functions(struct thread_data *td, bool vectored)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;

	choose_prep(e, vectored);
	pi_data_placement_choose(td);
	choose_queue(td);
	e->wait = o->sqpoll ? wait_for_thread :
		  e->stats.timed ? wait_timed : pi_ring_wait;
	if (e->stats.timed) {
		e->submit_next = e->ring.submit;
		e->ring.submit = submit_timed;
	}
	e->generate_next = e->stats.timed ? generate_timed : generate;
	e->generate = e->faults ? generate_faults : e->generate_next;
	e->verify_next = e->stats.timed ? verify_timed : verify;
	e->done[DDIR_READ] = e->faults ? verify_faults : e->verify_next;
	e->done[DDIR_WRITE] = e->faults ? written_faults : written;
	pi_chk_pattern_choose(td);
	if (e->path->choose)
		e->path->choose(td);
}

__attribute__((visibility("default"))) struct ioengine_ops ioengine = {
	.name			= "io_uring_pi",
	.version		= FIO_IOOPS_VERSION,
	.flags			= FIO_NO_OFFLOAD | FIO_ASYNCIO_SETS_ISSUE_TIME |
				  FIO_ATOMICWRITES | FIO_MULTI_RANGE_TRIM |
				  FIO_ASYNCIO_SYNC_SYNCFS,
	.init			= pi_init,
	.post_init		= pi_post_init,
	.io_u_init		= pi_io_u_init,
	.prep			= prep,
	.queue			= queue,
	.commit			= commit,
	.getevents		= getevents,
	.event			= event,
	PI_ERRDETAILS_OPS
	.cleanup		= pi_cleanup,
	.open_file		= pi_open_file,
	.close_file		= pi_close_file,
	.get_file_size		= pi_get_file_size,
#ifdef PI_PLACEMENT_OPS
	PI_PLACEMENT_OPS
#endif
	.options		= pi_fio_options,
	.option_struct_size	= sizeof(struct pi_options),
};
