// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "insn-dir.h"

static const char *directory;

void insn_fail(const char *format, ...)
{
	va_list args;

	fputs("qemu-insn-plugin: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_Exit(1);
}

void insn_dir(const char *dir)
{
	directory = dir;
}

const char *insn_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

FILE *insn_open(const char *name, const char *mode)
{
	FILE *file = fopen(insn_path(name), mode);

	if (!file)
		insn_fail("%s: %s", insn_path(name), strerror(errno));
	return file;
}

void *insn_room(void *old, size_t nr, size_t size)
{
	void *new = reallocarray(old, nr, size);

	if (!new)
		insn_fail("no memory for %zu of %zu bytes", nr, size);
	return new;
}
