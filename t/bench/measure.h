/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_MEASURE_H
#define PI_MEASURE_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* for programs that measure: their options, errors, samples and orders */

/**
 * struct measure_options - what they have in common
 * @most:	repetitions
 * @seed:	of the orders
 */
struct measure_options {
	unsigned long repetitions;
	unsigned long most;
	unsigned long seed;
	bool json;
	bool samples;
};

/**
 * measure_parse() - argp_parse() of @argp's options and of the common ones
 * @input:	of @argp's parser
 * @common:	has the defaults
 *
 * Ends the program on --help and, with status 2, on what it does not know.
 */
void measure_parse(const struct argp *argp, int argc, char **argv, void *input,
		   struct measure_options *common);

/**
 * measure_end() - see to it that all that was printed has arrived
 */
void measure_end(void);

/**
 * fail() - say why in one line, and end
 */
void fail(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/**
 * allocate() - calloc(), or fail()
 */
void *allocate(size_t nr, size_t size);

/**
 * number() - the number that @text is, or fail() with status 2
 * @what:	it is given for
 */
unsigned long number(const char *what, const char *text, unsigned long min,
		     unsigned long max);

/**
 * stay() - on this CPU: a migration in the middle would cost more than what
 *	    is measured
 */
void stay(void);

/**
 * cpu_name() - what /proc/cpuinfo calls this CPU, in @text of @size bytes
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
 * shuffle() - the numbers from 0 to @nr - 1, in an order that @state says
 */
void shuffle(unsigned int *order, unsigned int nr, uint64_t *state);

/**
 * progress() - show a person who waits how far it is
 * @what:	is counted, such as "repetition"
 */
void progress(const char *what, unsigned long done, unsigned long of, uint64_t start);

struct stats {
	double min, q1, median, q3, max;
};

/**
 * summarise() - what @n samples are like; puts @sample into order
 */
struct stats summarise(double *sample, unsigned long n);

void json_stats(const char *name, struct stats s, bool max);

/**
 * json_samples() - @nr series of @n samples, after something else of the object
 */
void json_samples(const char *const *name, double *const *sample,
		  unsigned int nr, unsigned long n);

#endif
