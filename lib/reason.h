/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_REASON_H
#define PI_REASON_H

/**
 * struct pi_reason - why a call failed, in words
 * @text:	one line that says what was wrong and what to do about it,
 *		without a newline and without the name of the file, which the
 *		caller knows
 */
struct pi_reason {
	char text[256];
};

/**
 * pi_reason_set() - fill in a reason
 * @reason:	may be NULL
 * @err:	negative errno to return
 * @fmt:	printf format of the text
 *
 * Return: @err, so that a failing function can end in one statement.
 */
int pi_reason_set(struct pi_reason *reason, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
