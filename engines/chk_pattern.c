// SPDX-License-Identifier: GPL-2.0-only
/* pi_chk= patterns: which tags are checked depends on the I/O */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "chk_pattern.h"
#include "engine.h"

int pi_chk_pattern_check(struct thread_data *td)
{
	const struct pi_options *o = td->eo;

	if (!pi_options_chk_pattern(o))
		return 0;
	if (o->verify == PI_VERIFY_NONE)
		return pi_refuse("pi_chk with several parts and pi_verify=none: nothing would be checked; drop one of them");
	if (o->inject)
		return pi_refuse("pi_inject with several parts in pi_chk: whether a fault is found would depend on which I/O reads it; give tags without parts");
	if (o->mix < 100)
		return pi_refuse("pi_mix below 100 with several parts in pi_chk: plain I/Os would use up the turns of some parts; drop one of them");
	if (pi_commands_sent(&o->commands) != 1 << PI_COMMAND_RW)
		return pi_refuse("write_mode and verify_mode with several parts in pi_chk: the parts apply to reads and writes only; give tags without parts");
	return 0;
}

int pi_chk_pattern_check_target(struct thread_data *td, struct fio_file *f,
				uint64_t start, uint64_t intervals)
{
	const struct pi_options *o = td->eo;
	const struct pi_checks *checks = &o->checks;

	if (!pi_options_chk_pattern(o) || !checks->by_block)
		return 0;
	for (unsigned int i = 0; i < checks->nr - 1; i++) {
		const struct pi_block_range *range = &checks->blocks[i];

		if (range->first - start < intervals &&
		    range->last - start < intervals)
			continue;
		log_err("io_uring_pi: %s: pi_chk: blocks %" PRIu64 " to %" PRIu64 " are not all in this file, which has %" PRIu64 " to %" PRIu64 "; name some of these\n",
			f->file_name, range->first, range->last, start,
			start + intervals - 1);
		return EINVAL;
	}
	return 0;
}

int pi_chk_pattern_init(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	if (!pi_options_chk_pattern(td->eo) || !e->layout->pi)
		return 0;
	e->parts = calloc(td->o.iodepth, sizeof(*e->parts));
	return e->parts ? 0 : ENOMEM;
}

static PI_ALWAYS_INLINE int prep(struct thread_data *td, struct io_u *io_u,
				 unsigned int part)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);

	e->parts[io_u->index] = part;
	t->chk = t->parts[part].chk;
	t->ns.control[DDIR_READ] = t->parts[part].control[DDIR_READ];
	t->ns.control[DDIR_WRITE] = t->parts[part].control[DDIR_WRITE];
	return e->chk_prep_next(td, io_u);
}

/* the first block decides which part an I/O belongs to */
static int prep_by_block(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	const struct pi_target *t = FILE_ENG_DATA(io_u->file);

	if (io_u->ddir > DDIR_WRITE)
		return e->chk_prep_next(td, io_u);
	return prep(td, io_u, pi_checks_at(&o->checks, t->start +
					   pi_target_blocks(t, io_u->offset)));
}

static int prep_by_turn(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;

	if (io_u->ddir > DDIR_WRITE)
		return e->chk_prep_next(td, io_u);
	if (e->chk_turn == o->checks.turns)
		e->chk_turn = 0;
	return prep(td, io_u, o->checks.turn[e->chk_turn++]);
}

void pi_chk_pattern_recall(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);
	const struct pi_chk_part *part = &t->parts[e->parts[io_u->index]];

	if (t->recalled == part)
		return;
	t->recalled = part;
	t->on_read = part->on_read;
	t->by_device = part->by_device;
}

static PI_ALWAYS_INLINE void done(struct thread_data *td, struct io_u *io_u,
				  uint32_t blocks, int ddir)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_target *t = FILE_ENG_DATA(io_u->file);

	pi_chk_pattern_recall(td, io_u);
	e->chk_done_next[ddir](td, io_u, blocks);
	if (!io_u->error)
		t->parts[e->parts[io_u->index]].blocks[ddir] += blocks;
}

static void read_done(struct thread_data *td, struct io_u *io_u,
		      uint32_t blocks)
{
	done(td, io_u, blocks, DDIR_READ);
}

static void write_done(struct thread_data *td, struct io_u *io_u,
		       uint32_t blocks)
{
	done(td, io_u, blocks, DDIR_WRITE);
}

void pi_chk_pattern_choose(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;

	if (!e->parts)
		return;
	e->chk_prep_next = e->prep;
	e->prep = o->checks.by_block ? prep_by_block : prep_by_turn;
	for (int ddir = DDIR_READ; ddir <= DDIR_WRITE; ddir++)
		e->chk_done_next[ddir] = e->done[ddir];
	e->done[DDIR_READ] = read_done;
	e->done[DDIR_WRITE] = write_done;
}
