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

#include "jsonl.h"

int pi_jsonl_open_path(const char *option, const char *name, int flags,
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

int pi_jsonl_open(struct pi_jsonl *jsonl, const char *option, const char *name)
{
	jsonl->option = option;
	return pi_jsonl_open_path(option, name, O_WRONLY | O_CREAT | O_APPEND,
				  &jsonl->fd);
}

/* lock out other jobs, so that an incomplete line can be removed again */
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

void pi_jsonl_write(struct pi_jsonl *jsonl, const char *fmt, ...)
{
	char *line;
	va_list args;
	int len, err;

	if (jsonl->fd < 0)
		return;
	va_start(args, fmt);
	len = vasprintf(&line, fmt, args);
	va_end(args);
	err = len < 0 ? ENOMEM : append(jsonl->fd, line, len);
	if (len >= 0)
		free(line);
	if (!err)
		return;
	log_err("io_uring_pi: %s: %s; no further records\n", jsonl->option,
		strerror(err));
	pi_jsonl_close(jsonl);
}

void pi_jsonl_close(struct pi_jsonl *jsonl)
{
	if (jsonl->fd >= 0)
		close(jsonl->fd);
	jsonl->fd = -1;
}
