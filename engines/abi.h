/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ABI_H
#define PI_ABI_H

#include <stdbool.h>

/**
 * pi_abi_matches() - whether the running fio is the one this was built for
 *
 * FIO_IOOPS_VERSION does not change when fio's structures do.  The offsets in
 * fio's exported option table do, so compare those before looking into any
 * structure of fio's.  Prints one line when they differ.
 */
bool pi_abi_matches(void);

#endif
