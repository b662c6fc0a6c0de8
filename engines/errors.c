// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <libnvme.h>

#include "errors.h"
#include "json.h"

static const char * const finders[] = {
	[PI_BY_HOST]	= "host",
	[PI_BY_DEVICE]	= "device",
};

/* messages of either kind per job; further errors are only counted */
#define MAX_LINES	10

int pi_errors_init(struct pi_errors *errors, const struct pi_options *o)
{
	int err;

	*errors = (struct pi_errors) {
		.records_left	= o->errors_max,
		.dump_fd	= -1,
		.dumps_left	= o->dump_max,
	};
	err = pi_jsonl_open(&errors->records, "pi_errors", o->errors);
	return err ?: pi_jsonl_open_path("pi_dump", o->dump,
					 O_RDONLY | O_DIRECTORY,
					 &errors->dump_fd);
}

void pi_errors_exit(struct pi_errors *errors)
{
	pi_jsonl_close(&errors->records);
	if (errors->dump_fd >= 0)
		close(errors->dump_fd);
}

static void record(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		   const struct pi_mismatch *bad, const char *tag)
{
	const struct pi_options *o = ctx->td->eo;
	const struct io_u *io_u = ctx->io_u;
	char file[PI_JSON_ROOM], job[PI_JSON_ROOM];

	if (errors->records.fd < 0)
		return;
	pi_jsonl_write(&errors->records,
		"{\"file\": %s, \"job\": %s, \"direction\": \"%s\", \"offset\": %llu, \"block\": %" PRIu64 ", \"block_in_io\": %u, \"tag\": \"%s\", \"byte\": %u, \"expected\": \"0x%" PRIx64 "\", \"actual\": \"0x%" PRIx64 "\", \"finder\": \"%s\"}\n",
		pi_json_string(file, sizeof(file), io_u->file->file_name),
		pi_json_string(job, sizeof(job), ctx->td->o.name),
		pi_op_name(ctx), io_u->offset,
		pi_first_block(ctx) + bad->block, bad->block,
		tag, bad->offset, bad->expected, bad->actual,
		finders[ctx->finder]);
	if (--errors->records_left)
		return;
	log_err("io_uring_pi: %s: %lld lines in pi_errors, further wrong blocks are counted and not listed; pi_errors_max=N allows more\n",
		ctx->td->o.name, o->errors_max);
	pi_jsonl_close(&errors->records);
}

static void dump_file(struct pi_errors *errors, const char *name,
		      const void *buf, size_t len)
{
	int fd = openat(errors->dump_fd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const ssize_t done = fd < 0 ? -1 : write(fd, buf, len);

	if (done != (ssize_t)len) {
		log_err("io_uring_pi: pi_dump: %s: %s; no further blocks\n",
			name, strerror(done < 0 ? errno : ENOSPC));
		if (fd >= 0)
			unlinkat(errors->dump_fd, name, 0);
		close(errors->dump_fd);
		errors->dump_fd = -1;
	}
	if (fd >= 0)
		close(fd);
}

/* reference tag for messages: as on the media, or as counted from pi_reftag= */
static uint64_t ref_name(const struct pi_io_ctx *ctx, uint32_t block)
{
	const struct pi_target *target = ctx->target;

	return (pi_first_block(ctx) + block + target->tag_add) &
	       target->tuple.ref_varies;
}

/* dump a correct reference tag as in messages, not as passed to the kernel */
static void dump_md(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		    const char *name, uint32_t block)
{
	const struct pi_tuple *t = &ctx->target->tuple;
	uint8_t *md = pi_tuple_md(t, ctx->io_u->xfer_buf, ctx->io->md, block);
	const uint64_t ref = pi_tuple_ref(t, md);

	if (t->ref_varies && ref == ((ctx->io->ref + block) & t->ref_varies))
		pi_tuple_set_ref(t, md, ref_name(ctx, block));
	dump_file(errors, name, md, t->md_size);
	pi_tuple_set_ref(t, md, ref);
}

static void dump(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		 uint32_t block)
{
	const struct pi_options *o = ctx->td->eo;
	const struct pi_tuple *t = &ctx->target->tuple;
	const char *path = ctx->io_u->file->file_name;
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const void *data = ctx->io_u->xfer_buf;
	char name[300];

	if (errors->dump_fd < 0)
		return;
	snprintf(name, sizeof(name), "%.200s-%" PRIu64 ".data", base,
		 pi_first_block(ctx) + block);
	dump_file(errors, name, pi_tuple_data(t, data, block), t->interval);
	if (errors->dump_fd < 0)
		return;
	strcpy(strrchr(name, '.'), ".md");
	dump_md(errors, ctx, name, block);
	if (errors->dump_fd < 0 || --errors->dumps_left)
		return;
	log_err("io_uring_pi: %s: %lld blocks in pi_dump, further wrong blocks are not kept; pi_dump_max=N allows more\n",
		ctx->td->o.name, o->dump_max);
	close(errors->dump_fd);
	errors->dump_fd = -1;
}

/* " (NVMe status 0x282, guard)" */
static const char *status_words(const struct pi_io_ctx *ctx, char *buf,
				size_t size)
{
	int tag = pi_nvme_status_tag(ctx->status);

	if (tag < 0)
		return "";
	snprintf(buf, size, " (NVMe status 0x%x, %s)", ctx->status,
		 pi_tag_name(tag));
	return buf;
}

static const char *last_words(unsigned int lines)
{
	return lines == MAX_LINES ?
	       "; further such errors are counted, not printed" : "";
}

/* not limited by MAX_LINES: fio prints it for the I/O that ends the job */
static void detail(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		   const char *block, const char *what)
{
	errors->details_of = ctx->io_u;
	snprintf(errors->details, sizeof(errors->details),
		 "io_uring_pi: %s: %s%s%s%s", ctx->io_u->file->file_name,
		 block, what, ctx->status ? ": " : "",
		 ctx->status ? nvme_status_to_string(ctx->status, false) : "");
}

char *pi_errors_details(struct pi_errors *errors, const struct io_u *io_u)
{
	if (errors->details_of != io_u)
		return NULL;
	errors->details_of = NULL;
	return strdup(errors->details);
}

static void print(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		  const struct pi_mismatch *bad, uint32_t more)
{
	const struct io_u *io_u = ctx->io_u;
	char tag[32], status[64], others[48] = "", block[32];

	snprintf(block, sizeof(block), "block %" PRIu64 ", ",
		 pi_first_block(ctx) + bad->block);
	detail(errors, ctx, block, pi_tag_name(bad->tag));
	if (++errors->lines > MAX_LINES)
		return;
	snprintf(tag, sizeof(tag), bad->tag == PI_TAG_OPAQUE ? "%s %u" : "%s",
		 pi_tag_name(bad->tag), bad->offset);
	if (more)
		snprintf(others, sizeof(others), ", and %u more block%s", more,
			 more > 1 ? "s" : "");
	log_err("io_uring_pi: %s: block %" PRIu64 " (%u of %u in the %s at offset %llu): %s expected 0x%" PRIx64 ", found 0x%" PRIx64 " by the %s%s%s%s\n",
		io_u->file->file_name, pi_first_block(ctx) + bad->block,
		bad->block + 1, ctx->io->blocks, pi_op_name(ctx),
		io_u->offset, tag, bad->expected, bad->actual,
		finders[ctx->finder],
		status_words(ctx, status, sizeof(status)), others,
		last_words(errors->lines));
}

/*
 * Whether the kernel has remapped a reference tag of a write, and left it so.
 * On a stacked device the new tag is a block number of an underlying device,
 * which is not known; but such tags are consecutive within a stripe, and
 * injected tags are known.
 */
static bool rewritten(const struct pi_errors *errors,
		      const struct pi_io_ctx *ctx,
		      const struct pi_mismatch *bad)
{
	const struct pi_target *target = ctx->target;
	const uint64_t number = pi_first_block(ctx) + bad->block;

	if (ctx->io_u->ddir != DDIR_WRITE || target->ns.nsid ||
	    bad->tag != PI_TAG_REF || !target->tuple.ref_varies)
		return false;
	if (!target->stacked)
		return bad->actual == (number & target->tuple.ref_varies);
	return !pi_faults_changed_ref(errors->faults, ctx, bad->block) &&
	       !pi_tuple_ref_alone(&target->tuple, ctx->io_u->xfer_buf,
				   ctx->io->md, ctx->blocks, ctx->io->ref,
				   bad->block);
}

static uint32_t scan(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		     const struct pi_tuple *t)
{
	const void *data = ctx->io_u->xfer_buf, *md = ctx->io->md;
	struct pi_mismatch first = { 0 }, bad;
	uint32_t found = 0, shown = 0;

	for (uint32_t at = 0; at < ctx->blocks; at = bad.block + 1) {
		if (!t->verify(t, pi_tuple_data(t, data, at),
			       pi_tuple_md(t, data, md, at),
			       ctx->blocks - at, ctx->io->number + at,
			       ctx->io->ref + at, &bad))
			break;
		bad.block += at;
		if (rewritten(errors, ctx, &bad))
			continue;
		if (bad.tag == PI_TAG_REF && t->ref_varies)
			bad.expected = ref_name(ctx, bad.block);
		found++;
		if (!pi_faults_expect(errors->faults, ctx, &bad) && !shown++)
			first = bad;
		errors->tags[bad.tag]++;
		errors->by_device[bad.tag] += ctx->finder == PI_BY_DEVICE;
		record(errors, ctx, &bad, pi_tag_name(bad.tag));
		dump(errors, ctx, bad.block);
	}
	if (shown)
		print(errors, ctx, &first, shown - 1);
	return found;
}

/*
 * SCSI devices check all tags regardless, so if nothing is wrong in those that
 * the device should check, look at all of them.  With faults injected, also
 * look for those that only the host would find: the device may have failed the
 * I/O because of another one.
 */
uint32_t pi_errors_scan(struct pi_errors *errors,
			const struct pi_io_ctx *ctx)
{
	const struct pi_target *t = ctx->target;

	if (ctx->finder == PI_BY_HOST)
		return scan(errors, ctx, &t->on_read);
	return scan(errors, ctx, errors->faults ? &t->compared : &t->by_device) ?:
	       scan(errors, ctx, &t->tuple);
}

void pi_errors_device(struct pi_errors *errors,
		      const struct pi_io_ctx *ctx, const char *why)
{
	const uint64_t first = pi_first_block(ctx);
	const struct io_u *io_u = ctx->io_u;
	char status[64], last[32] = "";

	if (pi_faults_expect(errors->faults, ctx, NULL))
		return;
	detail(errors, ctx, "", "wrong protection information");
	/* may be many, so they must not use up the lines that name a block */
	if (++errors->unnamed > MAX_LINES)
		return;
	if (ctx->blocks > 1)
		snprintf(last, sizeof(last), " to %" PRIu64, first + ctx->blocks - 1);
	log_err("io_uring_pi: %s: block%s %" PRIu64 "%s (%s at offset %llu): the device found wrong protection information%s, %s%s\n",
		io_u->file->file_name, *last ? "s" : "", first, last,
		pi_op_name(ctx), io_u->offset,
		status_words(ctx, status, sizeof(status)), why,
		last_words(errors->unnamed));
}

void pi_errors_command(struct pi_errors *errors,
		       const struct pi_io_ctx *ctx)
{
	const struct io_u *io_u = ctx->io_u;

	detail(errors, ctx, "", pi_op_name(ctx));
	if (++errors->lines > MAX_LINES)
		return;
	log_err("io_uring_pi: %s: %s at offset %llu: NVMe status 0x%x: %s%s\n",
		io_u->file->file_name, pi_op_name(ctx), io_u->offset,
		ctx->status, nvme_status_to_string(ctx->status, false),
		last_words(errors->lines));
}

/* find the first byte that differs in a block; returns -1 if there is none */
static int first_difference(const uint8_t *sent, const uint8_t *media,
			    uint32_t len, uint32_t block, uint32_t stride,
			    struct pi_mismatch *bad)
{
	const size_t at = (size_t)block * stride;

	for (uint32_t i = 0; i < len; i++) {
		if (sent[at + i] == media[at + i])
			continue;
		*bad = (struct pi_mismatch) {
			.block		= block,
			.offset		= i,
			.expected	= sent[at + i],
			.actual		= media[at + i],
		};
		return i;
	}
	return -1;
}

/* compare data and separate metadata; @tag says which of them differs */
static bool block_differs(const struct pi_io_ctx *ctx, const char *sent,
			  uint32_t block, struct pi_mismatch *bad,
			  const char **tag)
{
	const struct pi_target *t = ctx->target;
	const struct io_u *io_u = ctx->io_u;
	const uint32_t stride = t->ns.stride;

	*tag = "data";
	if (first_difference((const uint8_t *)sent, io_u->xfer_buf, stride,
			     block, stride, bad) >= 0)
		return true;
	*tag = "metadata";
	return t->md_size &&
	       first_difference((const uint8_t *)sent + io_u->xfer_buflen,
				ctx->io->md, t->md_size, block, t->md_size,
				bad) >= 0;
}

void pi_errors_differ(struct pi_errors *errors, const struct pi_io_ctx *ctx,
		      const void *sent)
{
	const struct io_u *io_u = ctx->io_u;
	struct pi_mismatch bad, first = { 0 };
	const char *tag, *what = NULL;

	for (uint32_t block = 0; block < ctx->blocks; block++) {
		if (!block_differs(ctx, sent, block, &bad, &tag))
			continue;
		record(errors, ctx, &bad, tag);
		dump(errors, ctx, block);
		if (what)
			continue;
		what = tag;
		first = bad;
	}
	detail(errors, ctx, "", what ?: pi_op_name(ctx));
	if (++errors->lines > MAX_LINES)
		return;
	if (!what) {
		log_err("io_uring_pi: %s: compare at offset %llu: NVMe status 0x%x, but not when read again; was it being written meanwhile?%s\n",
			io_u->file->file_name, io_u->offset, ctx->status,
			last_words(errors->lines));
		return;
	}
	log_err("io_uring_pi: %s: block %" PRIu64 " (%u of %u in the compare at offset %llu): byte %u of the %s expected 0x%" PRIx64 ", found 0x%" PRIx64 " by the device (NVMe status 0x%x)%s\n",
		io_u->file->file_name, pi_first_block(ctx) + first.block,
		first.block + 1, ctx->io->blocks, io_u->offset, first.offset,
		what, first.expected, first.actual, ctx->status,
		last_words(errors->lines));
}

void pi_errors_gone(struct pi_errors *errors, const struct io_u *io_u)
{
	if (errors->gone)
		return;
	errors->gone = true;
	log_err("io_uring_pi: %s: %s at offset %llu: 0 of %llu bytes transferred; the disk was removed or has shrunk\n",
		io_u->file->file_name, io_ddir_name(io_u->ddir), io_u->offset,
		io_u->xfer_buflen);
}
