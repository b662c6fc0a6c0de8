/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FAULTS_H
#define PI_FAULTS_H

#include "inject.h"
#include "io_ctx.h"
#include "jsonl.h"
#include "ledger.h"
#include "unchecked.h"

/**
 * struct pi_faults - faults injected by one job
 * @ledger:	record of the faults and their outcomes
 * @inject:	which blocks to damage, and how
 * @at:		where in the I/O path to damage them
 * @log:	file of pi_inject_log=
 * @td:		thread of the job
 * @unchecked:	ring for reading the old contents of a block
 * @good:	for each I/O, a list of the original contents of its damaged
 *		blocks
 */
struct pi_faults {
	struct pi_ledger ledger;
	const struct pi_inject *inject;
	enum pi_fault_place at;
	struct pi_jsonl log;
	struct thread_data *td;
	struct pi_unchecked *unchecked;
	struct pi_faults_good **good;
};

/**
 * pi_faults_check() - parse the pi_inject options and refuse those that make no
 *		       sense
 * @td:		thread of the job
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_faults_check(struct thread_data *td);

/**
 * pi_faults_check_target() - refuse faults that PI could not show
 * @td:		thread of the job
 * @f:		file of the job
 * @t:		target, whose @faults is set
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_faults_check_target(struct thread_data *td, struct fio_file *f,
			   struct pi_target *t);

/**
 * pi_faults_init() - allocate the state for fault injection
 * @td:		thread of the job
 *
 * Return: the state, or NULL on failure, which unless out of memory has been
 * reported in one line on standard error.
 */
struct pi_faults *pi_faults_init(struct thread_data *td);

/**
 * pi_faults_exit() - report the outcomes, and release the state
 * @faults:	state, may be NULL
 * @wrong_ios:	number of I/Os that failed because of wrong protection
 *		information
 *
 * With pi_inject_expect=1 this fails the job unless every fault was found and
 * nothing else went wrong.
 */
void pi_faults_exit(struct pi_faults *faults, uint64_t wrong_ios);

/**
 * pi_faults_damage() - damage blocks of an I/O, if this is the configured place
 * @faults:	faults of the job
 * @ctx:	the I/O
 * @place:	place in the I/O path that this is called at
 */
void pi_faults_damage(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      enum pi_fault_place place);

/**
 * pi_faults_read() - record that a read was verified
 * @faults:	faults of the job
 * @ctx:	the I/O
 */
void pi_faults_read(struct pi_faults *faults, const struct pi_io_ctx *ctx);

/**
 * pi_faults_written() - record that a write has completed, and restore its
 *			 buffer
 * @faults:	faults of the job
 * @ctx:	the I/O
 * @good:	the write succeeded
 */
void pi_faults_written(struct pi_faults *faults,
		       const struct pi_io_ctx *ctx, bool good);

/**
 * pi_faults_changed_ref() - test whether a fault changed the reference tag of a
 *			     block being written
 * @faults:	faults of the job, may be NULL
 * @ctx:	the I/O
 * @block:	index of the block in the I/O
 *
 * Return: whether a fault changed it.
 */
bool pi_faults_changed_ref(struct pi_faults *faults,
			   const struct pi_io_ctx *ctx, uint32_t block);

/**
 * pi_faults_expect() - record that a wrong block was found
 * @faults:	faults of the job, may be NULL
 * @ctx:	the I/O
 * @bad:	the mismatch, or NULL if it is not known
 *
 * Return: whether the error was expected and should not be reported.
 */
bool pi_faults_expect(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      const struct pi_mismatch *bad);

#endif
