/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_STATS_H
#define PI_STATS_H

#include <stdint.h>

#include "target.h"

/**
 * struct pi_errors - wrong tuples that one job met
 * @host:	found by the host, by tag
 * @device:	I/Os that the device ended with EILSEQ
 */
struct pi_errors {
	uint64_t host[PI_NR_TAGS];
	uint64_t device;
};

/**
 * pi_stats_print() - one line for a person, where fio's output is for one
 * @targets:	list of the job's files
 */
void pi_stats_print(const struct thread_data *td,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

#endif
