// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "layout.h"

static int chk_cb(void *data, const char *str)
{
	struct pi_options *o = data;
	struct pi_reason reason;

	if (pi_checks_parse(str, &o->checks, &reason)) {
		log_err("io_uring_pi: pi_chk: %s\n", reason.text);
		return 1;
	}
	o->chk = pi_checks_all(&o->checks);
	return 0;
}

static int host_chk_cb(void *data, const char *str)
{
	struct pi_options *o = data;
	struct pi_reason reason;

	if (!pi_checks_tags(str, strlen(str), &o->host_chk, &reason))
		return 0;
	log_err("io_uring_pi: pi_host_chk: %s\n", reason.text);
	return 1;
}

static int reftag_cb(void *data, unsigned long long *val)
{
	struct pi_options *o = data;

	/* fio takes "-5" for two values and calls this again for the second */
	o->reftag_negative |= (long long)*val < 0;
	o->reftag = *val;
	o->reftag_set = 1;
	return 0;
}

/* fio's parser supports only 63 bits */
static int storage_tag_cb(void *data, const char *str)
{
	struct pi_options *o = data;
	const int base = strncasecmp(str, "0x", 2) ? 10 : 16;
	char *end;

	errno = 0;
	o->storage = strtoull(str, &end, base);
	if (isdigit((unsigned char)*str) && !*end && !errno)
		return 0;
	log_err("io_uring_pi: pi_storage_tag=%s: give a positive number of at most 64 bits\n",
		str);
	return 1;
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
		.help	= "Percentage of reads and writes that carry protection information, evenly spread; the others are plain I/O in the same ring, which the engine neither verifies nor counts as verified. Below 100, a job that writes needs apptag=0, because that is what the kernel gives plain writes (Default: 100)",
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
			    .help = "Neither; writes still carry correct tuples",
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
		.help	= "Tags that device and host check: GUARD,REFTAG,APPTAG,STORTAG; or shares of the I/Os, GUARD,REFTAG/10:none/90, or blocks, REFTAG@0-999:GUARD (Default: all that the format has)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_host_chk",
		.lname	= "Protection Information Check of the host",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, host_chk_str),
		.cb	= host_chk_cb,
		.help	= "Tags that the host checks, if not those in pi_chk: GUARD,REFTAG,APPTAG,STORTAG (Default: pi_chk)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_act",
		.lname	= "Protection Information Action",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, act),
		.def	= "0",
		.help	= "0: the application supplies and receives the tuples. 1: the device inserts and strips them (pi_layout=passthru only)",
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
		.help	= "Bits of the application tag that the host compares. If this is not 0xffff, the device does not check the tag, except with pi_layout=passthru (Default: 0xffff)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_apptag",
		.lname	= "How the application tag changes",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, app_mode),
		.help	= "How the application tag changes from block to block, so that a block written to the wrong place shows. If this is not constant, the device does not check the tag",
		.def	= "constant",
		.posval = {
			  { .ival = "constant",
			    .oval = PI_APP_CONSTANT,
			    .help = "It is apptag",
			  },
			  { .ival = "lba",
			    .oval = PI_APP_LBA,
			    .help = "The low 16 bits of the block's number",
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
		.help	= "Types 1 and 2: reference tag that the host gives the file's first block; the kernel remaps it (passthru: type 2 only, not remapped). Type 3: reference tag of every block, which the host then checks (Default: the block's number on the disk; type 3: 0, not checked)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_storage_tag",
		.lname	= "Storage tag",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, storage_str),
		.cb	= storage_tag_cb,
		.help	= "Storage tag to write and to expect, where the LBA format has one (pi_layout=passthru only); the drive says which of its bits are compared (Default: 0)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_opaque",
		.lname	= "Bytes of the metadata outside the tuple",
		.type	= FIO_OPT_STR,
		.off1	= offsetof(struct pi_options, opaque),
		.help	= "What the metadata outside the tuple contains",
		.def	= "zero",
		.posval = {
			  { .ival = "zero",
			    .oval = 0,
			    .help = "Written as zeros, ignored when read",
			  },
			  { .ival = "pattern",
			    .oval = 1,
			    .help = "A pattern made from the block's number, checked by the host",
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
		.help	= "Lines that one job writes to pi_errors; further wrong blocks are only counted (Default: 100000)",
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
		.help	= "Blocks that one job keeps in pi_dump; further wrong blocks are not kept (Default: 1000)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject",
		.lname	= "Faults to inject",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, inject),
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
			    .help = "In writes, after their tuples are generated",
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
		.lname	= "Blocks per fault",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, inject_one_in),
		.def	= "1000",
		.help	= "Damage one block in this many, on average (Default: 1000)",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_blocks",
		.lname	= "Blocks to damage",
		.type	= FIO_OPT_STR_STORE,
		.off1	= offsetof(struct pi_options, inject_blocks),
		.help	= "Damage these blocks, such as 7,100-120, instead of random ones; they are numbered as in messages",
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
		.help	= "Append a line of JSON to this file for each fault, and another for what became of it",
		ENGINE_OPTION,
	},
	{
		.name	= "pi_inject_expect",
		.lname	= "Expect the faults",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, inject_expect),
		.def	= "0",
		.help	= "Continue after wrong blocks; the job fails unless every fault was found as the right tag, and nothing else was found",
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
		.lname	= "Time measurement",
		.type	= FIO_OPT_BOOL,
		.off1	= offsetof(struct pi_options, time),
		.def	= "0",
		.help	= "Measure for pi_stats how long generation, verification and system calls take; reads the clock twice for each",
		ENGINE_OPTION,
	},
	{
		.name	= "md_per_io_size",
		.lname	= "Separate Metadata Buffer Size per I/O",
		.type	= FIO_OPT_ULL,
		.off1	= offsetof(struct pi_options, md_per_io_size),
		.def	= "0",
		.help	= "Not needed, because the format determines it; if given, it must be enough for the largest I/O (bytes)",
		ENGINE_OPTION,
	},
	PI_COMMAND_OPTIONS(struct pi_options, commands),
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
		.name	= "fixedmd",
		.lname	= "Fixed (pre-mapped) metadata buffers",
		.type	= FIO_OPT_STR_SET,
		.off1	= offsetof(struct pi_options, fixedmd),
		.help	= "Pre map metadata, with or without fixedbufs (lab kernel; not with pi_layout=none, opcode and passthru)",
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

/* fill in what comes from the tables in lib/ */
static void fio_init list_faults(void)
{
	static char help[256];
	struct fio_option *o = pi_fio_options;
	char list[128];

	snprintf(help, sizeof(help), "Damage blocks, to see who finds them: some of %s, or all that the format can show",
		 pi_fault_list(list, sizeof(list)));
	while (o->off1 != offsetof(struct pi_options, inject))
		o++;
	o->help = help;
}

static void fio_init list_layouts(void)
{
	pi_fio_options[0].posval[PI_LAYOUT_AUTO] = (struct value_pair) {
		.ival	= "auto",
		.oval	= PI_LAYOUT_AUTO,
		.help	= "passthru on a character device, indirect elsewhere",
	};
	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++)
		pi_fio_options[0].posval[i] = (struct value_pair) {
			.ival	= pi_layouts[i].name,
			.oval	= i,
			.help	= pi_layouts[i].help,
		};
}
