/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_WAY_H
#define PI_WAY_H

#include "options.h"
#include "target.h"

/**
 * struct pi_way - what is not the same through the block layer and in commands
 *		   to an NVMe namespace
 * @masks_app:	the device compares the bits in apptag_mask= alone
 * @renumbers:	the kernel puts its own reference tags into what is written
 * @check_job:	refuse what a job may not ask for
 * @check_target: refuse a file that does not take what the job sends
 * @set_target:	settle what I/Os to a file have in common
 * @init:	adapt a job to it, or refuse what this way has not: 0, or an errno
 *		after one line on standard error
 * @prep:	for any I/O, reads and writes with PI: of one buffer, vectored
 * @choose:	put itself before what I/Os go through, once that is settled, or
 *		NULL
 * @event:	of a read or write with PI
 * @event_other: of anything else, and of what did not go well
 */
struct pi_way {
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

extern const struct pi_way pi_way_block;
extern const struct pi_way pi_way_passthru;
extern const struct pi_way pi_way_commands;

/**
 * pi_way() - that of a job whose layout is settled
 * @o:		of the job
 *
 * Return: one of the three.
 */
static inline const struct pi_way *pi_way(const struct pi_options *o)
{
	if (!pi_layouts[o->layout].passthru)
		return &pi_way_block;
	return pi_commands_sent(&o->commands) != 1 << PI_COMMAND_RW ?
	       &pi_way_commands : &pi_way_passthru;
}

#endif
