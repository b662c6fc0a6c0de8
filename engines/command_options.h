/* SPDX-License-Identifier: GPL-2.0-only */
/* options of fio's io_uring_cmd that say which commands are sent */
#ifndef PI_COMMAND_OPTIONS_H
#define PI_COMMAND_OPTIONS_H

struct thread_data;

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
 * struct pi_command_options - which commands a job asks for
 * @type:	cmd_type=, PI_CMD_TYPE_*
 * @write_mode:	write_mode=
 * @verify_mode: verify_mode=, PI_VERIFY_MODE_*
 * @deac:	deac=
 * @cdb_len:	cdb_len=
 * @verify_bytchk: verify_bytchk=
 * @read_mode:	read_mode=
 */
struct pi_command_options {
	unsigned int type;
	char *write_mode;
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
			"Not needed, taken for jobs of io_uring_cmd"),	\
		.def	= "nvme",					\
		.posval	= {						\
			{ .ival = "nvme",				\
			  .oval = PI_CMD_TYPE_NVME,			\
			  .help = "NVMe commands, what pi_layout=passthru sends", \
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
			"What is sent for a write: write, which alone this engine does"), \
		.def	= "write",					\
	},								\
	{								\
		PI_COMMAND_OPTION("verify_mode", "Commands to verify by", \
			FIO_OPT_STR, data, at.verify_mode,		\
			"What is sent for a read of fio's verify=: Read, which alone this engine does"), \
		.def	= "read",					\
		.posval	= {						\
			{ .ival = "read",				\
			  .oval = PI_VERIFY_MODE_READ,			\
			  .help = "Read what was written, and look at it", \
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
			"Set DEAC in Write Zeroes commands"),		\
		.def	= "0",						\
	},								\
	{								\
		PI_COMMAND_OPTION("cdb_len", "SCSI CDB length",		\
			FIO_OPT_STR_STORE, data, at.cdb_len,		\
			"Of SCSI commands (cmd_type=bsg), which this engine does not send: 0 only"), \
	},								\
	{								\
		PI_COMMAND_OPTION("verify_bytchk", "SCSI VERIFY BYTCHK field", \
			FIO_OPT_STR_STORE, data, at.verify_bytchk,	\
			"Of SCSI commands (cmd_type=bsg), which this engine does not send: 0 only"), \
	},								\
	{								\
		PI_COMMAND_OPTION("read_mode", "Read command type",	\
			FIO_OPT_STR_STORE, data, at.read_mode,		\
			"Of SCSI commands (cmd_type=bsg), which this engine does not send: read only"), \
	}

/**
 * pi_commands_check() - refuse commands that a job cannot have
 * @td:		of the job, its layout settled
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_commands_check(const struct thread_data *td);

#endif
