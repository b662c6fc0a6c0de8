// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"

void fail(int status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(status);
}

void *allocate(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (!p)
		fail(1, "no memory; give fewer --repetitions");
	return p;
}

unsigned long number(const char *what, const char *text, unsigned long min,
		     unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || !*text || *end || *text == '-' || value < min || value > max)
		fail(2, "%s: '%s' is not a number from %lu to %lu", what, text,
		     min, max);
	return value;
}

void stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}

void shuffle(unsigned int *order, unsigned int nr, uint64_t *state)
{
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int j = random_next(state) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

const char *cpu_name(char *text, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(text, size, "unknown CPU");
	while (file && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		snprintf(text, size, "%.*s", (int)strcspn(colon + 2, "\n"),
			 colon + 2);
		break;
	}
	if (file)
		fclose(file);
	return text;
}

void progress(const char *what, unsigned long done, unsigned long of, uint64_t start)
{
	double took = (now() - start) / 1e9;

	if (!isatty(STDERR_FILENO))
		return;
	if (done == of)
		fprintf(stderr, "\r\033[K");
	else
		fprintf(stderr, "\r%s %lu of %lu, %.0f s elapsed, %.0f s left  ",
			what, done, of, took, took / done * (of - done));
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double quantile(const double *sorted, unsigned long n, double p)
{
	double at = p * (n - 1);
	unsigned long low = at;

	if (low + 1 >= n)
		return sorted[n - 1];
	return sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]);
}

struct stats summarise(double *sample, unsigned long n)
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

void json_stats(const char *name, struct stats s, bool max)
{
	printf("\"%s\": {\"min\": %.3f, \"q1\": %.3f, \"median\": %.3f, \"q3\": %.3f",
	       name, s.min, s.q1, s.median, s.q3);
	if (max)
		printf(", \"max\": %.3f", s.max);
	printf("}");
}

void json_samples(const char *const *name, double *const *sample,
		  unsigned int nr, unsigned long n)
{
	printf(", \"samples\": {");
	for (unsigned int i = 0; i < nr; i++) {
		printf("%s\"%s\": [", i ? ", " : "", name[i]);
		for (unsigned long j = 0; j < n; j++)
			printf("%s%.3f", j ? ", " : "", sample[i][j]);
		printf("]");
	}
	printf("}");
}

enum { REPETITIONS = 0x100, SEED, JSON, SAMPLES };

static const struct argp_option options[] = {
	{ "repetitions", REPETITIONS, "N", 0,
	  "measure everything so often, each time in another order", 0 },
	{ "seed", SEED, "N", 0, "of the orders", 0 },
	{ "json", JSON, NULL, 0, "a line of JSON for each figure", 0 },
	{ "samples", SAMPLES, NULL, 0, "in JSON, what each repetition measured", 0 },
	{ 0 },
};

struct inputs {
	struct measure_options *common;
	void *own;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const struct inputs *inputs = state->input;
	struct measure_options *o = inputs->common;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = inputs->own;
		return 0;
	case REPETITIONS:
		o->repetitions = number("--repetitions", arg, 1, o->most);
		return 0;
	case SEED:
		o->seed = number("--seed", arg, 0, UINT32_MAX);
		return 0;
	case JSON:
		o->json = true;
		return 0;
	case SAMPLES:
		o->samples = true;
		return 0;
	case ARGP_KEY_ARG:
		fail(2, "'%s' is no option; see --help", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static char *with_default(int key, const char *text, void *input)
{
	const struct inputs *inputs = input;
	char *with = NULL;

	if (key != REPETITIONS && key != SEED)
		return (char *)text;
	if (asprintf(&with, "%s (%lu)", text,
		     key == SEED ? inputs->common->seed :
		     inputs->common->repetitions) < 0)
		fail(1, "no memory");
	return with;
}

void measure_parse(const struct argp *argp, int argc, char **argv, void *input,
		   struct measure_options *common)
{
	const struct argp_child children[] = { { argp, 0, NULL, 0 }, { 0 } };
	const struct argp all = {
		.options	= options,
		.parser		= parse,
		.children	= children,
		.help_filter	= with_default,
	};
	struct inputs inputs = { common, input };

	argp_err_exit_status = 2;
	argp_parse(&all, argc, argv, 0, NULL, &inputs);
	if (common->samples && !common->json)
		fail(2, "--samples: goes with --json");
}

void measure_end(void)
{
	if (ferror(stdout) || fflush(stdout))
		fail(1, "the result could not be written");
}
