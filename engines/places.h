/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_PLACES_H
#define PI_PLACES_H

#include "compat.h"

/**
 * pi_places_check() - refuse a placement that a job cannot have
 * @td:		of the job, its layout settled
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_places_check(const struct thread_data *td);

/**
 * pi_places_check_file() - refuse one that a file does not take
 * @td:		of the job
 * @f:		one of its files
 * @fd:		open for reading
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_places_check_file(const struct thread_data *td, struct fio_file *f,
			 int fd);

/**
 * pi_places_choose() - have each write say where its data goes, where a job
 *			wants that
 * @td:		of the job, whose functions are chosen
 */
void pi_places_choose(struct thread_data *td);

#ifdef PI_PLACEMENT_OPS
/**
 * pi_fetch_ruhs() - tell fio the placement identifiers of a file
 * @td:		of the job
 * @f:		a character device
 * @ruhs:	with room for as many as it says; set
 *
 * Return: 0, or a negative errno after one line on standard error.
 */
int pi_fetch_ruhs(struct thread_data *td, struct fio_file *f,
		  struct fio_ruhs_info *ruhs);
#endif

#endif
