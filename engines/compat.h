/* SPDX-License-Identifier: GPL-2.0-only */
/* differences between fio versions, from 3.33 on */
#ifndef PI_COMPAT_H
#define PI_COMPAT_H

#include "fio.h"
#include "optgroup.h"
#include "engines/cmdprio.h"

/* added in fio 3.38; older versions refuse atomic=1 themselves */
#if FIO_IOOPS_VERSION < 36
#define FIO_ATOMICWRITES	0
#endif

/* added in fio 3.38; older versions refuse fdp=1 themselves */
#if __has_include("dataplacement.h")
#include "dataplacement.h"
#define PI_DATA_PLACEMENT(td)	((td)->o.dp_type != FIO_DP_NONE)
#define PI_PLACEMENT_OPS	.fdp_fetch_ruhs = pi_fetch_ruhs,
#else
#define PI_DATA_PLACEMENT(td)	false
#endif

/**
 * struct pi_range - same as fio's struct trim_range
 * @start:	start of the range in bytes
 * @len:	length of the range in bytes
 */
struct pi_range {
	unsigned long long start;
	unsigned long long len;
};

/* added in fio 3.37; before 3.38 fio refuses num_range for this engine itself */
#if FIO_IOOPS_VERSION < 36
#define FIO_MULTI_RANGE_TRIM	0
#define PI_NUM_RANGE(td)	1U
#define PI_RANGES_OF(io_u)	1U
#define PI_RANGE(io_u, i)	((struct pi_range) { 0 })
#else
#define PI_NUM_RANGE(td)	((td)->o.num_range ?: 1U)
#define PI_RANGES_OF(io_u)	((io_u)->number_trim)
#define PI_RANGE(io_u, i)	(((struct pi_range *)(io_u)->xfer_buf)[i])
#endif

/* added at the same time as this header */
#if __has_include("engines/bsg.h")
#define PI_VERIFIES_FSYNCED(td)	((td)->o.verify_policy & VERIFY_POLICY_FSYNCED)
#else
#define PI_VERIFIES_FSYNCED(td)	false
#endif

/* before fio 3.38 the hook does not get the job */
#if FIO_IOOPS_VERSION < 36
#define PI_ERRDETAILS_OPS
#else
#define PI_ERRDETAILS_OPS	.errdetails = errdetails,
#endif

/* added in fio 3.38; older versions always compare the data themselves */
#if FIO_IOOPS_VERSION < 36
#define PI_IO_U_F_VER_IN_DEV	0
#else
#define PI_IO_U_F_VER_IN_DEV	IO_U_F_VER_IN_DEV
#endif

/* what verify= should expect; added shortly before this header (June 2026) */
#if __has_include("engines/bsg.h")
#define PI_IO_U_F_ZEROED	IO_U_F_ZEROED
#define PI_IO_U_F_ERRORED	IO_U_F_ERRORED
#else
#define PI_IO_U_F_ZEROED	0
#define PI_IO_U_F_ERRORED	0
#endif

/* end_syncfs=, added between fio 3.42 and this header */
#if __has_include("engines/bsg.h")
#define PI_IS_SYNCFS(io_u)	((io_u)->ddir == DDIR_SYNCFS)
#else
#define FIO_ASYNCIO_SYNC_SYNCFS	0
#define PI_IS_SYNCFS(io_u)	false
#endif

/* added in fio 3.36, together with cmdprio_hint */
#ifndef CMDPRIO_OPTIONS
#define CMDPRIO_BOTH_WAYS(data, opt_group, opt, text, member, low, high) {	\
	.name		= opt,						\
	.lname		= text,						\
	.help		= text,						\
	.type		= FIO_OPT_INT,					\
	.off1		= offsetof(data, cmdprio_options.member[DDIR_READ]), \
	.off2		= offsetof(data, cmdprio_options.member[DDIR_WRITE]), \
	.minval		= low,						\
	.maxval		= high,						\
	.category	= FIO_OPT_C_ENGINE,				\
	.group		= opt_group,					\
}

#define CMDPRIO_OPTIONS(data, opt_group)				\
	CMDPRIO_BOTH_WAYS(data, opt_group, "cmdprio_percentage",	\
			  "Percentage of I/O with the priority",	\
			  percentage, 0, 100),				\
	CMDPRIO_BOTH_WAYS(data, opt_group, "cmdprio_class",		\
			  "Priority class of that I/O", class,		\
			  IOPRIO_MIN_PRIO_CLASS + 1,			\
			  IOPRIO_MAX_PRIO_CLASS),			\
	CMDPRIO_BOTH_WAYS(data, opt_group, "cmdprio",			\
			  "Priority level of that I/O", level,		\
			  IOPRIO_MIN_PRIO, IOPRIO_MAX_PRIO),		\
	{								\
		.name		= "cmdprio_bssplit",			\
		.lname		= "Percentages by block size",		\
		.help		= "Percentages by block size",		\
		.type		= FIO_OPT_STR_STORE,			\
		.off1		= offsetof(data, cmdprio_options.bssplit_str), \
		.category	= FIO_OPT_C_ENGINE,			\
		.group		= opt_group,				\
	}
#endif

#endif
