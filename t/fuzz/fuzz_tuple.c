// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any format that a kernel may report, with any options, data and metadata:
 * nothing is accessed out of bounds, generated tuples verify, and faults that
 * are reported as visible are found.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inject.h"
#include "reach.h"
#include "tuple.h"

struct input {
	struct pi_uapi_cap cap;
	uint16_t app;
	uint16_t app_mask;
	uint8_t app_mode;
	uint8_t bits;		/* extended, ref_check, opaque, unchecked */
	uint8_t blocks;
	uint8_t kind;
	uint64_t tag;
	uint64_t number;
	uint64_t ref;
	uint64_t random;
} __attribute__((packed));

struct buffers {
	size_t data_len;
	size_t md_len;
	uint8_t *data;
	uint8_t *md;
};

static void fill(uint8_t *to, size_t len, const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < len; i++)
		to[i] = size ? from[i % size] : 0;
}

static void check_bad(const struct pi_format *format,
		      const struct pi_mismatch *bad, uint32_t blocks)
{
	CHECK(bad->tag < PI_NR_TAGS);
	CHECK(bad->block < blocks);
	CHECK(bad->tag == PI_TAG_OPAQUE || bad->expected != bad->actual);
	if (bad->tag == PI_TAG_OPAQUE)
		CHECK(bad->offset < format->md_size);
	CHECK(pi_tag_name(bad->tag));
}

static void scan(const struct pi_tuple *t, const struct pi_format *format,
		 const struct buffers *b, uint32_t blocks, uint64_t number,
		 uint64_t ref)
{
	struct pi_mismatch bad;

	for (uint32_t at = 0; at < blocks; at += bad.block + 1) {
		int ret = t->verify(t, pi_tuple_data(t, b->data, at),
				    pi_tuple_md(t, b->data, b->md, at),
				    blocks - at, number + at, ref + at, &bad);

		if (!ret)
			return;
		CHECK(ret == -EILSEQ);
		check_bad(format, &bad, blocks - at);
	}
}

static void fault(const struct input *in, const struct pi_tuple *t,
		  const struct pi_format *format, const struct buffers *b)
{
	const struct pi_fault fault = {
		.kind	= in->kind % PI_NR_FAULT_KINDS,
		.random	= in->random,
	};
	const bool escaped = in->app == 0xffff && !t->app_varies;
	const size_t old_len = format->interval + format->md_size;
	uint8_t *old = calloc(1, old_len);
	const struct pi_fault_block block = {
		.format		= format,
		.tuple		= t,
		.number		= in->number,
		.ref		= in->ref,
		.tag		= in->ref,
		.data		= b->data,
		.md		= pi_tuple_md(t, b->data, b->md, 0),
		.old_data	= old,
		.old_md		= old + format->interval,
	};
	struct pi_mismatch bad;
	bool changed;

	changed = pi_fault_visible(format, t) >> fault.kind & 1 && !escaped &&
		  pi_fault_apply(&fault, &block);
	free(old);
	if (!changed || pi_fault_kinds[fault.kind].needs_old)
		return;
	CHECK(t->verify(t, b->data, b->md, 1, in->number, in->ref, &bad));
	check_bad(format, &bad, 1);
	CHECK(pi_fault_kinds[fault.kind].shows_as(t, bad.tag));
}

static void use(const struct input *in, const struct pi_format *format,
		const uint8_t *rest, size_t size)
{
	const struct pi_tuple_options options = {
		.app		= in->app,
		.app_mask	= in->app_mask,
		.app_mode	= in->app_mode % 3,
		.ref		= in->tag,
		.ref_check	= in->bits >> 1 & 1,
		.opaque		= in->bits >> 2 & 1,
		.unchecked	= in->bits >> 3 & 7,
	};
	const uint32_t blocks = 1 + in->blocks % 3;
	struct buffers b = { 0 };
	struct pi_mismatch bad;
	struct pi_tuple t;

	CHECK(!pi_tuple_init(&t, format, &options));
	b.data_len = (size_t)blocks * pi_format_stride(format);
	b.md_len = pi_format_md_bytes(format, (uint64_t)blocks * format->interval);
	b.data = malloc(b.data_len);
	b.md = malloc(b.md_len);
	fill(b.data, b.data_len, rest, size);
	fill(b.md, b.md_len, rest, size);
	scan(&t, format, &b, blocks, in->number, in->ref);
	t.generate(&t, b.data, b.md, blocks, in->number, in->ref);
	CHECK(!t.verify(&t, b.data, b.md, blocks, in->number, in->ref, &bad));
	fault(in, &t, format, &b);
	free(b.md);
	free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pi_format format;
	struct pi_uapi_cap cap;
	struct pi_reason reason;
	const size_t head = size < sizeof(struct input) ? size :
			    sizeof(struct input);
	struct input in = { 0 };
	char name[64];
	int ret;

	memcpy(&in, data, head);
	cap = in.cap;
	ret = pi_format_from_cap(&format, &cap, &reason);
	if (ret) {
		CHECK(ret == -ENODATA || ret == -EOPNOTSUPP);
		CHECK(reason.text[0]);
	} else {
		format.extended = in.bits & 1;
		pi_format_name(&format, name, sizeof(name));
		use(&in, &format, data + head, size - head);
	}
	fuzz_reached();
	return 0;
}
