/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_MEASURE_H
#define PI_MEASURE_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* helpers for programs that measure: options, errors, statistics */

/**
 * struct measure_options - options common to these programs
 * @most:	maximum number of repetitions
 * @seed:	seed for shuffling
 */
struct measure_options {
	unsigned long repetitions;
	unsigned long most;
	unsigned long seed;
	bool json;
	bool samples;
};

/**
 * measure_parse() - argp_parse() with @argp's options and the common ones
 * @input:	input of @argp's parser
 * @common:	common options, set to the defaults
 *
 * Exits on --help, and with status 2 if the arguments are invalid.
 */
void measure_parse(const struct argp *argp, int argc, char **argv, void *input,
		   struct measure_options *common);

/**
 * measure_end() - make sure that all output was written
 */
void measure_end(void);

/**
 * fail() - print a message and exit
 */
void fail(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/**
 * allocate() - calloc(), or fail()
 */
void *allocate(size_t nr, size_t size);

/**
 * number() - parse a number, or fail() with status 2
 * @what:	name of the option, for the message
 */
unsigned long number(const char *what, const char *text, unsigned long min,
		     unsigned long max);

/**
 * stay() - bind the process to the current CPU, because a migration would cost
 *	    more than what is measured
 */
void stay(void);

/**
 * cpu_name() - store the CPU's name from /proc/cpuinfo in @text, of @size bytes
 */
const char *cpu_name(char *text, size_t size);

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/**
 * shuffle() - store the numbers from 0 to @nr - 1 in pseudo-random order
 */
void shuffle(unsigned int *order, unsigned int nr, uint64_t *state);

/**
 * progress() - show progress, if standard error is a terminal
 * @what:	what is counted, such as "repetition"
 */
void progress(const char *what, unsigned long done, unsigned long of, uint64_t start);

struct stats {
	double min, q1, median, q3, max;
};

/**
 * summarise() - compute statistics of @n samples, and sort @sample
 */
struct stats summarise(double *sample, unsigned long n);

void json_stats(const char *name, struct stats s, bool max);

/**
 * json_samples() - print @nr series of @n samples as members of a JSON object
 */
void json_samples(const char *const *name, double *const *sample,
		  unsigned int nr, unsigned long n);

#endif
