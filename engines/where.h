/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_WHERE_H
#define PI_WHERE_H

#include "command.h"
#include "io.h"
#include "target.h"

/**
 * enum pi_finder - who found an I/O to be wrong
 * @PI_BY_NOBODY:	it may be right
 * @PI_BY_HOST:		the engine, in what it read
 * @PI_BY_DEVICE:	the device or the kernel
 */
enum pi_finder {
	PI_BY_NOBODY,
	PI_BY_HOST,
	PI_BY_DEVICE,
};

/**
 * struct pi_where - an I/O that may be wrong, and who says so
 * @td:		of the job
 * @io_u:	what fio calls the I/O
 * @target:	its file
 * @io:		what the engine has of it
 * @command:	what was sent
 * @finder:	who
 * @blocks:	how many of its intervals have data
 * @status:	of NVMe, where the device gave one; else 0
 */
struct pi_where {
	struct thread_data *td;
	struct io_u *io_u;
	const struct pi_target *target;
	const struct pi_io *io;
	enum pi_command command;
	enum pi_finder finder;
	uint32_t blocks;
	unsigned int status;
};

/**
 * pi_first_block() - number on the disk of an I/O's first block
 * @where:	the I/O
 *
 * Return: a number as messages have it.
 */
static inline uint64_t pi_first_block(const struct pi_where *where)
{
	return where->io->number;
}

/**
 * pi_what() - what an I/O is called in messages
 * @where:	the I/O
 *
 * Return: a word.
 */
static inline const char *pi_what(const struct pi_where *where)
{
	return where->command != PI_COMMAND_RW ?
	       pi_command_kinds[where->command].name :
	       io_ddir_name(where->io_u->ddir);
}

/**
 * pi_on_media() - whether what was wrong is what the device had
 * @where:	the I/O
 *
 * Return: false for a write, whose data and tuples are the host's.
 */
static inline bool pi_on_media(const struct pi_where *where)
{
	return where->io_u->ddir == DDIR_READ ||
	       where->command == PI_COMMAND_VERIFY;
}

#endif
