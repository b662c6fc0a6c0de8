/* SPDX-License-Identifier: GPL-2.0-only */
/* options of fio's io_uring_cmd that say which commands are sent */
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
 * struct pi_command_share - a part of write_mode=
 * @command:	what is sent for a write
 * @percent:	of the writes; 0: none was given
 */
struct pi_command_share {
	enum pi_command command;
	unsigned int percent;
};

/**
 * struct pi_command_options - which commands a job asks for
 * @type:	cmd_type=, PI_CMD_TYPE_*
 * @write_mode:	write_mode=
 * @shares:	what that says, @nr of them; none: all writes are writes
 * @nr:		how many
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
			"What a write sends: write, uncor, zeroes or verify, or a mix such as write/60:zeroes/40; one without a number gets the rest (pi_layout=passthru only)"), \
		.cb	= pi_write_mode_cb,				\
		.def	= "write",					\
	},								\
	{								\
		PI_COMMAND_OPTION("verify_mode", "Commands to verify by", \
			FIO_OPT_STR, data, at.verify_mode,		\
			"What is sent to verify what fio's verify= wrote (pi_layout=passthru only)"), \
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
 * pi_write_mode_cb() - read write_mode=, for fio's parser
 * @data:	struct pi_options of the job
 * @str:	what was given
 *
 * Return: 0, or 1 after one line on standard error.
 */
int pi_write_mode_cb(void *data, const char *str);

/**
 * pi_commands_sent() - what a job sends beside reads and writes
 * @c:		of the job
 *
 * Return: 1 << enum pi_command, PI_COMMAND_RW included where some of its writes
 * are that.
 */
unsigned int pi_commands_sent(const struct pi_command_options *c);

/**
 * pi_commands_write() - whether a job changes what is on a device
 * @td:		of the job
 *
 * Return: false where it reads only, or all that it sends is Verify.
 */
bool pi_commands_write(const struct thread_data *td);

/**
 * pi_commands_check() - refuse commands that a job cannot have
 * @td:		of the job, its layout settled
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_commands_check(struct thread_data *td);

#endif
