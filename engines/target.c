// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "target.h"
#include "faults.h"
#include "layout.h"

static int refuse(struct fio_file *f, int err, const char *why)
{
	log_err("io_uring_pi: %s: %s\n", f->file_name, why);
	return err;
}

/* value: what may not be cut by an interval; 0 is always whole */
static int check_whole(struct fio_file *f, const char *option,
		       uint64_t value, uint32_t interval)
{
	if (!(value & (interval - 1)))
		return 0;
	log_err("io_uring_pi: %s: %s=%" PRIu64 " is not a multiple of the protection interval of %u bytes; change it\n",
		f->file_name, option, value, interval);
	return EINVAL;
}

static int check_sizes(struct thread_data *td, struct fio_file *f,
		       uint32_t interval)
{
	const struct thread_options *o = &td->o;
	int err = check_whole(f, "offset", o->start_offset, interval);

	for (int ddir = DDIR_READ; ddir <= DDIR_WRITE; ddir++) {
		err = err ?: check_whole(f, "bs", o->min_bs[ddir], interval);
		err = err ?: check_whole(f, "bs", o->max_bs[ddir], interval);
		err = err ?: check_whole(f, "blockalign", o->ba[ddir], interval);
		for (unsigned int i = 0; i < o->bssplit_nr[ddir]; i++)
			err = err ?: check_whole(f, "bssplit",
						 o->bssplit[ddir][i].bs,
						 interval);
	}
	if (!err && o->bs_unaligned)
		err = refuse(f, EINVAL,
			"bs_unaligned gives I/Os that are no multiple of the protection interval; drop it or use pi_layout=none");
	return err;
}

static int check_md_size(struct thread_data *td, struct fio_file *f,
			 const struct pi_format *format)
{
	const struct pi_options *o = td->eo;
	uint64_t need = pi_format_md_bytes(format, td_max_bs(td));

	if (!o->md_per_io_size || o->md_per_io_size >= need)
		return 0;
	log_err("io_uring_pi: %s: md_per_io_size=%u is too small, %llu bytes of data take %" PRIu64 "; raise it or leave it out\n",
		f->file_name, o->md_per_io_size, td_max_bs(td), need);
	return EINVAL;
}

/*
 * An I/O that the kernel splits is first tried without waiting, then run
 * again by a worker; up to Linux 7.3 that cuts its seed to 32 bits
 * (struct io_meta_state), which wide reference tags notice.
 */
static int check_seed(struct thread_data *td, struct fio_file *f,
		      const struct pi_device *dev, uint64_t start)
{
	if (dev->format.guard->ref_size <= 4 || dev->format.type == 3 ||
	    start + dev->intervals <= 1ULL << 32 ||
	    td_max_bs(td) <= dev->max_bytes)
		return 0;
	log_err("io_uring_pi: %s: bs=%llu is above max_sectors_kb=%" PRIu64 ", and when the kernel splits an I/O it cuts reference tags from 2^32 on to 32 bits; use a bs of at most %" PRIu64 "\n",
		f->file_name, td_max_bs(td), dev->max_bytes >> 10,
		dev->max_bytes);
	return EINVAL;
}

static int device_checks(struct thread_data *td, struct fio_file *f,
			 const struct pi_format *format, uint16_t *chk)
{
	const struct pi_options *o = td->eo;

	*chk = 0;
	if (!(o->verify & PI_VERIFY_DEVICE))
		return 0;
	if (o->chk_str) {
		if (!format->guard->pi_size)
			return refuse(f, EINVAL,
				"pi_chk: the metadata holds no protection information, there is nothing to check; drop pi_chk");
		if (format->type == 3 && o->chk & PI_IO_INTEGRITY_CHK_REFTAG)
			return refuse(f, EINVAL,
				"pi_chk=REFTAG: type 3 protection information has no reference tag to check, the device would fail every I/O; drop REFTAG");
		*chk = o->chk;
		return 0;
	}
	if (!format->guard->pi_size)
		return 0;
	*chk = PI_IO_INTEGRITY_CHK_GUARD;
	if (format->type != 3)
		*chk |= PI_IO_INTEGRITY_CHK_REFTAG;
	if (o->apptag_mask == 0xffff && o->app_mode != PI_APP_LBA &&
	    o->app_mode != PI_APP_RANDOM)
		*chk |= PI_IO_INTEGRITY_CHK_APPTAG;
	return 0;
}

/* FNV-1a over the name, folded; never the escape */
static uint16_t file_tag(const char *name, uint16_t apptag)
{
	uint32_t hash = 0x811c9dc5;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x01000193;
	hash = (hash >> 16 ^ hash ^ apptag) & 0xffff;
	return hash == 0xffff ? 0xfffe : hash;
}

static int probe_device(struct fio_file *f, struct pi_device *dev)
{
	struct pi_reason reason;
	int fd, ret;

	fd = open(f->file_name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ret = errno;
		log_err("io_uring_pi: %s: %s; name a block device that exists and can be read\n",
			f->file_name, strerror(ret));
		return ret;
	}
	ret = pi_device_probe(fd, dev, &reason);
	close(fd);
	return ret ? refuse(f, -ret, reason.text) : 0;
}

int pi_target_probe(struct thread_data *td, struct fio_file *f,
		    struct pi_target *target)
{
	const struct pi_options *o = td->eo;
	struct pi_tuple_options options;
	struct pi_device dev;
	int err;

	*target = (struct pi_target) {
		.tuple		= pi_tuple_none,
		.on_read	= &pi_tuple_none,
	};
	if (!pi_layouts[o->layout].pi)
		return 0;

	err = probe_device(f, &dev);
	err = err ?: check_sizes(td, f, dev.format.interval);
	err = err ?: check_md_size(td, f, &dev.format);
	err = err ?: device_checks(td, f, &dev.format, &target->chk);
	if (err)
		return err;

	target->start = dev.start;
	if (o->reftag_set && dev.format.type != 3)
		target->start = o->reftag;
	if (pi_layouts[o->layout].no_seed)
		target->start = 0;
	target->renumber = dev.start - target->start;
	err = check_seed(td, f, &dev, target->start);
	if (err)
		return err;

	options = (struct pi_tuple_options) {
		.app		= o->apptag,
		.app_mask	= o->apptag_mask,
		.app_mode	= o->app_mode,
		.ref		= o->reftag,
		.ref_check	= o->reftag_set,
		.opaque		= o->opaque,
	};
	if (o->app_mode == PI_APP_LBA)
		options.app = 0;
	if (o->app_mode == PI_APP_FILE) {
		options.app = file_tag(f->file_name, o->apptag);
		options.app_mode = PI_APP_CONSTANT;
	}
	pi_tuple_init(&target->tuple, &dev.format, &options);
	if (o->verify & PI_VERIFY_HOST)
		target->on_read = &target->tuple;
	target->app_tag = options.app;
	target->shift = dev.format.shift;
	target->md_size = dev.format.md_size;
	target->format = dev.format;
	return pi_faults_check_target(td, f, &dev.format, &target->tuple,
				      &target->faults);
}
