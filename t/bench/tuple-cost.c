// SPDX-License-Identifier: GPL-2.0-only
/*
 * tuple-cost - measure what tuples cost in addition to their guards
 *
 * Compares generate and verify of struct pi_tuple with bare calls that compute
 * the same guards, over the same blocks in warm caches.  Placement of code and
 * buffers makes more of a difference than the code itself and is fixed for the
 * life of a process, so each figure is from many processes.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <isa-l/crc.h>
#include <isa-l/crc64.h>

#include "json.h"
#include "measure.h"
#include "tuple.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define PAGE			4096
#define LINE			64
/* cache lines of a page; each repetition has its metadata at another one */
#define PLACES			(PAGE / LINE)
#define REF			0x123456789ULL
#define NAME_WIDTH		56

enum side { BARE, GENERATE, VERIFY, NR_SIDES };

static const char *const side_name[] = { "bare", "generate", "verify" };

/**
 * struct cell - a format and an I/O size
 * @guards:	computes all guards of an I/O and nothing else
 * @md:		metadata of this repetition, in @md_room
 * @sample:	nanoseconds per I/O: of each repetition, or the median of each
 *		process
 */
struct cell {
	struct pi_format format;
	struct pi_tuple tuple;
	uint32_t bytes;
	uint32_t blocks;
	uint64_t (*guards)(const struct cell *cell);
	uint8_t *data;
	uint8_t *md_room;
	uint8_t *md;
	double *sample[NR_SIDES];
};

struct options {
	struct measure_options common;
	unsigned long processes;
	/* number of this process, starting at 1; 0 for the parent */
	unsigned long process;
	unsigned long kib;
	bool limited;
	/* replaces the default limits */
	double limit;
	const char *only;
	bool apart;
	bool sse;
	bool varied;
};

/* not an NVMe format */
#define IP	UINT_MAX

/* keeps the compiler from dropping the computation */
static volatile uint64_t sink;

/* the specification inverts the CRC before and after, ISA-L does not */
static uint32_t crc32(uint32_t seed, const void *buf, size_t len)
{
	return ~crc32_iscsi((unsigned char *)buf, len, ~seed);
}

/*
 * The guard of a block also covers the metadata before its tuple.  That is one
 * call with an extended format, where the metadata follows the data, otherwise
 * two.
 */
#define GUARDS(name, seed, compute)					\
static uint64_t guards_##name(const struct cell *cell)			\
{									\
	const uint32_t data_stride = cell->tuple.stride;		\
	const uint32_t before = cell->format.pi_offset;			\
	const uint32_t len = cell->format.interval +			\
			     (cell->format.extended ? before : 0);	\
	const uint8_t *d = cell->data, *m = cell->md;			\
	uint64_t sum = 0;						\
									\
	for (uint32_t i = 0; i < cell->blocks; i++) {			\
		uint64_t value = compute(seed, d, len);			\
									\
		if (before && !cell->format.extended)			\
			value = compute(value, m, before);		\
		sum += value;						\
		d += data_stride;					\
		m += cell->format.md_size;				\
	}								\
	return sum;							\
}

GUARDS(crc16, 0, crc16_t10dif)
GUARDS(crc32, 0, crc32)
GUARDS(crc64, 0, crc64_rocksoft_refl)
/* ISA-L has no IP checksum, so this is our own */
GUARDS(ip, 0xffff, cell->format.guard->compute)

static const struct row {
	unsigned int pif;
	uint32_t interval;
	uint16_t md_size;
	bool last;
	uint64_t (*guards)(const struct cell *cell);
} rows[] = {
	{ PI_PIF_16B, 512, 8, false, guards_crc16 },
	{ PI_PIF_16B, 4096, 8, false, guards_crc16 },
	{ PI_PIF_16B, 4096, 64, false, guards_crc16 },
	{ PI_PIF_16B, 4096, 64, true, guards_crc16 },
	{ PI_PIF_32B, 4096, 16, false, guards_crc32 },
	{ PI_PIF_32B, 4096, 64, false, guards_crc32 },
	{ PI_PIF_32B, 4096, 64, true, guards_crc32 },
	{ PI_PIF_64B, 512, 16, false, guards_crc64 },
	{ PI_PIF_64B, 4096, 16, false, guards_crc64 },
	{ PI_PIF_64B, 4096, 64, false, guards_crc64 },
	{ PI_PIF_64B, 4096, 64, true, guards_crc64 },
	{ IP, 512, 8, false, guards_ip },
	{ IP, 4096, 8, false, guards_ip },
};

static const uint32_t io_bytes[] = { 4096, 65536 };
/* highest acceptable ratio to the guards alone; the second with several blocks of 4 KiB or more */
static const double usual_limit = 1.25, large_limit = 1.15;

#define MAX_CELLS	(2 * ARRAY_SIZE(rows) * ARRAY_SIZE(io_bytes))

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		fail(1, "no memory for an I/O of %zu bytes", bytes);
	return p;
}

static void cell_init(struct cell *cell, const struct row *row, bool extended,
		      uint32_t bytes, const struct options *o)
{
	const struct pi_tuple_options options = {
		.app		= 0x1234,
		.app_mask	= 0xffff,
		.app_mode	= o->varied ? PI_APP_RANDOM : PI_APP_CONSTANT,
		.opaque		= o->varied,
	};
	const struct pi_guard *guard = row->pif == IP ?
		pi_guard_by_csum(PI_LBMD_CSUM_IP) : pi_guard_by_pif(row->pif);
	const unsigned long samples = o->process ? o->common.repetitions : o->processes;
	uint64_t place = o->common.seed << 32 | o->process, state = bytes;
	uint32_t room;

	*cell = (struct cell) {
		.format = {
			.guard		= guard,
			.interval	= row->interval,
			.md_size	= row->md_size,
			.pi_offset	= row->last ? row->md_size - guard->pi_size : 0,
			.shift		= __builtin_ctz(row->interval),
			.type		= 1,
			.extended	= extended,
			.storage_bits	= guard->storage_min,
		},
		.bytes	= bytes,
		.blocks	= bytes / row->interval,
		.guards	= row->guards,
	};
	if (pi_tuple_init(&cell->tuple, &cell->format, &options))
		fail(1, "no loop for tuples of guard %s", guard->name);
	room = cell->blocks * (row->interval + row->md_size);
	cell->data = map(room + PAGE) + random_next(&place) % PLACES * LINE;
	for (uint32_t i = 0; i < room; i++)
		cell->data[i] = random_next(&state);
	cell->md_room = map(cell->blocks * row->md_size + PAGE);
	for (enum side side = 0; side < NR_SIDES; side++)
		cell->sample[side] = allocate(samples, sizeof(double));
}

static unsigned int list_cells(struct cell *cells, const struct options *o)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(io_bytes); i++)
		for (unsigned int e = 0; e < 2; e++)
			for (unsigned int r = 0; r < ARRAY_SIZE(rows); r++) {
				char name[64];

				cell_init(&cells[nr], &rows[r], e, io_bytes[i], o);
				pi_format_name(&cells[nr].format, name, sizeof(name));
				nr += !o->only || strstr(name, o->only);
			}
	if (!nr)
		fail(2, "--only: no format's name has '%s' in it; the table has them all", o->only);
	return nr;
}

/* wait for all earlier instructions to complete */
static inline void barrier(void)
{
#ifdef __x86_64__
	__builtin_ia32_lfence();
#else
	__sync_synchronize();
#endif
}

/* what compilers emit for a structure copy with baseline x86-64 */
static inline void copy(void)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	static volatile pair pairs[2];

	pairs[1] = pairs[0];
}

static uint64_t run(const struct cell *cell, enum side side, unsigned long ios,
		    const struct options *o)
{
	const struct pi_tuple *t = &cell->tuple;
	uint64_t start = now();

	for (; ios; ios--) {
		struct pi_mismatch bad;

		if (o->apart)
			barrier();
		if (o->sse)
			copy();
		if (side == BARE)
			sink = cell->guards(cell);
		else if (side == GENERATE)
			t->generate(t, cell->data, cell->md, cell->blocks, REF, REF);
		else if (t->verify(t, cell->data, cell->md, cell->blocks, REF, REF, &bad))
			fail(1, "block %u of what was generated has a wrong %s",
			     bad.block, pi_tag_name(bad.tag));
	}
	return now() - start;
}

static void measure(struct cell *cell, unsigned long repetition,
		    uint64_t *state, const struct options *o)
{
	const unsigned long ios = (o->kib * 1024 + cell->bytes - 1) / cell->bytes;
	unsigned int order[NR_SIDES];

	cell->md = cell->md_room + repetition % PLACES * LINE;
	run(cell, GENERATE, 1, o);
	shuffle(order, NR_SIDES, state);
	for (unsigned int i = 0; i < NR_SIDES; i++) {
		run(cell, order[i], 1 + ios / 4, o);
		cell->sample[order[i]][repetition] =
			(double)run(cell, order[i], ios, o) / ios;
	}
}

static void measure_all(struct cell *cells, unsigned int nr,
			const struct options *o)
{
	uint64_t state = o->common.seed + o->process;
	unsigned int order[MAX_CELLS];

	for (unsigned long r = 0; r < o->common.repetitions; r++) {
		shuffle(order, nr, &state);
		for (unsigned int i = 0; i < nr; i++)
			measure(&cells[order[i]], r, &state, o);
	}
}

static int write_medians(struct cell *cells, unsigned int nr, const struct options *o)
{
	for (unsigned int i = 0; i < nr; i++)
		for (enum side side = 0; side < NR_SIDES; side++) {
			struct stats s = summarise(cells[i].sample[side],
						   o->common.repetitions);

			fwrite(&s.median, sizeof(s.median), 1, stdout);
		}
	measure_end();
	return 0;
}

static void read_medians(struct cell *cells, unsigned int nr, unsigned long sample,
			 FILE *from)
{
	for (unsigned int i = 0; i < nr; i++)
		for (enum side side = 0; side < NR_SIDES; side++)
			if (fread(&cells[i].sample[side][sample], sizeof(double), 1, from) != 1)
				fail(1, "process %lu ended before it had measured all", sample + 1);
}

/* run this program again with the same arguments and a process number */
static void start_process(unsigned long process, int argc, char **argv, int out)
{
	char **with = allocate(argc + 2, sizeof(*with));
	char number[40];

	snprintf(number, sizeof(number), "--process=%lu", process);
	memcpy(with, argv, argc * sizeof(*with));
	with[argc] = number;
	dup2(out, STDOUT_FILENO);
	execv("/proc/self/exe", with);
	fail(1, "/proc/self/exe: %m");
}

static void measure_in_processes(struct cell *cells, unsigned int nr, int argc,
				 char **argv, const struct options *o)
{
	uint64_t start = now();

	for (unsigned long p = 0; p < o->processes; p++) {
		int ends[2], status;
		FILE *from;
		pid_t pid;

		if (pipe2(ends, O_CLOEXEC))
			fail(1, "no pipe to a process: %m");
		pid = fork();
		if (pid < 0)
			fail(1, "no process to measure in: %m");
		if (!pid)
			start_process(p + 1, argc, argv, ends[1]);
		close(ends[1]);
		from = fdopen(ends[0], "r");
		if (!from)
			fail(1, "no memory");
		read_medians(cells, nr, p, from);
		fclose(from);
		if (waitpid(pid, &status, 0) != pid || status)
			fail(1, "process %lu did not end well", p + 1);
		progress("process", p + 1, o->processes, start);
	}
}

static struct stats time_of(const struct cell *cell, enum side side,
			    const struct options *o)
{
	double *sample = allocate(o->processes, sizeof(*sample));
	struct stats s;

	memcpy(sample, cell->sample[side], o->processes * sizeof(*sample));
	s = summarise(sample, o->processes);
	free(sample);
	return s;
}

/* ratio to the bare calls in the same process */
static struct stats ratio_of(const struct cell *cell, enum side side,
			     const struct options *o)
{
	double *ratio = allocate(o->processes, sizeof(*ratio));
	struct stats s;

	for (unsigned long p = 0; p < o->processes; p++)
		ratio[p] = cell->sample[side][p] / cell->sample[BARE][p];
	s = summarise(ratio, o->processes);
	/* the minimum ratio would come from slow bare calls */
	s.min = time_of(cell, side, o).min / time_of(cell, BARE, o).min;
	free(ratio);
	return s;
}

/* returns 0 for no limit: ISA-L has no IP checksum to compare with */
static double limit_of(const struct cell *cell, const struct options *o)
{
	if (!o->limited || cell->format.guard->csum == PI_LBMD_CSUM_IP)
		return 0;
	if (o->limit)
		return o->limit;
	return cell->blocks > 1 && cell->format.interval >= PAGE ? large_limit : usual_limit;
}

/* three of four processes above the limit are neither chance nor bad placement */
static bool missed(const struct cell *cell, enum side side, const struct options *o)
{
	const double limit = limit_of(cell, o);

	return limit && ratio_of(cell, side, o).q1 > limit;
}

static void json_cell(const struct cell *cell, const struct options *o)
{
	char name[64], text[160];

	pi_format_name(&cell->format, name, sizeof(name));
	printf("{\"kind\": \"cell\", \"format\": %s, \"guard\": ",
	       pi_json_string(text, sizeof(text), name));
	printf("%s, \"extended\": %s, \"bytes\": %u, \"unit\": \"ns\"",
	       pi_json_string(text, sizeof(text), cell->format.guard->name),
	       cell->format.extended ? "true" : "false", cell->bytes);
	for (enum side side = 0; side < NR_SIDES; side++) {
		printf(", ");
		json_stats(side_name[side], time_of(cell, side, o), true);
	}
	printf(", \"ratio\": {");
	for (enum side side = GENERATE; side < NR_SIDES; side++) {
		json_stats(side_name[side], ratio_of(cell, side, o), false);
		printf(side + 1 < NR_SIDES ? ", " : "}");
	}
	if (limit_of(cell, o))
		printf(", \"limit\": %.3f, \"missed\": %s", limit_of(cell, o),
		       missed(cell, GENERATE, o) || missed(cell, VERIFY, o) ? "true" : "false");
	if (o->common.samples)
		json_samples(side_name, cell->sample, NR_SIDES, o->processes);
	printf("}\n");
}

static void json_run(const struct options *o)
{
	char name[128], text[260];

	printf("{\"kind\": \"run\", \"schema\": 1, \"cpu\": %s, \"unit\": \"ns\", \"processes\": %lu, \"repetitions\": %lu, \"kib\": %lu, \"apart\": %s, \"sse\": %s, \"varied\": %s, \"seed\": %lu}\n",
	       pi_json_string(text, sizeof(text), cpu_name(name, sizeof(name))),
	       o->processes, o->common.repetitions, o->kib, o->apart ? "true" : "false",
	       o->sse ? "true" : "false", o->varied ? "true" : "false", o->common.seed);
}

static void print_run(const struct options *o)
{
	char name[128];

	printf("%s: %lu processes, in each the median of %lu repetitions of %lu KiB, shuffled by seed %lu\n"
	       "application tag %s%s%s\n"
	       "bare: the guards alone, ns per I/O; generate, verify: how many times that\n",
	       cpu_name(name, sizeof(name)), o->processes, o->common.repetitions, o->kib, o->common.seed,
	       o->varied ? "random, other bytes a pattern" : "constant",
	       o->apart ? "; I/Os do not overlap" : "",
	       o->sse ? "; 16 bytes copied before each" : "");
}

static void print_cells(const struct cell *cells, unsigned int nr,
			uint32_t bytes, const struct options *o)
{
	printf("\nI/O of %2u KiB%*sbare         generate               verify\n"
	       "%-*s%8s%7s%8s  %-13s%8s  %-13s\n", bytes / 1024, NAME_WIDTH - 9, "",
	       NAME_WIDTH, "format",
	       "min", "median", "median", "quartiles", "median", "quartiles");
	for (const struct cell *c = cells; c < cells + nr; c++) {
		struct stats bare = time_of(c, BARE, o);
		char name[64];

		if (c->bytes != bytes)
			continue;
		pi_format_name(&c->format, name, sizeof(name));
		printf("%-*s%8.1f%7.1f", NAME_WIDTH, name, bare.min, bare.median);
		for (enum side side = GENERATE; side < NR_SIDES; side++) {
			struct stats s = ratio_of(c, side, o);

			printf("%8.3f%c %.3f..%.3f ", s.median,
			       missed(c, side, o) ? '*' : ' ', s.q1, s.q3);
		}
		printf("\n");
	}
}

static int print_limits(const struct cell *cells, unsigned int nr,
			const struct options *o)
{
	unsigned int limited = 0, bad = 0;

	for (const struct cell *c = cells; c < cells + nr; c++)
		for (enum side side = GENERATE; side < NR_SIDES; side++) {
			limited += !!limit_of(c, o);
			bad += missed(c, side, o);
		}
	if (!o->common.json && o->limit)
		printf("\n%u of %u above %.3g", bad, limited, o->limit);
	else if (!o->common.json)
		printf("\n%u of %u above their limit: %.3g, and %.3g in 64 KiB of blocks of 4096",
		       bad, limited, usual_limit, large_limit);
	if (!o->common.json)
		printf("%s\n", bad ? "; in three processes of four: *" : "");
	return bad ? 3 : 0;
}

enum { KIB = 1, ONLY, APART, SSE, VARIED, PROCESSES, PROCESS, LIMIT };

static const struct argp_option options[] = {
	{ "processes", PROCESSES, "N", 0,
	  "measure in so many, one after the other: each has code and buffers at another place (31)", 0 },
	{ "process", PROCESS, "N", OPTION_HIDDEN, "be that process", 0 },
	{ "limit", LIMIT, "RATIO", OPTION_ARG_OPTIONAL,
	  "status 3 where three processes of four lie above it: unless given 1.25, and 1.15 in 64 KiB of blocks of 4096", 0 },
	{ "kib", KIB, "N", 0, "of data in one measurement (1024)", 0 },
	{ "only", ONLY, "TEXT", 0, "formats with TEXT in their names", 0 },
	{ "apart", APART, NULL, 0,
	  "an I/O begins only when the one before has left the CPU's pipeline; else they overlap there, on both sides", 0 },
	{ "sse", SSE, NULL, 0,
	  "copies 16 bytes before each, on both sides, as programs do that were built for any x86-64", 0 },
	{ "varied", VARIED, NULL, 0,
	  "application tags that change from block to block, and a pattern in the bytes outside the tuple", 0 },
	{ 0 },
};

static const char about[] =
	"What it costs to generate and to verify protection information, against the "
	"bare calls that compute the guards of the same blocks: ISA-L's for CRC16 and "
	"CRC64, for the IP checksum that of this build.  All in the caches, on one CPU."
	"\vA format with metadata before its tuple ('last') has guards over these too: in "
	"a buffer of their own that is a second call, which the bare side makes as "
	"well.\n"
	"Median and quartiles are those of the processes' ratios, each between the "
	"medians of its repetitions; in JSON, the least ratio is that between the "
	"fastest processes of either side.\n"
	"Exit status: 0 measured, 1 not, 2 usage, 3 above a limit.";

static double ratio(const char *what, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value < 1000))
		fail(2, "%s: '%s' is not a ratio such as 1.25", what, text);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KIB:
		o->kib = number("--kib", arg, 1, 1000000);
		return 0;
	case ONLY:
		o->only = arg;
		return 0;
	case APART:
		o->apart = true;
		return 0;
	case SSE:
		o->sse = true;
		return 0;
	case VARIED:
		o->varied = true;
		return 0;
	case PROCESSES:
		o->processes = number("--processes", arg, 1, 10000);
		return 0;
	case PROCESS:
		o->process = number("--process", arg, 1, 10000);
		return 0;
	case LIMIT:
		o->limited = true;
		o->limit = arg ? ratio("--limit", arg) : 0;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, about, NULL, NULL, NULL };
	static struct cell cells[MAX_CELLS];
	struct options o = {
		.common	= { .repetitions = 21, .most = 1000000, .seed = 1 },
		.processes = 31,
		.kib	= 1024,
	};
	unsigned int nr;
	int status;

	measure_parse(&argp, argc, argv, &o, &o.common);
	stay();
	nr = list_cells(cells, &o);
	if (o.process) {
		measure_all(cells, nr, &o);
		return write_medians(cells, nr, &o);
	}
	measure_in_processes(cells, nr, argc, argv, &o);

	if (o.common.json)
		json_run(&o);
	else
		print_run(&o);
	for (unsigned int i = 0; o.common.json && i < nr; i++)
		json_cell(&cells[i], &o);
	for (unsigned int i = 0; !o.common.json && i < ARRAY_SIZE(io_bytes); i++)
		print_cells(cells, nr, io_bytes[i], &o);
	status = o.limited ? print_limits(cells, nr, &o) : 0;
	measure_end();
	return status;
}
