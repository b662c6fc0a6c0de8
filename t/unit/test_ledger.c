// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failing allocations, for entries and tree nodes:
 *
 * wrap: calloc tsearch
 */
#include <search.h>

#include "pi_test_format.h"

#include "ledger.h"

#define MAX_FAULTS	100000

static bool no_calloc, no_tsearch;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__real_tsearch(const void *key, void **rootp,
		     int (*compar)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **rootp,
		     int (*compar)(const void *, const void *));

void *__wrap_calloc(size_t nr, size_t size)
{
	return no_calloc ? NULL : __real_calloc(nr, size);
}

void *__wrap_tsearch(const void *key, void **rootp,
		     int (*compar)(const void *, const void *))
{
	return no_tsearch ? NULL : __real_tsearch(key, rootp, compar);
}

/* two files, by their addresses, and blocks to have faults in */
static const char disk[2];

#define A	(&disk[0])
#define B	(&disk[1])
#define BLOCK	0x123456789aULL

static struct pi_tuple tuple;

/* outcomes reported to settled(), by fault */
static struct {
	unsigned int calls;
	unsigned int times[MAX_FAULTS];
	enum pi_outcome outcome[MAX_FAULTS];
} told;

static void settled(struct pi_ledger *ledger,
		    const struct pi_ledger_entry *entry)
{
	pi_test_in_range(entry->id, 1, ledger->injected);
	pi_test_in_range(entry->id, 1, MAX_FAULTS - 1);
	told.calls++;
	told.times[entry->id]++;
	told.outcome[entry->id] = entry->outcome;
}

static struct pi_ledger ledger;

static int setup(void **state)
{
	const struct pi_format f = pi_test_format(CRC16, 512, 8, 0, 1);
	const struct pi_tuple_options o = { .app_mask = 0xffff };

	assert_int_equal(pi_tuple_init(&tuple, &f, &o), 0);
	memset(&told, 0, sizeof(told));
	ledger = (struct pi_ledger) { .settled = settled };
	return pi_test_rewind(state);
}

static uint64_t count(enum pi_outcome outcome)
{
	uint64_t nr = 0;

	for (unsigned int kind = 0; kind < PI_NR_FAULT_KINDS; kind++)
		nr += ledger.nr[kind][outcome];
	return nr;
}

/* of all faults: found by host, by device, mistaken, missed, overwritten, unread */
static void expect_counts(const uint64_t want[PI_NR_OUTCOMES])
{
	for (unsigned int i = 0; i < PI_NR_OUTCOMES; i++)
		if (count(i) != want[i])
			fail_msg("%" PRIu64 " %s, not %" PRIu64, count(i),
				 pi_outcome_name(i), want[i]);
}

#define expect(...) \
	expect_counts((const uint64_t [PI_NR_OUTCOMES]) { __VA_ARGS__ })

/* afterwards, each fault has one outcome that was reported once */
static void end(unsigned int faults)
{
	uint64_t sum = 0;

	pi_ledger_close(&ledger);
	assert_null(ledger.entries);
	assert_int_equal(ledger.injected, faults);
	for (unsigned int i = 0; i < PI_NR_OUTCOMES; i++)
		sum += count(i);
	assert_int_equal(sum, faults);
	assert_int_equal(told.calls, faults);
	for (unsigned int id = 1; id <= faults; id++)
		assert_int_equal(told.times[id], 1);
}

static uint64_t add(const void *file, uint64_t block, enum pi_fault_id kind)
{
	const struct pi_ledger_entry *entry =
		pi_ledger_add(&ledger, file, block, kind);

	assert_non_null(entry);
	assert_ptr_equal(entry->file, file);
	assert_int_equal(entry->block, block);
	assert_int_equal(entry->kind, kind);
	assert_int_equal(entry->outcome, PI_FAULT_UNREAD);
	assert_int_equal(entry->id, ledger.injected);
	return entry->id;
}

static void written(const void *file, uint64_t block, uint32_t nr)
{
	pi_ledger_written(&ledger, file, block, nr, true);
}

static void refused(const void *file, uint64_t block, uint32_t nr)
{
	pi_ledger_written(&ledger, file, block, nr, false);
}

static void read_back(const void *file, uint64_t block, uint32_t nr)
{
	pi_ledger_read(&ledger, file, block, nr, false);
}

static bool found(const void *file, uint64_t block, enum pi_tag tag, bool device)
{
	return pi_ledger_error(&ledger, file, block, tag, &tuple, device);
}

/* a fault that is on the media */
static uint64_t fault(const void *file, uint64_t block, enum pi_fault_id kind)
{
	uint64_t id = add(file, block, kind);

	written(file, block, 1);
	return id;
}

static void test_names(void **state)
{
	static const char * const name[] = {
		"found by the host", "found by the device",
		"found as another tag", "missed", "overwritten", "not read back",
	};

	(void)state;
	assert_int_equal(PI_NR_OUTCOMES, ARRAY_SIZE(name));
	for (unsigned int i = 0; i < ARRAY_SIZE(name); i++)
		assert_string_equal(pi_outcome_name(i), name[i]);
}

static void test_empty(void **state)
{
	(void)state;
	read_back(A, 0, 100);
	written(A, 0, 100);
	assert_null(ledger.entries);
	end(0);
	end(0);
	assert_int_equal(ledger.unexpected, 0);
}

static void test_found_by_host(void **state)
{
	uint64_t id;

	(void)state;
	id = fault(A, BLOCK, PI_FAULT_DATA);
	assert_int_equal(id, 1);
	expect(0);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	expect(1);
	assert_int_equal(ledger.nr[PI_FAULT_DATA][PI_FAULT_BY_HOST], 1);
	assert_int_equal(told.outcome[id], PI_FAULT_BY_HOST);
	assert_int_equal(told.calls, 1);
	read_back(A, BLOCK, 1);
	expect(1);
	end(1);
	expect(1);
	assert_int_equal(ledger.unexpected, 0);
}

/* found during the write, or later in a read */
static void test_found_by_device(void **state)
{
	(void)state;
	add(A, BLOCK, PI_FAULT_GUARD);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, true));
	expect(0, 1);
	refused(A, BLOCK, 1);
	fault(A, BLOCK + 1, PI_FAULT_REFTAG);
	assert_true(found(A, BLOCK + 1, PI_TAG_REF, true));
	expect(0, 2);
	assert_int_equal(ledger.nr[PI_FAULT_GUARD][PI_FAULT_BY_DEVICE], 1);
	assert_int_equal(ledger.nr[PI_FAULT_REFTAG][PI_FAULT_BY_DEVICE], 1);
	end(2);
	expect(0, 2);
	assert_int_equal(ledger.unexpected, 0);
}

/* each kind, found as each tag, by host and device */
static void test_mistaken(void **state)
{
	uint64_t right = 0, wrong = 0, block = 0;

	(void)state;
	for (int device = 0; device < 2; device++)
		for (unsigned int kind = 0; kind < PI_NR_FAULT_KINDS; kind++)
			for (enum pi_tag tag = 0; tag < PI_NR_TAGS; tag++) {
				bool is = pi_fault_kinds[kind].shows_as(&tuple, tag);
				uint64_t id = fault(A, ++block, kind);

				assert_true(found(A, block, tag, device));
				assert_int_equal(told.outcome[id],
					!is ? PI_FAULT_MISTAKEN :
					device ? PI_FAULT_BY_DEVICE :
						 PI_FAULT_BY_HOST);
				right += is;
				wrong += !is;
			}
	assert_int_equal(right + wrong, block);
	expect(right / 2, right / 2, wrong);
	end(block);
	assert_int_equal(ledger.unexpected, 0);
}

static void test_missed(void **state)
{
	uint64_t id;

	(void)state;
	id = fault(A, BLOCK, PI_FAULT_REFTAG);
	read_back(A, BLOCK - 10, 10);
	read_back(A, BLOCK + 1, 10);
	read_back(B, BLOCK, 1);
	read_back(A, BLOCK, 0);
	expect(0);
	read_back(A, BLOCK - 5, 6);
	expect(0, 0, 0, 1);
	assert_int_equal(told.outcome[id], PI_FAULT_MISSED);
	assert_int_equal(ledger.nr[PI_FAULT_REFTAG][PI_FAULT_MISSED], 1);

	/* a missed fault stays missed, but a later error is not unexpected */
	assert_true(found(A, BLOCK, PI_TAG_REF, false));
	read_back(A, BLOCK, 1);
	written(A, BLOCK, 1);
	expect(0, 0, 0, 1);
	end(1);
	assert_int_equal(ledger.unexpected, 0);
}

static void test_overwritten(void **state)
{
	uint64_t id;

	(void)state;
	id = fault(A, BLOCK, PI_FAULT_TEAR);
	written(A, BLOCK + 1, 4);
	written(A, BLOCK - 4, 4);
	written(B, BLOCK, 1);
	expect(0);
	written(A, BLOCK - 4, 8);
	expect(0, 0, 0, 0, 1);
	assert_int_equal(told.outcome[id], PI_FAULT_OVERWRITTEN);

	/* the entry is gone, so an error in the block is unexpected */
	assert_null(ledger.entries);
	assert_false(found(A, BLOCK, PI_TAG_GUARD, false));
	assert_int_equal(ledger.unexpected, 1);
	end(1);
	expect(0, 0, 0, 0, 1);
}

/* a found fault stays until it is overwritten, and counts once */
static void test_second_find(void **state)
{
	(void)state;
	fault(A, BLOCK, PI_FAULT_DATA);
	for (int i = 0; i < 3; i++) {
		assert_true(found(A, BLOCK, PI_TAG_GUARD, i > 0));
		assert_true(found(A, BLOCK, PI_TAG_REF, false));
		read_back(A, BLOCK, 1);
		expect(1);
	}
	written(A, BLOCK, 1);
	expect(1);
	assert_null(ledger.entries);
	end(1);
	expect(1);
	assert_int_equal(ledger.unexpected, 0);
}

/* a read that completes before the write does not see the fault */
static void test_in_flight(void **state)
{
	(void)state;
	add(A, BLOCK, PI_FAULT_DATA);
	read_back(A, BLOCK, 1);
	expect(0);
	written(A, BLOCK, 1);
	expect(0);
	read_back(A, BLOCK, 1);
	expect(0, 0, 0, 1);
	end(1);
}

/* a second fault in the same block settles the first one */
static void test_fault_over_fault(void **state)
{
	uint64_t first, second;

	(void)state;
	first = fault(A, BLOCK, PI_FAULT_DATA);
	second = add(A, BLOCK, PI_FAULT_APPTAG);
	expect(0, 0, 0, 0, 1);
	assert_int_equal(told.outcome[first], PI_FAULT_OVERWRITTEN);
	assert_int_equal(ledger.nr[PI_FAULT_DATA][PI_FAULT_OVERWRITTEN], 1);
	read_back(A, BLOCK, 1);
	written(A, BLOCK, 1);
	expect(0, 0, 0, 0, 1);
	assert_true(found(A, BLOCK, PI_TAG_APP, false));
	expect(1, 0, 0, 0, 1);
	assert_int_equal(told.outcome[second], PI_FAULT_BY_HOST);

	/* the first one was found already: only the new one is outstanding */
	add(A, BLOCK, PI_FAULT_DATA);
	written(A, BLOCK, 1);
	expect(1, 0, 0, 0, 1);
	end(3);
	expect(1, 0, 0, 0, 1, 1);
}

/* two concurrent writes to a block: assume the fault is on the media */
static void test_overlapping(void **state)
{
	(void)state;
	add(A, BLOCK, PI_FAULT_DATA);
	add(A, BLOCK, PI_FAULT_DATA);
	written(A, BLOCK, 1);
	read_back(A, BLOCK, 1);
	written(A, BLOCK, 1);
	expect(0, 0, 0, 0, 1);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	expect(1, 0, 0, 0, 1);
	written(A, BLOCK, 1);
	assert_null(ledger.entries);
	assert_int_equal(ledger.unexpected, 0);

	/* if one of them fails, the contents are unknown */
	add(A, BLOCK, PI_FAULT_DATA);
	add(A, BLOCK, PI_FAULT_DATA);
	refused(A, BLOCK, 1);
	written(A, BLOCK, 1);
	read_back(A, BLOCK, 1);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	expect(1, 0, 0, 0, 3);
	written(A, BLOCK, 1);
	assert_null(ledger.entries);
	end(4);
	assert_int_equal(ledger.unexpected, 0);
}

static void test_unread(void **state)
{
	uint64_t in_flight, on_media;

	(void)state;
	in_flight = add(A, BLOCK, PI_FAULT_DROP);
	on_media = fault(B, BLOCK, PI_FAULT_TEAR);
	expect(0);
	end(2);
	expect(0, 0, 0, 0, 0, 2);
	assert_int_equal(told.outcome[in_flight], PI_FAULT_UNREAD);
	assert_int_equal(told.outcome[on_media], PI_FAULT_UNREAD);
	assert_int_equal(ledger.nr[PI_FAULT_DROP][PI_FAULT_UNREAD], 1);
	assert_int_equal(ledger.nr[PI_FAULT_TEAR][PI_FAULT_UNREAD], 1);
}

/* after a failed write the contents are unknown: errors are not counted */
static void test_refused(void **state)
{
	(void)state;
	add(A, BLOCK + 1, PI_FAULT_DATA);
	refused(A, BLOCK, 4);
	expect(0, 0, 0, 0, 1);
	for (uint64_t block = BLOCK; block < BLOCK + 4; block++)
		for (enum pi_tag tag = 0; tag < PI_NR_TAGS; tag++)
			assert_true(found(A, block, tag, tag % 2));
	read_back(A, BLOCK, 4);
	assert_true(found(A, BLOCK + 2, PI_TAG_REF, false));
	assert_int_equal(ledger.unexpected, 0);
	assert_false(found(A, BLOCK - 1, PI_TAG_REF, false));
	assert_false(found(A, BLOCK + 4, PI_TAG_REF, false));
	assert_false(found(B, BLOCK, PI_TAG_REF, false));
	assert_int_equal(ledger.unexpected, 3);

	/* a successful write makes them known again */
	written(A, BLOCK, 3);
	for (uint64_t block = BLOCK; block < BLOCK + 3; block++)
		assert_false(found(A, block, PI_TAG_GUARD, false));
	assert_true(found(A, BLOCK + 3, PI_TAG_GUARD, false));
	assert_int_equal(ledger.unexpected, 6);
	expect(0, 0, 0, 0, 1);
	end(1);
	expect(0, 0, 0, 0, 1);
}

/* writes that failed because they were merged with a damaged one */
static void test_near(void **state)
{
	(void)state;
	assert_false(pi_ledger_near(&ledger, A, BLOCK, 4, 8));
	add(A, BLOCK, PI_FAULT_DATA);
	assert_true(pi_ledger_near(&ledger, A, BLOCK + 8, 4, 8));
	assert_false(pi_ledger_near(&ledger, A, BLOCK + 9, 4, 8));
	assert_true(pi_ledger_near(&ledger, A, BLOCK - 11, 4, 8));
	assert_false(pi_ledger_near(&ledger, A, BLOCK - 12, 4, 8));
	assert_true(pi_ledger_near(&ledger, A, BLOCK - 1, 4, 0));
	assert_false(pi_ledger_near(&ledger, B, BLOCK, 4, 8));
	/* also after it has failed, when the contents are unknown */
	refused(A, BLOCK, 1);
	assert_true(pi_ledger_near(&ledger, A, BLOCK + 8, 4, 8));
	written(A, BLOCK, 1);
	assert_false(pi_ledger_near(&ledger, A, BLOCK, 4, 8));
	assert_false(pi_ledger_near(&ledger, A, 0, 1, 8));
	end(1);
}

/* that is, not a fault that an earlier write left on the media */
static void test_kinds_in_flight(void **state)
{
	const struct pi_fault_kind *guard = &pi_fault_kinds[PI_FAULT_GUARD];

	(void)state;
	assert_null(pi_ledger_in_flight(&ledger, A, BLOCK));
	add(A, BLOCK, PI_FAULT_GUARD);
	assert_ptr_equal(pi_ledger_in_flight(&ledger, A, BLOCK), guard);
	assert_null(pi_ledger_in_flight(&ledger, A, BLOCK + 1));
	assert_null(pi_ledger_in_flight(&ledger, B, BLOCK));
	/* found, and still in the I/O */
	assert_true(found(A, BLOCK, PI_TAG_GUARD, true));
	assert_ptr_equal(pi_ledger_in_flight(&ledger, A, BLOCK), guard);
	written(A, BLOCK, 1);
	assert_null(pi_ledger_in_flight(&ledger, A, BLOCK));
	end(1);
}

/* found by the device in the write that it fails, or earlier on the media */
static void test_refused_faults(void **state)
{
	uint64_t on_media;

	(void)state;
	add(A, BLOCK, PI_FAULT_GUARD);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, true));
	refused(A, BLOCK, 1);
	expect(0, 1);
	on_media = fault(A, BLOCK + 1, PI_FAULT_GUARD);
	refused(A, BLOCK + 1, 1);
	expect(0, 1, 0, 0, 1);
	assert_int_equal(told.outcome[on_media], PI_FAULT_OVERWRITTEN);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	assert_true(found(A, BLOCK + 1, PI_TAG_GUARD, false));
	read_back(A, BLOCK, 2);
	expect(0, 1, 0, 0, 1);
	end(2);
	expect(0, 1, 0, 0, 1);
	assert_int_equal(ledger.unexpected, 0);
}

/* a fault in a block with unknown contents */
static void test_fault_over_unknown(void **state)
{
	uint64_t id;

	(void)state;
	refused(A, BLOCK, 1);
	id = add(A, BLOCK, PI_FAULT_REFTAG);
	assert_int_equal(id, 1);
	expect(0);
	read_back(A, BLOCK, 1);
	written(A, BLOCK, 1);
	expect(0);
	assert_true(found(A, BLOCK, PI_TAG_REF, false));
	expect(1);
	end(1);
}

/* a fault in a read: gone once it was verified */
static void test_transient(void **state)
{
	uint64_t missed;

	(void)state;
	add(A, BLOCK, PI_FAULT_DATA);
	missed = add(A, BLOCK + 1, PI_FAULT_APPTAG);
	add(A, BLOCK + 9, PI_FAULT_APPTAG);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	pi_ledger_read(&ledger, A, BLOCK, 2, true);
	expect(1, 0, 0, 1);
	assert_int_equal(told.outcome[missed], PI_FAULT_MISSED);

	/* an error in the next read is unexpected */
	assert_false(found(A, BLOCK, PI_TAG_GUARD, false));
	assert_false(found(A, BLOCK + 1, PI_TAG_APP, false));
	assert_int_equal(ledger.unexpected, 2);
	assert_true(found(A, BLOCK + 9, PI_TAG_APP, false));
	pi_ledger_read(&ledger, A, BLOCK + 9, 1, true);
	assert_null(ledger.entries);
	expect(2, 0, 0, 1);
	end(3);
}

/* reads do not change that the contents are unknown after a failed write */
static void test_transient_unknown(void **state)
{
	(void)state;
	add(A, BLOCK + 1, PI_FAULT_DATA);
	refused(A, BLOCK, 2);
	pi_ledger_read(&ledger, A, BLOCK, 2, true);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	assert_true(found(A, BLOCK + 1, PI_TAG_GUARD, false));
	written(A, BLOCK, 2);
	assert_null(ledger.entries);
	end(1);
	assert_int_equal(ledger.unexpected, 0);
}

/* the same number, another file; and neighbours far away */
static void test_files_and_blocks(void **state)
{
	static const uint64_t block[] = {
		0, 1, 0xffffffff, 0x100000000, 0x100000001, 1ULL << 63,
		UINT64_MAX - 1,
	};
	const void *file[] = { A, B };
	unsigned int faults = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		for (int f = 0; f < 2; f++, faults++)
			fault(file[f], block[i], f ? PI_FAULT_DATA :
						     PI_FAULT_REFTAG);
	for (size_t i = 0; i < ARRAY_SIZE(block); i++) {
		assert_true(found(A, block[i], PI_TAG_REF, false));
		assert_true(found(B, block[i], PI_TAG_GUARD, true));
	}
	expect(faults / 2, faults / 2);
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		written(A, block[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(block); i++) {
		assert_false(found(A, block[i], PI_TAG_REF, false));
		assert_true(found(B, block[i], PI_TAG_GUARD, true));
	}
	assert_int_equal(ledger.unexpected, ARRAY_SIZE(block));
	end(faults);
	expect(faults / 2, faults / 2);
}

static void test_no_callback(void **state)
{
	(void)state;
	ledger.settled = NULL;
	fault(A, BLOCK, PI_FAULT_DATA);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	fault(A, BLOCK + 1, PI_FAULT_DATA);
	pi_ledger_close(&ledger);
	expect(1, 0, 0, 0, 0, 1);
}

/* if a fault cannot be recorded, the state does not change */
static void test_no_memory(void **state)
{
	bool * const none[] = { &no_calloc, &no_tsearch };

	(void)state;
	fault(A, BLOCK, PI_FAULT_DATA);
	for (int i = 0; i < 2; i++) {
		*none[i] = true;
		assert_null(pi_ledger_add(&ledger, A, BLOCK + 1, PI_FAULT_DATA));
		assert_null(pi_ledger_add(&ledger, B, BLOCK, PI_FAULT_DATA));
		refused(A, BLOCK + 1, 5);
		*none[i] = false;
		assert_int_equal(ledger.injected, 1);
		assert_int_equal(told.calls, 0);
	}
	for (int i = 0; i < 2; i++)
		*none[i] = true;
	/* existing entries need no memory */
	add(A, BLOCK, PI_FAULT_REFTAG);
	refused(A, BLOCK, 1);
	assert_true(found(A, BLOCK, PI_TAG_GUARD, false));
	for (int i = 0; i < 2; i++)
		*none[i] = false;
	assert_false(found(A, BLOCK + 1, PI_TAG_GUARD, false));
	end(2);
	expect(0, 0, 0, 0, 2);
}

/*
 * A model of a disk: for each block its fault and whether that is settled, and
 * for each write its blocks.  There are no concurrent writes to a block, which
 * test_overlapping() tests.
 */
enum { NR_BLOCKS = 24, MAX_IO = 6, NR_IOS = 4, STEPS = 30000 };

struct model_block {
	enum { GOOD, FAULTY, UNKNOWN } content;
	uint64_t id;
	enum pi_fault_id kind;
	bool done;
	bool busy;
};

static struct {
	struct model_block block[2][NR_BLOCKS];
	struct {
		unsigned int file, first, nr;
		uint64_t id[MAX_IO];
	} io[NR_IOS];
	uint64_t nr[PI_NR_FAULT_KINDS][PI_NR_OUTCOMES];
	uint64_t unexpected;
	uint64_t injected;
} model;

static void model_settle(struct model_block *b, enum pi_outcome outcome)
{
	if (b->content != FAULTY || b->done)
		return;
	b->done = true;
	model.nr[b->kind][outcome]++;
}

static bool model_error(struct model_block *b, enum pi_tag tag, bool device)
{
	if (b->content == GOOD) {
		model.unexpected++;
		return false;
	}
	if (b->content == FAULTY)
		model_settle(b, !pi_fault_kinds[b->kind].shows_as(&tuple, tag) ?
				PI_FAULT_MISTAKEN :
				device ? PI_FAULT_BY_DEVICE : PI_FAULT_BY_HOST);
	return true;
}

static void walk_submit(unsigned int slot)
{
	unsigned int file = pi_test_below(2), first = pi_test_below(NR_BLOCKS);
	unsigned int nr = 1 + pi_test_below(MAX_IO);

	if (first + nr > NR_BLOCKS)
		nr = NR_BLOCKS - first;
	for (unsigned int i = 0; i < nr; i++)
		if (model.block[file][first + i].busy)
			return;
	model.io[slot].file = file;
	model.io[slot].first = first;
	model.io[slot].nr = nr;
	for (unsigned int i = 0; i < nr; i++) {
		struct model_block *b = &model.block[file][first + i];

		b->busy = true;
		model.io[slot].id[i] = 0;
		if (pi_test_below(3))
			continue;
		model_settle(b, PI_FAULT_OVERWRITTEN);
		b->content = FAULTY;
		b->kind = pi_test_below(PI_NR_FAULT_KINDS);
		b->done = false;
		b->id = add(&disk[file], first + i, b->kind);
		model.io[slot].id[i] = b->id;
		assert_int_equal(b->id, ++model.injected);
	}
}

static void walk_complete(unsigned int slot)
{
	const bool good = pi_test_below(4);
	unsigned int file = model.io[slot].file, first = model.io[slot].first;

	for (unsigned int i = 0; i < model.io[slot].nr; i++) {
		struct model_block *b = &model.block[file][first + i];
		enum pi_tag tag = pi_test_below(PI_NR_TAGS);

		b->busy = false;
		if (good && model.io[slot].id[i])
			continue;
		if (!good && model.io[slot].id[i] && pi_test_below(2))
			assert_int_equal(found(&disk[file], first + i, tag, true),
					 model_error(b, tag, true));
		model_settle(b, PI_FAULT_OVERWRITTEN);
		b->content = good ? GOOD : UNKNOWN;
	}
	pi_ledger_written(&ledger, &disk[file], first, model.io[slot].nr, good);
	model.io[slot].nr = 0;
}

static bool in_write(unsigned int file, unsigned int block)
{
	for (unsigned int i = 0; i < NR_IOS; i++)
		for (unsigned int n = 0; n < model.io[i].nr; n++)
			if (model.io[i].file == file && model.io[i].id[n] &&
			    model.io[i].first + n == block)
				return true;
	return false;
}

static void walk_read(void)
{
	unsigned int file = pi_test_below(2), first = pi_test_below(NR_BLOCKS);
	unsigned int nr = 1 + pi_test_below(NR_BLOCKS - first);

	for (unsigned int i = first; i < first + nr; i++) {
		struct model_block *b = &model.block[file][i];
		enum pi_tag tag = pi_test_below(PI_NR_TAGS);
		const bool device = pi_test_below(2);

		if (in_write(file, i))
			continue;
		if (!pi_test_below(b->content == GOOD ? 50 : 2))
			assert_int_equal(found(&disk[file], i, tag, device),
					 model_error(b, tag, device));
		model_settle(b, PI_FAULT_MISSED);
	}
	read_back(&disk[file], first, nr);
}

static void test_walk(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int slot = pi_test_below(NR_IOS);

		if (pi_test_below(3) == 0)
			walk_read();
		else if (model.io[slot].nr)
			walk_complete(slot);
		else
			walk_submit(slot);
		assert_memory_equal(ledger.nr, model.nr, sizeof(model.nr));
		assert_int_equal(ledger.unexpected, model.unexpected);
		assert_int_equal(ledger.injected, model.injected);
	}
	for (unsigned int i = 0; i < 2 * NR_BLOCKS; i++)
		model_settle(&model.block[i / NR_BLOCKS][i % NR_BLOCKS],
			     PI_FAULT_UNREAD);
	end(model.injected);
	assert_memory_equal(ledger.nr, model.nr, sizeof(model.nr));
	for (unsigned int i = 0; i < PI_NR_OUTCOMES - 1; i++)
		assert_true(count(i));
}

#define with_ledger(test) \
	cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		with_ledger(test_empty),
		with_ledger(test_found_by_host),
		with_ledger(test_found_by_device),
		with_ledger(test_mistaken),
		with_ledger(test_missed),
		with_ledger(test_overwritten),
		with_ledger(test_second_find),
		with_ledger(test_in_flight),
		with_ledger(test_fault_over_fault),
		with_ledger(test_overlapping),
		with_ledger(test_unread),
		with_ledger(test_refused),
		with_ledger(test_near),
		with_ledger(test_kinds_in_flight),
		with_ledger(test_refused_faults),
		with_ledger(test_fault_over_unknown),
		with_ledger(test_transient),
		with_ledger(test_transient_unknown),
		with_ledger(test_files_and_blocks),
		with_ledger(test_no_callback),
		with_ledger(test_no_memory),
		with_ledger(test_walk),
	};

	return cmocka_run_group_tests_name("ledger", tests, pi_test_seed, NULL);
}
