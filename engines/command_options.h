/* SPDX-License-Identifier: GPL-2.0-only */
/* options of fio's io_uring_cmd that select which commands are sent */
#ifndef PI_COMMAND_OPTIONS_H
#define PI_COMMAND_OPTIONS_H

#include "command.h"

struct thread_data;

#define PI_COMMAND_SHARES	8

/* cmd_type= */
enum {
	PI_CMD_TYPE_NVME = 1,
	PI_CMD_TYPE_BSG,
};

/* verify_mode= */
enum {
	PI_VERIFY_MODE_READ = 1,
	PI_VERIFY_MODE_COMPARE,
};

/**
 * struct pi_command_share - one share of write_mode=
 * @command:	command to send for a write
 * @percent:	percentage of the writes
 */
struct pi_command_share {
	enum pi_command command;
	unsigned int percent;
};

/**
 * struct pi_command_options - options that select which commands are sent
 * @type:	cmd_type=, PI_CMD_TYPE_*
 * @write_mode:	write_mode=
 * @shares:	parsed write_mode=; if empty, all writes are sent as Write
 * @nr:		number of entries in @shares
 * @verify_mode: verify_mode=, PI_VERIFY_MODE_*
 * @deac:	deac=
 * @cdb_len:	cdb_len=
 * @verify_bytchk: verify_bytchk=
 * @read_mode:	read_mode=
 */
struct pi_command_options {
	unsigned int type;
	char *write_mode;
	struct pi_command_share shares[PI_COMMAND_SHARES];
	unsigned int nr;
	unsigned int verify_mode;
	unsigned int deac;
	char *cdb_len;
	char *verify_bytchk;
	char *read_mode;
};

#define PI_COMMAND_OPTION(opt, text, kind, data, member, tells)		\
	.name		= opt,						\
	.lname		= text,						\
	.type		= kind,						\
	.off1		= offsetof(data, member),			\
	.help		= tells,					\
	.category	= FIO_OPT_C_ENGINE,				\
	.group		= FIO_OPT_G_IOURING

#define PI_COMMAND_OPTIONS(data, at)					\
	{								\
		PI_COMMAND_OPTION("cmd_type", "Uring cmd type",		\
			FIO_OPT_STR, data, at.type,			\
			"Not needed; accepted for job files written for io_uring_cmd"),	\
		.def	= "nvme",					\
		.posval	= {						\
			{ .ival = "nvme",				\
			  .oval = PI_CMD_TYPE_NVME,			\
			  .help = "NVMe commands, which pi_layout=passthru sends", \
			},						\
			{ .ival = "bsg",				\
			  .oval = PI_CMD_TYPE_BSG,			\
			  .help = "SCSI commands, which this engine does not send", \
			},						\
		},							\
	},								\
	{								\
		PI_COMMAND_OPTION("write_mode", "Commands for writes",	\
			FIO_OPT_STR_STORE, data, at.write_mode,		\
			"Command to send for a write: write, uncor, zeroes or verify, or a mix such as write/60:zeroes/40; a share without a number gets the rest (pi_layout=passthru only)"), \
		.cb	= pi_write_mode_cb,				\
		.def	= "write",					\
	},								\
	{								\
		PI_COMMAND_OPTION("verify_mode", "Commands to verify by", \
			FIO_OPT_STR, data, at.verify_mode,		\
			"How to verify what fio's verify= wrote (pi_layout=passthru only)"), \
		.def	= "read",					\
		.posval	= {						\
			{ .ival = "read",				\
			  .oval = PI_VERIFY_MODE_READ,			\
			  .help = "Read it back, for fio to compare", \
			},						\
			{ .ival = "compare",				\
			  .oval = PI_VERIFY_MODE_COMPARE,		\
			  .help = "Have the device compare it",		\
			},						\
		},							\
	},								\
	{								\
		PI_COMMAND_OPTION("deac", "Deallocate bit of Write Zeroes", \
			FIO_OPT_BOOL, data, at.deac,			\
			"Set DEAC in the commands of write_mode=zeroes, so that the device may deallocate"), \
		.def	= "0",						\
	},								\
	{								\
		PI_COMMAND_OPTION("cdb_len", "SCSI CDB length",		\
			FIO_OPT_STR_STORE, data, at.cdb_len,		\
			"For SCSI commands (cmd_type=bsg), which this engine does not send: only 0"), \
	},								\
	{								\
		PI_COMMAND_OPTION("verify_bytchk", "SCSI VERIFY BYTCHK field", \
			FIO_OPT_STR_STORE, data, at.verify_bytchk,	\
			"For SCSI commands (cmd_type=bsg), which this engine does not send: only 0"), \
	},								\
	{								\
		PI_COMMAND_OPTION("read_mode", "Read command type",	\
			FIO_OPT_STR_STORE, data, at.read_mode,		\
			"For SCSI commands (cmd_type=bsg), which this engine does not send: only read"), \
	}

/**
 * pi_write_mode_cb() - parse write_mode=; a callback for fio's option parser
 * @data:	struct pi_options of the job
 * @str:	value of the option
 *
 * Return: 0, or 1 after a one-line message on standard error.
 */
int pi_write_mode_cb(void *data, const char *str);

/**
 * pi_commands_sent() - tell which commands a job sends
 * @c:		command options of the job
 *
 * Return: bits 1 << enum pi_command; PI_COMMAND_RW is included unless no write
 * is sent as Write.
 */
unsigned int pi_commands_sent(const struct pi_command_options *c);

/**
 * pi_commands_write() - tell whether a job changes the contents of a device
 * @td:		thread of the job
 *
 * Return: false if the job only reads, or only sends Verify for writes.
 */
bool pi_commands_write(const struct thread_data *td);

/**
 * pi_commands_check() - refuse commands that the job cannot use
 * @td:		thread of the job, with pi_layout= resolved
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_commands_check(struct thread_data *td);

#endif
