/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-ranges - map instructions to functions
 */
#ifndef INSN_RANGES_H
#define INSN_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "qemu-plugin.h"

/* keep in sync with symbols.py */
enum {
	UNKNOWN_KERNEL,
	UNKNOWN_USER,
	ROOT,
	INTERRUPTS,
	THREADS,
	PROGRAMS,
};

enum {
	ENTRY = 1,	/* the range starts with the function's first instruction */
	INTERRUPT = 2,	/* entered by an interrupt */
	SWITCH = 4,	/* switches from the stack of one task to that of another */
	THUNK = 8,	/* jumps to the function that its caller wants to call */
	JOB = 16,	/* count from the call of this function to its return */
	BEGIN = 32,	/* within a JOB, count only after the first call of this */
	END = 64,	/* and until the first call of this */
	FAULT = 128,	/* entered by a page fault */
};

/**
 * struct range - instructions of one function
 * @start:	address of the first instruction in the kernel, or its offset in
 *		the file "code"
 * @end:	end of the range, exclusive
 * @function:	number of the function
 * @flags:	ENTRY and so on
 */
struct range {
	uint64_t start;
	uint64_t end;
	uint32_t function;
	uint32_t flags;
};

/**
 * ranges_read() - read the files "functions" and "code" from the directory
 *
 * Return: whether a function is marked BEGIN.
 */
bool ranges_read(void);

/**
 * ranges_find() - find the range of an instruction
 * @insn:	the instruction
 * @start:	set to whether it is the first instruction of its function
 *
 * Return: the range; for an unknown instruction, one of two placeholders.
 */
const struct range *ranges_find(const struct qemu_plugin_insn *insn,
				bool *start);

#endif
