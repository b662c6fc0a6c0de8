/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_COMMAND_H
#define PI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io.h"
#include "reason.h"

/**
 * enum pi_command - NVMe commands that operate on a range of blocks
 * @PI_COMMAND_RW: Read or Write, as filled in by pi_nvme_rw()
 * @PI_COMMAND_UNCOR: Write Uncorrectable
 * @PI_COMMAND_ZEROES: Write Zeroes
 * @PI_COMMAND_VERIFY: Verify
 * @PI_COMMAND_COMPARE: Compare
 * @PI_NR_COMMANDS: number of commands
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
 * struct pi_command_kind - description of a command
 * @name:	name in fio's write_mode= and verify_mode=
 * @title:	name in the specification
 * @opcode:	opcode in the NVM Command Set
 * @oncs:	ONCS bit of Identify Controller that announces the command
 * @data:	the command transfers data and metadata
 * @cdw12:	bits of command dword 12 that the command shares with Read and
 *		Write
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
 * struct pi_command_support - which commands a namespace supports
 * @has:	bits 1 << enum pi_command
 * @deac:	Write Zeroes accepts the Deallocate bit
 * @max_bytes:	data bytes that one command without a data transfer may cover; 0
 *		if only the width of the NLB field limits it
 */
struct pi_command_support {
	unsigned int has;
	bool deac;
	uint64_t max_bytes[PI_NR_COMMANDS];
};

/**
 * pi_command_probe() - find out which commands a namespace supports
 * @fd:		character device of the namespace
 * @support:	where the result is stored
 * @reason:	filled in on failure
 *
 * A command is supported if either ONCS or the Commands Supported and Effects
 * log says so: QEMU 10 reports Verify only in the log. Reading the log requires
 * root.
 *
 * Return: 0, -EIO if Identify failed with an NVMe status, or the negative errno
 * of the ioctl.
 */
int pi_command_probe(int fd, struct pi_command_support *support,
		     struct pi_reason *reason);

/**
 * pi_command_convert() - turn a read or write into another command
 * @io:		I/O filled in by pi_nvme_rw()
 * @command:	any command but PI_COMMAND_RW
 * @control:	flags to add to dword 12: libnvme's NVME_IO_PRINFO_PRACT,
 *		NVME_IO_STC and NVME_IO_DEAC
 *
 * NVM Command Set 1.0: Compare 3.2.1, Verify 3.2.5, Write Uncorrectable 3.2.7,
 * Write Zeroes 3.2.8. The last three transfer no data. PRCHK is kept for the
 * commands that check protection information, which Write Zeroes and Write
 * Uncorrectable do not.
 */
void pi_command_convert(struct pi_io *io, enum pi_command command,
			uint32_t control);

/**
 * pi_command_of() - tell which command an I/O carries
 * @io:		I/O filled in by pi_nvme_rw(), and possibly changed by
 *		pi_command_convert()
 *
 * Return: the command.
 */
enum pi_command pi_command_of(const struct pi_io *io);

#endif
