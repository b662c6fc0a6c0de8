// SPDX-License-Identifier: GPL-2.0-only
/*
 * A job file with the engine's options, and an iolog: fio parses it, checks it
 * and runs it on the disk of t/fuzz/kernel.c.
 *
 * The first line is for fuzz_kernel_boot().  The job file follows; only the
 * engine's options and those listed below are kept.  A line "---" separates it
 * from the iolog, for read_iolog=log.
 *
 * Each input runs in a child process, which always starts from the same state
 * and returns its coverage counters.  A crash in fio itself is counted and saved
 * in PI_FUZZ_FIO_CRASHES, but does not stop the fuzzer.  PI_FUZZ_SHOW shows
 * fio's output, and where it crashed.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sanitizer/common_interface_defs.h>

#include "fio.h"
#include "diskutil.h"
#include "fio_time.h"
#include "helper_thread.h"
#include "server.h"
#include "options.h"

#include "kernel.h"
#include "reach.h"

/* fio's own options that matter to the engine and do not affect the machine */
static const char * const fio_names[] = {
	"rw", "readwrite", "bs", "blocksize", "bsrange", "bssplit",
	"blockalign", "ba", "bs_unaligned", "bs_is_seq_rand", "offset",
	"offset_align", "offset_increment", "size", "io_size", "filesize",
	"iodepth", "iodepth_batch", "iodepth_batch_submit",
	"iodepth_batch_complete", "iodepth_batch_complete_min",
	"iodepth_batch_complete_max", "iodepth_low", "serialize_overlap",
	"nrfiles", "openfiles", "file_service_type", "filename", "direct",
	"buffered", "sync", "fsync", "fdatasync", "sync_file_range",
	"end_fsync", "verify", "verify_interval", "verify_offset",
	"verify_pattern", "verify_fatal", "verify_only", "do_verify",
	"verify_backlog", "verify_backlog_batch", "verifysort",
	"trim_percentage", "trim_backlog", "trim_backlog_batch",
	"trim_verify_zero", "experimental_verify", "norandommap",
	"softrandommap", "random_generator", "random_distribution",
	"randrepeat", "randseed", "allrandrepeat", "percentage_random",
	"rwmixread", "rwmixwrite", "rw_sequencer", "zonemode", "zonesize",
	"zonerange", "zoneskip", "atomic", "continue_on_error",
	"ignore_error", "number_ios", "loops", "read_iolog",
	"read_iolog_chunked", "replay_no_stall", "replay_scale",
	"replay_align", "replay_redirect", "replay_skip", "prio", "prioclass",
	"buffer_pattern", "zero_buffers", "refill_buffers",
	"scramble_buffers", "stonewall", "unique_filename", "invalidate",
	"iomem_align", "unified_rw_reporting", "readonly", "name",
};

static const char global[] =
	"[global]\n"
	"ioengine=io_uring_pi\n"
	"direct=1\n"
	"size=64k\n"
	"thread\n"
	"stonewall\n"
	"disk_util=0\n"
	"allow_file_create=0\n"
	"allow_mounted_write=1\n"
	"verify_state_save=0\n"
	"group_reporting=0\n";

enum {
	ENDED_IN_FIO	= 101,
	GOES_ON_IN_FIO	= 102,
};

#define MOST_JOBS	4
#define MOST_DEPTH	128
#define MOST_MEMORY	(64ULL << 20)
#define MOST_IOS	64
#define CPU_SECONDS	8

extern struct ioengine_ops ioengine;
/* objcopy puts the engine and lib/ into one section, and fio into another */
extern const char __start_pi_text[], __stop_pi_text[];
extern const char __start_fio_text[], __stop_fio_text[];

/*
 * Replaces fio's helper_thread.c, whose thread prints progress and takes 250 ms
 * to exit.
 */
int helper_thread_create(struct fio_sem *sem, struct sk_out *sk_out)
{
	setup_disk_util();
	return 0;
}

void helper_thread_exit(void)
{
}

void helper_thread_destroy(void)
{
}

void helper_reset(void)
{
}

void helper_do_stat(void)
{
}

bool helper_should_exit(void)
{
	return false;
}

/* results of the child */
static uint8_t *handed;
static size_t nr_counters;
static bool child_process;
static uint64_t in_fio, goes_on;

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:allocator_may_return_null=1:detect_stack_use_after_return=0";
}

static void hand_back(void)
{
	memcpy(handed, __start___sancov_cntrs, nr_counters);
}

static bool is_engine(const char *pc)
{
	return pc >= __start_pi_text && pc < __stop_pi_text;
}

static bool is_fio(const char *pc)
{
	return pc >= __start_fio_text && pc < __stop_fio_text;
}

static bool in_engine(void)
{
	void *frames[64];
	const int nr = backtrace(frames, 64);

	for (int i = 0; i < nr; i++) {
		if (is_engine(frames[i]))
			return true;
		if (is_fio(frames[i]))
			return false;
	}
	/* called from the fake kernel or this file, on behalf of the engine */
	return true;
}

static void crashed(int sig)
{
	signal(sig, SIG_DFL);
	fuzz_kernel_halt();
	if (!in_engine()) {
		if (getenv("PI_FUZZ_SHOW"))
			__sanitizer_print_stack_trace();
		_exit(ENDED_IN_FIO);
	}
	__sanitizer_print_stack_trace();
	raise(sig);
}

/* a loop in fio keeps calling the engine or never does; a loop in the engine
 * does not return */
static int inside;
static unsigned long returns;

#define COUNTED(type, name, parameters, arguments)			\
static type (*real_##name) parameters;					\
static type counted_##name parameters					\
{									\
	type ret;							\
									\
	__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED);		\
	ret = real_##name arguments;					\
	__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);		\
	__atomic_add_fetch(&returns, 1, __ATOMIC_RELAXED);		\
	return ret;							\
}

#define TD	struct thread_data *td

COUNTED(int, init, (TD), (td))
COUNTED(int, post_init, (TD), (td))
COUNTED(int, io_u_init, (TD, struct io_u *io_u), (td, io_u))
COUNTED(int, prep, (TD, struct io_u *io_u), (td, io_u))
COUNTED(enum fio_q_status, queue, (TD, struct io_u *io_u), (td, io_u))
COUNTED(int, commit, (TD), (td))
COUNTED(int, getevents, (TD, unsigned int min, unsigned int max,
			 const struct timespec *t), (td, min, max, t))
COUNTED(struct io_u *, event, (TD, int nr), (td, nr))
COUNTED(int, open_file, (TD, struct fio_file *f), (td, f))
COUNTED(int, close_file, (TD, struct fio_file *f), (td, f))
COUNTED(int, get_file_size, (TD, struct fio_file *f), (td, f))

static void count_calls(void)
{
#define COUNT(name)	(real_##name = ioengine.name, ioengine.name = counted_##name)
	COUNT(init);
	COUNT(post_init);
	COUNT(io_u_init);
	COUNT(prep);
	COUNT(queue);
	COUNT(commit);
	COUNT(getevents);
	COUNT(event);
	COUNT(open_file);
	COUNT(close_file);
	COUNT(get_file_size);
}

/* fio may loop forever, but the engine may not */
static void too_long(int sig)
{
	static unsigned long returns_before;
	struct rlimit limit = { CPU_SECONDS + 2, CPU_SECONDS + 10 };
	static bool again;

	if (!again) {
		again = true;
		returns_before = returns;
		setrlimit(RLIMIT_CPU, &limit);
		return;
	}
	if (returns != returns_before || (!inside && !in_engine()))
		_exit(GOES_ON_IN_FIO);
	signal(SIGABRT, SIG_DFL);
	fuzz_kernel_halt();
	dprintf(STDERR_FILENO, "the engine goes on and on\n");
	__sanitizer_print_stack_trace();
	abort();
}

static void catch(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
	struct rlimit limit = { CPU_SECONDS, CPU_SECONDS + 10 };

	__sanitizer_set_death_callback(NULL);
	for (size_t i = 0; i < FIO_ARRAY_SIZE(signals); i++)
		signal(signals[i], crashed);
	signal(SIGXCPU, too_long);
	setrlimit(RLIMIT_CPU, &limit);
	/* blocked for good, and not just a busy machine */
	signal(SIGALRM, SIG_DFL);
	alarm(600);
}

static bool known(const char *line, size_t len)
{
	for (size_t i = 0; i < FIO_ARRAY_SIZE(fio_names); i++)
		if (strlen(fio_names[i]) == len && !strncmp(fio_names[i], line, len))
			return true;
	for (const struct fio_option *o = pi_fio_options; o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, line, len))
			return true;
	return false;
}

/* keep section headers and allowed options, starting at @line */
static void keep_lines(char *line, char *to)
{
	for (char *end; line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		line += strspn(line, " \t\r");
		if (*line == '[' || known(line, strcspn(line, "= \t\r")))
			to += sprintf(to, "%s\n", line);
	}
}

/* copy what fits: the line for the kernel, the job file, the iolog */
static void split(char *text, char **line, char **job, char **log)
{
	*line = text;
	*job = strchr(text, '\n');
	if (*job)
		*(*job)++ = '\0';
	else
		*job = "";
	*log = strstr(*job, "\n---\n");
	if (*log) {
		(*log)[1] = '\0';
		*log += 5;
	} else {
		*log = "";
	}
}

/* only parse jobs that would take too long or too much memory */
static bool runs(struct thread_data *td)
{
	struct thread_options *o = &td->o;

	if (o->iodepth > MOST_DEPTH || o->nr_files > 16 ||
	    td_max_bs(td) > MOST_MEMORY / o->iodepth)
		return false;
	if (!o->number_ios || o->number_ios > MOST_IOS)
		o->number_ios = MOST_IOS;
	o->loops = min(o->loops, 2U);
	return true;
}

static bool check_only(void)
{
	bool run = true;

	for_each_td(td) {
		struct fio_file *f;
		unsigned int i;

		if (runs(td))
			continue;
		run = false;
		if (td->io_ops != &ioengine)
			continue;
		for_each_file(td, f, i)
			if (i < 4)
				td->io_ops->get_file_size(td, f);
	} end_for_each();
	return !run || thread_number > MOST_JOBS;
}

static void run(char *text)
{
	char *line, *job, *log, *file, *said;
	size_t len;
	int failed;

	split(text, &line, &job, &log);
	file = malloc(sizeof(global) + 2 * strlen(job) + 64);
	strcpy(file, global);
	/* otherwise a job's files would be added to those of the global section */
	if (!strstr(job, "filename"))
		strcat(file, "filename=" FUZZ_DISK "\n");
	if (job[0] != '[')
		strcat(file, "[job]\n");
	keep_lines(job, file + strlen(file));
	f_out = fopen("/dev/null", "w");
	stdout = f_out;
	stderr = f_err = open_memstream(&said, &len);
	fuzz_kernel_boot(line, log);
	failed = parse_jobs_ini(file, 1, 0, FIO_CLIENT_TYPE_CLI);
	if (!failed && thread_number && !check_only())
		failed = fio_backend(NULL);
	fflush(f_err);
	fuzz_kernel_halt();
	if (getenv("PI_FUZZ_SHOW"))
		dprintf(STDERR_FILENO, "%.*s", (int)len, said);
	if (failed)
		CHECK(len);
}

static void child(char *text)
{
	child_process = true;
	catch();
	atexit(hand_back);
	run(text);
	hand_back();
	_exit(0);
}

static void write_option(FILE *file, const struct fio_option *o)
{
	fprintf(file, "\"%s=\"\n", o->name);
	for (int i = 0; i < PARSE_MAX_VP && o->posval[i].ival; i++)
		fprintf(file, "\"%s=%s\"\n", o->name, o->posval[i].ival);
}

/* dictionary for libFuzzer: names of options, and values with a name */
static void write_dictionary(void)
{
	const char *name = getenv("PI_FUZZ_DICTIONARY");
	FILE *file = name ? fopen(name, "w") : NULL;

	if (!file)
		return;
	for (const struct fio_option *o = pi_fio_options; o->name; o++)
		write_option(file, o);
	for (size_t i = 0; i < FIO_ARRAY_SIZE(fio_names); i++)
		if (fio_option_find(fio_names[i]))
			write_option(file, fio_option_find(fio_names[i]));
	fprintf(file, "\"%s\"\n\"%s\"\n\"\\x0a---\\x0afio version 2 iolog\\x0a\"\n",
		FUZZ_DISK, FUZZ_NG);
	fclose(file);
}

static void report(void)
{
	if (!child_process && in_fio + goes_on)
		fprintf(stderr, "job: in fio itself: %llu inputs, %llu of them endless\n",
			(unsigned long long)(in_fio + goes_on),
			(unsigned long long)goes_on);
}

static void start(void)
{
	extern char **environ;

	if (initialize_fio(environ) || fio_server_create_sk_key() ||
	    fio_init_options())
		abort();
	write_dictionary();
	fio_time_init();
	CHECK(is_engine((const char *)ioengine.event) &&
	      is_engine((const char *)pi_ring_init));
	CHECK(is_fio((const char *)fio_backend) && !is_fio((const char *)start));
	count_calls();
	register_ioengine(&ioengine);
	nr_counters = __stop___sancov_cntrs - __start___sancov_cntrs;
	handed = mmap(NULL, nr_counters, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (handed == MAP_FAILED)
		abort();
	atexit(report);
}

static void keep(const uint8_t *data, size_t size)
{
	const char *directory = getenv("PI_FUZZ_FIO_CRASHES");
	char name[PATH_MAX];
	FILE *file;

	if (!directory || in_fio + goes_on > 50)
		return;
	snprintf(name, sizeof(name), "%s/%d-%llu", directory, (int)getpid(),
		 (unsigned long long)(in_fio + goes_on));
	file = fopen(name, "w");
	if (!file)
		return;
	fwrite(data, size, 1, file);
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	int status;
	pid_t pid;

	if (!handed)
		start();
	memcpy(text, data, size);
	text[size] = '\0';
	memset(handed, 0, nr_counters);
	pid = fork();
	if (!pid)
		child(text);
	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	free(text);
	/* do not keep inputs that crash fio itself in the corpus */
	if (WIFEXITED(status) && WEXITSTATUS(status) < ENDED_IN_FIO)
		memcpy(__start___sancov_cntrs, handed, nr_counters);
	fuzz_reached();
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "job: the child died of signal %d\n", WTERMSIG(status));
		abort();
	}
	in_fio += WEXITSTATUS(status) == ENDED_IN_FIO;
	goes_on += WEXITSTATUS(status) == GOES_ON_IN_FIO;
	if (WEXITSTATUS(status) >= ENDED_IN_FIO)
		keep(data, size);
	return 0;
}
