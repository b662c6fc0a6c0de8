// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "layout.h"
#include "stats.h"

void pi_stats_print(const struct thread_data *td, const struct pi_stats *stats,
		    const struct pi_target *targets,
		    const struct pi_errors *errors)
{
	const struct pi_options *o = td->eo;
	uint64_t blocks[2] = { 0 };
	char opaque[40] = "", mix[80] = "";

	if (output_format != FIO_OUTPUT_NORMAL || !pi_layouts[o->layout].pi)
		return;
	for (const struct pi_target *t = targets; t; t = t->next)
		for (int dir = 0; dir < 2; dir++)
			blocks[dir] += pi_target_blocks(t, t->bytes[dir]);

	if (o->opaque)
		snprintf(opaque, sizeof(opaque), ", %" PRIu64 " opaque",
			 errors->tags[PI_TAG_OPAQUE]);
	if (o->mix < 100)
		snprintf(mix, sizeof(mix), ", %" PRIu64 " I/Os with protection information, %" PRIu64 " without",
			 stats->pi_ios, stats->plain_ios);
	log_info("io_uring_pi: %s: layout %s%s: %" PRIu64 " blocks read%s, %" PRIu64 " written with %s tuples; wrong: %" PRIu64 " guard, %" PRIu64 " application tag, %" PRIu64 " reference tag%s; %" PRIu64 " I/Os refused by the device\n",
		 td->o.name, pi_layouts[o->layout].name, mix, blocks[0],
		 o->verify & PI_VERIFY_HOST && !o->act ? " and verified" : "",
		 blocks[1], o->act ? "the device's" : "generated",
		 errors->tags[PI_TAG_GUARD], errors->tags[PI_TAG_APP],
		 errors->tags[PI_TAG_REF], opaque, errors->device_ios);
	log_info_flush();
}
