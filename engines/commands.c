// SPDX-License-Identifier: GPL-2.0-only
/* commands other than reads and writes that a job asks for */
#include <string.h>

#include "layout.h"
#include "options.h"

/* fio's io_uring_cmd sends SCSI commands too, with options for them alone */
static int check_scsi(const struct pi_command_options *c)
{
	const struct {
		const char *name, *value, *nothing;
	} scsi[] = {
		{ "cdb_len", c->cdb_len, "0" },
		{ "verify_bytchk", c->verify_bytchk, "0" },
		{ "read_mode", c->read_mode, "read" },
	};

	if (c->type == PI_CMD_TYPE_BSG)
		return pi_refuse("cmd_type=bsg: this engine sends no SCSI commands; name the SCSI disk's block device, whose I/O carries protection information");
	for (unsigned int i = 0; i < FIO_ARRAY_SIZE(scsi); i++) {
		if (!scsi[i].value || !strcmp(scsi[i].value, scsi[i].nothing))
			continue;
		log_err("io_uring_pi: %s=%s is for SCSI commands (cmd_type=bsg), which this engine does not send; drop it\n",
			scsi[i].name, scsi[i].value);
		return EINVAL;
	}
	return 0;
}

int pi_commands_check(const struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const struct pi_command_options *c = &o->commands;
	int err = check_scsi(c);

	if (err)
		return err;
	if (strcmp(c->write_mode, "write"))
		return pi_refuse("write_mode: this engine sends no other commands than Read, Write, Flush and Dataset Management; drop it or use fio's io_uring_cmd");
	if (c->verify_mode == PI_VERIFY_MODE_COMPARE)
		return pi_refuse("verify_mode=compare: this engine does not send Compare; drop it or use fio's io_uring_cmd");
	if (c->deac)
		return pi_refuse("deac is a flag of Write Zeroes, which this engine does not send; drop it or use fio's io_uring_cmd");
	return 0;
}
