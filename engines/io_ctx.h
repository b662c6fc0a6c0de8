/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_IO_CTX_H
#define PI_IO_CTX_H

#include "command.h"
#include "io.h"
#include "target.h"

/**
 * enum pi_finder - who found an I/O to be wrong
 * @PI_BY_NOBODY: nobody so far
 * @PI_BY_HOST:	the engine, when it verified a read
 * @PI_BY_DEVICE: the device or the kernel
 */
enum pi_finder {
	PI_BY_NOBODY,
	PI_BY_HOST,
	PI_BY_DEVICE,
};

/**
 * struct pi_io_ctx - an I/O that errors are reported for or faults injected
 *		      into
 * @td:		thread of the job
 * @io_u:	fio's I/O
 * @target:	file of the I/O
 * @io:		the engine's state of the I/O
 * @command:	NVMe command that was sent
 * @finder:	who found the I/O to be wrong
 * @blocks:	number of intervals that were transferred
 * @status:	NVMe status if the device reported one, otherwise 0
 */
struct pi_io_ctx {
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
 * @ctx:	the I/O
 *
 * Return: block number as used in messages.
 */
static inline uint64_t pi_first_block(const struct pi_io_ctx *ctx)
{
	return ctx->io->number;
}

/**
 * pi_op_name() - name of an operation for messages
 * @ctx:	the I/O
 *
 * Return: "read", "write", or the name of another command.
 */
static inline const char *pi_op_name(const struct pi_io_ctx *ctx)
{
	return ctx->command != PI_COMMAND_RW ?
	       pi_command_kinds[ctx->command].name :
	       io_ddir_name(ctx->io_u->ddir);
}

/**
 * pi_on_media() - tell whether the wrong data or tuples are on the media
 * @ctx:	the I/O
 *
 * Return: false for writes other than Verify, whose data and tuples are the
 * host's.
 */
static inline bool pi_on_media(const struct pi_io_ctx *ctx)
{
	return ctx->io_u->ddir == DDIR_READ ||
	       ctx->command == PI_COMMAND_VERIFY;
}

#endif
