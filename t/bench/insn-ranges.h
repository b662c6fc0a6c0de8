/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-ranges - which function an instruction belongs to
 */
#ifndef INSN_RANGES_H
#define INSN_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "qemu-plugin.h"

/* symbols.py has the same */
enum {
	UNKNOWN_KERNEL,
	UNKNOWN_USER,
	ROOT,
	INTERRUPTS,
	THREADS,
	PROGRAMS,
};

enum {
	ENTRY = 1,	/* the range begins with the function's first instruction */
	INTERRUPT = 2,	/* entered by an interrupt */
	SWITCH = 4,	/* goes from the stack of one task to that of another */
	THUNK = 8,	/* jumps to what its caller wants to call */
	JOB = 16,	/* counted is from its call to its return */
	BEGIN = 32,	/* or in it from the first call of this */
	END = 64,	/* to the first of that */
	FAULT = 128,	/* entered by a page fault */
};

/**
 * struct range - instructions of one function
 * @start: the first one's address in the kernel, or place in the file "code"
 * @end: where it ends
 * @function: its number
 * @flags: of the above
 */
struct range {
	uint64_t start;
	uint64_t end;
	uint32_t function;
	uint32_t flags;
};

/**
 * ranges_read() - take the files "functions" and "code" of the directory
 * Return: whether a function is marked BEGIN
 */
bool ranges_read(void);

/**
 * ranges_find() - find the range of an instruction
 * @insn: the instruction
 * @start: set to whether it is the first of its function
 * Return: its range, or one of those that stand for what has no name
 */
const struct range *ranges_find(const struct qemu_plugin_insn *insn,
				bool *start);

#endif
