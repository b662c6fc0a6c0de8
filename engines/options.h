/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_OPTIONS_H
#define PI_OPTIONS_H

#include "compat.h"
#include "fault.h"
#include "inject.h"
#include "layout.h"
#include "tuple.h"

/* pi_layout=: those of lib/layout.h, and what fits the job's files */
enum {
	PI_LAYOUT_AUTO = PI_NR_LAYOUTS,
};

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

/*
 * The engine's options, with fio's names where fio has them.  Numbers have 64
 * bits and a range in options.c: fio cuts those of FIO_OPT_INT to 32 and takes
 * what is negative then for small.
 */
struct pi_options {
	void *fio_writes_here;
	unsigned int layout;
	long long mix;		/* percent */
	unsigned int verify;
	char *chk_str;		/* NULL: all there is is checked */
	unsigned int chk;	/* PI_IO_INTEGRITY_CHK_* */
	char *host_chk_str;	/* NULL: the host checks what the device does */
	unsigned int host_chk;
	unsigned int act;
	unsigned int fua[2];
	unsigned int cmd_type;
	long long apptag;
	long long apptag_mask;
	unsigned int app_mode;
	unsigned long long reftag;
	unsigned int reftag_set;
	unsigned int reftag_negative;
	unsigned int opaque;
	char *errors;
	long long errors_max;
	char *dump;
	long long dump_max;
	char *stats;
	unsigned int time;
	char *inject;
	unsigned int inject_at;	/* PI_INJECT_* */
	char *inject_blocks;
	long long inject_one_in;
	long long inject_seed;
	char *inject_log;
	unsigned int inject_expect;
	struct pi_inject injection;	/* what these say */
	bool injection_read;
	long long md_per_io_size;
	unsigned int hipri;
	unsigned int fixedbufs;
	unsigned int registerfiles;
	unsigned int sqpoll;
	long long sqpoll_cpu;	/* -1: any */
	long long nonvectored;	/* -1: where the kernel has it */
	long long iovec;
	long long uncached;
	unsigned int nowait;
	long long force_async;
	struct cmdprio_options cmdprio_options;
};

extern struct fio_option pi_fio_options[];

/**
 * pi_options_host_chk() - tags that the host checks, where it does
 *
 * Return: PI_IO_INTEGRITY_CHK_*.
 */
unsigned int pi_options_host_chk(const struct pi_options *o);

/**
 * pi_max_rw_bs() - bytes of the largest read or write that fio may send
 *
 * What td_max_bs() says is for trims too, which move no data.  Yet with
 * rw=randtrimwrite fio writes what it has trimmed, and with
 * experimental_verify it reads it.
 */
unsigned long long pi_max_rw_bs(const struct thread_data *td);

/**
 * pi_refuse() - say why a job is refused; returns EINVAL
 */
int pi_refuse(const char *why);

/**
 * pi_check_attribute() - refuse what io_uring's attribute cannot carry, or what
 *			  reads and writes with it cannot do
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_check_attribute(struct thread_data *td);

/**
 * pi_options_check() - refuse what cannot be done, before any file is touched
 *
 * Settles pi_layout=auto too.
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_options_check(struct thread_data *td);

#endif
