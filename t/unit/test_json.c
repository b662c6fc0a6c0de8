// SPDX-License-Identifier: GPL-2.0-only
#include "pi_test.h"

#include "json.h"

static void test_strings(void **state)
{
	static const char * const pair[][2] = {
		{ "", "\"\"" },
		{ "/dev/nvme0n1", "\"/dev/nvme0n1\"" },
		{ "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
		{ "\n\t\x01\x1f", "\"\\u000a\\u0009\\u0001\\u001f\"" },
		{ "\x7f\xc3\xa4", "\"\x7f\xc3\xa4\"" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pair); i++) {
		assert_ptr_equal(pi_json_string(buf, sizeof(buf), pair[i][0]), buf);
		assert_string_equal(buf, pair[i][1]);
	}
}

/* text is truncated between characters, and never inside an escape */
static void test_cut(void **state)
{
	static const char text[] = "ab\"\n\\cd";

	(void)state;
	for (size_t size = 3; size < 32; size++) {
		char *buf = malloc(size);
		size_t len;

		pi_json_string(buf, size, text);
		len = strlen(buf);
		pi_test_in_range(len, 2, size - 1);
		assert_int_equal(buf[0], '"');
		assert_int_equal(buf[len - 1], '"');
		if (size == 4)
			assert_string_equal(buf, "\"a\"");
		if (size == 6)
			assert_string_equal(buf, "\"ab\"");
		if (size == 7)
			assert_string_equal(buf, "\"ab\\\"\"");
		free(buf);
	}
}

static void test_cut_utf8(void **state)
{
	/* one, two, three and four bytes */
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe.";
	static const size_t whole[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };
	char buf[16], expect[16];

	(void)state;
	for (size_t room = 0; room < ARRAY_SIZE(whole); room++) {
		snprintf(expect, sizeof(expect), "\"%.*s\"", (int)whole[room],
			 text);
		pi_json_string(buf, room + 3, text);
		assert_string_equal(buf, expect);
	}
	/* invalid UTF-8 is kept, and the escape before it remains complete */
	pi_json_string(buf, 10, "\n\x97\x97\x97");
	assert_string_equal(buf, "\"\\u000a\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_utf8),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
