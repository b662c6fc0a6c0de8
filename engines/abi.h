/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ABI_H
#define PI_ABI_H

#include <stdbool.h>

struct ioengine_ops;
struct thread_data;

/**
 * pi_abi_matches() - whether the running fio is the one this was built for
 * @td:		of the job
 * @ops:	that the job must be found to use
 *
 * FIO_IOOPS_VERSION does not change when fio's structures do.  The offsets in
 * fio's exported option table do, which was looked at on loading; then the
 * place of @ops in the job tells about what stands behind the options.  To be
 * called before anything else is read from @td.
 *
 * Return: false after one line on standard error.
 */
bool pi_abi_matches(const struct thread_data *td,
		    const struct ioengine_ops *ops);

#endif
