// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "reach.h"

/* for each counter: its address, and whether it is at the start of a function */
struct pc {
	uintptr_t pc;
	uintptr_t flags;
};

extern const struct pc __start___sancov_pcs[], __stop___sancov_pcs[];
extern const char __executable_start[];

static uint8_t *reached;

void fuzz_wrong(const char *file, int line, const char *what)
{
	/* stderr may have been redirected for fio's output */
	dprintf(STDERR_FILENO, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

static void report(void)
{
	const char *name = getenv("PI_FUZZ_REACHED");
	const size_t nr = __stop___sancov_pcs - __start___sancov_pcs;
	FILE *file = name && reached ? fopen(name, "w") : NULL;

	if (!file)
		return;
	for (size_t i = 0; i < nr; i++)
		if (reached[i] && __start___sancov_pcs[i].flags & 1)
			fprintf(file, "%zx\n", __start___sancov_pcs[i].pc -
				(uintptr_t)__executable_start);
	fclose(file);
}

void fuzz_reached(void)
{
	const size_t nr = __stop___sancov_cntrs - __start___sancov_cntrs;

	if (!reached) {
		reached = calloc(nr, 1);
		atexit(report);
	}
	for (size_t i = 0; reached && i < nr; i++)
		reached[i] |= __start___sancov_cntrs[i];
}
