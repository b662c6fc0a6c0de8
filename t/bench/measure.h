/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_MEASURE_H
#define PI_MEASURE_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* for programs that measure: their errors, samples and orders */

static inline void __attribute__((noreturn, format(printf, 2, 3)))
fail(int status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(status);
}

static inline void *allocate(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (!p)
		fail(1, "no memory; give fewer --repetitions");
	return p;
}

static inline unsigned long number(const char *option, const char *text,
				   unsigned long min, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || !*text || *end || *text == '-' || value < min || value > max)
		fail(2, "--%s: '%s' is not a number from %lu to %lu", option,
		     text, min, max);
	return value;
}

/* a migration in the middle would cost more than what is measured */
static inline void stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}

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

static inline void shuffle(unsigned int *order, unsigned int nr,
			   uint64_t *state)
{
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int j = random_next(state) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* to a person who waits */
static inline void progress(unsigned long done, unsigned long of, uint64_t start)
{
	double took = (now() - start) / 1e9;

	if (!isatty(STDERR_FILENO))
		return;
	if (done == of)
		fprintf(stderr, "\r\033[K");
	else
		fprintf(stderr, "\rrepetition %lu of %lu, %.0f s elapsed, %.0f s left  ",
			done, of, took, took / done * (of - done));
}

struct stats {
	double min, q1, median, q3, max;
};

static inline int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static inline double quantile(const double *sorted, unsigned long n, double p)
{
	double at = p * (n - 1);
	unsigned long low = at;

	if (low + 1 >= n)
		return sorted[n - 1];
	return sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]);
}

/* puts @sample into order */
static inline struct stats summarise(double *sample, unsigned long n)
{
	qsort(sample, n, sizeof(*sample), compare);
	return (struct stats) {
		.min	= sample[0],
		.q1	= quantile(sample, n, 0.25),
		.median	= quantile(sample, n, 0.5),
		.q3	= quantile(sample, n, 0.75),
		.max	= sample[n - 1],
	};
}

static inline void json_stats(const char *name, struct stats s, bool max)
{
	printf("\"%s\": {\"min\": %.3f, \"q1\": %.3f, \"median\": %.3f, \"q3\": %.3f",
	       name, s.min, s.q1, s.median, s.q3);
	if (max)
		printf(", \"max\": %.3f", s.max);
	printf("}");
}

static inline void json_samples(const char *name, const double *sample,
				unsigned long n)
{
	printf("\"%s\": [", name);
	for (unsigned long i = 0; i < n; i++)
		printf("%s%.3f", i ? ", " : "", sample[i]);
	printf("]");
}

#endif
