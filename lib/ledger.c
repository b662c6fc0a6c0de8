// SPDX-License-Identifier: GPL-2.0-only
#include <search.h>
#include <stdlib.h>

#include "ledger.h"

const char *pi_outcome_name(enum pi_outcome outcome)
{
	static const char * const name[PI_NR_OUTCOMES] = {
		[PI_FAULT_BY_HOST]	= "found by the host",
		[PI_FAULT_BY_DEVICE]	= "found by the device",
		[PI_FAULT_MISTAKEN]	= "found as another tag",
		[PI_FAULT_MISSED]	= "missed",
		[PI_FAULT_OVERWRITTEN]	= "overwritten",
		[PI_FAULT_UNREAD]	= "not read back",
	};

	return name[outcome];
}

static int compare(const void *a, const void *b)
{
	const struct pi_ledger_entry *x = a, *y = b;

	if (x->file != y->file)
		return (uintptr_t)x->file < (uintptr_t)y->file ? -1 : 1;
	return (x->block > y->block) - (x->block < y->block);
}

static struct pi_ledger_entry *find(struct pi_ledger *ledger, const void *file,
				    uint64_t block)
{
	const struct pi_ledger_entry key = { .file = file, .block = block };
	struct pi_ledger_entry **at = tfind(&key, &ledger->entries, compare);

	return at ? *at : NULL;
}

static void settle(struct pi_ledger *ledger, struct pi_ledger_entry *entry,
		   enum pi_outcome outcome)
{
	if (!entry->id || entry->outcome != PI_FAULT_UNREAD)
		return;
	entry->outcome = outcome;
	ledger->nr[entry->kind][outcome]++;
	if (ledger->settled)
		ledger->settled(ledger, entry);
}

static void forget(struct pi_ledger *ledger, struct pi_ledger_entry *entry)
{
	tdelete(entry, &ledger->entries, compare);
	free(entry);
}

static struct pi_ledger_entry *insert(struct pi_ledger *ledger,
				      const void *file, uint64_t block)
{
	struct pi_ledger_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->file = file;
	entry->block = block;
	if (tsearch(entry, &ledger->entries, compare))
		return entry;
	free(entry);
	return NULL;
}

const struct pi_ledger_entry *pi_ledger_add(struct pi_ledger *ledger,
					    const void *file, uint64_t block,
					    enum pi_fault_id kind)
{
	struct pi_ledger_entry *entry = find(ledger, file, block);

	if (entry)
		settle(ledger, entry, PI_FAULT_OVERWRITTEN);
	else
		entry = insert(ledger, file, block);
	if (!entry)
		return NULL;
	entry->id = ++ledger->injected;
	entry->kind = kind;
	entry->outcome = PI_FAULT_UNREAD;
	entry->in_flight++;
	return entry;
}

bool pi_ledger_error(struct pi_ledger *ledger, const void *file, uint64_t block,
		     enum pi_tag tag, const struct pi_tuple *t, bool device)
{
	struct pi_ledger_entry *entry = find(ledger, file, block);

	if (!entry) {
		ledger->unexpected++;
		return false;
	}
	if (!pi_fault_kinds[entry->kind].shows_as(t, tag))
		settle(ledger, entry, PI_FAULT_MISTAKEN);
	else
		settle(ledger, entry, device ? PI_FAULT_BY_DEVICE :
					       PI_FAULT_BY_HOST);
	return true;
}

bool pi_ledger_near(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, uint32_t reach)
{
	uint64_t block = first > reach ? first - reach : 0;

	for (; block < first + nr + reach; block++)
		if (find(ledger, file, block))
			return true;
	return false;
}

const struct pi_fault_kind *pi_ledger_in_flight(struct pi_ledger *ledger,
						const void *file,
						uint64_t block)
{
	const struct pi_ledger_entry *entry = find(ledger, file, block);

	return entry && entry->in_flight ? &pi_fault_kinds[entry->kind] : NULL;
}

void pi_ledger_read(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, bool transient)
{
	for (uint64_t block = first; block < first + nr; block++) {
		struct pi_ledger_entry *entry = find(ledger, file, block);

		if (!entry || (entry->in_flight && !transient))
			continue;
		settle(ledger, entry, PI_FAULT_MISSED);
		if (transient && entry->id)
			forget(ledger, entry);
	}
}

static void refused(struct pi_ledger *ledger, const void *file, uint64_t block,
		    struct pi_ledger_entry *entry)
{
	if (!entry)
		entry = insert(ledger, file, block);
	if (!entry)
		return;
	settle(ledger, entry, PI_FAULT_OVERWRITTEN);
	if (entry->in_flight)
		entry->in_flight--;
	entry->id = 0;
}

void pi_ledger_written(struct pi_ledger *ledger, const void *file,
		       uint64_t first, uint32_t nr, bool good)
{
	for (uint64_t block = first; block < first + nr; block++) {
		struct pi_ledger_entry *entry = find(ledger, file, block);

		if (!good) {
			refused(ledger, file, block, entry);
		} else if (entry && entry->in_flight) {
			entry->in_flight--;
		} else if (entry) {
			settle(ledger, entry, PI_FAULT_OVERWRITTEN);
			forget(ledger, entry);
		}
	}
}

void pi_ledger_close(struct pi_ledger *ledger)
{
	while (ledger->entries) {
		struct pi_ledger_entry *entry =
			*(struct pi_ledger_entry **)ledger->entries;

		if (entry->id && entry->outcome == PI_FAULT_UNREAD) {
			ledger->nr[entry->kind][PI_FAULT_UNREAD]++;
			if (ledger->settled)
				ledger->settled(ledger, entry);
		}
		forget(ledger, entry);
	}
}
