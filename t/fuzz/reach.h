/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FUZZ_REACH_H
#define PI_FUZZ_REACH_H

#include <stddef.h>
#include <stdint.h>

/* called at the end of each input */
#define CHECK(condition)						\
	do {								\
		if (!(condition))					\
			fuzz_wrong(__FILE__, __LINE__, #condition);	\
	} while (0)

/**
 * fuzz_wrong() - report a violated invariant, and abort
 */
void fuzz_wrong(const char *file, int line, const char *what)
	__attribute__((noreturn));

/**
 * fuzz_reached() - record which functions the input has reached
 *
 * Call this at the end of each input, because libFuzzer clears its counters
 * before the next one. With PI_FUZZ_REACHED=FILE the addresses of these
 * functions are written to FILE on exit.
 */
void fuzz_reached(void);

/* one counter for each edge of the instrumented code */
extern uint8_t __start___sancov_cntrs[], __stop___sancov_cntrs[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
