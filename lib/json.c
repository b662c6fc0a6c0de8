// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "json.h"

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
		if (p + len > end)
			break;
		memcpy(p, piece, len);
		p += len;
	}
	*p++ = '"';
	*p = '\0';
	return buf;
}
