// SPDX-License-Identifier: GPL-2.0-only
/* I/O as NVMe passthrough commands, through the character device of a namespace */
#include <errno.h>
#include <inttypes.h>
#include <libnvme.h>

#include "engine.h"
#include "nvme.h"
#include "verify.h"

/* with pi_act=1 the device inserts and strips the tuples */
static int check_act(const struct pi_options *o)
{
	if (o->verify == PI_VERIFY_HOST)
		return pi_refuse("pi_verify=host with pi_act=1: the device strips the tuples, the host has none to verify; use pi_act=0 or pi_verify=device");
	if (o->inject)
		return pi_refuse("pi_inject with pi_act=1: the device generates correct tuples itself, so no fault would show; use pi_act=0");
	if (o->opaque)
		return pi_refuse("pi_opaque=pattern with pi_act=1: the host does not verify what it reads; use pi_act=0");
	if (o->app_mode == PI_APP_LBA || o->app_mode == PI_APP_RANDOM)
		return pi_refuse("pi_act=1: a command has one application tag for the whole I/O, and pi_apptag gives each block its own; use pi_act=0 or pi_apptag=constant");
	return 0;
}

static int check_job(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const struct cmdprio_options *prio = &o->cmdprio_options;

	if (o->nowait || o->uncached || td->o.oatomic)
		return pi_refuse("nowait, uncached and atomic are flags for reads and writes, which passthrough commands do not have; drop them or name the block device");
	if (td->o.zone_mode == ZONE_MODE_ZBD)
		return pi_refuse("zonemode=zbd: protection information on zoned namespaces is not supported; drop zonemode or use fio's io_uring_cmd");
	if (PI_VERIFIES_FSYNCED(td) && o->fua[DDIR_WRITE])
		return pi_refuse("writefua=1 with verify_policy=fsynced: data written with FUA needs no fsync; drop one of them");
	if (td->o.sync_file_range)
		return pi_refuse("sync_file_range is for the page cache, which a character device does not have; use fsync, which sends a flush, or name the block device");
	if (o->mix < 100)
		return pi_refuse("pi_mix below 100: a character device does not support plain I/O; drop pi_mix or name the block device");
	if (td->o.ioprio || td->o.ioprio_class)
		return pi_refuse("prio and prioclass: passthrough commands have no I/O priority; drop them or name the block device");
	if (prio->percentage[DDIR_READ] || prio->percentage[DDIR_WRITE] || prio->bssplit_str)
		return pi_refuse("cmdprio_percentage and cmdprio_bssplit, with cmdprio_class, cmdprio_hint and cmdprio: passthrough commands have no I/O priority; drop them or name the block device");
	return o->act ? check_act(o) : 0;
}

/* check what a command can transfer */
static int check_target(struct thread_data *td, struct fio_file *f,
			const struct pi_device *dev,
			const struct pi_format *format)
{
	const struct pi_options *o = td->eo;
	const uint64_t stride = pi_format_stride(format);
	const uint64_t bs = pi_max_rw_bs(td);

	if (bs > dev->max_bytes) {
		log_err("io_uring_pi: %s: bs=%" PRIu64 " is more than the %" PRIu64 " bytes that one command can transfer here (max_hw_sectors_kb, max_segments); passthrough does not split I/O; use a smaller bs\n",
			f->file_name, bs, dev->max_bytes);
		return EINVAL;
	}
	if (td_trim(td) && td->o.max_bs[DDIR_TRIM] / stride > UINT32_MAX) {
		log_err("io_uring_pi: %s: bs=%llu for trims is more than the %" PRIu64 " bytes that one command can name; use a smaller bs\n",
			f->file_name, td->o.max_bs[DDIR_TRIM],
			stride * UINT32_MAX);
		return EINVAL;
	}
	if (o->hipri && !dev->polls)
		return pi_refuse_file(f, EINVAL,
			"hipri: the drive has no queues to poll; load the driver with nvme.poll_queues=1 or drop hipri");
	if (o->reftag_set && dev->format.type != 3 && !dev->any_ref)
		return pi_refuse_file(f, EINVAL,
			"pi_reftag: with type 1 the device expects the block's number as the reference tag, and the kernel does not remap passthrough commands; drop it or name the block device");
	if (format->extended && td->o.verify != VERIFY_NONE)
		return pi_refuse_file(f, EINVAL,
			"verify: fio would write its headers and patterns over the metadata, which lies between the data of an extended LBA; drop verify, the protection information is verified without it");
	return 0;
}

/* pi_act=1: generate only the metadata outside the tuple, and verify nothing */
static int leave_to_device(struct pi_target *target)
{
	const struct pi_tuple_options zeros = { .app = 0 };
	struct pi_format format = target->format;

	target->on_read = pi_tuple_none;
	if (!format.md_size) {
		target->tuple = pi_tuple_none;
		return 0;
	}
	format.guard = pi_guard_by_csum(PI_LBMD_CSUM_NONE);
	format.pi_offset = 0;
	format.type = 3;
	return -pi_tuple_init(&target->tuple, &format, &zeros);
}

static int set_target(struct pi_target *target, const struct pi_device *dev,
		      const struct pi_options *o)
{
	target->ns = (struct pi_nvme_ns) {
		.nsid		= dev->nsid,
		.stride		= pi_format_stride(&target->format),
		.control	= {
			o->fua[DDIR_READ] * NVME_IO_FUA,
			o->fua[DDIR_WRITE] * NVME_IO_FUA,
		},
		.cdw2		= target->tuple.ref_top,
		.app_mask	= o->apptag_mask,
		.renumber	= -target->ref_add,
		.ref_varies	= target->tuple.ref_varies,
		.ref		= target->tuple.ref,
	};
	if (target->chk & PI_CHK_STORTAG) {
		target->ns.control[DDIR_WRITE] |= NVME_IO_STC;
		target->ns.control[DDIR_READ] |= dev->reads_check_storage *
						 NVME_IO_STC;
	}
	target->size = dev->intervals * target->ns.stride;
	if (!o->act)
		return 0;
	target->ns.control[DDIR_READ] |= NVME_IO_PRINFO_PRACT;
	target->ns.control[DDIR_WRITE] |= NVME_IO_PRINFO_PRACT;
	return leave_to_device(target);
}

static int init(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	/* Flush covers completed writes only, not those in flight */
	e->flush_alone = PI_VERIFIES_FSYNCED(td);
	/* the kernel bounces buffers that are not page-aligned */
	if (!td->o.mem_align)
		td->o.mem_align = page_size;
	return 0;
}

/* nobody else checks the offset of a passthrough command */
static PI_ALWAYS_INLINE int check_whole(struct thread_data *td,
					const struct io_u *io_u,
					const struct pi_target *t,
					unsigned long long offset,
					unsigned long long bytes)
{
	const uint64_t stride = t->ns.stride;

	if (!fio_unlikely(pi_target_blocks(t, offset) * stride != offset ||
			  pi_target_blocks(t, bytes) * stride != bytes))
		return 0;
	log_err("io_uring_pi: %s: %llu bytes at offset %llu are not whole blocks of %" PRIu64 " bytes; change what gives fio such offsets\n",
		io_u->file->file_name, bytes, offset, stride);
	pi_fail(td, EINVAL);
	return -EINVAL;
}

/* num_range=: the ranges are in the data buffer */
static int prep_ranges(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_nvme_range *ranges =
		e->ranges + (size_t)io_u->index * PI_NUM_RANGE(td);

	for (unsigned int i = 0; i < PI_RANGES_OF(io_u); i++) {
		const struct pi_range range = PI_RANGE(io_u, i);
		const int ret = check_whole(td, io_u, t, range.start, range.len);

		if (ret)
			return ret;
		ranges[i] = pi_nvme_range(pi_target_blocks(t, range.start),
					  pi_target_blocks(t, range.len));
	}
	pi_nvme_deallocate_ranges(&e->ios.io[io_u->index], e->mode.sqe_flags,
				  t->fd, ranges, PI_RANGES_OF(io_u),
				  (uintptr_t)io_u);
	return 0;
}

/* trim is a deallocation, all kinds of sync are a flush */
static PI_NOINLINE int prep_other(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];

	/* operates on a directory; queue_sync() does it synchronously */
	if (PI_IS_SYNCFS(io_u))
		return 0;
	io->ns = &t->ns;
	if (io_u->ddir != DDIR_TRIM) {
		pi_nvme_flush(io, e->mode.sqe_flags, t->fd, (uintptr_t)io_u);
		return 0;
	}
	io->blocks = pi_target_blocks(t, io_u->xfer_buflen);
	if (PI_NUM_RANGE(td) > 1)
		return prep_ranges(td, io_u);
	pi_nvme_deallocate(io, e->mode.sqe_flags, t->fd,
			   pi_target_blocks(t, io_u->offset), (uintptr_t)io_u);
	return check_whole(td, io_u, t, io_u->offset, io_u->xfer_buflen);
}

static PI_ALWAYS_INLINE int prep_rw(struct thread_data *td, struct io_u *io_u,
				    bool vectored)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	int ret = check_whole(td, io_u, t, io_u->offset, io_u->xfer_buflen);

	if (fio_unlikely(ret))
		return ret;
	e->ios.io[io_u->index].ns = &t->ns;
	pi_prep_with_pi(td, io_u, vectored);
	return 0;
}

PI_PREP(prep_rw)

/* @res: negative errno or positive NVMe status */
static void failed(struct thread_data *td, struct io_u *io_u, int res)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_io_ctx ctx = pi_io_ctx(td, io_u, PI_BY_DEVICE, 0);
	int err;

	if (res < 0) {
		pi_io_failed(td, io_u, -res, 0);
		return;
	}
	ctx.status = pi_nvme_status(res);
	err = pi_nvme_status_errno(ctx.status);
	if (err != EILSEQ)
		pi_errors_command(&e->errors, &ctx);
	pi_io_failed(td, io_u, err, ctx.status);
}

/* commands complete as a whole, with a status as the result */
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

const struct pi_path_ops pi_path_passthru = {
	.masks_app	= true,
	.check_job	= check_job,
	.check_target	= check_target,
	.set_target	= set_target,
	.init		= init,
	.prep		= { prep_rw_single, prep_rw_vectored },
	.event		= event,
	.event_other	= event_other,
};
