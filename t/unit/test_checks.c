// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "checks.h"
#include "pi_test.h"

#define G	PI_IO_INTEGRITY_CHK_GUARD
#define R	PI_IO_INTEGRITY_CHK_REFTAG
#define A	PI_IO_INTEGRITY_CHK_APPTAG
#define S	PI_CHK_STORTAG

static struct pi_checks parse(const char *text)
{
	struct pi_reason reason = { "" };
	struct pi_checks checks;

	if (pi_checks_parse(text, &checks, &reason))
		fail_msg("%s: %s", text, reason.text);
	return checks;
}

static void test_tags(void **state)
{
	static const struct {
		const char *text;
		unsigned int chk;
	} row[] = {
		{ "", 0 },
		{ "GUARD", G },
		{ "REFTAG", R },
		{ "APPTAG", A },
		{ "STORTAG", S },
		{ "GUARD,REFTAG", G | R },
		{ "GUARD|REFTAG", G | R },
		{ "APPTAG, GUARD", G | A },
		{ "STORTAG,APPTAG,REFTAG,GUARD", G | R | A | S },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct pi_checks checks = parse(row[i].text);

		assert_int_equal(checks.nr, 1);
		assert_int_equal(checks.chk[0], row[i].chk);
		assert_int_equal(pi_checks_all(&checks), row[i].chk);
	}
}

static void test_tags_end(void **state)
{
	unsigned int chk;

	(void)state;
	assert_int_equal(pi_checks_tags("GUARD,REFTAG", 5, &chk, NULL), 0);
	assert_int_equal(chk, G);
}

/* how many turns each part gets, and the longest wait for one */
static void count_turns(const struct pi_checks *checks, unsigned int *turns,
			unsigned int *wait)
{
	unsigned int last[PI_CHECKS_PARTS] = { 0 };

	for (unsigned int i = 0; i < 2 * checks->turns; i++) {
		const unsigned int part = checks->turn[i % checks->turns];

		assert_true(part < checks->nr);
		turns[part] += i < checks->turns;
		if (turns[part] > 1 && i - last[part] > wait[part])
			wait[part] = i - last[part];
		last[part] = i;
	}
}

static void test_shares(void **state)
{
	static const struct {
		const char *text;
		unsigned int nr, chk[4], turns[4], wait[4];
	} row[] = {
		{ "GUARD/50:REFTAG/50", 2, { G, R }, { 50, 50 }, { 2, 2 } },
		{ "GUARD,REFTAG/25:none/75", 2, { G | R, 0 }, { 25, 75 }, { 4, 2 } },
		{ "GUARD/10:none", 2, { G, 0 }, { 10, 90 }, { 10, 2 } },
		{ "GUARD:REFTAG:none/40:APPTAG", 4, { G, R, 0, A },
		  { 20, 20, 40, 20 }, { 5, 5, 4, 5 } },
		{ "none/0:STORTAG/100", 2, { 0, S }, { 0, 100 }, { 0, 1 } },
		{ "GUARD:REFTAG:APPTAG/34", 3, { G, R, A }, { 33, 33, 34 }, { 4, 4, 3 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned int turns[PI_CHECKS_PARTS] = { 0 };
		unsigned int wait[PI_CHECKS_PARTS] = { 0 };
		struct pi_checks checks;

		checks = parse(row[i].text);
		assert_int_equal(checks.nr, row[i].nr);
		assert_false(checks.by_block);
		count_turns(&checks, turns, wait);
		for (unsigned int part = 0; part < checks.nr; part++) {
			assert_int_equal(checks.chk[part], row[i].chk[part]);
			assert_int_equal(turns[part], row[i].turns[part]);
			assert_true(wait[part] <= row[i].wait[part]);
		}
	}
}

static void test_equal_parts_of_the_rest(void **state)
{
	const struct pi_checks checks = parse("GUARD:REFTAG:none");

	(void)state;
	assert_int_equal(checks.turns, 99);
	for (unsigned int i = 0; i < 99; i++)
		assert_int_equal(checks.turn[i], i % 3);
}

static void test_blocks(void **state)
{
	const struct pi_checks checks =
		parse("REFTAG@10-19:GUARD:none@0x20:APPTAG@18446744073709551615");
	static const struct {
		uint64_t block;
		unsigned int chk;
	} row[] = {
		{ 0, G }, { 9, G }, { 10, R }, { 15, R }, { 19, R }, { 20, G },
		{ 31, G }, { 32, 0 }, { 33, G }, { UINT64_MAX - 1, G },
		{ UINT64_MAX, A },
	};

	(void)state;
	assert_true(checks.by_block);
	assert_int_equal(checks.nr, 4);
	assert_int_equal(pi_checks_all(&checks), G | R | A);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(checks.chk[pi_checks_at(&checks, row[i].block)],
				 row[i].chk);
}

static void test_other_blocks_unchecked(void **state)
{
	const struct pi_checks checks = parse("GUARD@0-9");

	(void)state;
	assert_int_equal(checks.nr, 2);
	assert_int_equal(checks.chk[pi_checks_at(&checks, 9)], G);
	assert_int_equal(checks.chk[pi_checks_at(&checks, 10)], 0);
}

static void test_most(void **state)
{
	const struct pi_checks checks =
		parse("GUARD@0:none@1:GUARD@2:none@3:GUARD@4:none@5:GUARD@6:none@7");

	(void)state;
	assert_int_equal(checks.nr, 9);
	for (uint64_t block = 0; block < 10; block++)
		assert_int_equal(checks.chk[pi_checks_at(&checks, block)],
				 block < 8 && block % 2 == 0 ? G : 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} row[] = {
		{ "RETAG", "'RETAG' is not a tag" },
		{ "none", "pi_verify=none" },
		{ "GUARD,none", "'none' is not a tag" },
		{ "guard/50:none", "'guard' is not a tag" },
		{ "GUARD,none/50:REFTAG", "'none' is not a tag" },
		{ "GUARD/50", "add up to 50" },
		{ "GUARD/60:REFTAG/60", "add up to 120" },
		{ "GUARD/50:REFTAG/60:none", "add up to 110" },
		{ "GUARD/:none", "not a valid pattern" },
		{ "GUARD/101:none", "not a valid pattern" },
		{ "GUARD/-1:none", "not a valid pattern" },
		{ "GUARD/4294967346:none", "not a valid pattern" },
		{ "GUARD/50%:none", "not a valid pattern" },
		{ "GUARD/50/50", "not a valid pattern" },
		{ "GUARD@", "not a valid pattern" },
		{ "GUARD@9-1", "not a valid pattern" },
		{ "GUARD@1-", "not a valid pattern" },
		{ "GUARD@1/50:none", "not a valid pattern" },
		{ "GUARD@1,3:none", "not a valid pattern" },
		{ "GUARD:", "not a valid pattern" },
		{ ":GUARD", "not a valid pattern" },
		{ "/50:GUARD", "not a valid pattern" },
		{ "GUARD@0-9:REFTAG/50", "cannot be mixed" },
		{ "GUARD@0-9:REFTAG:APPTAG", "only one part" },
		{ "GUARD@0-9:REFTAG@9-12", "block 9 is in two parts" },
		{ "GUARD@5:REFTAG@0-9", "block 5 is in two parts" },
		{ "GUARD:GUARD:GUARD:GUARD:GUARD:GUARD:GUARD:GUARD:GUARD", "more than 8" },
	};
	struct pi_reason reason;
	struct pi_checks checks;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(pi_checks_parse(row[i].text, &checks, &reason),
				 -EINVAL);
		if (!strstr(reason.text, row[i].says))
			fail_msg("%s: %s", row[i].text, reason.text);
		assert_int_equal(pi_checks_parse(row[i].text, &checks, NULL),
				 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_tags_end),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_equal_parts_of_the_rest),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_other_blocks_unchecked),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
