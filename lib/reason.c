// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "reason.h"

int pi_reason_set(struct pi_reason *reason, int err, const char *fmt, ...)
{
	va_list ap;

	if (reason) {
		va_start(ap, fmt);
		vsnprintf(reason->text, sizeof(reason->text), fmt, ap);
		va_end(ap);
	}
	return err;
}
