// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "json.h"

/* original data of a damaged block, to be restored when the write completes */
struct pi_faults_good {
	struct pi_faults_good *next;
	uint32_t block;
	uint8_t data[];
};

static const struct {
	const char *name;
	const char *why;
} places[] = {
	[PI_INJECT_OUT]		= { "out", "" },
	[PI_INJECT_BEFORE]	= { "before", "before the tuples are generated there is only data" },
	[PI_INJECT_BACK]	= { "back", "this kind of fault only happens to writes" },
};

/* parse the pi_inject options, once per job */
static int parse(struct pi_options *o)
{
	struct pi_inject *inject = &o->injection;
	struct pi_reason reason;
	int ret;

	if (o->injection_read)
		return 0;
	*inject = (struct pi_inject) {
		.one_in	= o->inject_one_in,
		.seed	= o->inject_seed,
	};
	ret = pi_inject_kinds(o->inject, &inject->kinds, &reason);
	if (ret) {
		log_err("io_uring_pi: pi_inject: %s\n", reason.text);
		return -ret;
	}
	if (!strcmp(o->inject, "all"))
		inject->kinds &= pi_fault_possible(o->inject_at);
	if (o->inject_blocks)
		ret = pi_inject_blocks(o->inject_blocks, inject, &reason);
	if (ret)
		log_err("io_uring_pi: pi_inject_blocks: %s\n", reason.text);
	o->injection_read = !ret;
	return -ret;
}

/* name of the first of several kinds, for a message */
static const char *name_of(unsigned int kinds)
{
	return pi_fault_kinds[__builtin_ctz(kinds)].name;
}

int pi_faults_check(struct thread_data *td)
{
	struct pi_options *o = td->eo;
	unsigned int impossible;
	int err;

	if (!o->inject) {
		if (!o->inject_expect)
			return 0;
		log_err("io_uring_pi: pi_inject_expect=1 without faults to expect; add pi_inject=all\n");
		return EINVAL;
	}
	err = parse(o);
	if (err)
		return err;
	impossible = o->injection.kinds & ~pi_fault_possible(o->inject_at);
	if (impossible) {
		log_err("io_uring_pi: pi_inject=%s with pi_inject_at=%s: %s; change one of them\n",
			name_of(impossible), places[o->inject_at].name,
			places[o->inject_at].why);
		return EINVAL;
	}
	if (o->app_mode == PI_APP_CONSTANT && o->apptag == 0xffff) {
		log_err("io_uring_pi: pi_inject with apptag=0xffff: blocks with this tag are not checked, so no fault would show; use another apptag\n");
		return EINVAL;
	}
	return 0;
}

int pi_faults_check_target(struct thread_data *td, struct fio_file *f,
			   struct pi_target *t)
{
	const struct pi_options *o = td->eo;
	const unsigned int kinds = o->injection.kinds;
	unsigned int invisible;
	char name[64];

	if (!kinds)
		return 0;
	t->faults = kinds & pi_fault_visible(&t->format, &t->compared);
	invisible = kinds & ~t->faults;
	if (t->faults && (!invisible || !strcmp(o->inject, "all")))
		return 0;
	pi_format_name(&t->format, name, sizeof(name));
	log_err("io_uring_pi: %s: pi_inject=%s: no tag of %s would show that with these options; see pi_verify, pi_chk, apptag_mask, pi_apptag, pi_reftag and pi_opaque, or leave this kind out\n",
		f->file_name, name_of(invisible), name);
	return EINVAL;
}

static void settled(struct pi_ledger *ledger,
		    const struct pi_ledger_entry *entry)
{
	struct pi_faults *faults = container_of(ledger, struct pi_faults, ledger);

	pi_jsonl_write(&faults->log, "{\"fault\": %" PRIu64 ", \"outcome\": \"%s\"}\n",
		       entry->id, pi_outcome_name(entry->outcome));
}

struct pi_faults *pi_faults_init(struct thread_data *td)
{
	struct pi_options *o = td->eo;
	struct pi_faults *faults = calloc(1, sizeof(*faults));

	if (!faults)
		return NULL;
	faults->td = td;
	faults->inject = &o->injection;
	faults->at = o->inject_at;
	faults->ledger.settled = settled;
	faults->good = calloc(td->o.iodepth, sizeof(*faults->good));
	if (!faults->good ||
	    pi_jsonl_open(&faults->log, "pi_inject_log", o->inject_log)) {
		free(faults->good);
		free(faults);
		return NULL;
	}
	/* expected errors must not end the job */
	if (o->inject_expect)
		td->o.continue_on_error |= 1 << ERROR_TYPE_VERIFY_BIT;
	return faults;
}

static uint64_t total(const struct pi_ledger *ledger, enum pi_outcome outcome)
{
	uint64_t nr = 0;

	for (unsigned int kind = 0; kind < PI_NR_FAULT_KINDS; kind++)
		nr += ledger->nr[kind][outcome];
	return nr;
}

static void report_kind(const struct pi_ledger *ledger, enum pi_fault_id kind)
{
	const char *comma = " ";
	char text[256];
	int len = 0;

	for (unsigned int i = 0; i < PI_NR_OUTCOMES; i++) {
		if (!ledger->nr[kind][i])
			continue;
		len += snprintf(text + len, sizeof(text) - len,
				"%s%" PRIu64 " %s", comma, ledger->nr[kind][i],
				pi_outcome_name(i));
		comma = ", ";
	}
	if (len)
		log_info("io_uring_pi:   %-8s%s\n", pi_fault_kinds[kind].name, text);
}

static void report(struct pi_faults *faults, uint64_t wrong_ios)
{
	const struct pi_ledger *ledger = &faults->ledger;
	const struct pi_options *o = faults->td->eo;
	uint64_t found = total(ledger, PI_FAULT_BY_HOST) +
			 total(ledger, PI_FAULT_BY_DEVICE);
	/* errors found by fio's verify=, or reported by the device for another reason */
	uint64_t failed = faults->td->total_err_count;
	uint64_t others = failed > wrong_ios ? failed - wrong_ios : 0;
	bool as_expected = found && found == ledger->injected &&
			   !ledger->unexpected && !others;
	char text[400];

	snprintf(text, sizeof(text), "%s: %" PRIu64 " faults injected, seed %llu: %" PRIu64 " found, %" PRIu64 " found as another tag, %" PRIu64 " missed, %" PRIu64 " overwritten, %" PRIu64 " not read back; %" PRIu64 " errors without a fault, %" PRIu64 " other failed I/Os",
		 faults->td->o.name, ledger->injected, o->inject_seed, found,
		 total(ledger, PI_FAULT_MISTAKEN),
		 total(ledger, PI_FAULT_MISSED),
		 total(ledger, PI_FAULT_OVERWRITTEN),
		 total(ledger, PI_FAULT_UNREAD), ledger->unexpected, others);
	if (output_format & FIO_OUTPUT_NORMAL) {
		log_info("io_uring_pi: %s\n", text);
		for (unsigned int kind = 0; kind < PI_NR_FAULT_KINDS; kind++)
			report_kind(ledger, kind);
		log_info_flush();
	}
	if (o->inject_expect && !as_expected) {
		log_err("io_uring_pi: pi_inject_expect=1 does not hold: %s\n",
			text);
		td_verror(faults->td, EILSEQ, "io_uring_pi");
	}
}

static void put_back(struct pi_faults *faults, const struct pi_io_ctx *ctx)
{
	struct pi_faults_good **list = &faults->good[ctx->io_u->index];
	const struct pi_tuple *t = &ctx->target->tuple;

	while (*list) {
		struct pi_faults_good *good = *list;

		memcpy(pi_tuple_data(t, ctx->io_u->xfer_buf, good->block),
		       good->data, t->interval);
		*list = good->next;
		free(good);
	}
}

void pi_faults_exit(struct pi_faults *faults, uint64_t wrong_ios)
{
	struct pi_options *o;

	if (!faults)
		return;
	o = faults->td->eo;
	pi_ledger_close(&faults->ledger);
	report(faults, wrong_ios);
	pi_jsonl_close(&faults->log);
	for (unsigned int i = 0; i < faults->td->o.iodepth; i++) {
		while (faults->good[i]) {
			struct pi_faults_good *good = faults->good[i];

			faults->good[i] = good->next;
			free(good);
		}
	}
	free(o->injection.ranges);
	o->injection_read = false;
	free(faults->good);
	free(faults);
}

static bool save(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		 uint32_t block, const uint8_t *data)
{
	struct pi_faults_good **list = &faults->good[ctx->io_u->index];
	const uint32_t interval = ctx->target->tuple.interval;
	struct pi_faults_good *good = malloc(sizeof(*good) + interval);

	if (!good)
		return false;
	good->next = *list;
	good->block = block;
	memcpy(good->data, data, interval);
	*list = good;
	return true;
}

static void note(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		 uint32_t block, const struct pi_fault *fault)
{
	const struct io_u *io_u = ctx->io_u;
	const uint64_t number = pi_first_block(ctx) + block;
	const struct pi_ledger_entry *entry;
	char file[PI_JSON_ROOM], job[PI_JSON_ROOM];

	entry = pi_ledger_add(&faults->ledger, ctx->target, number,
			      fault->kind);
	if (!entry) {
		td_verror(faults->td, ENOMEM, "io_uring_pi");
		return;
	}
	pi_jsonl_write(&faults->log,
		"{\"fault\": %" PRIu64 ", \"file\": %s, \"job\": %s, \"block\": %" PRIu64 ", \"block_in_io\": %u, \"offset\": %llu, \"kind\": \"%s\", \"at\": \"%s\"}\n",
		entry->id,
		pi_json_string(file, sizeof(file), io_u->file->file_name),
		pi_json_string(job, sizeof(job), faults->td->o.name), number,
		block, io_u->offset, pi_fault_kinds[fault->kind].name,
		places[faults->at].name);
}

/* read the old contents of a block: data, then metadata */
static uint8_t *read_old(struct pi_faults *faults,
			 const struct pi_io_ctx *ctx, uint32_t block)
{
	const struct pi_target *target = ctx->target;
	const struct pi_tuple *t = &target->tuple;
	uint8_t *old;

	if (posix_memalign((void **)&old, 4096, 2 * (size_t)t->interval + t->md_size))
		return NULL;
	if (!pi_unchecked_rw(faults->unchecked,
			     target->ns.nsid ? &target->ns : NULL, 0,
			     ctx->io_u->file->fd,
			     ctx->io_u->offset + (uint64_t)block * t->stride,
			     old, t->stride, old + t->interval, target->md_size,
			     ctx->io->ref + block))
		return old;
	free(old);
	return NULL;
}

static void damage(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		   uint32_t block, const struct pi_fault *fault)
{
	const struct pi_target *target = ctx->target;
	const struct pi_tuple *t = &target->compared;
	const uint64_t number = pi_first_block(ctx) + block;
	void *buf = ctx->io_u->xfer_buf;
	struct pi_fault_block damaged = {
		.format	= &target->format,
		.tuple	= t,
		.number	= number,
		.ref	= ctx->io->ref + block,
		.tag	= number + target->tag_add,
		.data	= pi_tuple_data(t, buf, block),
		.md	= pi_tuple_md(t, buf, ctx->io->md, block),
	};
	uint8_t *old = NULL;

	if (pi_fault_kinds[fault->kind].needs_old) {
		old = read_old(faults, ctx, block);
		if (!old)
			return;
		damaged.old_data = old;
		damaged.old_md = old + t->interval;
	}
	if (ctx->io_u->ddir == DDIR_READ ||
	    save(faults, ctx, block, damaged.data)) {
		if (pi_fault_apply(fault, &damaged))
			note(faults, ctx, block, fault);
	}
	free(old);
}

void pi_faults_damage(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      enum pi_fault_place place)
{
	const uint64_t first = pi_first_block(ctx);

	if (faults->at != place)
		return;
	for (uint32_t block = 0; block < ctx->blocks; block++) {
		struct pi_fault fault;

		if (pi_inject_choose(faults->inject, ctx->target->faults,
				     first + block, &fault))
			damage(faults, ctx, block, &fault);
	}
}

void pi_faults_read(struct pi_faults *faults, const struct pi_io_ctx *ctx)
{
	pi_ledger_read(&faults->ledger, ctx->target,
		       pi_first_block(ctx), ctx->blocks,
		       faults->at == PI_INJECT_BACK);
}

void pi_faults_written(struct pi_faults *faults,
		       const struct pi_io_ctx *ctx, bool good)
{
	put_back(faults, ctx);
	pi_ledger_written(&faults->ledger, ctx->target,
			  pi_first_block(ctx), ctx->blocks, good);
}

bool pi_faults_changed_ref(struct pi_faults *faults,
			   const struct pi_io_ctx *ctx, uint32_t block)
{
	const struct pi_fault_kind *kind;

	if (!faults)
		return false;
	kind = pi_ledger_in_flight(&faults->ledger, ctx->target,
				   pi_first_block(ctx) + block);
	return kind && kind->moves_ref;
}

bool pi_faults_expect(struct pi_faults *faults, const struct pi_io_ctx *ctx,
		      const struct pi_mismatch *bad)
{
	const struct pi_options *o = ctx->td->eo;

	if (!faults)
		return false;
	if (!bad && ctx->io_u->ddir == DDIR_WRITE &&
	    pi_ledger_near(&faults->ledger, ctx->target,
			   pi_first_block(ctx), ctx->blocks,
			   ctx->target->reach))
		return o->inject_expect;
	if (!bad) {
		faults->ledger.unexpected++;
		return false;
	}
	return pi_ledger_error(&faults->ledger, ctx->target,
			       pi_first_block(ctx) + bad->block,
			       bad->tag, &ctx->target->tuple,
			       ctx->finder == PI_BY_DEVICE) &&
	       o->inject_expect;
}
