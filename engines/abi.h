/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ABI_H
#define PI_ABI_H

#include <stdbool.h>

struct ioengine_ops;
struct thread_data;

/**
 * pi_abi_matches() - test whether the running fio is the one the engine was
 *		      built for
 * @td:		thread of the job
 * @ops:	the engine's operations, which the job must be found to use
 *
 * FIO_IOOPS_VERSION does not change when fio's structures do. What does change
 * are the offsets in fio's exported option table, which were compared when the
 * engine was loaded. For what follows the options, this checks that @ops is
 * where it should be in @td. Call it before reading anything else from @td.
 *
 * Return: false after a one-line message on standard error.
 */
bool pi_abi_matches(const struct thread_data *td,
		    const struct ioengine_ops *ops);

#endif
