/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_TEST_FAULT_H
#define PI_TEST_FAULT_H

#include "pi_test.h"

#include "inject.h"

static inline unsigned int pi_test_kinds(const char *text)
{
	struct pi_reason reason = { "" };
	unsigned int found = ~0U;

	assert_int_equal(pi_inject_kinds(text, &found, &reason), 0);
	return found;
}

#endif
