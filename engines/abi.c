// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "fio.h"
#include "options.h"

#include "abi.h"

extern struct fio_option *fio_option_find(const char *name)
	__attribute__((weak));
extern const char fio_version_string[] __attribute__((weak));

#define OPTION(option, member)						\
	{ option, offsetof(struct thread_options, member) }

/* options spread over struct thread_options, and more of them near its end */
static const struct {
	const char *name;
	size_t offset;
} witness[] = {
	OPTION("description", description),
	OPTION("iodepth", iodepth),
	OPTION("direct", odirect),
	OPTION("verify", verify),
	OPTION("verify_only", verify_only),
	OPTION("thread", use_thread),
	OPTION("disable_slat", disable_slat),
	OPTION("iomem_align", mem_align),
	OPTION("read_iolog", read_iolog_file),
	OPTION("exitall_on_error", exitall_error),
	OPTION("allow_mounted_write", allow_mounted_write),
	OPTION("max_open_zones", max_open_zones),
	OPTION("log_entries", log_entries),
};

static bool matches = true;

static bool differs(void)
{
	if (matches)
		log_err("io_uring_pi: built for %s, loaded into %s, whose structures differ; build it with make FIO=DIR, DIR being the configured source of the fio you run\n",
			PI_FIO_VERSION,
			fio_version_string[0] ? fio_version_string : "an unknown fio");
	matches = false;
	return false;
}

/* on loading, because fio reports a different FIO_IOOPS_VERSION by number only */
static void fio_init check_options(void)
{
	for (unsigned int i = 0; i < FIO_ARRAY_SIZE(witness); i++) {
		struct fio_option *option = NULL;

		if (fio_option_find)
			option = fio_option_find(witness[i].name);
		if (!option || option->off1 != witness[i].offset) {
			differs();
			return;
		}
	}
}

bool pi_abi_matches(const struct thread_data *td,
		    const struct ioengine_ops *ops)
{
	return matches && (td->io_ops == ops || differs());
}
