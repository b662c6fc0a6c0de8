// SPDX-License-Identifier: GPL-2.0-only
/* the way of an I/O as a command to an NVMe namespace */
#include <errno.h>
#include <inttypes.h>

#include "engine.h"
#include "nvme.h"

static int init(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	if (e->cmdprio.mode != CMDPRIO_MODE_NONE) {
		log_err("io_uring_pi: cmdprio: the kernel takes no priority for a passthrough command; drop it or name the block device\n");
		return EINVAL;
	}
	/* else the kernel copies what does not begin on a page */
	if (!td->o.mem_align)
		td->o.mem_align = page_size;
	return 0;
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
	pi_fail(td, EINVAL);
	return -EINVAL;
}

/* a trim is a deallocation, everything that syncs a flush */
static PI_NOINLINE int prep_other(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	io->ns = &t->ns;
	if (io_u->ddir != DDIR_TRIM) {
		pi_nvme_flush(io, e->mode.sqe_flags, t->fd, (uintptr_t)io_u);
		return 0;
	}
	io->blocks = pi_target_blocks(t, io_u->xfer_buflen);
	pi_nvme_deallocate(io, e->mode.sqe_flags, t->fd,
			   pi_target_blocks(t, io_u->offset), (uintptr_t)io_u);
	return check_whole(td, io_u, t);
}

static PI_ALWAYS_INLINE int prep_rw(struct thread_data *td, struct io_u *io_u,
				    bool vectored)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	int ret = check_whole(td, io_u, t);

	if (fio_unlikely(ret))
		return ret;
	e->ios.io[io_u->index].ns = &t->ns;
	pi_prep_with_pi(td, io_u, vectored);
	return 0;
}

PI_PREP(prep_rw)

/* @res: what a command's completion says other than success */
static void failed(struct thread_data *td, struct io_u *io_u, int res)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_where where = pi_describe(td, io_u, PI_BY_DEVICE, 0);
	int err;

	if (res < 0) {
		pi_failed(td, io_u, -res, 0);
		return;
	}
	where.status = pi_nvme_status(res);
	err = pi_nvme_status_errno(where.status);
	if (err != EILSEQ)
		pi_errors_command(&e->errors, &where);
	pi_failed(td, io_u, err, where.status);
}

/* a command is done as a whole, and its result is a status */
static struct io_u *event(struct thread_data *td, struct io_u *io_u, int res)
{
	if (!fio_unlikely(res))
		return pi_done_with_pi(td, io_u, io_u->xfer_buflen);
	failed(td, io_u, res);
	return io_u;
}

static struct io_u *event_other(struct thread_data *td, struct io_u *io_u,
				int res)
{
	if (res)
		failed(td, io_u, res);
	return io_u;
}

const struct pi_way pi_way_passthru = {
	.init		= init,
	.prep		= { prep_rw_single, prep_rw_vectored },
	.event		= event,
	.event_other	= event_other,
};
