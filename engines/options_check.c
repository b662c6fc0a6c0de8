// SPDX-License-Identifier: GPL-2.0-only
/* validation of a job's options, before any file is opened */
#include <limits.h>

#include "chk_pattern.h"
#include "data_placement.h"
#include "layout.h"
#include "path_ops.h"

int pi_refuse(const char *why)
{
	log_err("io_uring_pi: %s\n", why);
	return EINVAL;
}

unsigned int pi_options_host_chk(const struct pi_options *o)
{
	if (o->host_chk_str)
		return o->host_chk;
	return o->chk_str ? o->chk : PI_IO_INTEGRITY_CHK_GUARD |
				     PI_IO_INTEGRITY_CHK_REFTAG |
				     PI_IO_INTEGRITY_CHK_APPTAG |
				     PI_CHK_STORTAG;
}

/* tags that the job explicitly tells the device to check */
static unsigned int device_chk(const struct pi_options *o)
{
	return o->verify & PI_VERIFY_DEVICE ? o->chk : 0;
}

unsigned long long pi_max_rw_bs(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	unsigned long long bs = 0;

	if (td_read(td) || td_write(td))
		bs = max(o->max_bs[DDIR_READ], o->max_bs[DDIR_WRITE]);
	if (td_trim(td) && (o->experimental_verify ||
			    (td_write(td) && td_random(td))))
		bs = max(bs, o->max_bs[DDIR_TRIM]);
	return bs;
}

/* whether the tuples that the kernel generates for plain writes pass verification */
static bool kernel_tuples_pass(const struct pi_options *o)
{
	return !o->reftag_set && !o->opaque &&
	       (!o->apptag_mask ||
		(!o->apptag && o->app_mode == PI_APP_CONSTANT));
}

/* check ranges here, because fio would silently truncate or clamp */
static int check_numbers(const struct pi_options *o)
{
	const struct {
		const char *name;
		long long value, min, max;
	} numbers[] = {
		{ "pi_mix", o->mix, 0, 100 },
		{ "readfua", (int)o->fua[DDIR_READ], 0, 1 },
		{ "writefua", (int)o->fua[DDIR_WRITE], 0, 1 },
		{ "apptag", o->apptag, 0, 0xffff },
		{ "apptag_mask", o->apptag_mask, 0, 0xffff },
		{ "pi_errors_max", o->errors_max, 1, LLONG_MAX },
		{ "pi_dump_max", o->dump_max, 1, LLONG_MAX },
		{ "pi_inject_rate", o->inject_one_in, 1, LLONG_MAX },
		{ "pi_inject_seed", o->inject_seed, 0, LLONG_MAX },
		{ "md_per_io_size", o->md_per_io_size, 0, LLONG_MAX },
		{ "sqthread_poll_cpu", o->sqpoll_cpu, -1, INT_MAX },
		{ "nonvectored", o->nonvectored, -1, 1 },
		{ "pi_iovec", o->iovec, 0, UINT_MAX },
		{ "uncached", o->uncached, 0, 1 },
		{ "force_async", o->force_async, 0, LLONG_MAX },
	};

	for (unsigned int i = 0; i < FIO_ARRAY_SIZE(numbers); i++) {
		if (numbers[i].value >= numbers[i].min &&
		    numbers[i].value <= numbers[i].max)
			continue;
		log_err("io_uring_pi: %s=%lld: give a number from %lld to %lld\n",
			numbers[i].name, numbers[i].value, numbers[i].min,
			numbers[i].max);
		return EINVAL;
	}
	return o->reftag_negative ? pi_refuse("pi_reftag is negative; give the tag as a positive number") : 0;
}

/* check the sizes of I/Os that fio may send */
static int check_transfers(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const unsigned long long max = INT_MAX & ~page_mask;

	if (td_trim(td) && PI_NUM_RANGE(td) > 1 &&
	    !pi_layouts[o->layout].passthru)
		return pi_refuse("num_range: a block device discards one range at a time; drop it or name the character device /dev/ngXnY");
	if (td_trim(td) && PI_NUM_RANGE(td) > 1 && o->fixedbufs)
		return pi_refuse("fixedbufs with num_range: fio then has no data buffers; drop one of them");
	if (o->fixedbufs && !td_read(td) && !td_write(td))
		return pi_refuse("fixedbufs: a job that only trims has no data buffers; drop it");

	if (!pi_layouts[o->layout].passthru && pi_max_rw_bs(td) > max) {
		log_err("io_uring_pi: bs=%llu: the kernel transfers no more than %llu bytes with one read or write; use a smaller bs\n",
			pi_max_rw_bs(td), max);
		return EINVAL;
	}
	if (td->o.read_iolog_file && td->o.read_iolog_chunked &&
	    (pi_layouts[o->layout].pi || o->fixedbufs || o->iovec ||
	     o->registerfiles || o->sqpoll))
		return pi_refuse("read_iolog_chunked=1: fio may find larger I/Os and other files in the log while it runs, and there is no metadata, registered buffer or file, or iovec for them; drop read_iolog_chunked, or use pi_layout=none without fixedbufs, registerfiles, sqthread_poll and pi_iovec");
	return 0;
}

static void settle_layout(struct thread_data *td)
{
	struct pi_options *o = td->eo;

	if (o->layout != PI_LAYOUT_AUTO)
		return;
	o->layout = PI_LAYOUT_INDIRECT;
	if (td->files_index && td->files[0]->filetype == FIO_TYPE_CHAR)
		o->layout = PI_LAYOUT_PASSTHRU;
}

int pi_check_attribute(struct thread_data *td)
{
	const struct pi_options *o = td->eo;

	if (o->mix < 100 && o->inject)
		return pi_refuse("pi_inject with pi_mix below 100: plain I/O has no tuples to show a fault; drop one of them");
	if (o->mix < 100 && td_write(td) && !kernel_tuples_pass(o))
		return pi_refuse("pi_mix below 100: plain writes get the kernel's tuples, with application tag 0, and reads with protection information would find them wrong; set apptag=0 and drop pi_apptag, pi_reftag and pi_opaque, or read only");
	if (pi_layouts[o->layout].no_seed && o->reftag_set)
		return pi_refuse("pi_reftag: this pi_layout has no room for a reference tag, and the kernel uses the block's number; drop pi_reftag or use pi_layout=indirect");
	if (o->storage_str)
		return pi_refuse("pi_storage_tag: io_uring's attribute has no room for a storage tag, and the kernel takes no format with one; drop it or name the character device /dev/ngXnY");
	if (o->act)
		return pi_refuse("pi_act=1: io_uring's attribute cannot make the device insert or strip tuples; use pi_act=0, name the character device /dev/ngXnY, or use pi_layout=none for plain I/O");
	if (!td->o.odirect)
		return pi_refuse("protection information needs O_DIRECT; set direct=1 or use pi_layout=none");
	if (o->hipri)
		return pi_refuse("hipri: the kernel does not poll for I/O with protection information (EOPNOTSUPP); drop hipri or use pi_layout=none");
	if (o->uncached)
		return pi_refuse("uncached is for buffered I/O, protection information needs direct=1; drop uncached or use pi_layout=none");
	if (td->o.zone_mode == ZONE_MODE_ZBD)
		return pi_refuse("zonemode=zbd: protection information on zoned devices is not supported; drop zonemode or use pi_layout=none");
	if (td->o.oatomic)
		return pi_refuse("atomic: the kernel refuses RWF_ATOMIC together with protection information; drop atomic or use pi_layout=none");
	if (o->fua[DDIR_READ] || o->fua[DDIR_WRITE])
		return pi_refuse("readfua and writefua are flags of NVMe commands; drop them or name the character device /dev/ngXnY");
	if ((device_chk(o) & PI_IO_INTEGRITY_CHK_APPTAG) && o->apptag_mask != 0xffff)
		return pi_refuse("pi_chk=APPTAG: io_uring's attribute has no room for apptag_mask, the device would compare all 16 bits; drop apptag_mask, or name APPTAG in pi_host_chk and not in pi_chk");
	return 0;
}

/* fio runs an external engine also for jobs that name one it does not have */
static int check_name(const struct thread_options *o)
{
	if (!o->ioengine_so_path || !strcmp(o->ioengine, "external") ||
	    !strcmp(o->ioengine, "io_uring_pi"))
		return 0;
	log_err("io_uring_pi: ioengine=%s: this fio does not have it, and would run io_uring_pi in its place, because [global] or the command line names that; give each job its own ioengine=\n",
		o->ioengine);
	return EINVAL;
}

int pi_options_check(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	bool registered = o->registerfiles || o->sqpoll;
	int err;

	settle_layout(td);
	err = check_name(&td->o) ?: check_numbers(o) ?: pi_commands_check(td) ?:
	      pi_data_placement_check(td);
	if (err)
		return err;
	if (o->time && !o->stats)
		return pi_refuse("pi_time=1 measures for pi_stats=FILE; give that as well");
	if (o->iovec && (o->nonvectored || o->fixedbufs))
		return pi_refuse("pi_iovec is for vectored I/O; add nonvectored=0 and drop fixedbufs");
	if (o->iovec && (pi_max_rw_bs(td) + o->iovec - 1) / o->iovec > IOV_MAX)
		return pi_refuse("pi_iovec: the kernel takes 1024 iovecs at most; raise pi_iovec or lower bs");
	err = check_transfers(td);
	if (err)
		return err;
	if (o->fixedmd && !pi_layouts[o->layout].fixed_md) {
		log_err("io_uring_pi: fixedmd: pi_layout=%s has no room for a registered buffer with metadata; drop fixedmd or use pi_layout=indirect\n",
			pi_layouts[o->layout].name);
		return EINVAL;
	}
	if (registered && td->o.nr_files != td->o.open_files)
		return pi_refuse(td->o.read_iolog_file ?
			"registerfiles and sqthread_poll keep every file open, but the log of read_iolog says when to open and close files; drop one of them" :
			"registerfiles and sqthread_poll keep every file open; set openfiles to nrfiles or leave it out");
	if (!pi_layouts[o->layout].pi)
		return o->inject ? pi_refuse("pi_inject with pi_layout=none: plain I/O has no tuples to show a fault; use another pi_layout") : 0;

	err = pi_chk_pattern_check(td) ?: pi_path_ops(o)->check_job(td);
	if (err)
		return err;
	if (o->host_chk_str && (!(o->verify & PI_VERIFY_HOST) || o->act))
		return pi_refuse("pi_host_chk: the host verifies nothing with pi_verify=device, pi_verify=none or pi_act=1; drop one of them");
	if ((device_chk(o) & PI_IO_INTEGRITY_CHK_APPTAG) &&
	    (o->app_mode == PI_APP_LBA || o->app_mode == PI_APP_RANDOM))
		return pi_refuse("pi_chk=APPTAG: an I/O has one application tag for the device to check, and pi_apptag gives each block its own; use pi_apptag=constant, or drop APPTAG from pi_chk and name it in pi_host_chk");
	return 0;
}
