/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_PARTS_H
#define PI_PARTS_H

#include "target.h"

/* pi_chk= of several parts: what is checked is not the same in each I/O */

/**
 * pi_parts_check() - refuse what does not go together with several parts
 * @td:		of the job, its layout settled
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_parts_check(struct thread_data *td);

/**
 * pi_parts_check_target() - refuse parts for blocks that a file has not
 * @td:		of the job
 * @f:		one of its files
 * @start:	number on the disk of its first block
 * @intervals:	how many it has
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_parts_check_target(struct thread_data *td, struct fio_file *f,
			  uint64_t start, uint64_t intervals);

/**
 * pi_parts_init() - make room for the part that each I/O is of
 * @td:		of the job
 *
 * Return: 0, or an errno.
 */
int pi_parts_init(struct thread_data *td);

/**
 * pi_parts_choose() - put itself before what I/Os go through, where there are
 *		       several parts
 * @td:		of the job, once that is settled
 */
void pi_parts_choose(struct thread_data *td);

/**
 * pi_parts_recall() - have the I/O's file compare what its part says
 * @td:		of the job
 * @io_u:	the I/O, which has ended
 */
void pi_parts_recall(struct thread_data *td, struct io_u *io_u);

#endif
