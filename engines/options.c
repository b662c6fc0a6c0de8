// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <string.h>

#include "options.h"
#include "layout.h"

static int parse_chk(const char *option, const char *str, unsigned int *chk)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} tag[] = {
		{ "GUARD",	PI_IO_INTEGRITY_CHK_GUARD },
		{ "REFTAG",	PI_IO_INTEGRITY_CHK_REFTAG },
		{ "APPTAG",	PI_IO_INTEGRITY_CHK_APPTAG },
	};

	*chk = 0;
	while (*str) {
		size_t len = strcspn(str, ",| ");
		unsigned int i;

		for (i = 0; i < FIO_ARRAY_SIZE(tag); i++)
			if (len == strlen(tag[i].name) &&
			    !strncmp(str, tag[i].name, len))
				break;
		if (i == FIO_ARRAY_SIZE(tag)) {
			log_err("io_uring_pi: %s: '%.*s' is not a tag; give some of GUARD,REFTAG,APPTAG, or pi_verify=none for none\n",
				option, (int)len, str);
			return 1;
		}
		*chk |= tag[i].flag;
		str += len;
		str += strspn(str, ",| ");
	}
	return 0;
}

static int chk_cb(void *data, const char *str)
{
	struct pi_options *o = data;

	return parse_chk("pi_chk", str, &o->chk);
}

static int host_chk_cb(void *data, const char *str)
{
	struct pi_options *o = data;

	return parse_chk("pi_host_chk", str, &o->host_chk);
}

static int reftag_cb(void *data, unsigned long long *val)
{
	struct pi_options *o = data;

	/* after a minus sign fio calls again, with what it takes for a second */
	o->reftag_negative |= (long long)*val < 0;
	o->reftag = *val;
	o->reftag_set = 1;
	return 0;
}

#define ENGINE_OPTION							\
	.category	= FIO_OPT_C_ENGINE,				\
	.group		= FIO_OPT_G_IOURING

struct fio_option pi_fio_options[] = {
	{
		.name	= "pi_layout",
		.lname	= "Protection information attribute layout",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, layout),
		.help	= "How protection information reaches the kernel",
		.def	= "auto",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_mix",
		.lname	= "Share of I/Os with protection information",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, mix),
		.def	= "100",
		.help	= "Percent of reads and writes that carry protection information, evenly spread; the others are plain I/O in the same ring, neither verified by the engine nor counted as verified. Below 100, a job that writes needs apptag=0, which is what the kernel gives to plain writes (Default: 100)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_verify",
		.lname	= "Who verifies protection information",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, verify),
		.help	= "Who verifies protection information",
		.def	= "both",
		.posval = {
			  { .ival = "host",
			    .oval = PI_VERIFY_HOST,
			    .help = "The engine checks the tags in pi_host_chk in what it reads",
			  },
			  { .ival = "device",
			    .oval = PI_VERIFY_DEVICE,
			    .help = "The device checks the tags in pi_chk",
			  },
			  { .ival = "both",
			    .oval = PI_VERIFY_BOTH,
			    .help = "Both do",
			  },
			  { .ival = "none",
			    .oval = PI_VERIFY_NONE,
			    .help = "Neither; writes still carry good tuples",
			  },
		},
		ENGINE_OPTION,
	},
	{
		.name	= "pi_chk",
		.lname	= "Protection Information Check",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, chk_str),
		.cb	= chk_cb,
		.help	= "Tags that device and host check: GUARD,REFTAG,APPTAG (Default: all that the format has)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_host_chk",
		.lname	= "Protection Information Check of the host",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, host_chk_str),
		.cb	= host_chk_cb,
		.help	= "Tags that the host checks, where not those of pi_chk: GUARD,REFTAG,APPTAG (Default: pi_chk)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_act",
		.lname	= "Protection Information Action",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, act),
		.def	= "0",
		.help	= "0: the application gives and gets the tuples. 1: the device inserts and strips them (pi_layout=passthru only)",
		ENGINE_OPTION,
	},
	{
		.name	= "apptag",
		.lname	= "Application Tag used in Protection Information",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, apptag),
		.def	= "0x1234",
		.help	= "Application tag to write and to expect; blocks with 0xffff are never checked (Default: 0x1234)",
		ENGINE_OPTION,
	},
	{
		.name	= "apptag_mask",
		.lname	= "Application Tag Mask",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, apptag_mask),
		.def	= "0xffff",
		.help	= "Bits of the application tag that the host compares. Other than 0xffff the device does not check the tag, except with pi_layout=passthru (Default: 0xffff)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_apptag",
		.lname	= "How the application tag changes",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, app_mode),
		.help	= "How the application tag changes from block to block; a block written to the wrong place then shows. Other than constant, the device does not check the tag",
		.def	= "constant",
		.posval = {
			  { .ival = "constant",
			    .oval = PI_APP_CONSTANT,
			    .help = "It is apptag",
			  },
			  { .ival = "lba",
			    .oval = PI_APP_LBA,
			    .help = "Low 16 bits of the block's number",
			  },
			  { .ival = "random",
			    .oval = PI_APP_RANDOM,
			    .help = "A hash of the block's number and apptag",
			  },
			  { .ival = "file",
			    .oval = PI_APP_FILE,
			    .help = "A hash of the file's name and apptag",
			  },
		},
		ENGINE_OPTION,
	},
	{
		.name	= "pi_reftag",
		.lname	= "Reference tag to begin with",
		.type	= FIO_OPT_STR_VAL,
		.cb	= reftag_cb,
		.help	= "Type 1 and 2: tag of the first block of the file as the host counts; the kernel remaps it (passthru: type 2 only, and it is what the media gets). Type 3: the tag of every block, which the host then checks (Default: the block's number on the disk; type 3: 0, not checked)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_opaque",
		.lname	= "Bytes of the metadata outside the tuple",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, opaque),
		.help	= "What metadata outside the tuple holds",
		.def	= "zero",
		.posval = {
			  { .ival = "zero",
			    .oval = 0,
			    .help = "Written as zeros, not looked at when read",
			  },
			  { .ival = "pattern",
			    .oval = 1,
			    .help = "A pattern of the block's number, checked by the host",
			  },
		},
		ENGINE_OPTION,
	},
	{
		.name	= "pi_errors",
		.lname	= "File of wrong blocks",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, errors),
		.help	= "Append a line of JSON to this file for each wrong block",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_errors_max",
		.lname	= "Lines in the file of wrong blocks",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, errors_max),
		.def	= "100000",
		.help	= "Lines that one job writes to pi_errors; wrong blocks beyond are counted only (Default: 100000)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_dump",
		.lname	= "Directory of wrong blocks",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, dump),
		.help	= "Keep each wrong block and its metadata in this directory",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_dump_max",
		.lname	= "Blocks in the directory of wrong blocks",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, dump_max),
		.def	= "1000",
		.help	= "Blocks that one job keeps in pi_dump; wrong blocks beyond are not kept (Default: 1000)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject",
		.lname	= "Faults to inject",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, inject),
		.help	= "Damage blocks, to see who finds it: some of data,guard,apptag,reftag,opaque,misplace,drop,tear, or all that the format can show",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_at",
		.lname	= "Where faults are injected",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, inject_at),
		.help	= "Where faults are injected",
		.def	= "out",
		.posval = {
			  { .ival = "out",
			    .oval = PI_INJECT_OUT,
			    .help = "In writes, after their tuples were generated",
			  },
			  { .ival = "before",
			    .oval = PI_INJECT_BEFORE,
			    .help = "In the data of writes, before that: protection information cannot show it",
			  },
			  { .ival = "back",
			    .oval = PI_INJECT_BACK,
			    .help = "In reads, before the host verifies them",
			  },
		},
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_rate",
		.lname	= "Blocks for one fault",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, inject_one_in),
		.def	= "1000",
		.help	= "Damage one block in so many, on average (Default: 1000)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_blocks",
		.lname	= "Blocks to damage",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, inject_blocks),
		.help	= "Damage these blocks, 7,100-120, instead of some at random; they are numbered as in messages",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_seed",
		.lname	= "Seed of the faults",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, inject_seed),
		.def	= "1",
		.help	= "The same seed damages the same blocks in the same way (Default: 1)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_log",
		.lname	= "File of faults",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, inject_log),
		.help	= "Append a line of JSON to this file for each fault, and one for what became of it",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_expect",
		.lname	= "Expect the faults",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, inject_expect),
		.def	= "0",
		.help	= "Go on after wrong blocks; the job fails unless each fault was found, as what it is, and nothing else was",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_stats",
		.lname	= "File of statistics",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, stats),
		.help	= "Append a line of JSON to this file when the job ends",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_time",
		.lname	= "Measure parts",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, time),
		.def	= "0",
		.help	= "Measure for pi_stats what generation, verification and system calls take; costs two looks at the clock each",
		ENGINE_OPTION,
	},
	{
		.name	= "md_per_io_size",
		.lname	= "Separate Metadata Buffer Size per I/O",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, md_per_io_size),
		.def	= "0",
		.help	= "Not needed, the format says it; when given, checked against the largest I/O (bytes)",
		ENGINE_OPTION,
	},
	{
		.name	= "cmd_type",
		.lname	= "Uring cmd type",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, cmd_type),
		.help	= "Not needed, taken for jobs of io_uring_cmd",
		.def	= "nvme",
		.posval = {
			  { .ival = "nvme",
			    .oval = 1,
			    .help = "NVMe commands, what pi_layout=passthru sends",
			  },
		},
		ENGINE_OPTION,
	},
	{
		.name	= "readfua",
		.lname	= "Read fua flag support",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, fua[0]),
		.def	= "0",
		.help	= "Set FUA in read commands (pi_layout=passthru only)",
		ENGINE_OPTION,
	},
	{
		.name	= "writefua",
		.lname	= "Write fua flag support",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, fua[1]),
		.def	= "0",
		.help	= "Set FUA in write commands (pi_layout=passthru only)",
		ENGINE_OPTION,
	},
	{
		.name	= "hipri",
		.lname	= "High Priority",
		.type	= FIO_OPT_STR_SET,
		.off1	= offsetof(struct pi_options, hipri),
		.help	= "Use polled IO completions (pi_layout=none and passthru only)",
		ENGINE_OPTION,
	},
	{
		.name	= "fixedbufs",
		.lname	= "Fixed (pre-mapped) IO buffers",
		.type	= FIO_OPT_STR_SET,
		.off1	= offsetof(struct pi_options, fixedbufs),
		.help	= "Pre map IO buffers",
		ENGINE_OPTION,
	},
	{
		.name	= "registerfiles",
		.lname	= "Register file set",
		.type	= FIO_OPT_STR_SET,
		.off1	= offsetof(struct pi_options, registerfiles),
		.help	= "Pre-open/register files",
		ENGINE_OPTION,
	},
	{
		.name	= "sqthread_poll",
		.lname	= "Kernel SQ thread polling",
		.type	= FIO_OPT_STR_SET,
		.off1	= offsetof(struct pi_options, sqpoll),
		.help	= "Offload submission/completion to kernel thread",
		ENGINE_OPTION,
	},
	{
		.name	= "sqthread_poll_cpu",
		.lname	= "SQ Thread Poll CPU",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, sqpoll_cpu),
		.def	= "-1",
		.help	= "What CPU to run SQ thread polling on (Default: -1, any)",
		ENGINE_OPTION,
	},
	{
		.name	= "nonvectored",
		.lname	= "Non-vectored",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, nonvectored),
		.def	= "-1",
		.help	= "Use non-vectored read/write commands (Default: where the kernel has them)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_iovec",
		.lname	= "Size of iovecs",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, iovec),
		.help	= "With nonvectored=0, cut each I/O into iovecs of this size; its metadata stays one buffer (Default: one iovec)",
		ENGINE_OPTION,
	},
	{
		.name	= "uncached",
		.lname	= "Uncached",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, uncached),
		.help	= "Use RWF_DONTCACHE for buffered read/writes (pi_layout=none only)",
		ENGINE_OPTION,
	},
	{
		.name	= "nowait",
		.lname	= "RWF_NOWAIT",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, nowait),
		.help	= "Use RWF_NOWAIT for reads/writes",
		ENGINE_OPTION,
	},
	{
		.name	= "force_async",
		.lname	= "Force async",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, force_async),
		.help	= "Set IOSQE_ASYNC every N requests",
		ENGINE_OPTION,
	},
	CMDPRIO_OPTIONS(struct pi_options, FIO_OPT_G_IOURING),
	{
		.name	= NULL,
	},
};

/* the layouts' table is in lib/, which knows no fio */
static void fio_init list_layouts(void)
{
	pi_fio_options[0].posval[PI_LAYOUT_AUTO] = (struct value_pair) {
		.ival	= "auto",
		.oval	= PI_LAYOUT_AUTO,
		.help	= "passthru on a character device, else indirect",
	};
	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++)
		pi_fio_options[0].posval[i] = (struct value_pair) {
			.ival	= pi_layouts[i].name,
			.oval	= i,
			.help	= pi_layouts[i].help,
		};
}

static int refuse(const char *why)
{
	log_err("io_uring_pi: %s\n", why);
	return EINVAL;
}

unsigned int pi_options_host_chk(const struct pi_options *o)
{
	if (o->host_chk_str)
		return o->host_chk;
	return o->chk_str ? o->chk : PI_IO_INTEGRITY_CHK_GUARD |
				     PI_IO_INTEGRITY_CHK_REFTAG |
				     PI_IO_INTEGRITY_CHK_APPTAG;
}

/* tags that the device is to check because the job says so */
static unsigned int device_chk(const struct pi_options *o)
{
	return o->verify & PI_VERIFY_DEVICE ? o->chk : 0;
}

unsigned long long pi_max_rw_bs(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	unsigned long long bs = 0;

	if (td_read(td) || td_write(td))
		bs = max(o->max_bs[DDIR_READ], o->max_bs[DDIR_WRITE]);
	if (td_trim(td) && (o->experimental_verify ||
			    (td_write(td) && td_random(td))))
		bs = max(bs, o->max_bs[DDIR_TRIM]);
	return bs;
}

/* whether reads accept what the kernel generates for plain writes */
static bool kernel_tuples_pass(const struct pi_options *o)
{
	return !o->reftag_set && !o->opaque &&
	       (!o->apptag_mask ||
		(!o->apptag && o->app_mode == PI_APP_CONSTANT));
}

/* no number is cut to fewer bits, and none is another one in silence */
static int check_numbers(const struct pi_options *o)
{
	const struct {
		const char *name;
		long long value, min, max;
	} numbers[] = {
		{ "pi_mix", o->mix, 0, 100 },
		{ "readfua", (int)o->fua[DDIR_READ], 0, 1 },
		{ "writefua", (int)o->fua[DDIR_WRITE], 0, 1 },
		{ "apptag", o->apptag, 0, 0xffff },
		{ "apptag_mask", o->apptag_mask, 0, 0xffff },
		{ "pi_errors_max", o->errors_max, 1, LLONG_MAX },
		{ "pi_dump_max", o->dump_max, 1, LLONG_MAX },
		{ "pi_inject_rate", o->inject_one_in, 1, LLONG_MAX },
		{ "pi_inject_seed", o->inject_seed, 0, LLONG_MAX },
		{ "md_per_io_size", o->md_per_io_size, 0, LLONG_MAX },
		{ "sqthread_poll_cpu", o->sqpoll_cpu, -1, INT_MAX },
		{ "nonvectored", o->nonvectored, -1, 1 },
		{ "pi_iovec", o->iovec, 0, UINT_MAX },
		{ "uncached", o->uncached, 0, 1 },
		{ "force_async", o->force_async, 0, LLONG_MAX },
	};

	for (unsigned int i = 0; i < FIO_ARRAY_SIZE(numbers); i++) {
		if (numbers[i].value >= numbers[i].min &&
		    numbers[i].value <= numbers[i].max)
			continue;
		log_err("io_uring_pi: %s=%lld: give a number from %lld to %lld\n",
			numbers[i].name, numbers[i].value, numbers[i].min,
			numbers[i].max);
		return EINVAL;
	}
	return o->reftag_negative ? refuse("pi_reftag is negative; give the tag as a positive number") : 0;
}

/* what fio sends in one read or write, now and later */
static int check_transfers(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const unsigned long long max = INT_MAX & ~page_mask;

	if (!pi_layouts[o->layout].passthru && pi_max_rw_bs(td) > max) {
		log_err("io_uring_pi: bs=%llu: the kernel transfers no more than %llu bytes with one read or write; use a smaller bs\n",
			pi_max_rw_bs(td), max);
		return EINVAL;
	}
	if (td->o.read_iolog_file && td->o.read_iolog_chunked &&
	    (pi_layouts[o->layout].pi || o->fixedbufs || o->iovec))
		return refuse("read_iolog_chunked=1: fio finds larger I/Os in the log while it runs, for which there is no metadata, registered buffer or iovec then; drop read_iolog_chunked, or use pi_layout=none without fixedbufs and pi_iovec");
	return 0;
}

static void settle_layout(struct thread_data *td)
{
	struct pi_options *o = td->eo;

	if (o->layout != PI_LAYOUT_AUTO)
		return;
	o->layout = PI_LAYOUT_INDIRECT;
	if (td->files_index && td->files[0]->filetype == FIO_TYPE_CHAR)
		o->layout = PI_LAYOUT_PASSTHRU;
}

/* the device inserts and strips the tuples: the host has none */
static int check_act(const struct pi_options *o)
{
	if (o->verify == PI_VERIFY_HOST)
		return refuse("pi_verify=host with pi_act=1: the device strips the tuples, the host has none to verify; use pi_act=0 or pi_verify=device");
	if (o->inject)
		return refuse("pi_inject with pi_act=1: the device makes the tuples, and makes them right; use pi_act=0");
	if (o->opaque)
		return refuse("pi_opaque=pattern with pi_act=1: the host does not verify what it reads; use pi_act=0");
	if (o->app_mode == PI_APP_LBA || o->app_mode == PI_APP_RANDOM)
		return refuse("pi_act=1: a command has one application tag for the whole I/O, and pi_apptag gives each block its own; use pi_act=0 or pi_apptag=constant");
	return 0;
}

static int check_passthru(struct thread_data *td)
{
	const struct pi_options *o = td->eo;

	if (o->nowait || o->uncached || td->o.oatomic)
		return refuse("nowait, uncached and atomic are flags of reads and writes, which a passthrough command is not; drop them or name the block device");
	if (td->o.sync_file_range)
		return refuse("sync_file_range is for the page cache, which a character device has not; use fsync, which sends a flush, or name the block device");
	if (o->mix < 100)
		return refuse("pi_mix below 100: a character device takes no plain I/O to mix with; drop pi_mix or name the block device");
	if (td->o.ioprio || td->o.ioprio_class)
		return refuse("prio and prioclass: the kernel takes no priority for a passthrough command; drop them or name the block device");
	return o->act ? check_act(o) : 0;
}

static int check_attribute(struct thread_data *td)
{
	const struct pi_options *o = td->eo;

	if (o->mix < 100 && o->inject)
		return refuse("pi_inject with pi_mix below 100: plain I/O has no tuples to show a fault; drop one of them");
	if (o->mix < 100 && td_write(td) && !kernel_tuples_pass(o))
		return refuse("pi_mix below 100: plain writes get the kernel's tuples, with application tag 0, and reads with protection information would find them wrong; set apptag=0 and drop pi_apptag, pi_reftag and pi_opaque, or read only");
	if (pi_layouts[o->layout].no_seed && o->reftag_set)
		return refuse("pi_reftag: this pi_layout has no room for a reference tag, the kernel takes the block's number; drop pi_reftag or use pi_layout=indirect");
	if (o->act)
		return refuse("pi_act=1: io_uring's attribute cannot make the device insert or strip tuples; use pi_act=0, name the character device /dev/ngXnY, or use pi_layout=none for plain I/O");
	if (!td->o.odirect)
		return refuse("protection information needs O_DIRECT; set direct=1 or use pi_layout=none");
	if (o->hipri)
		return refuse("hipri: the kernel does not poll for I/O with protection information (EOPNOTSUPP); drop hipri or use pi_layout=none");
	if (o->uncached)
		return refuse("uncached is for buffered I/O, protection information needs direct=1; drop uncached or use pi_layout=none");
	if (td->o.zone_mode == ZONE_MODE_ZBD)
		return refuse("zonemode=zbd: protection information on zoned devices is not supported; drop zonemode or use pi_layout=none");
	if (td->o.oatomic)
		return refuse("atomic: the kernel refuses RWF_ATOMIC together with protection information; drop atomic or use pi_layout=none");
	if (o->fua[DDIR_READ] || o->fua[DDIR_WRITE])
		return refuse("readfua and writefua are flags of NVMe commands; drop them or name the character device /dev/ngXnY");
	if ((device_chk(o) & PI_IO_INTEGRITY_CHK_APPTAG) && o->apptag_mask != 0xffff)
		return refuse("pi_chk=APPTAG: io_uring's attribute has no room for apptag_mask, the device would compare all 16 bits; drop apptag_mask, or name APPTAG in pi_host_chk and not in pi_chk");
	return 0;
}

int pi_options_check(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	bool registered = o->registerfiles || o->sqpoll;
	int err;

	settle_layout(td);
	if (PI_PLACES(td))
		return refuse("fdp and dataplacement: this engine places no data, the device would choose; drop them or use fio's io_uring_cmd");
	err = check_numbers(o);
	if (err)
		return err;
	if (o->time && !o->stats)
		return refuse("pi_time=1 measures for pi_stats=FILE; give that too");
	if (o->iovec && (o->nonvectored || o->fixedbufs))
		return refuse("pi_iovec is for vectored I/O; add nonvectored=0 and drop fixedbufs");
	if (o->iovec && (pi_max_rw_bs(td) + o->iovec - 1) / o->iovec > IOV_MAX)
		return refuse("pi_iovec: the kernel takes 1024 iovecs at most; raise pi_iovec or lower bs");
	err = check_transfers(td);
	if (err)
		return err;
	if (registered && td->o.nr_files != td->o.open_files)
		return refuse("registerfiles and sqthread_poll keep every file open; set openfiles to nrfiles or leave it out");
	if (!pi_layouts[o->layout].pi)
		return o->inject ? refuse("pi_inject with pi_layout=none: plain I/O has no tuples to show a fault; use another pi_layout") : 0;

	err = pi_layouts[o->layout].passthru ? check_passthru(td) :
	      check_attribute(td);
	if (err)
		return err;
	if (o->host_chk_str && (!(o->verify & PI_VERIFY_HOST) || o->act))
		return refuse("pi_host_chk: the host verifies nothing with pi_verify=device, pi_verify=none and pi_act=1; drop one of them");
	if ((device_chk(o) & PI_IO_INTEGRITY_CHK_APPTAG) &&
	    (o->app_mode == PI_APP_LBA || o->app_mode == PI_APP_RANDOM))
		return refuse("pi_chk=APPTAG: an I/O has one application tag for the device to check, and pi_apptag gives each block its own; use pi_apptag=constant, or drop APPTAG from pi_chk and name it in pi_host_chk");
	return 0;
}
