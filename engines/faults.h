/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FAULTS_H
#define PI_FAULTS_H

#include "inject.h"
#include "io_ctx.h"
#include "jsonl.h"
#include "ledger.h"
#include "unchecked.h"

/**
 * struct pi_faults - the faults of one job, and what became of them
 * @ledger:	what became of them
 * @inject:	which
 * @at:		where they happen
 * @log:	of pi_inject_log=
 * @td:		of the job
 * @unchecked:	to read what a block held before
 * @good:	for each I/O, the blocks that were damaged, as they should be
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
 * pi_faults_check() - refuse what pi_inject and its companions cannot mean
 * @td:		of the job
 *
 * Reads them into the job's @injection.
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_faults_check(struct thread_data *td);

/**
 * pi_faults_check_target() - refuse faults that nothing would show
 * @td:		of the job
 * @f:		one of its files
 * @t:		gets those that show as @faults
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_faults_check_target(struct thread_data *td, struct fio_file *f,
			   struct pi_target *t);

/**
 * pi_faults_init() - prepare for a job
 * @td:		of the job
 *
 * Return: NULL after one line on standard error.
 */
struct pi_faults *pi_faults_init(struct thread_data *td);

/**
 * pi_faults_exit() - report, and fail the job in expected-fault mode when not
 *		      all is as expected
 * @faults:	may be NULL
 * @wrong_ios:	I/Os that ended in error for wrong protection information
 */
void pi_faults_exit(struct pi_faults *faults, uint64_t wrong_ios);

/**
 * pi_faults_damage() - damage blocks of an I/O, where this is the place
 * @faults:	of the job
 * @ctx:	the I/O
 * @place:	that it is at
 */
void pi_faults_damage(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      enum pi_fault_place place);

/**
 * pi_faults_read() - a read was looked at
 * @faults:	of the job
 * @ctx:	the I/O
 */
void pi_faults_read(struct pi_faults *faults, const struct pi_io_ctx *ctx);

/**
 * pi_faults_written() - a write ended
 * @faults:	of the job
 * @ctx:	the I/O
 * @good:	without error
 */
void pi_faults_written(struct pi_faults *faults,
		       const struct pi_io_ctx *ctx, bool good);

/**
 * pi_faults_changed_ref() - whether the reference tag of a write's block is
 *			     one that was injected
 * @faults:	may be NULL
 * @ctx:	the I/O
 * @block:	which of its blocks
 *
 * Return: whether it is.
 */
bool pi_faults_changed_ref(struct pi_faults *faults,
			   const struct pi_io_ctx *ctx, uint32_t block);

/**
 * pi_faults_expect() - a wrong block was found
 * @faults:	may be NULL
 * @ctx:	the I/O
 * @bad:	NULL when nobody can say which
 *
 * Return: whether it is to be kept quiet, being expected.
 */
bool pi_faults_expect(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      const struct pi_mismatch *bad);

#endif
