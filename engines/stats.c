// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "json.h"
#include "layout.h"
#include "stats.h"

int pi_stats_init(struct pi_stats *stats, const struct pi_options *o)
{
	stats->timed = o->time;
	stats->clock_ns = UINT64_MAX;
	for (int i = 0; stats->timed && i < 100; i++) {
		uint64_t start = pi_stats_now();

		stats->clock_ns = min(stats->clock_ns, pi_stats_now() - start);
	}
	return pi_jsonl_open(&stats->line, "pi_stats", o->stats);
}

static const char *tags(char *buf, size_t size, const uint64_t *nr)
{
	snprintf(buf, size,
		 "{\"guard\": %" PRIu64 ", \"application\": %" PRIu64 ", \"reference\": %" PRIu64 ", \"opaque\": %" PRIu64 ", \"storage\": %" PRIu64 "}",
		 nr[PI_TAG_GUARD], nr[PI_TAG_APP], nr[PI_TAG_REF],
		 nr[PI_TAG_OPAQUE], nr[PI_TAG_STORAGE]);
	return buf;
}

static const char *parts(char *buf, size_t size, const uint64_t *of)
{
	snprintf(buf, size,
		 "{\"generate\": %" PRIu64 ", \"verify\": %" PRIu64 ", \"submit\": %" PRIu64 ", \"wait\": %" PRIu64 "}",
		 of[PI_STATS_GENERATE], of[PI_STATS_VERIFY],
		 of[PI_STATS_SUBMIT], of[PI_STATS_WAIT]);
	return buf;
}

/* number of blocks transferred, and generated or verified by host and device */
struct blocks {
	uint64_t by_dir[2];
	uint64_t generated;
	uint64_t verified;
	uint64_t device_generated;
	uint64_t device_verified;
};

static void count_parts(struct blocks *b, const struct pi_target *t,
			const struct pi_options *o)
{
	for (unsigned int i = 0; i < o->checks.nr; i++) {
		const struct pi_chk_part *part = &t->parts[i];

		if (part->on_read.verify != pi_tuple_none.verify)
			b->verified += part->blocks[DDIR_READ];
		if (part->chk)
			b->device_verified += part->blocks[DDIR_READ] +
				(o->act ? 0 : part->blocks[DDIR_WRITE]);
	}
}

static struct blocks count_blocks(const struct pi_target *targets,
				  const struct pi_options *o,
				  const uint64_t *commands)
{
	struct blocks b = { .device_generated = commands[PI_COMMAND_ZEROES] };

	for (const struct pi_target *t = targets; t; t = t->next) {
		const uint64_t reads = pi_target_blocks(t, t->bytes[DDIR_READ]);
		const uint64_t writes = pi_target_blocks(t, t->bytes[DDIR_WRITE]);

		b.by_dir[DDIR_READ] += reads;
		b.by_dir[DDIR_WRITE] += writes;
		if (o->act)
			b.device_generated += writes;
		else
			b.generated += writes;
		if (pi_options_chk_pattern(o)) {
			count_parts(&b, t, o);
			continue;
		}
		if (t->on_read.verify != pi_tuple_none.verify)
			b.verified += reads;
		if (t->chk)
			b.device_verified += reads + (o->act ? 0 : writes);
	}
	if (targets && targets->chk)
		b.device_verified += commands[PI_COMMAND_VERIFY] +
				     commands[PI_COMMAND_COMPARE];
	return b;
}

/* list the commands other than Read and Write; may be empty */
static const char *commands(char *buf, size_t size, const uint64_t *nr,
			    bool json)
{
	static const char * const words[PI_NR_COMMANDS] = {
		[PI_COMMAND_UNCOR]	= "marked uncorrectable",
		[PI_COMMAND_ZEROES]	= "zeroed",
		[PI_COMMAND_VERIFY]	= "verified",
		[PI_COMMAND_COMPARE]	= "compared",
	};
	int len = 0;

	buf[0] = '\0';
	for (int i = PI_COMMAND_RW + 1; i < PI_NR_COMMANDS; i++)
		if (json)
			len += snprintf(buf + len, size - len,
					"%s\"%s\": %" PRIu64, len ? ", " : "",
					pi_command_kinds[i].name, nr[i]);
		else if (nr[i])
			len += snprintf(buf + len, size - len,
					", %" PRIu64 " %s by the device", nr[i],
					words[i]);
	return buf;
}

void pi_stats_write(struct pi_stats *stats, const struct thread_data *td,
		    const struct pi_target *targets,
		    const struct pi_errors *errors)
{
	const struct pi_options *o = td->eo;
	const struct blocks b = count_blocks(targets, o, stats->commands);
	uint64_t by_host[PI_NR_TAGS];
	char job[PI_JSON_ROOM], host[200], device[200], ns[160], calls[160];
	char times[400] = "", sent[160];

	for (int i = 0; i < PI_NR_TAGS; i++)
		by_host[i] = errors->tags[i] - errors->by_device[i];
	if (stats->timed)
		snprintf(times, sizeof(times),
			 ", \"clock_ns\": %" PRIu64 ", \"ns\": %s, \"calls\": %s",
			 stats->clock_ns, parts(ns, sizeof(ns), stats->ns),
			 parts(calls, sizeof(calls), stats->calls));
	pi_jsonl_write(&stats->line,
		"{\"schema\": 1, \"engine\": \"io_uring_pi\", \"fio\": \"%s\", \"job\": %s, \"group\": %u, \"thread\": %u, \"layout\": \"%s\", \"pi_ios\": %" PRIu64 ", \"plain_ios\": %" PRIu64 ", \"blocks\": {\"generated\": %" PRIu64 ", \"verified\": %" PRIu64 "}, \"device_blocks\": {\"generated\": %" PRIu64 ", \"verified\": %" PRIu64 "}, \"commands\": {%s}, \"wrong\": {\"host\": %s, \"device\": %s}, \"device_ios\": %" PRIu64 "%s}\n",
		PI_FIO_VERSION, pi_json_string(job, sizeof(job), td->o.name),
		td->groupid, td->thread_number, pi_layouts[o->layout].name,
		stats->pi_ios, stats->plain_ios, b.generated, b.verified,
		b.device_generated, b.device_verified,
		commands(sent, sizeof(sent), stats->commands, true),
		tags(host, sizeof(host), by_host),
		tags(device, sizeof(device), errors->by_device),
		errors->device_ios, times);
}

void pi_stats_print(const struct thread_data *td, const struct pi_stats *stats,
		    const struct pi_target *targets,
		    const struct pi_errors *errors)
{
	const struct pi_options *o = td->eo;
	const struct blocks b = count_blocks(targets, o, stats->commands);
	char opaque[40] = "", storage[40] = "", mix[80] = "", sent[200];
	char verified[48] = "";

	if (!(output_format & FIO_OUTPUT_NORMAL) || !pi_layouts[o->layout].pi)
		return;

	if (o->verify & PI_VERIFY_HOST && !o->act &&
	    b.verified == b.by_dir[DDIR_READ])
		strcpy(verified, " and verified");
	else if (pi_options_chk_pattern(o))
		snprintf(verified, sizeof(verified), ", %" PRIu64 " of them verified",
			 b.verified);
	if (o->opaque)
		snprintf(opaque, sizeof(opaque), ", %" PRIu64 " opaque",
			 errors->tags[PI_TAG_OPAQUE]);
	if (o->storage_str || errors->tags[PI_TAG_STORAGE])
		snprintf(storage, sizeof(storage), ", %" PRIu64 " storage tag",
			 errors->tags[PI_TAG_STORAGE]);
	if (o->mix < 100)
		snprintf(mix, sizeof(mix), ", %" PRIu64 " I/Os with protection information, %" PRIu64 " without",
			 stats->pi_ios, stats->plain_ios);
	log_info("io_uring_pi: %s: layout %s%s: %" PRIu64 " blocks read%s, %" PRIu64 " written with %s tuples%s; wrong: %" PRIu64 " guard, %" PRIu64 " application tag, %" PRIu64 " reference tag%s%s; %" PRIu64 " I/Os refused by the device\n",
		 td->o.name, pi_layouts[o->layout].name, mix, b.by_dir[DDIR_READ],
		 verified,
		 b.by_dir[DDIR_WRITE], o->act ? "the device's" : "generated",
		 commands(sent, sizeof(sent), stats->commands, false),
		 errors->tags[PI_TAG_GUARD], errors->tags[PI_TAG_APP],
		 errors->tags[PI_TAG_REF], storage, opaque, errors->device_ios);
	log_info_flush();
}
