// SPDX-License-Identifier: GPL-2.0-only
/*
 * pi-info - show the protection information of a block device, the attribute
 * layouts that the running kernel supports, and what is missing
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.h"
#include "json.h"
#include "layout.h"
#include "namespace.h"
#include "reason.h"

struct info {
	const char *path;
	struct utsname uts;
	struct pi_device dev;
	struct pi_reason reason;
	int probe;
	struct pi_lba_format formats[PI_MAX_LBA_FORMATS];
	int nr_formats;
	struct pi_reason layout[PI_NR_LAYOUTS];
	bool layout_works[PI_NR_LAYOUTS];
	struct pi_reason fixed_md;
	bool fixed_md_works;
};

static void probe_layouts(struct info *info)
{
	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++)
		info->layout_works[i] = !pi_layout_probe(&pi_layouts[i],
							 &info->layout[i]);
	info->fixed_md = info->layout[PI_LAYOUT_INDIRECT];
	info->fixed_md_works = info->layout_works[PI_LAYOUT_INDIRECT] &&
		!pi_layout_probe_fixed_md(&pi_layouts[PI_LAYOUT_INDIRECT],
					  &info->fixed_md);
}

/* prefer a format with the block size that is in use */
static const struct pi_lba_format *best_format(const struct info *info)
{
	const struct pi_lba_format *best = NULL;
	uint32_t lbs = 0;

	for (int i = 0; i < info->nr_formats; i++)
		if (info->formats[i].in_use)
			lbs = info->formats[i].lbs;
	for (int i = 0; i < info->nr_formats; i++) {
		const struct pi_lba_format *l = &info->formats[i];

		if (l->by_kernel && (!best || (l->lbs == lbs && best->lbs != lbs)))
			best = l;
	}
	return best;
}

static void print_tuple(const struct pi_format *f)
{
	const char *whose = f->type == 3 ? " (the application's)" : "";

	printf("tuple     %u bytes at offset %u: guard %u (%s), application tag 2, ",
	       f->guard->pi_size, f->pi_offset, f->guard->guard_size,
	       f->guard->name);
	if (f->storage_bits)
		printf("storage tag of %u bits (0x%" PRIx64 " compared), reference tag of %u%s\n",
		       f->storage_bits, f->storage_mask, pi_format_ref_bits(f),
		       whose);
	else
		printf("reference tag %u%s\n", f->guard->ref_size, whose);
}

static void print_lba_format(const struct pi_lba_format *l, const char *head)
{
	printf("%s%2u: %u+%u", head, l->index, l->lbs, l->md_size);
	if (l->guard)
		printf(", can have PI %s", l->guard->name);
	if (l->guard && l->storage_bits)
		printf(" with %u bits of storage tag", l->storage_bits);
	printf("%s%s\n", l->guard && !l->by_kernel ?
	       " (pi_layout=passthru only)" : "", l->in_use ? ", in use" : "");
}

static void print_person(const struct info *info)
{
	const struct pi_format *f = &info->dev.format;
	const struct pi_lba_format *best;
	char name[64];

	printf("device    %s\nkernel    Linux %s\n", info->path,
	       info->uts.release);
	if (info->probe) {
		printf("PI        none: %s\n", info->reason.text);
	} else {
		pi_format_name(f, name, sizeof(name));
		printf("format    %s\n", name);
		printf("interval  %u bytes of data, %u of metadata\n",
		       f->interval, f->md_size);
		if (f->guard->pi_size)
			print_tuple(f);
		if (info->dev.start)
			printf("begins    at block %" PRIu64 " of the disk\n",
			       info->dev.start);
	}
	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++)
		printf("%s%-10s%s\n", i ? "          " : "layouts   ",
		       pi_layouts[i].name, info->layout_works[i] ? "works here" :
		       info->layout[i].text);
	printf("metadata  registered: %s\n", info->fixed_md_works ? "works here" :
	       info->fixed_md.text);
	if (!info->probe)
		return;
	for (int i = 0; i < info->nr_formats; i++)
		print_lba_format(&info->formats[i],
				 i ? "          " : "formats   ");
	best = best_format(info);
	if (best)
		printf("to get it nvme format %s --lbaf=%u --pi=1 --ms=0    (ERASES the namespace)\n",
		       info->path, best->index);
}

static void print_string(const char *name, const char *text, const char *end)
{
	char buf[8192];

	printf("\"%s\": %s%s", name, pi_json_string(buf, sizeof(buf), text), end);
}

static void print_pi(const struct info *info)
{
	const struct pi_format *f = &info->dev.format;
	char name[64];

	if (info->probe) {
		printf("\"pi\": null, ");
		print_string("reason", info->reason.text, ", ");
		return;
	}
	pi_format_name(f, name, sizeof(name));
	printf("\"pi\": {");
	print_string("format", name, ", ");
	print_string("guard", f->guard->name, ", ");
	printf("\"type\": %u, \"interval\": %u, \"metadata\": %u, \"pi_size\": %u, \"pi_offset\": %u, \"guard_size\": %u, \"ref_size\": %u, \"storage_bits\": %u, \"ref_bits\": %u, \"start\": %" PRIu64 "}, ",
	       f->type, f->interval, f->md_size, f->guard->pi_size,
	       f->pi_offset, f->guard->guard_size, f->guard->ref_size,
	       f->storage_bits, pi_format_ref_bits(f), info->dev.start);
}

static void print_lba_formats(const struct info *info)
{
	printf("\"lba_formats\": [");
	for (int i = 0; i < info->nr_formats; i++) {
		const struct pi_lba_format *l = &info->formats[i];

		printf("%s{\"index\": %u, \"lbs\": %u, \"metadata\": %u, \"storage_bits\": %u, \"by_kernel\": %s, \"in_use\": %s, ",
		       i ? ", " : "", l->index, l->lbs, l->md_size,
		       l->guard ? l->storage_bits : 0,
		       l->by_kernel ? "true" : "false",
		       l->in_use ? "true" : "false");
		print_string("guard", l->guard ? l->guard->name : "", "}");
	}
	printf("], ");
}

static const char *sqe_of(const struct pi_layout *layout)
{
	if (layout->ring_flags & PI_IORING_SETUP_SQE_MIXED)
		return "mixed";
	return layout->ring_flags & IORING_SETUP_SQE128 ? "128" : "64";
}

static bool has_mode(const struct pi_layout *layout, bool vectored, bool fixed)
{
	struct pi_reason reason;
	struct pi_io_mode mode;

	pi_io_mode_init(&mode, vectored, fixed);
	return !layout->mode(&mode, &reason);
}

/* the tables in layout.c and guard.c; scripts get their lists from here */
static void print_tables(void)
{
	const char *comma = "";

	printf("\"tables\": {\"layouts\": [");
	for (const struct pi_layout *l = pi_layouts; l < pi_layouts + PI_NR_LAYOUTS; l++) {
		printf("%s{", l > pi_layouts ? ", " : "");
		print_string("name", l->name, ", ");
		print_string("help", l->help, ", ");
		print_string("sqe", sqe_of(l), ", ");
		printf("\"pi\": %s, \"command\": %s, \"vectored\": %s, \"fixed\": %s, \"fixed_md\": %s}",
		       l->pi ? "true" : "false", l->passthru ? "true" : "false",
		       has_mode(l, true, false) ? "true" : "false",
		       has_mode(l, false, true) ? "true" : "false",
		       l->fixed_md ? "true" : "false");
	}
	printf("], \"guards\": [");
	for (unsigned int i = 0; pi_guard_at(i); i++) {
		const struct pi_guard *g = pi_guard_at(i);

		printf("%s{", comma);
		comma = ", ";
		print_string("name", g->name, ", ");
		print_string("profile", g->profile ? g->profile : "", ", ");
		printf("\"pi_size\": %u, \"guard_size\": %u, \"ref_size\": %u}",
		       g->pi_size, g->guard_size, g->ref_size);
	}
	printf("]}");
}

static void print_json(const struct info *info)
{
	printf("{");
	if (info->path) {
		print_string("device", info->path, ", ");
		print_pi(info);
		print_lba_formats(info);
	}
	print_string("kernel", info->uts.release, ", ");
	printf("\"layouts\": {");
	for (unsigned int i = 0; i < PI_NR_LAYOUTS; i++)
		print_string(pi_layouts[i].name, info->layout_works[i] ? "" :
			     info->layout[i].text,
			     i + 1 < PI_NR_LAYOUTS ? ", " : "}, ");
	print_string("fixed_md", info->fixed_md_works ? "" : info->fixed_md.text, ", ");
	print_tables();
	printf("}\n");
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: pi-info [--json] DEVICE\n"
		"       pi-info --json\n"
		"       pi-info --help | --version\n"
		"Shows the protection information of a block device, the attribute layouts that\n"
		"the running kernel supports, and what is missing.  It changes nothing.\n"
		"Exit status: 0 the device has PI, 1 it has none, 2 usage, no such block device, or\n"
		"the answer could not be written.\n"
		"In JSON a layout that works has an empty reason; without DEVICE it has the layouts\n"
		"and the tables of layouts and guards, and exit status 0.\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static struct info info;
	bool json = false;
	int c, fd;

	while ((c = getopt_long(argc, argv, "jhV", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (c == 'V') {
			puts("pi-info " PI_VERSION);
			return 0;
		}
		if (c != 'j') {
			usage(stderr);
			return 2;
		}
		json = true;
	}
	if (optind + 1 != argc && !(json && optind == argc)) {
		usage(stderr);
		return 2;
	}
	info.path = argv[optind];
	if (info.path) {
		/* or a pipe would wait for somebody to write */
		fd = open(info.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0) {
			fprintf(stderr, "pi-info: %s: %s; name a block device that can be read\n",
				info.path, strerror(errno));
			return 2;
		}
		info.probe = pi_device_probe(fd, &info.dev, &info.reason);
		info.nr_formats = pi_namespace_lba_formats(fd, info.formats);
		close(fd);
	}
	uname(&info.uts);
	probe_layouts(&info);
	if (json)
		print_json(&info);
	else
		print_person(&info);
	if (ferror(stdout) || fflush(stdout)) {
		fprintf(stderr, "pi-info: the answer could not be written\n");
		return 2;
	}
	return info.probe == -ENOTBLK ? 2 : !!info.probe;
}
