/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_DATA_PLACEMENT_H
#define PI_DATA_PLACEMENT_H

#include "compat.h"

/**
 * pi_data_placement_check() - refuse data placement that the job cannot use
 * @td:		thread of the job, with pi_layout= resolved
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_data_placement_check(const struct thread_data *td);

/**
 * pi_data_placement_check_file() - refuse data placement that a file does not
 *				    support
 * @td:		thread of the job
 * @f:		file of the job
 * @fd:		file descriptor of @f, open for reading
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_data_placement_check_file(const struct thread_data *td,
				 struct fio_file *f, int fd);

/**
 * pi_data_placement_choose() - make writes carry their placement, if the job
 *				asks for it
 * @td:		thread of the job, after its other functions were chosen
 */
void pi_data_placement_choose(struct thread_data *td);

#ifdef PI_PLACEMENT_OPS
/**
 * pi_fetch_ruhs() - fio's hook to get the placement identifiers of a file
 * @td:		thread of the job
 * @f:		character device
 * @ruhs:	filled in; @ruhs->nr_ruhs is the room on input and the number of
 *		identifiers on output
 *
 * Return: 0, or a negative errno after a one-line message on standard error.
 */
int pi_fetch_ruhs(struct thread_data *td, struct fio_file *f,
		  struct fio_ruhs_info *ruhs);
#endif

#endif
