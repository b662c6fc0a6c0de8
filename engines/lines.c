// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "fio.h"

#include "lines.h"

int pi_lines_open_named(const char *option, const char *name, int flags,
			int *fd)
{
	int err;

	*fd = -1;
	if (!name)
		return 0;
	*fd = open(name, flags | O_CLOEXEC, 0644);
	if (*fd >= 0)
		return 0;
	err = errno;
	log_err("io_uring_pi: %s=%s: %s; name another\n", option, name,
		strerror(err));
	return err;
}

int pi_lines_open(struct pi_lines *lines, const char *option, const char *name)
{
	lines->option = option;
	return pi_lines_open_named(option, name, O_WRONLY | O_CREAT | O_APPEND,
				   &lines->fd);
}

void pi_lines_write(struct pi_lines *lines, const char *fmt, ...)
{
	char line[2048];
	va_list args;
	int len;

	if (lines->fd < 0)
		return;
	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	if (write(lines->fd, line, len) == len)
		return;
	log_err("io_uring_pi: %s: %s; no further records\n", lines->option,
		strerror(errno));
	pi_lines_close(lines);
}

void pi_lines_close(struct pi_lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	lines->fd = -1;
}
