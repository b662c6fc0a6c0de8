// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring_pi - a fio ioengine for reads and writes that carry protection
 * information through io_uring
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fio.h"
#include "options.h"

#include "abi.h"
#include "errors.h"
#include "faults.h"
#include "io.h"
#include "layout.h"
#include "nvme.h"
#include "ring.h"
#include "stats.h"
#include "target.h"
#include "unchecked.h"

#define ALWAYS_INLINE	inline __attribute__((always_inline))
/* out of the way of what every I/O goes: there it would cost saved registers */
#define NOINLINE	__attribute__((noinline))

/* instructions to waste on each I/O, so that scripts/pi-bench has what to find */
#ifndef PI_SELFTEST_SPIN
#define PI_SELFTEST_SPIN 0
#endif

struct engine {
	struct pi_ring ring;
	struct pi_io_set ios;
	struct pi_io_mode mode;		/* of I/Os with PI */
	struct pi_io_mode plain;
	const struct pi_layout *layout;
	int (*prep)(struct thread_data *td, struct io_u *io_u);
	struct io_u *(*event_with_pi)(struct thread_data *td,
				      struct io_u *io_u, int res);
	int (*submit)(struct pi_ring *ring, unsigned int nr);
	int (*wait)(struct pi_ring *ring, unsigned int min);
	unsigned int mix;
	unsigned int mix_carry;
	unsigned int vectors;		/* iovecs of the largest I/O */
	unsigned int queued;		/* slots of the ring */
	unsigned int first_event;
	uint64_t async_every;
	uint64_t async_count;
	bool sync_trim;
	bool as_prepared;		/* I/Os need no queue_changed() */
	bool sqpoll;
	bool registered;
	bool ring_up;
	struct cmdprio cmdprio;

	struct io_u **io_us;
	struct iovec *iovecs;
	int *fds;			/* of registered files */
	unsigned int nr_fds;
	struct pi_target *targets;
	struct pi_errors errors;
	struct pi_stats stats;
	struct pi_faults *faults;
	struct pi_unchecked unchecked;
	void (*generate)(struct thread_data *td, struct io_u *io_u);
	void (*done[2])(struct thread_data *td, struct io_u *io_u,
			uint32_t blocks);
};

static void fail(struct thread_data *td, int err)
{
	td_verror(td, err, "io_uring_pi");
}

extern struct ioengine_ops ioengine;

/* the job's options and the running fio, before anything else */
static int check_job(struct thread_data *td)
{
	int err;

	if (!pi_abi_matches(td, &ioengine))
		return EINVAL;
	err = pi_options_check(td);
	if (err)
		fail(td, err);
	return err;
}

/* what the file takes is known once and kept as long as the job */
static struct pi_target *target_get(struct thread_data *td, struct fio_file *f)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(f);
	int err;

	if (t)
		return t;
	t = malloc(sizeof(*t));
	err = t ? pi_target_probe(td, f, t) : ENOMEM;
	if (err) {
		fail(td, err);
		free(t);
		return NULL;
	}
	pi_stats_attach(&e->stats, t);
	t->next = e->targets;
	e->targets = t;
	FILE_SET_ENG_DATA(f, t);
	return t;
}

/*
 * The first hook to see a file, in the parent: what cannot work is refused
 * here, before fio would create a missing file or start a job.
 */
static int get_file_size(struct thread_data *td, struct fio_file *f)
{
	struct pi_target t;
	int err = check_job(td);

	if (err)
		return 1;
	err = pi_target_probe(td, f, &t);
	if (err) {
		/* fio would take ENOENT for a file to be created */
		fail(td, err == ENOENT ? ENODEV : err);
		return 1;
	}
	if (!t.size)
		return generic_get_file_size(td, f);
	f->real_file_size = t.size;
	fio_file_set_size_known(f);
	return 0;
}

static int init(struct thread_data *td)
{
	struct pi_options *o = td->eo;
	struct engine *e;
	int err;

	if (check_job(td))
		return 1;
	if (PI_SELFTEST_SPIN)
		log_err("io_uring_pi: built with PI_SELFTEST_SPIN, %d instructions more for each I/O\n",
			PI_SELFTEST_SPIN);

	e = calloc(1, sizeof(*e));
	if (!e) {
		fail(td, ENOMEM);
		return 1;
	}
	td->io_ops_data = e;
	e->stats.line.fd = -1;
	err = pi_errors_init(&e->errors, o) ?: pi_stats_init(&e->stats, o);
	if (err) {
		fail(td, err);
		return 1;
	}
	if (o->inject) {
		e->faults = pi_faults_init(td);
		if (!e->faults) {
			fail(td, EINVAL);
			return 1;
		}
		e->errors.faults = e->faults;
		e->faults->unchecked = &e->unchecked;
	}
	e->layout = &pi_layouts[o->layout];
	e->mix = o->mix;
	e->sqpoll = o->sqpoll;
	e->registered = o->registerfiles || o->sqpoll;
	e->async_every = o->force_async;
	e->io_us = calloc(td->o.iodepth, sizeof(*e->io_us));
	e->iovecs = calloc(td->o.iodepth, sizeof(*e->iovecs));
	e->fds = calloc(td->o.nr_files, sizeof(*e->fds));
	if (!e->io_us || !e->iovecs || !e->fds) {
		fail(td, ENOMEM);
		return 1;
	}
	if (fio_cmdprio_init(td, &e->cmdprio, &o->cmdprio_options)) {
		fail(td, EINVAL);
		return 1;
	}
	e->as_prepared = e->cmdprio.mode == CMDPRIO_MODE_NONE &&
			 !td->o.experimental_verify;
	if (e->layout->passthru && e->cmdprio.mode != CMDPRIO_MODE_NONE) {
		log_err("io_uring_pi: cmdprio: the kernel takes no priority for a passthrough command; drop it or name the block device\n");
		fail(td, EINVAL);
		return 1;
	}
	/* else the kernel copies what does not begin on a page */
	if (e->layout->passthru && !td->o.mem_align)
		td->o.mem_align = page_size;
	return 0;
}

static int io_u_init(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;

	e->io_us[io_u->index] = io_u;
	return 0;
}

static ALWAYS_INLINE void prep_with_pi(struct thread_data *td,
				       struct io_u *io_u, bool vectored)
{
	struct engine *e = td->io_ops_data;
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

static ALWAYS_INLINE void prep_plain(struct thread_data *td, struct io_u *io_u,
				     bool vectored)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	pi_io_rw(io, &e->plain, io_u->ddir, t->fd, io_u->offset,
		 io_u->xfer_buf, io_u->xfer_buflen, td->ioprio, io_u->index,
		 (uintptr_t)io_u, vectored);
	pi_io_no_attr(io);
	io->blocks = 0;
}

/* pi_mix: evenly spread, the same in each run */
static ALWAYS_INLINE void prep_mixed(struct thread_data *td, struct io_u *io_u,
				     bool vectored)
{
	struct engine *e = td->io_ops_data;

	e->mix_carry += e->mix;
	if (e->mix_carry >= 100) {
		e->mix_carry -= 100;
		prep_with_pi(td, io_u, vectored);
	} else {
		prep_plain(td, io_u, vectored);
	}
}

/* the driver takes a command as it is: nobody else looks at its offset */
static int check_whole(struct thread_data *td, const struct io_u *io_u,
		       const struct pi_target *t)
{
	const uint64_t stride = t->ns.stride;

	if (!fio_unlikely(pi_target_blocks(t, io_u->offset) * stride !=
			  io_u->offset ||
			  pi_target_blocks(t, io_u->xfer_buflen) * stride !=
			  io_u->xfer_buflen))
		return 0;
	log_err("io_uring_pi: %s: %llu bytes at offset %llu are not whole blocks of %" PRIu64 " bytes; change what gives fio such offsets\n",
		io_u->file->file_name, io_u->xfer_buflen, io_u->offset, stride);
	fail(td, EINVAL);
	return -EINVAL;
}

static ALWAYS_INLINE int prep_passthru(struct thread_data *td,
				       struct io_u *io_u, bool vectored)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	int ret = check_whole(td, io_u, t);

	if (fio_unlikely(ret))
		return ret;
	e->ios.io[io_u->index].ns = &t->ns;
	prep_with_pi(td, io_u, vectored);
	return 0;
}

static int prep_passthru_vectored(struct thread_data *td, struct io_u *io_u)
{
	return prep_passthru(td, io_u, true);
}

static int prep_passthru_single(struct thread_data *td, struct io_u *io_u)
{
	return prep_passthru(td, io_u, false);
}

#define PREP(kind)							\
static int kind##_vectored(struct thread_data *td, struct io_u *io_u)	\
{									\
	kind(td, io_u, true);						\
	return 0;							\
}									\
									\
static int kind##_single(struct thread_data *td, struct io_u *io_u)	\
{									\
	kind(td, io_u, false);						\
	return 0;							\
}

PREP(prep_with_pi)
PREP(prep_plain)
PREP(prep_mixed)

static void choose_prep(struct engine *e, bool vectored)
{
	if (e->layout->passthru)
		e->prep = vectored ? prep_passthru_vectored :
				     prep_passthru_single;
	else if (!e->layout->pi)
		e->prep = vectored ? prep_plain_vectored : prep_plain_single;
	else if (e->mix < 100)
		e->prep = vectored ? prep_mixed_vectored : prep_mixed_single;
	else
		e->prep = vectored ? prep_with_pi_vectored :
				     prep_with_pi_single;
}

/* a trim is a deallocation, everything that syncs a flush */
static int prep_passthru_other(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	int ret = 0;

	io->ns = &t->ns;
	if (io_u->ddir == DDIR_TRIM) {
		io->blocks = pi_target_blocks(t, io_u->xfer_buflen);
		ret = check_whole(td, io_u, t);
		pi_nvme_deallocate(io, e->mode.sqe_flags, t->fd,
				   pi_target_blocks(t, io_u->offset),
				   (uintptr_t)io_u);
	} else {
		pi_nvme_flush(io, e->mode.sqe_flags, t->fd, (uintptr_t)io_u);
	}
	return ret;
}

static NOINLINE int prep_other(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	struct fio_file *f = io_u->file;

	if (e->layout->passthru)
		return prep_passthru_other(td, io_u);
	switch (io_u->ddir) {
	case DDIR_TRIM:
		pi_io_discard(io, e->mode.sqe_flags, t->fd, io_u->offset,
			      io_u->xfer_buflen, (uintptr_t)io_u);
		break;
	case DDIR_SYNC_FILE_RANGE:
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

static ALWAYS_INLINE int prep_any(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;

	return io_u->ddir <= DDIR_WRITE ? e->prep(td, io_u) :
					  prep_other(td, io_u);
}

static NOINLINE int prep_async(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	int ret = prep_any(td, io_u);

	if (++e->async_count == e->async_every) {
		e->async_count = 0;
		e->ios.io[io_u->index].sqe->flags |= IOSQE_ASYNC;
	}
	return ret;
}

static int prep(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;

	return fio_unlikely(e->async_every) ? prep_async(td, io_u) :
					      prep_any(td, io_u);
}

static struct pi_errors_io describe(struct thread_data *td, struct io_u *io_u,
				    const char *finder, uint32_t blocks)
{
	struct engine *e = td->io_ops_data;

	return (struct pi_errors_io) {
		.td	= td,
		.io_u	= io_u,
		.target	= FILE_ENG_DATA(io_u->file),
		.io	= &e->ios.io[io_u->index],
		.finder	= finder,
		.blocks	= blocks,
	};
}

static void generate(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	t->tuple.generate(&t->tuple, io_u->xfer_buf, io->md, io->blocks,
			  io->number, io->ref);
}

static void generate_faults(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	const struct pi_errors_io where =
		describe(td, io_u, "", e->ios.io[io_u->index].blocks);

	pi_faults_write(e->faults, &where);
}

static ALWAYS_INLINE enum fio_q_status publish(struct engine *e,
					      struct io_u *io_u)
{
	unsigned int slots = e->ios.io[io_u->index].slots;

	pi_ring_queue(&e->ring, io_u->index, slots);
	e->queued += slots;
	return FIO_Q_QUEUED;
}

/* what fio or the engine still changes in an I/O that was prepared */
static NOINLINE enum fio_q_status queue_changed(struct thread_data *td,
						struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;

	/* a write or a trim, of which fio has made a read since */
	if (io_u->ddir == DDIR_READ && td->o.experimental_verify) {
		io_u->error = -prep(td, io_u);
		if (io_u->error)
			return FIO_Q_COMPLETED;
	}
	if (io_u->ddir <= DDIR_WRITE && e->cmdprio.mode != CMDPRIO_MODE_NONE &&
	    fio_cmdprio_set_ioprio(td, &e->cmdprio, io_u))
		e->ios.io[io_u->index].sqe->ioprio = io_u->ioprio;
	return publish(e, io_u);
}

/*
 * Tuples are generated here and not in prep: between the two fio still
 * scrambles the buffer and writes its verify headers into it.
 */
static NOINLINE enum fio_q_status queue_more(struct thread_data *td,
					     struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct pi_io *io = &e->ios.io[io_u->index];

	if (io_u->ddir == DDIR_WRITE && io->blocks) {
		e->generate(td, io_u);
	} else if (io_u->ddir == DDIR_TRIM && e->sync_trim) {
		if (e->queued)
			return FIO_Q_BUSY;
		do_io_u_trim(td, io_u);
		io_u_mark_submit(td, 1);
		io_u_mark_complete(td, 1);
		return FIO_Q_COMPLETED;
	}
	return e->as_prepared ? publish(e, io_u) : queue_changed(td, io_u);
}

static ALWAYS_INLINE void selftest_spin(void)
{
	__asm__ volatile (".rept %c0\n\tnop\n\t.endr" : : "i" (PI_SELFTEST_SPIN));
}

static enum fio_q_status queue(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;

	fio_ro_check(td, io_u);
	selftest_spin();

	if (e->as_prepared &&
	    (io_u->ddir == DDIR_READ ||
	     (io_u->ddir == DDIR_WRITE && !e->ios.io[io_u->index].blocks)))
		return publish(e, io_u);
	return queue_more(td, io_u);
}

/* the I/Os of the next @slots; returns how many they are */
static unsigned int stamp_issue_time(struct thread_data *td, unsigned int slots)
{
	struct engine *e = td->io_ops_data;
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
	struct engine *e = td->io_ops_data;

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

/*
 * What is ready is taken before more is waited for: while completions lie
 * there, the kernel does not poll for others.
 */
static int getevents(struct thread_data *td, unsigned int min,
		     unsigned int max, const struct timespec *t)
{
	struct engine *e = td->io_ops_data;
	unsigned int wait = td->o.iodepth_batch_complete_min ? min : 0;
	unsigned int got = 0;

	for (bool asked = false;; asked = true) {
		unsigned int ready = min(pi_ring_ready(&e->ring), max - got);
		unsigned int first = pi_ring_take(&e->ring, ready);
		int ret;

		if (!got)
			e->first_event = first;
		got += ready;
		/* fio asks for none while it waits for the time of an iolog */
		if (got >= min && (got || asked))
			return got;
		if (e->sqpoll)
			continue;
		ret = e->wait(&e->ring, wait > got ? wait - got : 0);
		if (ret && ret != -EINTR && ret != -EAGAIN) {
			td_verror(td, -ret, "io_uring_enter");
			return ret;
		}
	}
}

/* metadata as it is on the media, and nothing that the device has stripped */
static bool read_again(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	return !pi_unchecked_rw(&e->unchecked,
				e->layout->passthru ? &t->ns : NULL, 0,
				io_u->file->fd, io_u->offset, io_u->xfer_buf,
				io_u->xfer_buflen, io->md,
				io->blocks * t->md_size, io->ref);
}

/*
 * The device says EILSEQ, or which tag, and nothing more.  What it compared is
 * at hand after a write, and can be read again without its checks after a read.
 */
static bool explain_device(struct thread_data *td, struct io_u *io_u,
			   unsigned int status)
{
	struct engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	struct pi_errors_io where =
		describe(td, io_u, "device", e->ios.io[io_u->index].blocks);
	bool at_hand = true;

	where.status = status;
	e->errors.device_ios++;
	if (o->act) {
		pi_errors_device(&e->errors, &where,
				 "and with pi_act=1 keeps it to itself; read with pi_act=0 to see it");
		return false;
	}
	if (io_u->ddir == DDIR_READ)
		at_hand = read_again(td, io_u);
	if (!at_hand)
		pi_errors_device(&e->errors, &where, status ?
				 "and does not say of which block" :
				 "and does not say which tag of which block");
	else if (!pi_errors_scan(&e->errors, &where))
		pi_errors_device(&e->errors, &where, io_u->ddir == DDIR_READ ?
				 "but not when asked again; was it being written meanwhile?" :
				 where.target->stacked ?
				 "but what the host sent is right, apart from reference tags, in whose place the kernel has put its own" :
				 "but what the host sent is right");
	return at_hand;
}

static void verify(struct thread_data *td, struct io_u *io_u, uint32_t blocks)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	struct pi_errors_io where;
	struct pi_mismatch bad;

	if (!t->on_read.verify(&t->on_read, io_u->xfer_buf, io->md, blocks,
			       io->number, io->ref, &bad))
		return;
	where = describe(td, io_u, "host", blocks);
	pi_errors_scan(&e->errors, &where);
	e->errors.host_ios++;
	io_u->error = EILSEQ;
}

static void verify_faults(struct thread_data *td, struct io_u *io_u,
			  uint32_t blocks)
{
	struct engine *e = td->io_ops_data;
	const struct pi_errors_io where = describe(td, io_u, "", blocks);

	pi_faults_back(e->faults, &where);
	verify(td, io_u, blocks);
	pi_faults_read(e->faults, &where);
}

static void written(struct thread_data *td, struct io_u *io_u, uint32_t blocks)
{
}

static void written_faults(struct thread_data *td, struct io_u *io_u,
			   uint32_t blocks)
{
	struct engine *e = td->io_ops_data;
	const struct pi_errors_io where = describe(td, io_u, "", blocks);

	pi_faults_written(e->faults, &where, true);
}

static void failed(struct thread_data *td, struct io_u *io_u, int err,
		   unsigned int status)
{
	struct engine *e = td->io_ops_data;
	const struct pi_errors_io where =
		describe(td, io_u, "", e->ios.io[io_u->index].blocks);
	bool looked = false;

	io_u->error = err;
	if (!where.blocks)
		return;
	if (err == EILSEQ)
		looked = explain_device(td, io_u, status);
	if (e->faults && io_u->ddir == DDIR_WRITE)
		pi_faults_written(e->faults, &where, false);
	else if (e->faults && looked)
		pi_faults_read(e->faults, &where);
}

/* @res: what a command's completion says other than success */
static void failed_command(struct thread_data *td, struct io_u *io_u, int res)
{
	struct engine *e = td->io_ops_data;
	struct pi_errors_io where = describe(td, io_u, "device", 0);
	int err;

	if (res < 0) {
		failed(td, io_u, -res, 0);
		return;
	}
	where.status = pi_nvme_status(res);
	err = pi_nvme_status_errno(where.status);
	if (err != EILSEQ)
		pi_errors_command(&e->errors, &where);
	failed(td, io_u, err, where.status);
}

static void complete_trim(struct thread_data *td, struct io_u *io_u, int res)
{
	struct engine *e = td->io_ops_data;

	if (res == -EINVAL || res == -EOPNOTSUPP) {
		/* no discard by io_uring before Linux 6.12 or on files */
		e->sync_trim = true;
		do_io_u_trim(td, io_u);
	} else if (res < 0) {
		io_u->error = -res;
	}
}

static struct io_u *done_with_pi(struct thread_data *td, struct io_u *io_u,
				 int bytes)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);

	e->stats.pi_ios++;
	e->done[io_u->ddir](td, io_u, pi_target_blocks(t, bytes));
	if (!io_u->error)
		t->bytes[io_u->ddir] += bytes;
	return io_u;
}

/* a disk that goes away has no length any more: everything is beyond its end */
static void complete_short(struct thread_data *td, struct io_u *io_u, int bytes)
{
	struct engine *e = td->io_ops_data;

	io_u->resid = io_u->xfer_buflen - bytes;
	if (!bytes && io_u->file->filetype == FIO_TYPE_BLOCK) {
		pi_errors_gone(&e->errors, io_u);
		failed(td, io_u, EIO, 0);
	} else if (e->ios.io[io_u->index].blocks) {
		done_with_pi(td, io_u, bytes);
	} else {
		e->stats.plain_ios++;
	}
}

static NOINLINE struct io_u *event_other(struct thread_data *td,
					 struct io_u *io_u, int res)
{
	struct engine *e = td->io_ops_data;

	if (e->layout->passthru && res)
		failed_command(td, io_u, res);
	else if (io_u->ddir == DDIR_TRIM)
		complete_trim(td, io_u, res);
	else if (res < 0 && ddir_rw(io_u->ddir))
		failed(td, io_u, -res, 0);
	else if (res < 0)
		io_u->error = -res;
	else if (ddir_rw(io_u->ddir))
		complete_short(td, io_u, res);
	return io_u;
}

static NOINLINE struct io_u *event_with_pi(struct thread_data *td,
					   struct io_u *io_u, int res)
{
	if (fio_unlikely(res != (int)io_u->xfer_buflen))
		return event_other(td, io_u, res);
	return done_with_pi(td, io_u, res);
}

/* a command is done as a whole, and its result is a status */
static struct io_u *event_passthru(struct thread_data *td, struct io_u *io_u,
				   int res)
{
	if (!fio_unlikely(res))
		return done_with_pi(td, io_u, io_u->xfer_buflen);
	failed_command(td, io_u, res);
	return io_u;
}

static struct io_u *event(struct thread_data *td, int nr)
{
	struct engine *e = td->io_ops_data;
	const struct io_uring_cqe *cqe =
		pi_ring_cqe(&e->ring, e->first_event + nr);
	struct io_u *io_u = (struct io_u *)(uintptr_t)cqe->user_data;
	int res = cqe->res;

	io_u->error = 0;
	io_u->resid = 0;
	if (fio_unlikely(io_u->ddir > DDIR_WRITE))
		return event_other(td, io_u, res);
	if (e->ios.io[io_u->index].blocks)
		return e->event_with_pi(td, io_u, res);
	if (fio_unlikely(res != (int)io_u->xfer_buflen))
		return event_other(td, io_u, res);
	e->stats.plain_ios++;
	return io_u;
}

/* O_DIRECT passes by a page cache, and one without refuses it */
static int open_fd(struct thread_data *td, struct fio_file *f)
{
	const unsigned int direct = td->o.odirect;
	int ret;

	if (f->filetype == FIO_TYPE_CHAR)
		td->o.odirect = 0;
	ret = generic_open_file(td, f);
	td->o.odirect = direct;
	return ret;
}

static int register_files(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	struct fio_file *f;
	unsigned int i;
	int ret;

	for_each_file(td, f, i) {
		if (open_fd(td, f))
			return 1;
		e->fds[e->nr_fds++] = f->fd;
		f->engine_pos = i;
		/* opened for the job's whole life; fio opens it again later */
		f->fd = -1;
	}
	ret = io_uring_register_files(&e->ring.uring, e->fds, td->o.nr_files);
	if (ret)
		td_verror(td, -ret, "io_uring_register_files");
	return ret;
}

static int register_buffers(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	int ret;

	for (unsigned int i = 0; i < td->o.iodepth; i++)
		e->iovecs[i] = (struct iovec) {
			.iov_base	= e->io_us[i]->buf,
			.iov_len	= td_max_bs(td),
		};
	ret = io_uring_register_buffers(&e->ring.uring, e->iovecs,
					td->o.iodepth);
	if (ret) {
		log_err("io_uring_pi: fixedbufs: %s; lower iodepth or bs, or raise ulimit -l\n",
			strerror(-ret));
		fail(td, -ret);
	}
	return ret;
}

static int refuse(struct thread_data *td, int err,
		  const struct pi_reason *reason)
{
	log_err("io_uring_pi: %s\n", reason->text);
	fail(td, -err);
	return err;
}

static int submit_timed(struct pi_ring *ring, unsigned int nr)
{
	struct engine *e = container_of(ring, struct engine, ring);
	uint64_t start = pi_stats_now();
	int ret = e->submit(ring, nr);

	pi_stats_add(&e->stats, PI_STATS_SUBMIT, start);
	return ret;
}

static int wait_timed(struct pi_ring *ring, unsigned int min)
{
	struct engine *e = container_of(ring, struct engine, ring);
	uint64_t start = pi_stats_now();
	int ret = pi_ring_wait(ring, min);

	pi_stats_add(&e->stats, PI_STATS_WAIT, start);
	return ret;
}

static int ring_up(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	const struct pi_ring_options options = {
		.depth		= td->o.iodepth,
		.flags		= e->layout->ring_flags,
		.sqpoll		= o->sqpoll,
		.sqpoll_cpu	= o->sqpoll_cpu,
		.iopoll		= o->hipri,
	};
	struct pi_reason reason;
	int ret;

	ret = pi_layout_probe(e->layout, &reason);
	ret = ret ?: pi_ring_init(&e->ring, &options, &reason);
	if (ret)
		return refuse(td, ret, &reason);
	e->ring_up = true;
	return 0;
}

static int choose_mode(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	bool vectored = !o->fixedbufs &&
		(!o->nonvectored ||
		 (o->nonvectored < 0 &&
		  !pi_ring_has_op(&e->ring, IORING_OP_READ)));
	uint32_t rw_flags = (o->nowait ? PI_RWF_NOWAIT : 0) |
			    (o->uncached && !td->o.odirect ? PI_RWF_DONTCACHE : 0);
	struct pi_reason reason;
	int ret;

	pi_io_mode_init(&e->plain, vectored, o->fixedbufs);
	e->plain.sqe_flags = e->registered ? IOSQE_FIXED_FILE : 0;
	e->plain.rw_flags[DDIR_READ] = rw_flags;
	e->plain.rw_flags[DDIR_WRITE] = rw_flags |
					(td->o.oatomic ? PI_RWF_ATOMIC : 0);
	if (o->iovec)
		e->plain.iov_bytes = o->iovec;
	if (vectored)
		e->vectors = (pi_max_rw_bs(td) + e->plain.iov_bytes - 1) /
			     e->plain.iov_bytes;
	e->mode = e->plain;
	ret = e->layout->mode(&e->mode, &reason);
	if (ret)
		return refuse(td, ret, &reason);
	choose_prep(e, vectored);
	e->event_with_pi = e->layout->passthru ? event_passthru : event_with_pi;
	e->wait = e->stats.timed ? wait_timed : pi_ring_wait;
	if (e->stats.timed) {
		e->submit = e->ring.submit;
		e->ring.submit = submit_timed;
	}
	e->generate = e->faults ? generate_faults : generate;
	e->done[DDIR_READ] = e->faults ? verify_faults : verify;
	e->done[DDIR_WRITE] = e->faults ? written_faults : written;
	return 0;
}

/* one slot is as large as the largest I/O on the widest format takes */
static int ios_up(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	struct pi_reason reason;
	uint64_t md_bytes = 0;
	struct fio_file *f;
	unsigned int i;
	int ret;

	for_each_file(td, f, i) {
		const struct pi_target *t = target_get(td, f);

		if (!t)
			return 1;
		md_bytes = max(md_bytes,
			       pi_target_blocks(t, pi_max_rw_bs(td)) *
			       t->md_size);
	}
	if (pi_io_set_init(&e->ios, td->o.iodepth, md_bytes) ||
	    (e->vectors && pi_io_set_vectors(&e->ios, e->vectors))) {
		log_err("io_uring_pi: no memory for %u x %" PRIu64 " bytes of metadata; lower iodepth or bs\n",
			td->o.iodepth, md_bytes);
		fail(td, ENOMEM);
		return 1;
	}
	ret = pi_layout_open(e->layout, &e->ring, &e->ios, &reason);
	return ret ? refuse(td, ret, &reason) : 0;
}

/* in the thread that submits, which the ring is bound to */
static int post_init(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;

	if (ring_up(td) || choose_mode(td) || ios_up(td))
		return 1;
	if (o->fixedbufs && register_buffers(td))
		return 1;
	if (e->registered && register_files(td))
		return 1;
	/* fio cannot see the time that the kernel's thread takes to submit */
	if (e->sqpoll)
		td->o.disable_slat = 1;
	return 0;
}

static void cleanup(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;

	if (!e)
		return;
	if (e->prep) {
		pi_stats_print(td, &e->stats, e->targets, &e->errors);
		pi_stats_write(&e->stats, td, e->targets, &e->errors);
	}
	pi_lines_close(&e->stats.line);
	pi_faults_exit(e->faults, e->errors.device_ios + e->errors.host_ios);
	pi_errors_exit(&e->errors);
	pi_unchecked_exit(&e->unchecked);
	if (e->ring_up)
		pi_ring_exit(&e->ring);
	while (e->nr_fds)
		close(e->fds[--e->nr_fds]);
	fio_cmdprio_cleanup(&e->cmdprio);
	pi_io_set_exit(&e->ios);
	while (e->targets) {
		struct pi_target *t = e->targets;

		e->targets = t->next;
		free(t);
	}
	free(e->io_us);
	free(e->iovecs);
	free(e->fds);
	free(e);
}

static int open_file(struct thread_data *td, struct fio_file *f)
{
	struct engine *e = td->io_ops_data;
	struct pi_target *t;

	/* fio itself lays out and reads in files before post_init */
	if (!e || !e->ring_up)
		return open_fd(td, f);

	t = target_get(td, f);
	if (!t)
		return 1;
	if (pi_target_blocks(t, pi_max_rw_bs(td)) * t->md_size > e->ios.md_stride) {
		log_err("io_uring_pi: %s: has more metadata than the job's other files, and was not known when it began; name it with filename=\n",
			f->file_name);
		fail(td, EINVAL);
		return 1;
	}
	if (e->registered) {
		f->fd = e->fds[f->engine_pos];
		t->fd = f->engine_pos;
		return 0;
	}
	if (open_fd(td, f))
		return 1;
	t->fd = f->fd;
	return 0;
}

static int close_file(struct thread_data *td, struct fio_file *f)
{
	struct engine *e = td->io_ops_data;

	if (!e || !e->ring_up || !e->registered)
		return generic_close_file(td, f);
	f->fd = -1;
	return 0;
}

__attribute__((visibility("default"))) struct ioengine_ops ioengine = {
	.name			= "io_uring_pi",
	.version		= FIO_IOOPS_VERSION,
	.flags			= FIO_NO_OFFLOAD | FIO_ASYNCIO_SETS_ISSUE_TIME |
				  FIO_ATOMICWRITES,
	.init			= init,
	.post_init		= post_init,
	.io_u_init		= io_u_init,
	.prep			= prep,
	.queue			= queue,
	.commit			= commit,
	.getevents		= getevents,
	.event			= event,
	.cleanup		= cleanup,
	.open_file		= open_file,
	.close_file		= close_file,
	.get_file_size		= get_file_size,
	.options		= pi_fio_options,
	.option_struct_size	= sizeof(struct pi_options),
};
