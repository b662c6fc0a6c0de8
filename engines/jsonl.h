/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_JSONL_H
#define PI_JSONL_H

/**
 * struct pi_jsonl - an output file in JSON Lines format
 * @option:	name of the option that names the file, for messages
 * @fd:		file descriptor, or -1 to discard what is written
 */
struct pi_jsonl {
	const char *option;
	int fd;
};

/**
 * pi_jsonl_open_path() - open the file or directory that an option names
 * @option:	name of the option, for messages
 * @name:	path, or NULL to set @fd to -1
 * @flags:	flags for open(2)
 * @fd:		set to the file descriptor
 *
 * Return: 0, or an errno after a one-line message on standard error.
 */
int pi_jsonl_open_path(const char *option, const char *name, int flags,
		       int *fd);

/**
 * pi_jsonl_open() - open a file for appending
 * @jsonl:	file to initialize
 * @option:	name of the option, for messages
 * @name:	path, or NULL to discard what is written
 *
 * Return: as for pi_jsonl_open_path().
 */
int pi_jsonl_open(struct pi_jsonl *jsonl, const char *option, const char *name);

/**
 * pi_jsonl_write() - append one line
 * @jsonl:	open file
 * @fmt:	printf format, including the newline
 *
 * Lines of jobs that share the file do not interleave. If there is no room for
 * a line, its beginning is removed again and the file is closed.
 */
void pi_jsonl_write(struct pi_jsonl *jsonl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * pi_jsonl_close() - close the file
 * @jsonl:	file, may be closed already
 */
void pi_jsonl_close(struct pi_jsonl *jsonl);

#endif
