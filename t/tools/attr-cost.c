// SPDX-License-Identifier: GPL-2.0-only
/*
 * attr-cost - measure the cost of passing the PI attribute to the kernel
 *
 * attr-variant.c submits the requests; this file decides what is measured in
 * which order, and reports it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "attr-variant.h"
#include "json.h"
#include "measure.h"

#define MAX_LIST	16
/* each layout with and without zeroed tails, and plain I/O in three rings */
#define MAX_VARIANTS	(2 * PI_NR_LAYOUTS + 3)
/* instances per variant: memory placement makes a difference of 2 ns */
#define PLACES		4
#define MAX_REPETITIONS	10000

enum part { TOTAL, USER, KERNEL, NR_PARTS };

static const char *const part_name[] = { "total", "user", "kernel" };

/* one combination of variant, mix and batch; samples are per request, one per repetition */
struct cell {
	struct variant *variant;	/* PLACES of them */
	const struct cell *plain;
	unsigned int mix;
	unsigned int batch;
	double *sample[NR_PARTS];
};

struct list {
	unsigned long value[MAX_LIST];
	unsigned int nr;
};

struct options {
	struct measure_options common;
	unsigned long requests;
	struct list batch;
	struct list mix;
	bool wanted[PI_NR_LAYOUTS];
	bool named;
	const char *unit;
};

/* number of batches, so that the requests are a multiple of 100 */
static unsigned long whole(unsigned long requests, unsigned int batch)
{
	unsigned int a = ALL_PI, b = batch, unit;

	while (b) {
		unsigned int rest = a % b;

		a = b;
		b = rest;
	}
	unit = ALL_PI / a;
	return (requests + unit * batch - 1) / (unit * batch) * unit;
}

/* the faster of two runs: timer ticks are too far apart to hit both */
static uint64_t least(uint64_t (*run)(struct variant *, unsigned int, unsigned int,
				      unsigned long),
		      const struct cell *cell, struct variant *v,
		      unsigned long batches)
{
	uint64_t first = run(v, cell->mix, cell->batch, batches);
	uint64_t second = run(v, cell->mix, cell->batch, batches);

	return first < second ? first : second;
}

static void measure(struct cell *cell, unsigned long repetition,
		    unsigned long requests)
{
	const unsigned long batches = whole(requests, cell->batch);
	const double n = batches * cell->batch;
	struct variant *v = &cell->variant[repetition % PLACES];
	const unsigned int places = v->ring.uring.cq.ring_entries;
	uint64_t total, user;

	pi_ring_register(&v->ring);
	/*
	 * Touch every CQ entry once to warm the caches, and stop at the first:
	 * the kernel refreshes its view of the CQ at the last one, which must
	 * happen equally often in each run.
	 */
	variant_run(v, cell->mix, cell->batch,
		    (2 * places - v->ring.cq_head % places) / cell->batch);
	total = least(variant_run, cell, v, batches);
	if (pi_ring_ready(&v->ring))
		variant_wrong(v, "an unexpected read was", 0);
	user = least(variant_run_user, cell, v, batches);
	pi_ring_unregister(&v->ring);
	cell->sample[TOTAL][repetition] = total / n;
	cell->sample[USER][repetition] = user / n;
	cell->sample[KERNEL][repetition] = ((double)total - user) / n;
}

static void measure_all(struct cell *cells, unsigned int nr,
			const struct options *o)
{
	unsigned int *order = allocate(nr, sizeof(*order));
	struct pending pending = { 0 };
	uint64_t state = o->common.seed, start = now();

	pending_open(&pending);
	for (unsigned long r = 0; r < o->common.repetitions; r++) {
		shuffle(order, nr, &state);
		pending_add(&pending);
		for (unsigned int i = 0; i < nr; i++)
			measure(&cells[order[i]], r, o->requests);
		progress("repetition", r + 1, o->common.repetitions, start);
	}
	free(order);
}

/* statistics of @sample, or of its differences to @plain in each repetition */
static struct stats differences(const double *sample, const double *plain,
				unsigned long n)
{
	double *difference = allocate(n, sizeof(*difference));
	struct stats s;

	for (unsigned long i = 0; i < n; i++)
		difference[i] = sample[i] - (plain ? plain[i] : 0);
	s = summarise(difference, n);
	free(difference);
	return s;
}

static struct stats absolute(const struct cell *cell, enum part part,
			     const struct options *o)
{
	return differences(cell->sample[part], NULL, o->common.repetitions);
}

static struct stats over(const struct cell *cell, enum part part,
			 const struct options *o)
{
	struct stats s = differences(cell->sample[part],
				     cell->plain->sample[part],
				     o->common.repetitions);

	/* the minimum difference would come from a slow repetition of plain */
	s.min = absolute(cell, part, o).min - absolute(cell->plain, part, o).min;
	return s;
}

static void json_cell(const struct cell *cell, const struct options *o)
{
	printf("{\"kind\": \"cell\", \"layout\": \"%s\", \"sqe\": \"%s\", \"mix\": %u, \"batch\": %u, \"unit\": \"%s\"",
	       cell->variant->layout->name, variant_sqe(cell->variant), cell->mix,
	       cell->batch, o->unit);
	for (enum part p = 0; p < NR_PARTS; p++) {
		printf(", ");
		json_stats(part_name[p], absolute(cell, p, o), true);
	}
	printf(", \"over_plain\": {");
	for (enum part p = 0; p < NR_PARTS; p++) {
		json_stats(part_name[p], over(cell, p, o), false);
		printf(p + 1 < NR_PARTS ? ", " : "}");
	}
	if (o->common.samples)
		json_samples(part_name, cell->sample, NR_PARTS, o->common.repetitions);
	printf("}\n");
}

static void json_run(const struct options *o)
{
	struct utsname uts;
	char kernel[256];

	uname(&uts);
	printf("{\"kind\": \"run\", \"schema\": 1, \"kernel\": %s, \"unit\": \"%s\", \"repetitions\": %lu, \"requests\": %lu, \"seed\": %lu}\n",
	       pi_json_string(kernel, sizeof(kernel), uts.release), o->unit,
	       o->common.repetitions, o->requests, o->common.seed);
}

static void print_run(const struct options *o)
{
	struct utsname uts;

	uname(&uts);
	printf("Linux %s: %s per request, %lu repetition%s of %lu or a few more, shuffled by seed %lu\n"
	       "user: the application fills SQE and attribute and reads the completion; kernel: io_uring_enter()\n",
	       uts.release, o->unit, o->common.repetitions,
	       o->common.repetitions == 1 ? "" : "s", o->requests, o->common.seed);
}

static void print_batch(const struct cell *cells, unsigned int nr,
			unsigned int batch, const struct options *o)
{
	printf("\nbatch %-4u                  request            over plain in an SQE of 64\n"
	       "%-10s%-11s%9s%9s%9s%9s  %-17s%8s%9s\n", batch, "layout", "SQE",
	       "min", "median", "min", "median", "quartiles", "user", "kernel");
	for (const struct cell *c = cells; c < cells + nr; c++) {
		struct stats total = absolute(c, TOTAL, o), more = over(c, TOTAL, o);
		char quartiles[48];

		if (c->batch != batch || (c->variant->layout->pi && c->mix != ALL_PI))
			continue;
		printf("%-10s%-11s%9.1f%9.1f", c->variant->layout->name,
		       variant_sqe(c->variant), total.min, total.median);
		snprintf(quartiles, sizeof(quartiles), "%+.1f..%+.1f", more.q1,
			 more.q3);
		if (c != c->plain)
			printf("%+9.1f%+9.1f  %-17s%+8.1f%+9.1f", more.min,
			       more.median, quartiles, over(c, USER, o).median,
			       over(c, KERNEL, o).median);
		printf("\n");
	}
}

static void print_mix(const struct cell *cells, unsigned int nr,
		      unsigned int batch, const struct options *o)
{
	const struct variant *v = NULL;

	printf("\nbatch %-4u           over plain, median; of the requests carry PI\n%-21s",
	       batch, "layout    SQE");
	for (unsigned int i = 0; i < o->mix.nr; i++)
		printf("%7lu %%", o->mix.value[i]);
	for (const struct cell *c = cells; c < cells + nr; c++) {
		if (c->batch != batch || !c->variant->layout->pi)
			continue;
		if (c->variant != v)
			printf("\n%-10s%-11s", c->variant->layout->name,
			       variant_sqe(c->variant));
		v = c->variant;
		printf("%+9.1f", over(c, TOTAL, o).median);
	}
	printf("\n");
}

static void add(struct list *list, const char *option, unsigned long value)
{
	for (unsigned int i = 0; i < list->nr; i++)
		if (list->value[i] == value)
			return;
	if (list->nr == MAX_LIST)
		fail(2, "--%s: given more than %u times", option, MAX_LIST);
	list->value[list->nr++] = value;
}

static void want(struct options *o, const char *name)
{
	char known[256] = "";

	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++) {
		if (!strcmp(name, pi_layouts[i].name)) {
			o->wanted[i] = true;
			o->named = true;
			return;
		}
		strcat(strcat(known, " "), pi_layouts[i].name);
	}
	fail(2, "--layout: '%s' is none of%s", name, known);
}

enum { BATCH = 1, LAYOUT, MIX, REQUESTS, INSTRUCTIONS };

#define TEXT(number)	TEXT_OF(number)
#define TEXT_OF(number)	#number

static const struct argp_option options[] = {
	{ "batch", BATCH, "N", 0,
	  "requests per io_uring_enter(), 1 to " TEXT(RING_DEPTH) " (1, 8 and 32; repeat for more)", 0 },
	{ "layout", LAYOUT, "NAME", 0, "measure this layout, and plain I/O (all; repeat for more)", 0 },
	{ "mix", MIX, "N", 0,
	  "percentage of requests with PI (0, 1, 10, 50, and always " TEXT(ALL_PI) "; repeat for more)", 0 },
	{ "requests", REQUESTS, "N", 0, "requests per measurement (800)", 0 },
	{ "instructions", INSTRUCTIONS, NULL, 0,
	  "for a guest in which a nanosecond is an instruction (scripts/guest run --icount): say so", 0 },
	{ 0 },
};

static const char about[] =
	"What it costs to hand the protection information (PI) attribute of a read to "
	"the kernel, for every layout of the attribute that the running kernel takes.  "
	"It needs no device: it reads from an invalid descriptor, so that the kernel "
	"takes the request and its attribute in and then fails it, and compares with "
	"the same requests without PI.  Linux 6.14 and newer have a layout to measure."
	"\vSQE: bytes of a submission queue entry; '128 zeroed': the application zeroes "
	"the second half of each; 'mixed': a ring of both sizes.\n"
	"user: filling SQE and attribute and reading the completion, measured without "
	"entering the kernel; kernel: the rest, io_uring_enter().\n"
	"min over plain is between the fastest repetitions of either; median and "
	"quartiles are those of the differences within a repetition.  What a "
	"repetition measures is the lesser of two windows in a row.\n"
	"Exit status: 0 measured, 1 not, 2 usage.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case BATCH:
		add(&o->batch, "batch", number("--batch", arg, 1, RING_DEPTH));
		return 0;
	case LAYOUT:
		want(o, arg);
		return 0;
	case MIX:
		add(&o->mix, "mix", number("--mix", arg, 0, ALL_PI));
		return 0;
	case REQUESTS:
		o->requests = number("--requests", arg, 1, 100000000);
		return 0;
	case INSTRUCTIONS:
		o->unit = "instructions";
		return 0;
	case ARGP_KEY_END:
		if (!o->batch.nr)
			o->batch = (struct list) { { 1, 8, 32 }, 3 };
		if (!o->mix.nr)
			o->mix = (struct list) { { 0, 1, 10, 50 }, 4 };
		add(&o->mix, "mix", ALL_PI);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void json_skip(const struct variant *v, const struct pi_reason *reason)
{
	char text[sizeof(reason->text) * 2];

	printf("{\"kind\": \"skip\", \"layout\": \"%s\", \"sqe\": \"%s\", \"reason\": %s}\n",
	       v->layout->name, variant_sqe(v),
	       pi_json_string(text, sizeof(text), reason->text));
}

/* list the variants to measure, starting with plain I/O in a ring of 64-byte SQEs */
static unsigned int list_variants(struct variant *variants, const struct options *o)
{
	static const unsigned int plain_rings[] = {
		0, IORING_SETUP_SQE128, PI_IORING_SETUP_SQE_MIXED,
	};
	unsigned int nr = 0;

	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++) {
		const struct pi_layout *layout = &pi_layouts[i];
		const unsigned int *flags = layout->pi ? &layout->ring_flags : plain_rings;
		unsigned int rings = layout->pi ? 1 : 3;

		if (layout->pi && o->named && !o->wanted[i])
			continue;
		for (unsigned int r = 0; r < rings; r++) {
			const bool tail = flags[r] & IORING_SETUP_SQE128;

			for (unsigned int zeroed = 0; zeroed <= tail; zeroed++)
				variants[nr++] = (struct variant) {
					.layout		= layout,
					.ring_flags	= flags[r],
					.zeroed		= zeroed,
				};
		}
	}
	return nr;
}

/* open the instances of all variants, and report those that cannot be measured */
static unsigned int open_variants(struct variant (*open)[PLACES], const struct variant *variants,
				  unsigned int nr, const struct options *o)
{
	struct pi_reason reason;
	unsigned int nr_open = 0;

	for (unsigned int i = 0; i < nr; i++) {
		int ret = 0;

		for (unsigned int p = 0; !ret && p < PLACES; p++) {
			open[nr_open][p] = variants[i];
			ret = variant_open(&open[nr_open][p], p, &reason);
		}
		if (!ret) {
			nr_open++;
		} else if (!i || (o->named && variants[i].layout->pi)) {
			fail(1, "%s", reason.text);
		} else if (o->common.json) {
			json_skip(&variants[i], &reason);
		} else if (!variants[i].zeroed) {
			printf("not measured: %s, SQE %s: %s\n",
			       variants[i].layout->name, variant_sqe(&variants[i]),
			       reason.text);
		}
	}
	return nr_open;
}

static unsigned int list_cells(struct cell *cells, struct variant (*variants)[PLACES],
			       unsigned int nr_variants, const struct options *o)
{
	unsigned int nr = 0;

	for (unsigned int b = 0; b < o->batch.nr; b++) {
		const struct cell *plain = &cells[nr];

		for (unsigned int w = 0; w < nr_variants; w++) {
			const bool pi = variants[w]->layout->pi;
			unsigned int mixes = pi ? o->mix.nr : 1;

			for (unsigned int m = 0; m < mixes; m++) {
				struct cell *cell = &cells[nr++];

				cell->variant = variants[w];
				cell->plain = plain;
				cell->batch = o->batch.value[b];
				cell->mix = pi ? o->mix.value[m] : 0;
				for (enum part p = 0; p < NR_PARTS; p++)
					cell->sample[p] = allocate(o->common.repetitions,
								   sizeof(double));
			}
		}
	}
	return nr;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, about, NULL, NULL, NULL };
	static struct variant variants[MAX_VARIANTS], open[MAX_VARIANTS][PLACES];
	struct options o = {
		.common		= { .repetitions = 101, .most = MAX_REPETITIONS, .seed = 1 },
		.requests	= 800,
		.unit		= "ns",
	};
	unsigned int nr_variants, nr_cells;
	struct cell *cells;

	argp_program_version = "attr-cost " PI_VERSION;
	measure_parse(&argp, argc, argv, &o, &o.common);
	stay();
	if (o.common.json)
		json_run(&o);
	else
		print_run(&o);
	nr_variants = open_variants(open, variants, list_variants(variants, &o), &o);
	cells = allocate(nr_variants * o.batch.nr * o.mix.nr, sizeof(*cells));
	nr_cells = list_cells(cells, open, nr_variants, &o);
	fflush(stdout);
	measure_all(cells, nr_cells, &o);

	for (unsigned int i = 0; o.common.json && i < nr_cells; i++)
		json_cell(&cells[i], &o);
	for (unsigned int b = 0; !o.common.json && b < o.batch.nr; b++) {
		print_batch(cells, nr_cells, o.batch.value[b], &o);
		/* plain I/O comes first and may be all */
		if (open[nr_variants - 1]->layout->pi)
			print_mix(cells, nr_cells, o.batch.value[b], &o);
	}
	measure_end();
	return 0;
}
