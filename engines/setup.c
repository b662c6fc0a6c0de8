// SPDX-License-Identifier: GPL-2.0-only
/* set-up and tear-down of a job */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "chk_pattern.h"
#include "engine.h"

/* check the running fio and the options of the job */
static int check_job(struct thread_data *td)
{
	int err;

	if (!pi_abi_matches(td, &ioengine))
		return EINVAL;
	err = pi_options_check(td) ?: pi_faults_check(td);
	if (err)
		pi_fail(td, err);
	return err;
}

static int probe(struct thread_data *td, struct fio_file *f,
		 struct pi_target *t)
{
	return pi_target_probe(td, f, t) ?: pi_faults_check_target(td, f, t);
}

/* probe a file once, and keep the result as long as the job runs */
static struct pi_target *target_get(struct thread_data *td, struct fio_file *f)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(f);
	int err;

	if (t)
		return t;
	t = malloc(sizeof(*t));
	err = t ? probe(td, f, t) : ENOMEM;
	if (err) {
		pi_fail(td, err);
		free(t);
		return NULL;
	}
	t->next = e->targets;
	e->targets = t;
	FILE_SET_ENG_DATA(f, t);
	return t;
}

/*
 * This is the first hook that gets a file, and runs in the parent: refuse what
 * cannot work before fio creates a missing file or starts a job.
 */
int pi_get_file_size(struct thread_data *td, struct fio_file *f)
{
	struct pi_target t;
	int err = check_job(td);

	if (err)
		return 1;
	err = probe(td, f, &t);
	if (err) {
		/* fio creates the file if it sees ENOENT */
		pi_fail(td, err == ENOENT ? ENODEV : err);
		return 1;
	}
	if (!t.size)
		return generic_get_file_size(td, f);
	f->real_file_size = t.size;
	fio_file_set_size_known(f);
	return 0;
}

int pi_init(struct thread_data *td)
{
	struct pi_options *o = td->eo;
	struct pi_engine *e;
	int err;

	if (check_job(td))
		return 1;
	if (PI_SELFTEST_SPIN)
		log_err("io_uring_pi: built with PI_SELFTEST_SPIN, %d instructions more for each I/O\n",
			PI_SELFTEST_SPIN);

	e = calloc(1, sizeof(*e));
	if (!e) {
		pi_fail(td, ENOMEM);
		return 1;
	}
	td->io_ops_data = e;
	e->stats.line.fd = -1;
	err = pi_errors_init(&e->errors, o) ?: pi_stats_init(&e->stats, o);
	if (err) {
		pi_fail(td, err);
		return 1;
	}
	if (o->inject) {
		e->faults = pi_faults_init(td);
		if (!e->faults) {
			pi_fail(td, EINVAL);
			return 1;
		}
		e->errors.faults = e->faults;
		e->faults->unchecked = &e->unchecked;
	}
	e->layout = &pi_layouts[o->layout];
	e->path = pi_path_ops(o);
	e->mix = o->mix;
	e->registered = o->registerfiles || o->sqpoll;
	e->async_every = o->force_async;
	e->io_us = calloc(td->o.iodepth, sizeof(*e->io_us));
	e->iovecs = calloc(td->o.iodepth + 1, sizeof(*e->iovecs));
	e->fds = calloc(td->o.nr_files, sizeof(*e->fds));
	e->ranges = calloc((size_t)td->o.iodepth * PI_NUM_RANGE(td),
			   sizeof(*e->ranges));
	if (!e->io_us || !e->iovecs || !e->fds || !e->ranges) {
		pi_fail(td, ENOMEM);
		return 1;
	}
	if (fio_cmdprio_init(td, &e->cmdprio, &o->cmdprio_options)) {
		pi_fail(td, EINVAL);
		return 1;
	}
	err = pi_chk_pattern_init(td) ?: e->path->init(td);
	if (err) {
		pi_fail(td, err);
		return 1;
	}
	return 0;
}

int pi_io_u_init(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;

	e->io_us[io_u->index] = io_u;
	return 0;
}

/* character devices have no page cache, and refuse O_DIRECT */
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
	struct pi_engine *e = td->io_ops_data;
	struct fio_file *f;
	unsigned int i;
	int ret;

	for_each_file(td, f, i) {
		if (open_fd(td, f))
			return 1;
		e->fds[e->nr_fds++] = f->fd;
		f->engine_pos = i;
		/* keep it open for the whole job; fio opens the file again later */
		f->fd = -1;
	}
	ret = io_uring_register_files(&e->ring.uring, e->fds, td->o.nr_files);
	if (ret)
		td_verror(td, -ret, "io_uring_register_files");
	return ret;
}

/* data buffers first, so that their index is that of the I/O */
static int register_buffers(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	unsigned int nr = 0;
	int ret;

	for (; o->fixedbufs && nr < td->o.iodepth; nr++)
		e->iovecs[nr] = (struct iovec) {
			.iov_base	= e->io_us[nr]->buf,
			.iov_len	= td_max_bs(td),
		};
	if (o->fixedmd) {
		e->ios.md_fixed = true;
		e->ios.md_index = nr;
		e->iovecs[nr++] = (struct iovec) {
			.iov_base	= e->ios.md,
			.iov_len	= e->ios.md_bytes,
		};
	}
	ret = nr ? io_uring_register_buffers(&e->ring.uring, e->iovecs, nr) : 0;
	if (ret) {
		log_err("io_uring_pi: %s: %s; lower iodepth or bs, or raise ulimit -l\n",
			o->fixedbufs ? "fixedbufs" : "fixedmd", strerror(-ret));
		pi_fail(td, -ret);
	}
	return ret;
}

static int refuse(struct thread_data *td, int err,
		  const struct pi_reason *reason)
{
	log_err("io_uring_pi: %s\n", reason->text);
	pi_fail(td, -err);
	return err;
}

static int ring_up(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
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
	if (o->fixedmd)
		ret = ret ?: pi_layout_probe_fixed_md(e->layout, &reason);
	ret = ret ?: pi_ring_init(&e->ring, &options, &reason);
	if (ret)
		return refuse(td, ret, &reason);
	e->ring_up = true;
	return 0;
}

static int choose_mode(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
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
	pi_choose_functions(td, vectored);
	return 0;
}

/* allocate metadata for the largest I/O in the format with the most metadata */
static int ios_up(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
	uint64_t md_bytes = 0;
	struct fio_file *f;
	unsigned int i;

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
		pi_fail(td, ENOMEM);
		return 1;
	}
	return 0;
}

static int layout_up(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_reason reason;
	int ret = pi_layout_open(e->layout, &e->ring, &e->ios, &reason);

	return ret ? refuse(td, ret, &reason) : 0;
}

/* called in the thread that submits, to which the ring is bound */
int pi_post_init(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;

	if (ring_up(td) || choose_mode(td) || ios_up(td) ||
	    register_buffers(td) || layout_up(td))
		return 1;
	if (e->registered && register_files(td))
		return 1;
	/* the submission latency of the kernel thread cannot be measured */
	if (o->sqpoll)
		td->o.disable_slat = 1;
	return 0;
}

void pi_cleanup(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	if (!e)
		return;
	if (e->prep) {
		pi_stats_print(td, &e->stats, e->targets, &e->errors);
		pi_stats_write(&e->stats, td, e->targets, &e->errors);
	}
	pi_jsonl_close(&e->stats.line);
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
	free(e->ranges);
	free(e->parts);
	free(e);
}

int pi_open_file(struct thread_data *td, struct fio_file *f)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t;

	/* before post_init, fio opens files to lay out or pre-read them */
	if (!e || !e->ring_up)
		return open_fd(td, f);

	t = target_get(td, f);
	if (!t)
		return 1;
	if (pi_target_blocks(t, pi_max_rw_bs(td)) * t->md_size > e->ios.md_stride) {
		log_err("io_uring_pi: %s: has more metadata than the job's other files, and was not known when the job began; name it with filename=\n",
			f->file_name);
		pi_fail(td, EINVAL);
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

int pi_close_file(struct thread_data *td, struct fio_file *f)
{
	struct pi_engine *e = td->io_ops_data;

	if (!e || !e->ring_up || !e->registered)
		return generic_close_file(td, f);
	f->fd = -1;
	return 0;
}
