// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "pi_test.h"

#include "format.h"
#include "tuple.h"

#define NR_CSUMS	5

/* what Linux reports for a namespace with @size bytes of metadata */
static struct pi_uapi_cap cap(uint32_t flags, uint16_t interval, uint8_t size,
			      uint8_t guard, uint8_t pi_size, uint8_t pi_offset)
{
	return (struct pi_uapi_cap) {
		.flags		= flags,
		.interval	= interval,
		.size		= size,
		.opaque_size	= size - pi_size,
		.opaque_offset	= pi_offset ? 0 : pi_size,
		.pi_size	= pi_size,
		.pi_offset	= pi_offset,
		.guard_tag_type	= guard,
		.app_tag_size	= pi_size ? 2 : 0,
		.ref_tag_size	= !(flags & PI_LBMD_CAP_REFTAG) ? 0 :
				  pi_size == 16 ? 6 : 4,
	};
}

static void expect_format(const struct pi_format *f, const char *name,
			  uint8_t csum, uint16_t md_size, uint16_t pi_offset,
			  uint8_t type)
{
	char text[64];

	pi_format_name(f, text, sizeof(text));
	assert_string_equal(text, name);
	assert_ptr_equal(f->guard, pi_guard_by_csum(csum));
	assert_int_equal(f->md_size, md_size);
	assert_int_equal(f->pi_offset, pi_offset);
	assert_int_equal(f->type, type);
	assert_int_equal(1U << f->shift, f->interval);
}

static const struct {
	uint32_t flags;
	uint16_t interval;
	uint8_t size, csum, pi_size, pi_offset, type;
	const char *name;
} formats[] = {
	/* NVMe type 1 and 2, SCSI DIF 1 and 2 with DIX */
	{ 3, 512, 8, 2, 8, 0, 1, "512+8 type 1 CRC16" },
	{ 3, 4096, 8, 2, 8, 0, 1, "4096+8 type 1 CRC16" },
	{ 3, 512, 16, 2, 8, 0, 1, "512+16 type 1 CRC16 first" },
	{ 3, 512, 16, 2, 8, 8, 1, "512+16 type 1 CRC16 last" },
	{ 3, 4096, 16, 2, 8, 0, 1, "4096+16 type 1 CRC16 first" },
	{ 3, 4096, 16, 2, 8, 8, 1, "4096+16 type 1 CRC16 last" },
	{ 3, 512, 64, 2, 8, 0, 1, "512+64 type 1 CRC16 first" },
	{ 3, 512, 64, 2, 8, 56, 1, "512+64 type 1 CRC16 last" },
	{ 3, 4096, 64, 2, 8, 0, 1, "4096+64 type 1 CRC16 first" },
	{ 3, 4096, 64, 2, 8, 56, 1, "4096+64 type 1 CRC16 last" },
	{ 3, 4096, 64, 2, 8, 24, 1, "4096+64 type 1 CRC16 inside" },
	{ 3, 4096, 128, 2, 8, 0, 1, "4096+128 type 1 CRC16 first" },
	{ 3, 4096, 128, 2, 8, 120, 1, "4096+128 type 1 CRC16 last" },
	{ 3, 32768, 255, 2, 8, 247, 1, "32768+255 type 1 CRC16 last" },
	/* type 3 has no reference tag to report */
	{ 1, 512, 8, 2, 8, 0, 3, "512+8 type 3 CRC16" },
	{ 1, 4096, 16, 2, 8, 0, 3, "4096+16 type 3 CRC16 first" },
	{ 1, 4096, 64, 2, 8, 56, 3, "4096+64 type 3 CRC16 last" },
	/* SCSI DIF 0 with DIX 1: no INTEGRITY, and still a profile */
	{ 2, 512, 8, 2, 8, 0, 1, "512+8 type 1 CRC16" },
	{ 2, 4096, 8, 2, 8, 0, 1, "4096+8 type 1 CRC16" },
	/* SCSI DIX with an IP guard, types 1, 3 and DIF 0 */
	{ 3, 512, 8, 1, 8, 0, 1, "512+8 type 1 IP checksum" },
	{ 1, 4096, 8, 1, 8, 0, 3, "4096+8 type 3 IP checksum" },
	{ 2, 512, 8, 1, 8, 0, 1, "512+8 type 1 IP checksum" },
	{ 3, 4096, 64, 1, 8, 0, 1, "4096+64 type 1 IP checksum first" },
	/* NVMe 64b guard */
	{ 3, 4096, 16, 4, 16, 0, 1, "4096+16 type 1 CRC64" },
	{ 1, 4096, 16, 4, 16, 0, 3, "4096+16 type 3 CRC64" },
	{ 3, 512, 16, 4, 16, 0, 1, "512+16 type 1 CRC64" },
	{ 3, 4096, 64, 4, 16, 0, 1, "4096+64 type 1 CRC64 first" },
	{ 3, 4096, 64, 4, 16, 48, 1, "4096+64 type 1 CRC64 last" },
	{ 1, 512, 64, 4, 16, 48, 3, "512+64 type 3 CRC64 last" },
	{ 3, 4096, 64, 4, 16, 20, 1, "4096+64 type 1 CRC64 inside" },
	/* nop: metadata without PI */
	{ 0, 4096, 1, 0, 0, 0, 3, "4096+1 without PI" },
	{ 0, 512, 8, 0, 0, 0, 3, "512+8 without PI" },
	{ 0, 4096, 64, 0, 0, 0, 3, "4096+64 without PI" },
};

static void test_cap_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct pi_uapi_cap c = cap(formats[i].flags, formats[i].interval,
					   formats[i].size, formats[i].csum,
					   formats[i].pi_size, formats[i].pi_offset);
		struct pi_format f;

		memset(&f, PI_TEST_CANARY, sizeof(f));
		assert_int_equal(pi_format_from_cap(&f, &c, NULL), 0);
		expect_format(&f, formats[i].name, formats[i].csum, formats[i].size,
			      formats[i].pi_offset, formats[i].type);
		assert_int_equal(f.interval, formats[i].interval);
	}
}

static void refuse_cap(const struct pi_uapi_cap *c, int err, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_format f;

	assert_int_equal(pi_format_from_cap(&f, c, &reason), err);
	pi_test_says(&reason, part);
	if (err == -EOPNOTSUPP)
		pi_test_says(&reason, "use pi_layout=none");
	assert_int_equal(pi_format_from_cap(&f, c, NULL), err);
}

static void test_cap_no_metadata(void **state)
{
	const struct pi_uapi_cap nothing = { 0 };

	(void)state;
	refuse_cap(&nothing, -ENODATA, "no metadata");
}

static void test_cap_guards(void **state)
{
	static const struct {
		uint32_t flags;
		uint8_t size, guard, pi_size, pi_offset;
		const char *part[2];
	} row[] = {
		/* a number without a name, and one from the future */
		{ 3, 8, 3, 8, 0, { "4096+8", "'3'" } },
		{ 3, 8, 5, 8, 0, { "4096+8", "'5'" } },
		{ 3, 8, 255, 8, 0, { "4096+8", "'255'" } },
		/* a guard, but no tuple to carry it */
		{ 3, 8, 2, 0, 0, { "4096+8", "'2'" } },
		{ 3, 8, 1, 0, 0, { "4096+8", "'1'" } },
		{ 3, 16, 4, 0, 0, { "4096+16", "'4'" } },
		/* one guard in the tuple of another, a tuple without a guard */
		{ 3, 16, 4, 8, 0, { "4096+16", "'4'" } },
		{ 3, 16, 2, 16, 0, { "4096+16", "'2'" } },
		{ 3, 16, 1, 16, 0, { "4096+16", "'1'" } },
		{ 3, 16, 0, 8, 0, { "4096+16", "'0'" } },
		/* Linux does not cover the metadata before the tuple as expected */
		{ 3, 16, 1, 8, 8, { "IP checksum over 8 bytes", "not defined" } },
		{ 1, 64, 1, 8, 1, { "IP checksum over 1 bytes", "not defined" } },
		{ 3, 8, 4, 16, 0, { "a 16-byte tuple", "in 8 bytes" } },
		{ 3, 64, 4, 16, 49, { "a 16-byte tuple at offset 49", "in 64" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct pi_uapi_cap c = cap(row[i].flags, 4096, row[i].size,
					   row[i].guard, row[i].pi_size,
					   row[i].pi_offset);

		refuse_cap(&c, -EOPNOTSUPP, row[i].part[0]);
		refuse_cap(&c, -EOPNOTSUPP, row[i].part[1]);
	}
}

/* without a tuple there is no place of one, and no type */
static void test_cap_nop_offset(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < 256; offset++)
		for (uint32_t flags = 0; flags < 4; flags++) {
			struct pi_uapi_cap c = cap(flags, 4096, 64, 0, 0, offset);
			struct pi_format f;

			assert_int_equal(pi_format_from_cap(&f, &c, NULL), 0);
			expect_format(&f, "4096+64 without PI", 0, 64, 0, 3);
		}
}

static void test_cap_storage_tag(void **state)
{
	struct pi_uapi_cap c = cap(3, 4096, 8, 2, 8, 0);

	(void)state;
	for (unsigned int size = 1; size < 256; size++) {
		c.storage_tag_size = size;
		refuse_cap(&c, -EOPNOTSUPP, "storage tag");
	}
}

static void test_cap_interval(void **state)
{
	(void)state;
	for (uint32_t interval = 0; interval <= 65535; interval++) {
		struct pi_uapi_cap c = cap(3, interval, 8, 2, 8, 0);
		struct pi_format f;
		int power = interval >= 512 && !(interval & (interval - 1));

		assert_int_equal(pi_format_from_cap(&f, &c, NULL),
				 power ? 0 : -EOPNOTSUPP);
	}
	for (uint16_t interval = 0; interval < 512; interval = 2 * interval + 1) {
		struct pi_uapi_cap c = cap(3, interval, 8, 2, 8, 0);

		refuse_cap(&c, -EOPNOTSUPP, "protection interval");
	}
}

static void cap_places(uint8_t csum, uint8_t pi_size)
{
	for (unsigned int size = 1; size < 256; size++)
		for (unsigned int offset = 0; offset < 256; offset++) {
			struct pi_uapi_cap c = cap(3, 4096, size, csum, pi_size,
						   offset);
			struct pi_format f;

			if (offset + pi_size > size)
				refuse_cap(&c, -EOPNOTSUPP, "does not fit");
			else if (csum == PI_LBMD_CSUM_IP && offset)
				refuse_cap(&c, -EOPNOTSUPP, "before the tuple");
			else
				assert_return_code(pi_format_from_cap(&f, &c,
								      NULL), 0);
		}
}

static void test_cap_place(void **state)
{
	(void)state;
	cap_places(PI_LBMD_CSUM_CRC16_T10DIF, 8);
	cap_places(PI_LBMD_CSUM_CRC64_NVME, 16);
	cap_places(PI_LBMD_CSUM_IP, 8);
}

/*
 * A tuple with another size than the guard's would be generated and verified in
 * the wrong place.
 */
static void test_cap_pi_size(void **state)
{
	static const uint8_t right[] = { 0, 8, 8, 0, 16 };

	(void)state;
	for (unsigned int csum = 0; csum < ARRAY_SIZE(right); csum++)
		for (unsigned int pi_size = 0; pi_size <= 64; pi_size++) {
			struct pi_uapi_cap c = cap(3, 4096, 64, csum, pi_size, 0);

			if (pi_size != right[csum])
				refuse_cap(&c, -EOPNOTSUPP, "4096+64");
		}
}

#define TYPE1	"T10-DIF-TYPE1-CRC"
#define TYPE3	"T10-DIF-TYPE3-CRC"
#define IP1	"T10-DIF-TYPE1-IP"
#define EXT1	"EXT-DIF-TYPE1-CRC64"
#define EXT3	"EXT-DIF-TYPE3-CRC64"

static void test_profiles(void **state)
{
	static const struct {
		const char *profile;
		uint8_t csum;
		uint32_t interval;
		uint16_t md_size;
		bool pi_first;
		uint16_t pi_offset;
		uint8_t type;
		const char *name;
	} row[] = {
		{ TYPE1, 2, 512, 8, false, 0, 1, "512+8 type 1 CRC16" },
		{ TYPE1, 2, 4096, 8, true, 0, 1, "4096+8 type 1 CRC16" },
		{ TYPE1, 2, 512, 16, false, 8, 1, "512+16 type 1 CRC16 last" },
		{ TYPE1, 2, 512, 16, true, 0, 1, "512+16 type 1 CRC16 first" },
		{ TYPE1, 2, 4096, 64, false, 56, 1, "4096+64 type 1 CRC16 last" },
		{ TYPE1, 2, 4096, 128, false, 120, 1, "4096+128 type 1 CRC16 last" },
		{ TYPE3, 2, 512, 8, false, 0, 3, "512+8 type 3 CRC16" },
		{ TYPE3, 2, 4096, 64, true, 0, 3, "4096+64 type 3 CRC16 first" },
		{ EXT1, 4, 4096, 16, false, 0, 1, "4096+16 type 1 CRC64" },
		{ EXT1, 4, 4096, 16, true, 0, 1, "4096+16 type 1 CRC64" },
		{ EXT1, 4, 4096, 64, false, 48, 1, "4096+64 type 1 CRC64 last" },
		{ EXT3, 4, 512, 64, true, 0, 3, "512+64 type 3 CRC64 first" },
		{ EXT3, 4, 512, 300, false, 284, 3, "512+300 type 3 CRC64 last" },
		{ IP1, 1, 512, 8, false, 0, 1, "512+8 type 1 IP checksum" },
		{ "T10-DIF-TYPE3-IP", 1, 512, 8, true, 0, 3,
		  "512+8 type 3 IP checksum" },
		{ IP1, 1, 512, 16, true, 0, 1, "512+16 type 1 IP checksum first" },
		{ "nop", 0, 4096, 64, false, 0, 3, "4096+64 without PI" },
		{ "nop", 0, 512, 8, true, 0, 3, "512+8 without PI" },
		{ "nop", 0, 512, 1, false, 0, 3, "512+1 without PI" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct pi_format f;

		memset(&f, PI_TEST_CANARY, sizeof(f));
		assert_int_equal(pi_format_from_profile(&f, row[i].profile,
				row[i].interval, row[i].md_size,
				row[i].pi_first, NULL), 0);
		expect_format(&f, row[i].name, row[i].csum, row[i].md_size,
			      row[i].pi_offset, row[i].type);
		assert_int_equal(f.interval, row[i].interval);
	}
}

static void refuse_profile(const char *profile, uint32_t interval,
			   uint16_t md_size, int err, const char *part)
{
	struct pi_reason reason = { "" };
	struct pi_format f;

	for (int pi_first = 0; pi_first < 2; pi_first++) {
		int ret = pi_format_from_profile(&f, profile, interval, md_size,
						 pi_first, &reason);

		if (ret != err)
			fail_msg("'%s' %u+%u: %d, not %d", profile, interval,
				 md_size, ret, err);
		pi_test_says(&reason, part);
		if (err == -EOPNOTSUPP)
			pi_test_says(&reason, "use pi_layout=none");
	}
	assert_int_equal(pi_format_from_profile(&f, profile, interval, md_size,
						false, NULL), err);
}

static void test_profile_refusals(void **state)
{
	(void)state;
	refuse_profile("none", 0, 0, -ENODATA, "no metadata");
	refuse_profile("none", 0, 64, -ENODATA, "no metadata");
	refuse_profile(TYPE1, 4096, 0, -ENODATA, "no metadata");
	refuse_profile("nop", 4096, 0, -ENODATA, "no metadata");
	refuse_profile("nop", 520, 8, -EOPNOTSUPP, "interval");
	for (uint16_t md_size = 1; md_size < 16; md_size++)
		refuse_profile(EXT1, 4096, md_size, -EOPNOTSUPP,
			       "a 16-byte tuple at offset 0 does not fit");
	for (uint16_t md_size = 1; md_size < 8; md_size++)
		refuse_profile(TYPE1, 4096, md_size, -EOPNOTSUPP,
			       "a 8-byte tuple at offset 0 does not fit");
	refuse_profile(TYPE1, 0, 8, -EOPNOTSUPP, "interval");
	refuse_profile(TYPE1, 520, 8, -EOPNOTSUPP, "interval");
	refuse_profile(TYPE1, 0xffffffff, 8, -EOPNOTSUPP, "interval");
}

static void test_profile_ip_last(void **state)
{
	struct pi_reason reason = { "" };
	struct pi_format f;

	(void)state;
	assert_int_equal(pi_format_from_profile(&f, IP1, 4096, 64, false,
						&reason), -EOPNOTSUPP);
	pi_test_says(&reason, "IP checksum over 56 bytes of metadata");
	pi_test_says(&reason, "use pi_layout=none");
}

static void test_profile_nonsense(void **state)
{
	static const char * const nonsense[] = {
		"", "-", "CRC", "-CRC", "T10", "T10-DIF-TYPE1", "T10-DIF-TYPE1-",
		"T10-DIF-CRC", "TYPE1-CRC", "T10-DIF-TYPE1-crc", TYPE1 "\t",
		TYPE1 "16", "T10-DIX-TYPE1-CRC", "%s%n-CRC", "\xff\xfe-CRC",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++)
		refuse_profile(nonsense[i], 4096, 8, -EOPNOTSUPP,
			       "a guard of kind '");
}

/* a type this build has never heard of may lay its tuple out in any way */
static void test_profile_unknown_type(void **state)
{
	static const char * const unknown[] = {
		"T10-DIF-TYPE-CRC", "T10-DIF-TYPE0-CRC", "T10-DIF-TYPE4-CRC",
		"T10-DIF-TYPE11-CRC", "T10-DIF-TYPE33-CRC", "T10-DIF-TYPEx-CRC",
		"EXT-DIF-TYPE1-CRC", "EXT-DIF-TYPE2-CRC64", "T10-DIF-TYPE0-IP",
		"T10-DIF-TYPE1-CRC64", "EXT-DIF-TYPE1-IP", "nop1", "X-DIF-TYPE1-CRC", "-DIF-TYPE1-CRC",
		"T10-DIF-TYPE1-X-CRC", "T10-DIF-TYPE3-DIF-TYPE1-CRC",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		refuse_profile(unknown[i], 4096, 8, -EOPNOTSUPP, unknown[i]);
}

/* a format that was accepted must be safe to use, within these bounds */
static void use(const struct pi_format *f)
{
	char name[64];
	uint8_t *data, *md;
	struct pi_mismatch bad;
	struct pi_tuple t;
	struct pi_tuple_options options = {
		.app		= pi_test_rand(),
		.app_mask	= pi_test_rand(),
		.app_mode	= pi_test_below(3),
		.ref		= pi_test_rand(),
		.ref_check	= pi_test_below(2),
		.opaque		= pi_test_below(2),
	};

	assert_non_null(f->guard);
	pi_test_in_range(f->shift, 9, 31);
	assert_int_equal(1U << f->shift, f->interval);
	pi_test_in_range(f->md_size, 1, UINT16_MAX);
	pi_test_in_range(f->pi_offset + f->guard->pi_size, 0, f->md_size);
	assert_true(!f->pi_offset || (f->guard->pi_size && !f->guard->alone));
	assert_true(f->type == 3 || (f->type == 1 && f->guard->pi_size));
	pi_format_name(f, name, sizeof(name));
	if (f->interval > 4096)
		return;

	data = calloc(2, f->interval);
	md = malloc(pi_format_md_bytes(f, 2 * f->interval));
	assert_non_null(data);
	assert_non_null(md);
	assert_int_equal(pi_tuple_init(&t, f, &options), 0);
	t.generate(&t, data, md, 2, 0, 0);
	assert_int_equal(t.verify(&t, data, md, 2, 0, 0, &bad), 0);
	free(data);
	free(md);
}

static void check_parsed(int ret, const struct pi_format *f,
			 const struct pi_reason *reason)
{
	if (!ret) {
		use(f);
		return;
	}
	assert_true(ret == -ENODATA || ret == -EOPNOTSUPP);
	assert_non_null(memchr(reason->text, 0, sizeof(reason->text)));
	assert_true(reason->text[0]);
}

/* make sure that some inputs are accepted */
static void expect_all_guards(const unsigned int accepted[NR_CSUMS])
{
	for (unsigned int csum = 0; csum < NR_CSUMS; csum++)
		assert_true(accepted[csum] || !pi_guard_by_csum(csum));
}

static struct pi_uapi_cap random_cap(void)
{
	struct pi_uapi_cap c;

	pi_test_fill(&c, sizeof(c));
	/* purely random input is always refused, so fix some fields most of the time */
	if (pi_test_below(8))
		c.interval = 256 << pi_test_below(8);
	if (pi_test_below(8))
		c.guard_tag_type = pi_test_below(6);
	if (pi_test_below(8))
		c.storage_tag_size = 0;
	if (pi_test_below(4))
		c.pi_offset = pi_test_below(c.size + 1);
	if (pi_test_below(8))
		c.pi_size = c.guard_tag_type == 4 ? 16 :
			    c.guard_tag_type ? 8 : 0;
	return c;
}

/* parse something random, over and over */
static void fuzz(int (*parse)(struct pi_format *f, struct pi_reason *reason))
{
	unsigned int accepted[NR_CSUMS] = { 0 };
	struct pi_test_fuzz fuzz = pi_test_fuzz(100000);

	while (pi_test_fuzz_more(&fuzz)) {
		struct pi_reason reason;
		struct pi_format f;
		int ret = parse(&f, &reason);

		check_parsed(ret, &f, &reason);
		if (!ret)
			accepted[f.guard->csum]++;
	}
	expect_all_guards(accepted);
}

static int parse_random_cap(struct pi_format *f, struct pi_reason *reason)
{
	/* on the heap, so that ASan detects accesses past the end */
	struct pi_uapi_cap *c = malloc(sizeof(*c));
	int ret;

	assert_non_null(c);
	*c = random_cap();
	ret = pi_format_from_cap(f, c, reason);
	free(c);
	return ret;
}

static void test_fuzz_cap(void **state)
{
	(void)state;
	fuzz(parse_random_cap);
}

/* valid words in any order, and random bytes */
static char *random_profile(void)
{
	static const char * const word[] = {
		"T10", "EXT", "-DIF", "-TYPE", "-DIF-TYPE", "1", "2", "3", "-CRC",
		"-CRC64", "-IP", "nop", "none", "-", "T10-DIF-TYPE1-CRC",
		"T10-DIF-TYPE3", "EXT-DIF-TYPE3-CRC64", "T10-DIF-TYPE1-IP",
	};
	unsigned int words = pi_test_below(6);
	char text[128] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < words; i++) {
		size_t random = pi_test_below(2 * ARRAY_SIZE(word));

		if (random < ARRAY_SIZE(word))
			len += sprintf(text + len, "%s", word[random]);
		else
			text[len++] = 1 + pi_test_below(255);
		text[len] = '\0';
	}
	return strdup(text);
}

static int parse_random_profile(struct pi_format *f, struct pi_reason *reason)
{
	uint32_t interval = pi_test_below(4) ? 256U << pi_test_below(8) :
			    pi_test_rand();
	uint16_t md_size = pi_test_below(4) ? pi_test_below(130) :
			   pi_test_rand();
	char *profile = random_profile();
	int ret;

	assert_non_null(profile);
	ret = pi_format_from_profile(f, profile, interval, md_size,
				     pi_test_below(2), reason);
	free(profile);
	return ret;
}

static void test_fuzz_profile(void **state)
{
	(void)state;
	fuzz(parse_random_profile);
}

static void test_md_bytes(void **state)
{
	struct pi_format f;

	(void)state;
	assert_int_equal(pi_format_from_profile(&f, TYPE1, 4096, 64, false,
						NULL), 0);
	assert_int_equal(pi_format_md_bytes(&f, 0), 0);
	assert_int_equal(pi_format_md_bytes(&f, 4096), 64);
	assert_int_equal(pi_format_md_bytes(&f, 1 << 20), 256 * 64);
	assert_int_equal(pi_format_md_bytes(&f, 1ULL << 44), 1ULL << 38);
}

static void test_name_is_cut(void **state)
{
	const char whole[] = "4096+64 type 1 CRC16 last";
	struct pi_format f;

	(void)state;
	assert_int_equal(pi_format_from_profile(&f, TYPE1, 4096, 64, false,
						NULL), 0);
	for (size_t size = 1; size <= sizeof(whole); size++) {
		char *name = malloc(size);

		assert_non_null(name);
		pi_format_name(&f, name, size);
		assert_int_equal(strlen(name), size - 1);
		assert_memory_equal(name, whole, size - 1);
		free(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap_formats),
		cmocka_unit_test(test_cap_no_metadata),
		cmocka_unit_test(test_cap_guards),
		cmocka_unit_test(test_cap_nop_offset),
		cmocka_unit_test(test_cap_storage_tag),
		cmocka_unit_test(test_cap_interval),
		cmocka_unit_test(test_cap_place),
		cmocka_unit_test(test_cap_pi_size),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_profile_refusals),
		cmocka_unit_test(test_profile_ip_last),
		cmocka_unit_test(test_profile_nonsense),
		cmocka_unit_test(test_profile_unknown_type),
		pi_test_with_random(test_fuzz_cap),
		pi_test_with_random(test_fuzz_profile),
		cmocka_unit_test(test_md_bytes),
		cmocka_unit_test(test_name_is_cut),
	};

	return cmocka_run_group_tests_name("format", tests, pi_test_seed, NULL);
}
