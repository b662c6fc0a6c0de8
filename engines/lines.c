// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/* a line that was cut short is taken back while no other job writes */
static int append(int fd, const char *line, ssize_t len)
{
	struct stat st;
	ssize_t done;
	bool locked;
	int err = 0;

	locked = !flock(fd, LOCK_EX);
	done = write(fd, line, len);
	if (done < 0)
		err = errno;
	else if (done < len)
		err = ENOSPC;
	if (locked && done > 0 && done < len && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    ftruncate(fd, st.st_size - done))
		err = errno;
	if (locked)
		flock(fd, LOCK_UN);
	return err;
}

void pi_lines_write(struct pi_lines *lines, const char *fmt, ...)
{
	char *line;
	va_list args;
	int len, err;

	if (lines->fd < 0)
		return;
	va_start(args, fmt);
	len = vasprintf(&line, fmt, args);
	va_end(args);
	err = len < 0 ? ENOMEM : append(lines->fd, line, len);
	if (len >= 0)
		free(line);
	if (!err)
		return;
	log_err("io_uring_pi: %s: %s; no further records\n", lines->option,
		strerror(err));
	pi_lines_close(lines);
}

void pi_lines_close(struct pi_lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	lines->fd = -1;
}
