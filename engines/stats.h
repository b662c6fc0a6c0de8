/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_STATS_H
#define PI_STATS_H

#include "errors.h"
#include "target.h"

/**
 * struct pi_stats - what one job has done
 * @pi_ios:	reads and writes with PI that came through
 * @plain_ios:	and those without
 */
struct pi_stats {
	uint64_t pi_ios;
	uint64_t plain_ios;
};

/**
 * pi_stats_print() - one line for a person, where fio's output is for one
 * @targets:	list of the job's files
 */
void pi_stats_print(const struct thread_data *td, const struct pi_stats *stats,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

#endif
