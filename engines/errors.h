/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ERRORS_H
#define PI_ERRORS_H

#include "faults.h"
#include "io_ctx.h"
#include "jsonl.h"

/**
 * struct pi_errors - errors found by one job
 * @tags:	number of wrong blocks by tag, whoever found the I/O to be wrong
 * @by_device:	the part of @tags in I/Os that the device failed
 * @device_ios:	number of I/Os that the device failed because of a tag
 * @host_ios:	number of I/Os that the host failed because of a tag
 * @lines:	number of messages printed so far that name what is wrong
 * @unnamed:	number of messages printed so far that do not name the wrong block
 * @details:	description of the last error, for fio's errdetails hook
 * @details_of:	I/O that @details is about, or NULL
 * @gone:	the message about a missing disk was printed
 * @records:	file of pi_errors=
 * @records_left: number of lines that may still be written to it
 * @dump_fd:	directory of pi_dump=, or -1
 * @dumps_left:	number of blocks that may still be written to it
 * @faults:	injected faults, or NULL
 */
struct pi_errors {
	uint64_t tags[PI_NR_TAGS];
	uint64_t by_device[PI_NR_TAGS];
	uint64_t device_ios;
	uint64_t host_ios;
	unsigned int lines;
	unsigned int unnamed;
	char details[256];
	const struct io_u *details_of;
	bool gone;
	struct pi_jsonl records;
	long long records_left;
	int dump_fd;
	long long dumps_left;
	struct pi_faults *faults;
};

/**
 * pi_errors_init() - open the files of pi_errors= and pi_dump=
 * @errors:	state to initialize
 * @o:		options of the job
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_errors_init(struct pi_errors *errors, const struct pi_options *o);

/**
 * pi_errors_exit() - close the files of pi_errors= and pi_dump=
 * @errors:	state initialized by pi_errors_init()
 */
void pi_errors_exit(struct pi_errors *errors);

/**
 * pi_errors_scan() - count and report every wrong block of an I/O
 * @errors:	errors of the job
 * @ctx:	the I/O
 *
 * Prints one line per I/O, until too many were printed, and writes one record
 * per block.
 *
 * Return: number of wrong blocks.
 */
uint32_t pi_errors_scan(struct pi_errors *errors,
			const struct pi_io_ctx *ctx);

/**
 * pi_errors_device() - report an I/O that the device failed, if the wrong block
 *			is not known
 * @errors:	errors of the job
 * @ctx:	the I/O
 * @why:	end of the sentence, which says why it is not known
 */
void pi_errors_device(struct pi_errors *errors,
		      const struct pi_io_ctx *ctx, const char *why);

/**
 * pi_errors_command() - report a command that failed with an NVMe status not
 *			 about a tag
 * @errors:	errors of the job
 * @ctx:	the I/O
 */
void pi_errors_command(struct pi_errors *errors,
		       const struct pi_io_ctx *ctx);

/**
 * pi_errors_differ() - report the differences that a Compare found
 * @errors:	errors of the job
 * @ctx:	the I/O, whose buffers hold what is on the media
 * @sent:	data followed by metadata that the command was sent with
 */
void pi_errors_differ(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		      const void *sent);

/**
 * pi_errors_details() - fio's errdetails hook
 * @errors:	errors of the job
 * @io_u:	the I/O
 *
 * Return: a string to be freed by the caller, or NULL.
 */
char *pi_errors_details(struct pi_errors *errors, const struct io_u *io_u);

/**
 * pi_errors_gone() - report that a disk has disappeared, once
 * @errors:	errors of the job
 * @io_u:	the first I/O that found no disk
 */
void pi_errors_gone(struct pi_errors *errors, const struct io_u *io_u);

#endif
