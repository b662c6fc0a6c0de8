/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_LINES_H
#define PI_LINES_H

/**
 * struct pi_lines - a file of JSON lines that an option names
 * @option:	its name, for messages
 * @fd:		or -1: lines go nowhere
 */
struct pi_lines {
	const char *option;
	int fd;
};

/**
 * pi_lines_open_named() - open what an option names
 * @option:	its name, for messages
 * @name:	NULL leaves *@fd at -1
 * @flags:	of open(2)
 * @fd:		set
 *
 * Return: 0, or an errno after one line on standard error.
 */
int pi_lines_open_named(const char *option, const char *name, int flags,
			int *fd);

/**
 * pi_lines_open() - open a file to append lines to
 * @lines:	set
 * @option:	its name, for messages
 * @name:	of the file; NULL: lines go nowhere
 *
 * Return: as pi_lines_open_named().
 */
int pi_lines_open(struct pi_lines *lines, const char *option, const char *name);

/**
 * pi_lines_write() - append one line
 * @lines:	of pi_lines_open()
 * @fmt:	printf format, with the newline
 *
 * Jobs that share the file do not mix.  A line for which there is no room is
 * taken out again, and the last that is tried.
 */
void pi_lines_write(struct pi_lines *lines, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * pi_lines_close() - close it
 * @lines:	of pi_lines_open()
 */
void pi_lines_close(struct pi_lines *lines);

#endif
