/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_ERRORS_H
#define PI_ERRORS_H

#include "faults.h"
#include "io_ctx.h"
#include "jsonl.h"

/**
 * struct pi_errors - what one job found wrong
 * @tags:	wrong blocks by tag, whoever found the I/O to be wrong
 * @by_device:	those of them where the device had found the I/O
 * @device_ios:	I/Os that the device ended with EILSEQ
 * @host_ios:	I/Os that the host did
 * @lines:	printed so far
 * @details:	of the I/O that was wrong last, for fio
 * @details_of:	that I/O, or NULL
 * @gone:	that a disk went away was printed
 * @records:	of pi_errors=
 * @records_left:	how many lines it may still get
 * @dump_fd:	directory of failing blocks, or -1
 * @dumps_left:	how many blocks it may still get
 * @faults:	those that are injected, or NULL
 */
struct pi_errors {
	uint64_t tags[PI_NR_TAGS];
	uint64_t by_device[PI_NR_TAGS];
	uint64_t device_ios;
	uint64_t host_ios;
	unsigned int lines;
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
 * pi_errors_init() - open what pi_errors= and pi_dump= name
 * @errors:	set
 * @o:		of the job
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_errors_init(struct pi_errors *errors, const struct pi_options *o);

/**
 * pi_errors_exit() - close it
 * @errors:	of pi_errors_init()
 */
void pi_errors_exit(struct pi_errors *errors);

/**
 * pi_errors_scan() - count and report every wrong block of an I/O
 * @errors:	of the job
 * @ctx:	the I/O
 *
 * One line for the I/O, as long as there were few; one record for each block.
 *
 * Return: how many there were.
 */
uint32_t pi_errors_scan(struct pi_errors *errors,
			const struct pi_io_ctx *ctx);

/**
 * pi_errors_device() - report an I/O that the device found wrong, and in
 *			which the host finds nothing
 * @errors:	of the job
 * @ctx:	the I/O
 * @why:	the rest of the sentence
 */
void pi_errors_device(struct pi_errors *errors,
		      const struct pi_io_ctx *ctx, const char *why);

/**
 * pi_errors_command() - report a command that failed with an NVMe status other
 *			 than a wrong tag
 * @errors:	of the job
 * @ctx:	the I/O
 */
void pi_errors_command(struct pi_errors *errors,
		       const struct pi_io_ctx *ctx);

/**
 * pi_errors_differ() - report what a Compare found to differ
 * @errors:	of the job
 * @ctx:	the I/O, whose buffers have what is on the media
 * @sent:	data and, behind it, metadata that it was compared with
 */
void pi_errors_differ(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		      const void *sent);

/**
 * pi_errors_details() - what is known of an I/O's error, for fio's own message
 * @errors:	of the job
 * @io_u:	the I/O
 *
 * Return: a string to be freed, or NULL.
 */
char *pi_errors_details(struct pi_errors *errors, const struct io_u *io_u);

/**
 * pi_errors_gone() - report the first I/O for which there was no disk any more
 * @errors:	of the job
 * @io_u:	the I/O
 */
void pi_errors_gone(struct pi_errors *errors, const struct io_u *io_u);

#endif
