/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FUZZ_REACH_H
#define PI_FUZZ_REACH_H

#include <stddef.h>
#include <stdint.h>

/* what every input ends with */
#define CHECK(condition)						\
	do {								\
		if (!(condition))					\
			fuzz_wrong(__FILE__, __LINE__, #condition);	\
	} while (0)

/**
 * fuzz_wrong() - say what does not hold, and die of it
 */
void fuzz_wrong(const char *file, int line, const char *what)
	__attribute__((noreturn));

/**
 * fuzz_reached() - remember which functions the input has reached
 *
 * Call at the end of each input: libFuzzer clears its counters before the next.
 * With PI_FUZZ_REACHED=FILE their addresses are there when the program ends.
 */
void fuzz_reached(void);

/* one counter for each edge of the code that is looked at */
extern uint8_t __start___sancov_cntrs[], __stop___sancov_cntrs[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
