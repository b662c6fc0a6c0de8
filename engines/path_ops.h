/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_PATH_OPS_H
#define PI_PATH_OPS_H

#include "options.h"
#include "target.h"

/**
 * struct pi_path_ops - what differs between I/O through the block layer and
 *			NVMe passthrough commands
 * @masks_app:	the device honours apptag_mask=
 * @renumbers:	the kernel remaps the reference tags of writes
 * @check_job:	refuses options of the job that the path does not support
 * @check_target: refuses a file that cannot do what the job asks for
 * @set_target:	completes @target for this path
 * @init:	adapts the job to the path. These four return 0, or an errno
 *		after a one-line message on standard error.
 * @prep:	fio's prep hook for I/O with PI: single-buffer and vectored
 * @choose:	overrides functions in struct pi_engine after they were chosen;
 *		may be NULL
 * @event:	handles the completion of a read or write with PI
 * @event_other: handles all other completions, and failed ones
 */
struct pi_path_ops {
	bool masks_app;
	bool renumbers;
	int (*check_job)(struct thread_data *td);
	int (*check_target)(struct thread_data *td, struct fio_file *f,
			    const struct pi_device *dev,
			    const struct pi_format *format);
	int (*set_target)(struct pi_target *target,
			  const struct pi_device *dev,
			  const struct pi_options *o);
	int (*init)(struct thread_data *td);
	int (*prep[2])(struct thread_data *td, struct io_u *io_u);
	void (*choose)(struct thread_data *td);
	struct io_u *(*event)(struct thread_data *td, struct io_u *io_u,
			      int res);
	struct io_u *(*event_other)(struct thread_data *td, struct io_u *io_u,
				    int res);
};

extern const struct pi_path_ops pi_path_block;
extern const struct pi_path_ops pi_path_passthru;
extern const struct pi_path_ops pi_path_commands;

/**
 * pi_path_ops() - get the path for a job
 * @o:		options of the job, with @layout resolved
 *
 * Return: the path that I/Os of the job take.
 */
static inline const struct pi_path_ops *pi_path_ops(const struct pi_options *o)
{
	if (!pi_layouts[o->layout].passthru)
		return &pi_path_block;
	return pi_commands_sent(&o->commands) != 1 << PI_COMMAND_RW ?
	       &pi_path_commands : &pi_path_passthru;
}

#endif
