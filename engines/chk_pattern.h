/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_CHK_PATTERN_H
#define PI_CHK_PATTERN_H

#include "target.h"

/* pi_chk= patterns: which tags are checked depends on the I/O */

/**
 * pi_chk_pattern_check() - refuse options that do not work with a pattern
 * @td:		thread of the job, with pi_layout= resolved
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_chk_pattern_check(struct thread_data *td);

/**
 * pi_chk_pattern_check_target() - refuse block ranges outside a file
 * @td:		thread of the job
 * @f:		file of the job
 * @start:	number on the disk of its first block
 * @intervals:	size of the file in protection intervals
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_chk_pattern_check_target(struct thread_data *td, struct fio_file *f,
				uint64_t start, uint64_t intervals);

/**
 * pi_chk_pattern_init() - allocate the part numbers of the I/Os
 * @td:		thread of the job
 *
 * Return: 0 or ENOMEM.
 */
int pi_chk_pattern_init(struct thread_data *td);

/**
 * pi_chk_pattern_choose() - override the functions that depend on the part, if
 *			     there is a pattern
 * @td:		thread of the job, after its other functions were chosen
 */
void pi_chk_pattern_choose(struct thread_data *td);

/**
 * pi_chk_pattern_recall() - make the file of an I/O compare what the I/O's part
 *			     says
 * @td:		thread of the job
 * @io_u:	the I/O, which has completed
 */
void pi_chk_pattern_recall(struct thread_data *td, struct io_u *io_u);

#endif
