/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_COMMAND_H
#define PI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io.h"
#include "reason.h"

/**
 * enum pi_command - NVMe commands for a range of blocks
 * @PI_COMMAND_RW:	Read or Write, as pi_nvme_rw() has filled it
 * @PI_COMMAND_UNCOR:	Write Uncorrectable
 * @PI_COMMAND_ZEROES:	Write Zeroes
 * @PI_COMMAND_VERIFY:	Verify
 * @PI_COMMAND_COMPARE:	Compare
 * @PI_NR_COMMANDS:	how many there are
 */
enum pi_command {
	PI_COMMAND_RW,
	PI_COMMAND_UNCOR,
	PI_COMMAND_ZEROES,
	PI_COMMAND_VERIFY,
	PI_COMMAND_COMPARE,
	PI_NR_COMMANDS,
};

/**
 * struct pi_command_kind - one of them
 * @name:	as fio's write_mode= and verify_mode= have it
 * @title:	as the specification has it
 * @opcode:	in the NVM command set
 * @oncs:	the bit in Identify Controller that says a device has it
 * @data:	data and metadata are transferred
 * @cdw12:	which bits of dword 12 it has in common with Read and Write
 */
struct pi_command_kind {
	const char *name;
	const char *title;
	uint8_t opcode;
	uint16_t oncs;
	bool data;
	uint32_t cdw12;
};

extern const struct pi_command_kind pi_command_kinds[PI_NR_COMMANDS];

/**
 * struct pi_command_support - what a namespace takes
 * @has:	1 << enum pi_command
 * @deac:	Write Zeroes may deallocate
 * @max_bytes:	of data that one command without a transfer may name, 0: as
 *		many as fit in it
 */
struct pi_command_support {
	unsigned int has;
	bool deac;
	uint64_t max_bytes[PI_NR_COMMANDS];
};

/**
 * pi_command_probe() - ask which of the commands a namespace takes
 * @fd:		its character device
 * @support:	set
 * @reason:	says why not
 *
 * A command is there when ONCS or the Commands Supported and Effects log says
 * so: QEMU 10 has Verify in the log alone.  Reading that log takes root.
 *
 * Return: 0, or a negative errno with a @reason.
 */
int pi_command_probe(int fd, struct pi_command_support *support,
		     struct pi_reason *reason);

/**
 * pi_command_turn() - make another command of a read or write
 * @io:		that pi_nvme_rw() has filled
 * @command:	which, not PI_COMMAND_RW
 * @control:	libnvme's NVME_IO_PRINFO_PRACT, NVME_IO_STC and NVME_IO_DEAC, to
 *		be added
 *
 * NVM Command Set 1.0: Compare 3.2.1, Verify 3.2.5, Write Uncorrectable 3.2.7,
 * Write Zeroes 3.2.8.  The latter three transfer nothing.  PRCHK is kept where
 * the command checks; Write Zeroes and Write Uncorrectable do not.
 */
void pi_command_turn(struct pi_io *io, enum pi_command command,
		     uint32_t control);

/**
 * pi_command_of() - which command an I/O is
 * @io:		that was filled by pi_nvme_rw(), and pi_command_turn() maybe
 *
 * Return: one of them.
 */
enum pi_command pi_command_of(const struct pi_io *io);

#endif
