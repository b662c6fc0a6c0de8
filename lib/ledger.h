/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_LEDGER_H
#define PI_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

/**
 * enum pi_outcome - what became of a fault
 * @PI_FAULT_BY_HOST: found by the host, as the expected tag
 * @PI_FAULT_BY_DEVICE: found by the device, as the expected tag
 * @PI_FAULT_MISTAKEN: found, but as another tag
 * @PI_FAULT_MISSED: the block was read and nobody reported it
 * @PI_FAULT_OVERWRITTEN: the block was written again before it was read
 * @PI_FAULT_UNREAD: the block was not read again
 * @PI_NR_OUTCOMES: number of outcomes
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
 * struct pi_ledger_entry - a block that may be damaged
 * @file:	file that the block belongs to
 * @block:	block number
 * @id:		number of the fault in the block, starting at 1; 0 if a write to
 *		the block failed, which leaves its contents unknown
 * @kind:	kind of the fault
 * @outcome:	outcome so far
 * @in_flight:	number of I/Os in flight that damaged the block
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
 * struct pi_ledger - record of the injected faults and their outcomes
 * @nr:		number of faults by kind and outcome; pi_ledger_close() adds
 *		those that were not read
 * @injected:	number of faults injected
 * @unexpected:	number of errors in blocks without a fault
 * @entries:	search tree of struct pi_ledger_entry
 * @settled:	called when the outcome of an entry is known; may be NULL
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
 * pi_outcome_name() - describe an outcome, as in "found by the host"
 * @outcome:	outcome
 *
 * Return: words for a report.
 */
const char *pi_outcome_name(enum pi_outcome outcome);

/**
 * pi_ledger_add() - record a fault injected into an I/O in flight
 * @ledger:	record of the faults
 * @file:	file that the block belongs to
 * @block:	block number
 * @kind:	kind of the fault
 *
 * Return: the entry, or NULL if out of memory.
 */
const struct pi_ledger_entry *pi_ledger_add(struct pi_ledger *ledger,
					    const void *file, uint64_t block,
					    enum pi_fault_id kind);

/**
 * pi_ledger_error() - record that a block was found to be wrong
 * @ledger:	record of the faults
 * @file:	file that the block belongs to
 * @block:	block number
 * @tag:	tag that did not match
 * @t:		tuple functions of the format
 * @device:	found by the device, rather than the host
 *
 * Return: whether a fault was injected into the block.
 */
bool pi_ledger_error(struct pi_ledger *ledger, const void *file, uint64_t block,
		     enum pi_tag tag, const struct pi_tuple *t, bool device);

/**
 * pi_ledger_near() - test for entries in or near a range of blocks
 * @ledger:	record of the faults
 * @file:	file that the blocks belong to
 * @first:	first block of the range
 * @nr:		number of blocks in the range
 * @reach:	number of blocks to look at before and after the range
 *
 * The kernel merges adjacent requests, and the device then fails the merged
 * request as a whole.
 *
 * Return: whether there is such an entry.
 */
bool pi_ledger_near(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, uint32_t reach);

/**
 * pi_ledger_in_flight() - look up a fault whose I/O is still in flight
 * @ledger:	record of the faults
 * @file:	file that the block belongs to
 * @block:	block number
 *
 * Return: the kind of the fault, or NULL if there is none.
 */
const struct pi_fault_kind *pi_ledger_in_flight(struct pi_ledger *ledger,
						const void *file,
						uint64_t block);

/**
 * pi_ledger_read() - record that blocks were read and verified
 * @ledger:	record of the faults
 * @file:	file that the blocks belong to
 * @first:	first block
 * @nr:		number of blocks
 * @transient:	the faults were injected into the read and are not on the media,
 *		so forget them
 *
 * Call pi_ledger_error() for the errors first.
 */
void pi_ledger_read(struct pi_ledger *ledger, const void *file, uint64_t first,
		    uint32_t nr, bool transient);

/**
 * pi_ledger_written() - record that a write of blocks has completed
 * @ledger:	record of the faults
 * @file:	file that the blocks belong to
 * @first:	first block
 * @nr:		number of blocks
 * @good:	the write succeeded; if not, call pi_ledger_error() for its
 *		errors first
 */
void pi_ledger_written(struct pi_ledger *ledger, const void *file,
		       uint64_t first, uint32_t nr, bool good);

/**
 * pi_ledger_close() - settle and count the remaining faults, and free the
 *		       entries
 * @ledger:	record of the faults; its counts remain valid
 */
void pi_ledger_close(struct pi_ledger *ledger);

#endif
