// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "json.h"

/* whether @c is a continuation byte of UTF-8 */
static int continues(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* drop a character that is incomplete because @next did not fit */
static char *drop_cut(char *p, char next)
{
	if (!continues(next))
		return p;
	while (continues(p[-1]))
		p--;
	return (unsigned char)p[-1] >= 0xc0 ? p - 1 : p;
}

char *pi_json_string(char *buf, size_t size, const char *text)
{
	char *p = buf, *end = buf + size - 2;

	*p++ = '"';
	for (; *text; text++) {
		unsigned char c = *text;
		char piece[8];
		size_t len;

		if (c < ' ')
			snprintf(piece, sizeof(piece), "\\u%04x", c);
		else
			snprintf(piece, sizeof(piece), "%s%c",
				 c == '"' || c == '\\' ? "\\" : "", c);
		len = strlen(piece);
		if (p + len > end) {
			p = drop_cut(p, c);
			break;
		}
		memcpy(p, piece, len);
		p += len;
	}
	*p++ = '"';
	*p = '\0';
	return buf;
}
