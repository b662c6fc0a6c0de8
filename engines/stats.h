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
 * @PI_STATS_GENERATE:	generating the tuples of a write
 * @PI_STATS_VERIFY:	verifying those of a read
 * @PI_STATS_SUBMIT:	system calls that submit
 * @PI_STATS_WAIT:	system calls that wait
 * @PI_NR_STATS:	how many there are
 */
enum pi_stats_part {
	PI_STATS_GENERATE,
	PI_STATS_VERIFY,
	PI_STATS_SUBMIT,
	PI_STATS_WAIT,
	PI_NR_STATS,
};

/**
 * struct pi_stats - what one job has done
 * @pi_ios:	reads and writes with PI that came through
 * @plain_ios:	and those without
 * @commands:	blocks that commands other than reads and writes were for
 * @line:	of pi_stats=
 * @timed:	pi_time=1
 * @clock_ns:	what a part that takes no time is measured to take
 * @ns:		taken by each part, @clock_ns a call included
 * @calls:	how often it was
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
 * pi_stats_init() - open what pi_stats= names, get pi_time= ready
 * @stats:	set
 * @o:		of the job
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_stats_init(struct pi_stats *stats, const struct pi_options *o);

/**
 * pi_stats_now() - nanoseconds, to hand to pi_stats_add()
 *
 * Return: of a clock that never goes back.
 */
static inline uint64_t pi_stats_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/**
 * pi_stats_add() - a part has ended that began @start
 * @stats:	of the job
 * @part:	which
 * @start:	of pi_stats_now()
 */
static inline void pi_stats_add(struct pi_stats *stats,
				enum pi_stats_part part, uint64_t start)
{
	stats->ns[part] += pi_stats_now() - start;
	stats->calls[part]++;
}

/**
 * pi_stats_write() - append the job's line to pi_stats=
 * @stats:	of the job
 * @td:		the job
 * @targets:	list of the job's files
 * @errors:	what it found wrong
 */
void pi_stats_write(struct pi_stats *stats, const struct thread_data *td,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

/**
 * pi_stats_print() - one line for a person, where fio's output is for one
 * @td:		the job
 * @stats:	of the job
 * @targets:	list of the job's files
 * @errors:	what it found wrong
 */
void pi_stats_print(const struct thread_data *td, const struct pi_stats *stats,
		    const struct pi_target *targets,
		    const struct pi_errors *errors);

#endif
