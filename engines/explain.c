// SPDX-License-Identifier: GPL-2.0-only
/* report failed I/Os */
#include <errno.h>

#include "chk_pattern.h"
#include "engine.h"

/* transfers the metadata as on the media, even if the I/O did not (pi_act=1) */
bool pi_reread(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	/* extended LBA: the metadata is between the data */
	char *md = io->md;
	/* commands without a data transfer may cover more than one read can */
	const uint32_t most = t->ns.nsid && t->reach ? t->reach : io->blocks;

	for (uint32_t done = 0; done < io->blocks; done += most) {
		const uint32_t blocks = min(most, io->blocks - done);
		const uint64_t stride = io_u->xfer_buflen / io->blocks;

		if (pi_unchecked_rw(&e->unchecked, t->ns.nsid ? &t->ns : NULL, 0,
				    io_u->file->fd, io_u->offset + done * stride,
				    (char *)io_u->xfer_buf + done * stride,
				    blocks * stride,
				    md ? md + (uint64_t)done * t->md_size : NULL,
				    blocks * t->md_size, io->ref + done))
			return false;
	}
	return true;
}

static const char *nothing_found(const struct pi_io_ctx *ctx)
{
	if (pi_on_media(ctx) && ctx->target->ns.nsid)
		return "but not when it was read again; was it being written meanwhile?";
	if (pi_on_media(ctx))
		return "but not when it was read again; did the kernel merge it with a wrong read (queue/nomerges), or was it being written meanwhile?";
	if (ctx->target->stacked)
		return "but what the host sent is right, apart from reference tags, which the kernel has remapped";
	return "but what the host sent is right";
}

/*
 * The device reports EILSEQ, or which tag, but not the block.  After a write the
 * data and tuples are still at hand; after a read, read them again without the
 * device's checks.
 *
 * Return: whether the blocks could be examined.
 */
static bool explain(struct thread_data *td, struct io_u *io_u,
		    unsigned int status)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	struct pi_io_ctx ctx =
		pi_io_ctx(td, io_u, PI_BY_DEVICE, e->ios.io[io_u->index].blocks);

	ctx.status = status;
	e->errors.device_ios++;
	if (o->act) {
		pi_errors_device(&e->errors, &ctx,
				 "and with pi_act=1 does not return it; read with pi_act=0 to see it");
		return false;
	}
	if (pi_on_media(&ctx) && !pi_reread(td, io_u)) {
		pi_errors_device(&e->errors, &ctx, status ?
				 "and does not say in which block" :
				 "and does not say which tag of which block");
		return false;
	}
	if (!pi_errors_scan(&e->errors, &ctx))
		pi_errors_device(&e->errors, &ctx, nothing_found(&ctx));
	return true;
}

void pi_read_mismatch(struct thread_data *td, struct io_u *io_u,
		      uint32_t blocks)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io_ctx ctx = pi_io_ctx(td, io_u, PI_BY_HOST, blocks);

	pi_errors_scan(&e->errors, &ctx);
	e->errors.host_ios++;
	io_u->error = EILSEQ;
}

void pi_io_failed(struct thread_data *td, struct io_u *io_u, int err,
		  unsigned int status)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io_ctx ctx =
		pi_io_ctx(td, io_u, PI_BY_NOBODY, e->ios.io[io_u->index].blocks);
	bool looked = false;

	io_u->error = err;
	/* the details kept for fio are about another error */
	if (err != EILSEQ && !status)
		e->errors.details_of = NULL;
	if (!ctx.blocks)
		return;
	if (e->parts)
		pi_chk_pattern_recall(td, io_u);
	if (err == EILSEQ)
		looked = explain(td, io_u, status);
	if (e->faults && io_u->ddir == DDIR_WRITE)
		pi_faults_written(e->faults, &ctx, false);
	else if (e->faults && looked)
		pi_faults_read(e->faults, &ctx);
}
