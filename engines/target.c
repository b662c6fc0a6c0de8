// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>
#include <libnvme.h>

#include "target.h"
#include "verify.h"

#include "chk_pattern.h"
#include "data_placement.h"
#include "layout.h"
#include "path_ops.h"
#include "sibling.h"
#include "usage.h"

int pi_refuse_file(struct fio_file *f, int err, const char *why)
{
	log_err("io_uring_pi: %s: %s\n", f->file_name, why);
	return err;
}

/* check that the value of an option is a multiple of the stride */
static int check_whole(struct fio_file *f, const char *option,
		       uint64_t value, const struct pi_format *format)
{
	const uint32_t stride = pi_format_stride(format);

	if (!(value % stride))
		return 0;
	if (format->extended)
		log_err("io_uring_pi: %s: %s=%" PRIu64 " is not a multiple of %u, the protection interval of %u bytes and its %u of metadata; did you mean %s=%" PRIu64 "?\n",
			f->file_name, option, value, stride, format->interval,
			format->md_size, option,
			(value / format->interval ?: 1) * stride);
	else
		log_err("io_uring_pi: %s: %s=%" PRIu64 " is not a multiple of the protection interval of %u bytes; change it\n",
			f->file_name, option, value, stride);
	return EINVAL;
}

/* options that move I/Os between blocks although offset and bs are whole */
static int check_steps(const struct thread_options *o, struct fio_file *f,
		       const struct pi_format *format)
{
	const char *range = o->zone_range == o->zone_size ? "zonesize" : "zonerange";
	int err = check_whole(f, "offset_align", o->start_offset_align, format);

	if (o->zone_mode == ZONE_MODE_STRIDED) {
		err = err ?: check_whole(f, range, o->zone_range, format);
		err = err ?: check_whole(f, "zoneskip", o->zone_skip, format);
	}
	if (!err && o->ddir_seq_add % (long long)pi_format_stride(format))
		err = pi_refuse_file(f, EINVAL,
			"what rw= adds to each offset is not a multiple of the protection interval; change it");
	return err;
}

static int check_sizes(struct thread_data *td, struct fio_file *f,
		       const struct pi_format *format)
{
	const struct thread_options *o = &td->o;
	const int last = td_trim(td) ? DDIR_TRIM : DDIR_WRITE;
	const struct pi_options *pi = td->eo;
	int err = check_whole(f, "offset", o->start_offset, format);

	err = err ?: check_whole(f, "offset_increment", o->offset_increment,
				 format);
	err = err ?: check_whole(f, "pi_iovec", pi->iovec, format);
	err = err ?: check_steps(o, f, format);
	for (int ddir = DDIR_READ; ddir <= last; ddir++) {
		err = err ?: check_whole(f, "bs", o->min_bs[ddir], format);
		err = err ?: check_whole(f, "bs", o->max_bs[ddir], format);
		err = err ?: check_whole(f, "blockalign", o->ba[ddir], format);
		for (unsigned int i = 0; i < o->bssplit_nr[ddir]; i++)
			err = err ?: check_whole(f, "bssplit",
						 o->bssplit[ddir][i].bs,
						 format);
	}
	if (!err && o->bs_unaligned)
		err = pi_refuse_file(f, EINVAL,
			"bs_unaligned gives I/Os that are not multiples of the protection interval; drop it or use pi_layout=none");
	return err;
}

static int check_ref(struct thread_data *td, struct fio_file *f,
		     const struct pi_format *format)
{
	const struct pi_options *o = td->eo;
	const unsigned int bits = pi_format_ref_bits(format);

	if (!o->reftag_set || !format->guard->pi_size ||
	    !(o->reftag & ~pi_low_bits(bits)))
		return 0;
	log_err("io_uring_pi: %s: pi_reftag=0x%llx has more bits than the reference tag, which has %u; give a smaller one\n",
		f->file_name, o->reftag, bits);
	return EINVAL;
}

static int check_storage(struct thread_data *td, struct fio_file *f,
			 const struct pi_device *dev)
{
	const struct pi_options *o = td->eo;
	const struct pi_format *format = &dev->format;
	const unsigned int host = o->verify & PI_VERIFY_HOST ?
				  o->host_chk_str ? o->host_chk : o->chk : 0;

	if (!format->storage_bits) {
		if (o->storage_str)
			return pi_refuse_file(f, EINVAL,
				"pi_storage_tag: the LBA format has no storage tag; drop it");
		if ((o->chk | host) & PI_CHK_STORTAG)
			return pi_refuse_file(f, EINVAL,
				"STORTAG: the LBA format has no storage tag to check; drop STORTAG");
		return 0;
	}
	if (o->storage & ~pi_low_bits(format->storage_bits)) {
		log_err("io_uring_pi: %s: pi_storage_tag=%s has more bits than the storage tag, which has %u; give a smaller one\n",
			f->file_name, o->storage_str,
			format->storage_bits);
		return EINVAL;
	}
	if (o->chk & PI_CHK_STORTAG && o->verify == PI_VERIFY_DEVICE &&
	    td_read(td) && !dev->reads_check_storage)
		return pi_refuse_file(f, EINVAL,
			"pi_chk=STORTAG: the drive checks the storage tag only in writes (STCRS); drop STORTAG or use pi_verify=both");
	return 0;
}

/* bio_integrity_map_user() fails larger ones with E2BIG, which becomes EIO */
static int check_max_md(struct thread_data *td, struct fio_file *f,
			const struct pi_format *format, uint64_t max_md)
{
	const uint64_t bs = pi_max_rw_bs(td);
	const uint64_t need = pi_format_md_bytes(format, bs);

	if (need <= max_md)
		return 0;
	log_err("io_uring_pi: %s: bs=%" PRIu64 " needs %" PRIu64 " bytes of metadata, but the kernel accepts only %" PRIu64 " per I/O; use a bs of at most %" PRIu64 "\n",
		f->file_name, bs, need, max_md,
		max_md / format->md_size * format->interval);
	return EINVAL;
}

static int check_md_size(struct thread_data *td, struct fio_file *f,
			 const struct pi_format *format)
{
	const struct pi_options *o = td->eo;
	uint64_t need = pi_format_md_bytes(format, pi_max_rw_bs(td));

	if (!o->md_per_io_size || (uint64_t)o->md_per_io_size >= need)
		return 0;
	log_err("io_uring_pi: %s: md_per_io_size=%lld is too small, %llu bytes of data need %" PRIu64 "; raise it or leave it out\n",
		f->file_name, o->md_per_io_size, pi_max_rw_bs(td), need);
	return EINVAL;
}

static int device_checks(struct thread_data *td, struct fio_file *f,
			 const struct pi_format *format, uint16_t *chk)
{
	const struct pi_options *o = td->eo;

	*chk = 0;
	if (o->verify & PI_VERIFY_HOST && (o->host_chk_str || o->chk_str) &&
	    format->type == 3 && !o->reftag_set &&
	    pi_options_host_chk(o) & PI_IO_INTEGRITY_CHK_REFTAG)
		return pi_refuse_file(f, EINVAL,
			"REFTAG: type 3 protection information has no reference tag to check unless pi_reftag gives one; drop REFTAG");
	if (!(o->verify & PI_VERIFY_DEVICE))
		return 0;
	if (o->chk_str) {
		if (!format->guard->pi_size)
			return pi_refuse_file(f, EINVAL,
				"pi_chk: the metadata holds no protection information, there is nothing to check; drop pi_chk");
		if (format->type == 3 && o->chk & PI_IO_INTEGRITY_CHK_REFTAG)
			return pi_refuse_file(f, EINVAL,
				"pi_chk=REFTAG: type 3 protection information has no reference tag to check, the device would fail every I/O; drop REFTAG");
		*chk = o->chk;
		return 0;
	}
	if (!format->guard->pi_size)
		return 0;
	*chk = PI_IO_INTEGRITY_CHK_GUARD;
	if (format->type != 3)
		*chk |= PI_IO_INTEGRITY_CHK_REFTAG;
	if ((o->apptag_mask == 0xffff || pi_path_ops(o)->masks_app) &&
	    o->app_mode != PI_APP_LBA &&
	    o->app_mode != PI_APP_RANDOM)
		*chk |= PI_IO_INTEGRITY_CHK_APPTAG;
	if (format->storage_bits)
		*chk |= PI_CHK_STORTAG;
	return 0;
}

/* folded FNV-1a hash of the name; never 0xffff, which escapes checking */
static uint16_t file_tag(const char *name, uint16_t apptag)
{
	uint32_t hash = 0x811c9dc5;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x01000193;
	hash = (hash >> 16 ^ hash ^ apptag) & 0xffff;
	return hash == 0xffff ? 0xfffe : hash;
}

/* check that character devices are used with passthru, and only with it */
static int check_kind(struct fio_file *f, int fd, const struct pi_layout *layout)
{
	const bool character = f->filetype == FIO_TYPE_CHAR;
	char sibling[64];
	int ret;

	if (layout->passthru == character)
		return 0;
	ret = pi_sibling(fd, sibling, sizeof(sibling));
	if (ret < 0) {
		if (character)
			return 0;
		return pi_refuse_file(f, ENODEV,
			"pi_layout=passthru takes the character device of an NVMe namespace; name /dev/ngXnY or use another pi_layout");
	}
	log_err("io_uring_pi: %s: pi_layout=%s takes the namespace's %s device; name %s%s or %s\n",
		f->file_name, layout->name, character ? "block" : "character",
		sibling, ret ? ", the whole disk, where offsets count from its start," : "",
		character ? "use pi_layout=passthru" :
		"use another pi_layout");
	return ENODEV;
}

/* refuse disks in use, as fio itself does for block devices only */
static int check_unused(struct thread_data *td, struct fio_file *f, int fd)
{
	struct pi_reason reason;
	char disk[64];

	if (f->filetype != FIO_TYPE_CHAR || !pi_commands_write(td) ||
	    td->o.allow_mounted_write ||
	    pi_sibling(fd, disk, sizeof(disk)) ||
	    !pi_usage(strrchr(disk, '/') + 1, &reason))
		return 0;
	log_err("io_uring_pi: %s: %s, and this job would write to it; free the disk, or set allow_mounted_write=1\n",
		f->file_name, reason.text);
	return EBUSY;
}

static int probe_device(struct thread_data *td, struct fio_file *f,
			const struct pi_layout *layout, struct pi_device *dev)
{
	struct pi_reason reason;
	int fd, ret;

	/* or a pipe would wait for somebody to write */
	fd = open(f->file_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		ret = errno;
		log_err("io_uring_pi: %s: %s; name a block device that exists and can be read\n",
			f->file_name, strerror(ret));
		return ret;
	}
	ret = check_kind(f, fd, layout) ?: check_unused(td, f, fd) ?:
	      pi_data_placement_check_file(td, f, fd);
	if (!ret && layout->pi) {
		ret = -pi_device_probe(fd, dev, &reason);
		if (ret)
			pi_refuse_file(f, ret, reason.text);
	}
	close(fd);
	return ret;
}

/* inverse of an odd number modulo 2^64: each step doubles the correct bits */
static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

static void set_format(struct pi_target *target, const struct pi_format *format)
{
	const uint32_t stride = pi_format_stride(format);

	target->format = *format;
	target->shift = __builtin_ctz(stride);
	target->inverse = inverse(stride >> target->shift);
	target->md_size = pi_format_md_bytes(format, format->interval);
}

static unsigned int all_but(unsigned int chk)
{
	return !(chk & PI_IO_INTEGRITY_CHK_GUARD) << PI_TAG_GUARD |
	       !(chk & PI_IO_INTEGRITY_CHK_APPTAG) << PI_TAG_APP |
	       !(chk & PI_IO_INTEGRITY_CHK_REFTAG) << PI_TAG_REF |
	       !(chk & PI_CHK_STORTAG) << PI_TAG_STORAGE;
}

/* with pi_verify=none, assume that a later job reads with the same pi_chk */
static unsigned int compared_chk(const struct pi_options *o, unsigned int device)
{
	const unsigned int host = pi_options_host_chk(o);

	if (o->verify == PI_VERIFY_NONE)
		return host;
	return (o->verify & PI_VERIFY_HOST ? host : 0) |
	       (o->inject_at == PI_INJECT_BACK ? 0 : device);
}

static int set_parts(struct pi_target *target, struct pi_tuple_options options,
		     const struct pi_options *o)
{
	int ret = 0;

	for (unsigned int i = 0; i < o->checks.nr && !ret; i++) {
		struct pi_chk_part *part = &target->parts[i];
		const unsigned int host = o->host_chk_str ? o->host_chk :
							    o->checks.chk[i];

		part->chk = target->chk & o->checks.chk[i];
		part->on_read = pi_tuple_none;
		options.unchecked = all_but(host);
		if (o->verify & PI_VERIFY_HOST && !o->act &&
		    (host || o->opaque))
			ret = pi_tuple_init(&part->on_read, &target->format,
					    &options);
		options.unchecked = all_but(part->chk);
		ret = ret ?: pi_tuple_init(&part->by_device, &target->format,
					   &options);
	}
	return ret;
}

/* call after @set_target: keep STC only in parts that check the storage tag */
static void set_control(struct pi_target *target, const struct pi_options *o)
{
	for (unsigned int i = 0; i < o->checks.nr; i++) {
		struct pi_chk_part *part = &target->parts[i];
		const uint16_t without = part->chk & PI_CHK_STORTAG ?
					 0 : NVME_IO_STC;

		for (int ddir = DDIR_READ; ddir <= DDIR_WRITE; ddir++)
			part->control[ddir] = target->ns.control[ddir] & ~without;
	}
}

static int set_checks(struct pi_target *target,
		      struct pi_tuple_options options,
		      const struct pi_options *o)
{
	int ret = pi_options_chk_pattern(o) ? set_parts(target, options, o) : 0;

	options.unchecked = all_but(pi_options_host_chk(o));
	if (o->verify & PI_VERIFY_HOST)
		ret = ret ?: pi_tuple_init(&target->on_read, &target->format,
					   &options);
	options.unchecked = all_but(target->chk);
	ret = ret ?: pi_tuple_init(&target->by_device, &target->format, &options);
	options.unchecked = all_but(compared_chk(o, target->chk));
	return ret ?: pi_tuple_init(&target->compared, &target->format, &options);
}

static int set_tuples(struct pi_target *target, struct fio_file *f,
		      const struct pi_options *o)
{
	struct pi_tuple_options options = {
		.app		= o->apptag,
		.app_mask	= o->apptag_mask,
		.app_mode	= o->app_mode,
		.ref		= o->reftag,
		.ref_check	= o->reftag_set,
		.storage	= o->storage,
		.opaque		= o->opaque,
	};
	int ret;

	if (o->app_mode == PI_APP_LBA)
		options.app = 0;
	if (o->app_mode == PI_APP_FILE) {
		options.app = file_tag(f->file_name, o->apptag);
		options.app_mode = PI_APP_CONSTANT;
	}
	target->app_tag = options.app;
	ret = pi_tuple_init(&target->tuple, &target->format, &options);
	ret = ret ?: set_checks(target, options, o);
	return ret ? pi_refuse_file(f, -ret,
		"the engine knows this guard, but not how its tuple is laid out; use pi_layout=none") : 0;
}

/*
 * Up to Linux 7.3, an I/O that is retried from io-wq, because the queue is full
 * or the I/O is split, loses the upper 32 bits of its seed (struct
 * io_meta_state).  So if reference tags need more than 32 bits, use 32-bit
 * seeds, which the kernel remaps.  They are offset from the low half of the
 * block number, because otherwise a tag that has lost its upper half on the
 * media would look correct.
 */
static void set_tags(struct pi_target *target, const struct pi_device *dev,
		     const struct pi_options *o)
{
	const struct pi_layout *layout = &pi_layouts[o->layout];
	const uint64_t narrow = 1ULL << 32;
	const bool given = o->reftag_set && dev->format.type != 3;
	const uint64_t tag = given ? o->reftag : dev->start;

	target->start = dev->start;
	target->stacked = dev->stacked;
	target->tag_add = tag - dev->start;
	target->ref_add = layout->no_seed ? -dev->start : target->tag_add;
	target->ref_mask = UINT64_MAX;
	if (!pi_path_ops(o)->renumbers || layout->no_seed || dev->format.type == 3 ||
	    dev->format.guard->ref_size <= 4 ||
	    (tag <= narrow && dev->intervals <= narrow - tag))
		return;
	target->ref_mask = narrow - 1;
	if (!given)
		target->ref_add += 0x9e3779b9;
}

int pi_target_probe(struct thread_data *td, struct fio_file *f,
		    struct pi_target *target)
{
	const struct pi_options *o = td->eo;
	const struct pi_layout *layout = &pi_layouts[o->layout];
	const struct pi_path_ops *path = pi_path_ops(o);
	struct pi_format format;
	struct pi_device dev;
	int err;

	*target = (struct pi_target) {
		.tuple		= pi_tuple_none,
		.on_read	= pi_tuple_none,
		.inverse	= 1,
	};
	if (!layout->pi && f->filetype != FIO_TYPE_CHAR && !PI_DATA_PLACEMENT(td))
		return 0;
	err = probe_device(td, f, layout, &dev);
	if (err || !layout->pi)
		return err;

	format = dev.format;
	if (o->act && !format.guard->pi_size)
		return pi_refuse_file(f, EINVAL,
			"pi_act=1: the metadata holds no protection information for the device to insert or strip; drop pi_act");
	/* metadata that is nothing but the tuple is not transferred then */
	if (o->act && format.md_size == format.guard->pi_size) {
		format.md_size = 0;
		format.extended = false;
	}
	set_format(target, &format);
	target->reach = dev.max_bytes >> dev.format.shift;
	err = check_sizes(td, f, &format);
	err = err ?: check_md_size(td, f, &format);
	err = err ?: check_ref(td, f, &format);
	err = err ?: check_storage(td, f, &dev);
	err = err ?: device_checks(td, f, &format, &target->chk);
	err = err ?: pi_chk_pattern_check_target(td, f, dev.start, dev.intervals);
	err = err ?: path->check_target(td, f, &dev, &format);
	err = err ?: check_max_md(td, f, &format, dev.max_md);
	if (err)
		return err;

	set_tags(target, &dev, o);
	err = set_tuples(target, f, o);
	err = err ?: path->set_target(target, &dev, o);
	if (!err && pi_options_chk_pattern(o))
		set_control(target, o);
	return err;
}
