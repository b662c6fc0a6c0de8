// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

int pi_format_check(struct pi_format *format, struct pi_reason *reason)
{
	uint32_t interval = format->interval;
	unsigned int pi_size = format->guard->pi_size;

	if (interval < 512 || interval & (interval - 1))
		return pi_reason_set(reason, -EOPNOTSUPP,
			"protection interval of %u bytes is not a power of two of at least 512; use pi_layout=none",
			interval);
	if (format->storage_bits < format->guard->storage_min ||
	    format->storage_bits > format->guard->storage_max)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"a storage tag of %u bits, but with guard %s it must have %u to %u; format it with another LBA format",
			format->storage_bits, format->guard->name,
			format->guard->storage_min, format->guard->storage_max);
	if (format->pi_offset + pi_size > format->md_size)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"a %u-byte tuple at offset %u does not fit in %u bytes of metadata; use pi_layout=none",
			pi_size, format->pi_offset, format->md_size);
	if (format->pi_offset && format->guard->alone)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"%s over %u bytes of metadata before the tuple is not defined; use pi_layout=none",
			format->guard->name, format->pi_offset);

	format->storage_mask &= pi_low_bits(format->storage_bits);
	format->shift = __builtin_ctz(interval);
	return 0;
}

static int format_no_metadata(struct pi_reason *reason)
{
	return pi_reason_set(reason, -ENODATA, "no metadata");
}

static int format_no_guard(struct pi_reason *reason, uint32_t interval,
			   uint16_t md_size, const char *what)
{
	return pi_reason_set(reason, -EOPNOTSUPP,
		"metadata %u+%u with a guard of kind '%s' is not supported; use pi_layout=none",
		interval, md_size, what);
}

int pi_format_from_cap(struct pi_format *format, const struct pi_uapi_cap *cap,
		       struct pi_reason *reason)
{
	char csum[4];

	if (!cap->size)
		return format_no_metadata(reason);
	if (cap->storage_tag_size)
		return pi_reason_set(reason, -EOPNOTSUPP,
			"a storage tag of %u bytes is not supported; format it without one or use pi_layout=none",
			cap->storage_tag_size);

	*format = (struct pi_format) {
		.guard		= pi_guard_by_csum(cap->guard_tag_type),
		.interval	= cap->interval,
		.md_size	= cap->size,
		.pi_offset	= cap->pi_offset,
		.type		= cap->flags & PI_LBMD_CAP_REFTAG ? 1 : 3,
	};
	if (!format->guard || format->guard->pi_size != cap->pi_size) {
		snprintf(csum, sizeof(csum), "%u", cap->guard_tag_type);
		return format_no_guard(reason, cap->interval, cap->size, csum);
	}
	if (!format->guard->pi_size) {
		format->pi_offset = 0;
		format->type = 3;
	}
	return pi_format_check(format, reason);
}

int pi_format_from_profile(struct pi_format *format, const char *profile,
			   uint32_t interval, uint16_t md_size, bool pi_first,
			   struct pi_reason *reason)
{
	unsigned int type;
	const struct pi_guard *guard = pi_guard_by_profile(profile, &type);

	if (!md_size || !strcmp(profile, "none"))
		return format_no_metadata(reason);
	if (!guard)
		return format_no_guard(reason, interval, md_size, profile);

	*format = (struct pi_format) {
		.guard		= guard,
		.interval	= interval,
		.md_size	= md_size,
		.type		= type,
	};
	if (!pi_first && guard->pi_size && md_size >= guard->pi_size)
		format->pi_offset = md_size - guard->pi_size;
	return pi_format_check(format, reason);
}

void pi_format_name(const struct pi_format *format, char *buf, size_t size)
{
	const char *extended = format->extended ? " extended" : "";
	const char *place = "";
	char storage[32] = "";

	if (!format->guard->pi_size) {
		snprintf(buf, size, "%u+%u%s without PI", format->interval,
			 format->md_size, extended);
		return;
	}
	if (format->md_size > format->guard->pi_size)
		place = !format->pi_offset ? " first" :
			format->pi_offset + format->guard->pi_size ==
			format->md_size ? " last" : " inside";
	if (format->storage_bits)
		snprintf(storage, sizeof(storage), ", %u-bit storage tag",
			 format->storage_bits);
	snprintf(buf, size, "%u+%u%s type %u %s%s%s", format->interval,
		 format->md_size, extended, format->type, format->guard->name,
		 place, storage);
}
