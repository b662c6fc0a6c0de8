/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_OPTIONS_H
#define PI_OPTIONS_H

#include "checks.h"
#include "command_options.h"
#include "compat.h"
#include "fault.h"
#include "inject.h"
#include "layout.h"
#include "tuple.h"

/* pi_layout=: enum pi_layout_id, or chosen according to the job's files */
enum {
	PI_LAYOUT_AUTO = PI_NR_LAYOUTS,
};

/**
 * enum pi_verify - values of pi_verify=
 * @PI_VERIFY_NONE: nobody checks
 * @PI_VERIFY_HOST: the host checks
 * @PI_VERIFY_DEVICE: the device checks
 * @PI_VERIFY_BOTH: both check
 */
enum pi_verify {
	PI_VERIFY_NONE		= 0,
	PI_VERIFY_HOST		= 1 << 0,
	PI_VERIFY_DEVICE	= 1 << 1,
	PI_VERIFY_BOTH		= PI_VERIFY_HOST | PI_VERIFY_DEVICE,
};

/* pi_apptag=: enum pi_app_mode, or a constant for each file */
enum {
	PI_APP_FILE = PI_APP_RANDOM + 1,
};

/**
 * struct pi_options - the engine's options, named like fio's where fio has them
 * @fio_writes_here: fio stores options without an offset here
 * @layout:	pi_layout=, PI_LAYOUT_*
 * @mix:	pi_mix=, in percent
 * @verify:	pi_verify=, PI_VERIFY_*
 * @chk_str:	pi_chk=, or NULL to check all tags of the format
 * @chk:	tags that pi_chk= names for any I/O, PI_IO_INTEGRITY_CHK_* and
 *		PI_CHK_STORTAG
 * @checks:	parsed pi_chk=
 * @host_chk_str: pi_host_chk=, or NULL if the host checks the same tags as the
 *		device
 * @host_chk:	parsed pi_host_chk=, PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG
 * @act:	pi_act=
 * @fua:	readfua= and writefua=
 * @commands:	options that select NVMe commands
 * @apptag:	apptag=
 * @apptag_mask: apptag_mask=
 * @app_mode:	pi_apptag=, PI_APP_*
 * @reftag:	pi_reftag=
 * @reftag_set:	pi_reftag= was given
 * @reftag_negative: pi_reftag= was given a negative number
 * @storage_str: pi_storage_tag=, or NULL
 * @storage:	parsed pi_storage_tag=
 * @opaque:	pi_opaque=
 * @errors:	pi_errors=
 * @errors_max:	pi_errors_max=
 * @dump:	pi_dump=
 * @dump_max:	pi_dump_max=
 * @stats:	pi_stats=
 * @time:	pi_time=
 * @inject:	pi_inject=
 * @inject_at:	pi_inject_at=, PI_INJECT_*
 * @inject_blocks: pi_inject_blocks=
 * @inject_one_in: pi_inject_rate=
 * @inject_seed: pi_inject_seed=
 * @inject_log:	pi_inject_log=
 * @inject_expect: pi_inject_expect=
 * @injection:	parsed pi_inject options
 * @injection_read: @injection is valid
 * @md_per_io_size: md_per_io_size=, in bytes
 * @hipri:	hipri
 * @fixedbufs:	fixedbufs
 * @fixedmd:	fixedmd
 * @registerfiles: registerfiles
 * @sqpoll:	sqthread_poll
 * @sqpoll_cpu:	sqthread_poll_cpu=, -1 for any CPU
 * @nonvectored: nonvectored=, -1 if the kernel's support decides
 * @iovec:	pi_iovec=, in bytes
 * @uncached:	uncached=
 * @nowait:	nowait=
 * @force_async: force_async=
 * @cmdprio_options: cmdprio_*=
 *
 * Numbers are 64 bits wide and their ranges are checked in options_check.c: fio
 * truncates FIO_OPT_INT to 32 bits before it compares, and treats negative
 * numbers as small ones.
 */
struct pi_options {
	void *fio_writes_here;
	unsigned int layout;
	long long mix;
	unsigned int verify;
	char *chk_str;
	unsigned int chk;
	struct pi_checks checks;
	char *host_chk_str;
	unsigned int host_chk;
	unsigned int act;
	unsigned int fua[2];
	struct pi_command_options commands;
	long long apptag;
	long long apptag_mask;
	unsigned int app_mode;
	unsigned long long reftag;
	unsigned int reftag_set;
	unsigned int reftag_negative;
	char *storage_str;
	uint64_t storage;
	unsigned int opaque;
	char *errors;
	long long errors_max;
	char *dump;
	long long dump_max;
	char *stats;
	unsigned int time;
	char *inject;
	unsigned int inject_at;
	char *inject_blocks;
	long long inject_one_in;
	long long inject_seed;
	char *inject_log;
	unsigned int inject_expect;
	struct pi_inject injection;
	bool injection_read;
	long long md_per_io_size;
	unsigned int hipri;
	unsigned int fixedbufs;
	unsigned int fixedmd;
	unsigned int registerfiles;
	unsigned int sqpoll;
	long long sqpoll_cpu;
	long long nonvectored;
	long long iovec;
	long long uncached;
	unsigned int nowait;
	long long force_async;
	struct cmdprio_options cmdprio_options;
};

extern struct fio_option pi_fio_options[];

/**
 * pi_options_host_chk() - tags that the host checks, if it checks at all
 * @o:		options of the job
 *
 * Return: PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG.
 */
unsigned int pi_options_host_chk(const struct pi_options *o);

/**
 * pi_options_chk_pattern() - tell whether pi_chk= is a pattern
 * @o:		options of the job
 *
 * Return: false if all I/Os are checked alike.
 */
static inline bool pi_options_chk_pattern(const struct pi_options *o)
{
	return o->chk_str && o->checks.nr > 1;
}

/**
 * pi_max_rw_bs() - size of the largest read or write that fio may send
 * @td:		thread of the job
 *
 * td_max_bs() includes the size of trims, which transfer no data. It matters
 * nevertheless with rw=randtrimwrite, where fio writes what it trimmed, and
 * with experimental_verify, where fio reads it.
 *
 * Return: bytes.
 */
unsigned long long pi_max_rw_bs(const struct thread_data *td);

/**
 * pi_refuse() - print why a job is refused
 * @why:	the reason, and what to do about it
 *
 * Return: EINVAL.
 */
int pi_refuse(const char *why);

/**
 * pi_check_attribute() - refuse what I/O with io_uring's PI attribute does not
 *			  support
 * @td:		thread of the job
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_check_attribute(struct thread_data *td);

/**
 * pi_options_check() - validate the options of a job before any file is opened
 * @td:		thread of the job
 *
 * This also resolves pi_layout=auto.
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_options_check(struct thread_data *td);

#endif
