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

/* pi_layout=: those of lib/layout.h, and what fits the job's files */
enum {
	PI_LAYOUT_AUTO = PI_NR_LAYOUTS,
};

/**
 * enum pi_verify - what pi_verify= says
 * @PI_VERIFY_NONE:	nobody checks
 * @PI_VERIFY_HOST:	the host does
 * @PI_VERIFY_DEVICE:	the device does
 * @PI_VERIFY_BOTH:	both do
 */
enum pi_verify {
	PI_VERIFY_NONE		= 0,
	PI_VERIFY_HOST		= 1 << 0,
	PI_VERIFY_DEVICE	= 1 << 1,
	PI_VERIFY_BOTH		= PI_VERIFY_HOST | PI_VERIFY_DEVICE,
};

/* pi_apptag=: those of lib/tuple.h, and one that is constant within a file */
enum {
	PI_APP_FILE = PI_APP_RANDOM + 1,
};

/**
 * struct pi_options - the engine's options, with fio's names where fio has them
 * @fio_writes_here: what it does with an option that has no place
 * @layout:	pi_layout=, PI_LAYOUT_*
 * @mix:	pi_mix=, percent
 * @verify:	pi_verify=, PI_VERIFY_*
 * @chk_str:	pi_chk=; NULL: all there is is checked
 * @chk:	what that says of any I/O, PI_IO_INTEGRITY_CHK_* and
 *		PI_CHK_STORTAG
 * @checks:	and of which I/Os
 * @host_chk_str: pi_host_chk=; NULL: the host checks what the device does
 * @host_chk:	what that says, likewise
 * @act:	pi_act=
 * @fua:	readfua= and writefua=
 * @commands:	of NVMe
 * @apptag:	apptag=
 * @apptag_mask: apptag_mask=
 * @app_mode:	pi_apptag=, PI_APP_*
 * @reftag:	pi_reftag=
 * @reftag_set:	that was given
 * @reftag_negative: and below 0
 * @storage_str: pi_storage_tag=; NULL: not given
 * @storage:	what that says
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
 * @injection:	what these say
 * @injection_read: that it was read
 * @md_per_io_size: md_per_io_size=
 * @hipri:	hipri
 * @fixedbufs:	fixedbufs
 * @fixedmd:	fixedmd
 * @registerfiles: registerfiles
 * @sqpoll:	sqthread_poll
 * @sqpoll_cpu:	sqthread_poll_cpu=; -1: any
 * @nonvectored: nonvectored=; -1: where the kernel has it
 * @iovec:	pi_iovec=
 * @uncached:	uncached=
 * @nowait:	nowait=
 * @force_async: force_async=
 * @cmdprio_options: cmdprio_*=
 *
 * Numbers have 64 bits and a range in options.c: fio cuts those of FIO_OPT_INT
 * to 32 and takes what is negative then for small.
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
 * pi_options_host_chk() - tags that the host checks, where it does
 * @o:		of the job
 *
 * Return: PI_IO_INTEGRITY_CHK_* and PI_CHK_STORTAG.
 */
unsigned int pi_options_host_chk(const struct pi_options *o);

/**
 * pi_options_chk_pattern() - whether pi_chk= says another thing of some I/Os
 * @o:		of the job
 *
 * Return: false where each I/O is checked like the others.
 */
static inline bool pi_options_chk_pattern(const struct pi_options *o)
{
	return o->chk_str && o->checks.nr > 1;
}

/**
 * pi_max_rw_bs() - bytes of the largest read or write that fio may send
 * @td:		of the job
 *
 * What td_max_bs() says is for trims too, which move no data.  Yet with
 * rw=randtrimwrite fio writes what it has trimmed, and with
 * experimental_verify it reads it.
 *
 * Return: bytes.
 */
unsigned long long pi_max_rw_bs(const struct thread_data *td);

/**
 * pi_refuse() - say why a job is refused
 * @why:	and what to do about it
 *
 * Return: EINVAL.
 */
int pi_refuse(const char *why);

/**
 * pi_check_attribute() - refuse what io_uring's attribute cannot carry, or what
 *			  reads and writes with it cannot do
 * @td:		of the job
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_check_attribute(struct thread_data *td);

/**
 * pi_options_check() - refuse what cannot be done, before any file is touched
 * @td:		of the job
 *
 * Settles pi_layout=auto too.
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_options_check(struct thread_data *td);

#endif
