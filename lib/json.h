/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_JSON_H
#define PI_JSON_H

#include <stddef.h>

/* for the longest name of a file, every byte of it escaped */
#define PI_JSON_ROOM	(6 * 4096 + 3)

/**
 * pi_json_string() - a text as a JSON string, quotes included
 * @buf:	gets it, cut to whole characters where it does not fit
 * @size:	of @buf, at least 3
 * @text:	any bytes; those that are no ASCII are kept as they are
 *
 * RFC 8259, 7.
 *
 * Return: @buf.
 */
char *pi_json_string(char *buf, size_t size, const char *text);

#endif
