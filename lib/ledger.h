/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_LEDGER_H
#define PI_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

/**
 * enum pi_outcome - what became of a fault
 * @PI_FAULT_BY_HOST:	found by the host, as the tag it hit
 * @PI_FAULT_BY_DEVICE:	found by the device, as the tag it hit
 * @PI_FAULT_MISTAKEN:	found as another tag
 * @PI_FAULT_MISSED:	read, and nobody objected
 * @PI_FAULT_OVERWRITTEN: gone before it was read
 * @PI_FAULT_UNREAD:	still there, not read
 * @PI_NR_OUTCOMES:	how many there are
 */
enum pi_outcome {
	PI_FAULT_BY_HOST,
	PI_FAULT_BY_DEVICE,
	PI_FAULT_MISTAKEN,
	PI_FAULT_MISSED,
	PI_FAULT_OVERWRITTEN,
	PI_FAULT_UNREAD,
	PI_NR_OUTCOMES,
};

/**
 * struct pi_ledger_entry - a block that is not known to be in order
 * @file:	whose block
 * @block:	its number
 * @id:		of the fault in it, from 1; 0: a write of it was refused, and
 *		what it holds now is not known
 * @kind:	of the fault
 * @outcome:	so far
 * @in_flight:	I/Os that damaged it and have not completed
 */
struct pi_ledger_entry {
	const void *file;
	uint64_t block;
	uint64_t id;
	enum pi_fault_id kind;
	enum pi_outcome outcome;
	unsigned int in_flight;
};

/**
 * struct pi_ledger - injected faults and what became of them
 * @nr:		faults by kind and outcome; those that are unread are counted
 *		by pi_ledger_close()
 * @injected:	how many faults were noted
 * @unexpected:	errors where no fault was injected
 * @entries:	a tree of struct pi_ledger_entry
 * @settled:	called when an entry has its outcome
 */
struct pi_ledger {
	uint64_t nr[PI_NR_FAULT_KINDS][PI_NR_OUTCOMES];
	uint64_t injected;
	uint64_t unexpected;
	void *entries;
	void (*settled)(struct pi_ledger *ledger,
			const struct pi_ledger_entry *entry);
};

/**
 * pi_outcome_name() - "found by the host"
 * @outcome:	which
 *
 * Return: words for a report.
 */
const char *pi_outcome_name(enum pi_outcome outcome);

/**
 * pi_ledger_add() - note a fault in an I/O in flight
 * @ledger:	where it is noted
 * @file:	whose block
 * @block:	its number
 * @kind:	of the fault
 *
 * Return: its entry, or NULL without memory.
 */
const struct pi_ledger_entry *pi_ledger_add(struct pi_ledger *ledger,
					    const void *file, uint64_t block,
					    enum pi_fault_id kind);

/**
 * pi_ledger_error() - somebody found a block wrong
 * @ledger:	where the faults are noted
 * @file:	whose block
 * @block:	its number
 * @tag:	the tag it was found by
 * @t:		the format's
 * @device:	the device found it, else the host
 *
 * Return: whether a fault was expected there.
 */
bool pi_ledger_error(struct pi_ledger *ledger, const void *file, uint64_t block,
		     enum pi_tag tag, const struct pi_tuple *t, bool device);

/**
 * pi_ledger_near() - whether a block with an entry is within @reach of others
 * @ledger:	where the faults are noted
 * @file:	whose blocks
 * @first:	number of the first
 * @nr:		how many
 * @reach:	blocks before and after these
 *
 * The kernel merges requests that follow each other, and the device refuses
 * all of what was merged.
 *
 * Return: whether there is one.
 */
bool pi_ledger_near(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, uint32_t reach);

/**
 * pi_ledger_in_flight() - the fault that an I/O in flight has in a block
 * @ledger:	where it was noted
 * @file:	whose block
 * @block:	its number
 *
 * Return: its kind, or NULL when there is none.
 */
const struct pi_fault_kind *pi_ledger_in_flight(struct pi_ledger *ledger,
						const void *file,
						uint64_t block);

/**
 * pi_ledger_read() - blocks were read and looked at, and errors told before
 * @ledger:	where the faults are noted
 * @file:	whose blocks
 * @first:	number of the first
 * @nr:		how many
 * @transient:	faults on the way back are not on the media: forget them
 */
void pi_ledger_read(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, bool transient);

/**
 * pi_ledger_written() - blocks were written
 * @ledger:	where the faults are noted
 * @file:	whose blocks
 * @first:	number of the first
 * @nr:		how many
 * @good:	else the write failed, after its errors were told
 */
void pi_ledger_written(struct pi_ledger *ledger, const void *file,
		       uint64_t first, uint32_t nr, bool good);

/**
 * pi_ledger_close() - settle and count what is left, and release memory
 * @ledger:	empty after it
 */
void pi_ledger_close(struct pi_ledger *ledger);

#endif
