/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_JSON_H
#define PI_JSON_H

#include <stddef.h>

/* room for the longest file name with every byte escaped */
#define PI_JSON_ROOM	(6 * 4096 + 3)

/**
 * pi_json_string() - convert text to a JSON string, including the quotes
 * @buf:	where the string is stored; truncated between characters if it
 *		does not fit
 * @size:	size of @buf in bytes, at least 3
 * @text:	NUL-terminated text; bytes that are not ASCII are copied
 *		unchanged
 *
 * RFC 8259, section 7.
 *
 * Return: @buf.
 */
char *pi_json_string(char *buf, size_t size, const char *text);

#endif
