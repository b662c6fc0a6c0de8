// SPDX-License-Identifier: GPL-2.0-only
/* file and job names in records: any text, and a buffer of any size */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "reach.h"

/* one JSON string and nothing after it */
static void check_string(const char *p)
{
	CHECK(*p++ == '"');
	for (; *p != '"'; p++) {
		CHECK((unsigned char)*p >= ' ');
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u')
			CHECK(strspn(p + 1, "0123456789abcdef") >= 4);
		else
			CHECK(*p == '"' || *p == '\\');
	}
	CHECK(!p[1]);
}

/* RFC 3629, without the finer points */
static bool is_utf8(const char *p)
{
	for (; *p; p++) {
		const unsigned char c = *p;
		int more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

		if (c >= 0xf8 || (c >= 0x80 && c < 0xc0))
			return false;
		for (; more; more--)
			if ((*++p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t room = size ? 3 + data[0] : 3;
	char *text, *buf;

	size -= size > 0;
	text = malloc(size + 1);
	buf = malloc(room);
	memcpy(text, data + 1, size);
	text[size] = '\0';
	CHECK(pi_json_string(buf, room, text) == buf);
	CHECK(strnlen(buf, room) < room);
	check_string(buf);
	CHECK(!is_utf8(text) || is_utf8(buf));
	free(buf);
	free(text);
	fuzz_reached();
	return 0;
}
