/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_STATS_H
#define PI_STATS_H

#include <stdint.h>
#include <time.h>

#include "errors.h"
#include "jsonl.h"
#include "target.h"

/**
 * enum pi_stats_part - what pi_time=1 measures
 * @PI_STATS_GENERATE: generating the tuples of writes
 * @PI_STATS_VERIFY: verifying the tuples of reads
 * @PI_STATS_SUBMIT: system calls that submit
 * @PI_STATS_WAIT: system calls that wait
 * @PI_NR_STATS: number of parts
 */
enum pi_stats_part {
	PI_STATS_GENERATE,
	PI_STATS_VERIFY,
	PI_STATS_SUBMIT,
	PI_STATS_WAIT,
	PI_NR_STATS,
};

/**
 * struct pi_stats - statistics of one job
 * @pi_ios:	number of reads and writes with PI that completed
 * @plain_ios:	number of reads and writes without PI that completed
 * @commands:	number of blocks covered by each command other than Read and
 *		Write
 * @line:	file of pi_stats=
 * @timed:	pi_time=1
 * @clock_ns:	overhead of one measurement in nanoseconds
 * @ns:		nanoseconds spent in each part, including @clock_ns for each
 *		call
 * @calls:	number of calls of each part
 */
struct pi_stats {
	uint64_t pi_ios;
	uint64_t plain_ios;
	uint64_t commands[PI_NR_COMMANDS];
	struct pi_jsonl line;
	bool timed;
	uint64_t clock_ns;
	uint64_t ns[PI_NR_STATS];
	uint64_t calls[PI_NR_STATS];
};

/**
 * pi_stats_init() - open the file of pi_stats= and calibrate the clock for
 *		     pi_time=
 * @stats:	statistics to initialize
 * @o:		options of the job
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_stats_init(struct pi_stats *stats, const struct pi_options *o);

/**
 * pi_stats_now() - read the clock, for pi_stats_add()
 *
 * Return: nanoseconds of a monotonic clock.
 */
static inline uint64_t pi_stats_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/**
 * pi_stats_add() - account for the time spent in a part
 * @stats:	statistics of the job
 * @part:	part that has ended
 * @start:	when it started, from pi_stats_now()
 */
static inline void pi_stats_add(struct pi_stats *stats,
				enum pi_stats_part part, uint64_t start)
{
	stats->ns[part] += pi_stats_now() - start;
	stats->calls[part]++;
}

/**
 * pi_stats_write() - append the job's line to the file of pi_stats=
 * @stats:	statistics of the job
 * @td:		thread of the job
 * @targets:	list of the job's files
 * @errors:	errors found by the job
 */
void pi_stats_write(struct pi_stats *stats, const struct thread_data *td,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

/**
 * pi_stats_print() - print the statistics in one line, if fio's output is for
 *		      humans
 * @td:		thread of the job
 * @stats:	statistics of the job
 * @targets:	list of the job's files
 * @errors:	errors found by the job
 */
void pi_stats_print(const struct thread_data *td, const struct pi_stats *stats,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

#endif
