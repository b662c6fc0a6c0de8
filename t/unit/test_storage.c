// SPDX-License-Identifier: GPL-2.0-only
/*
 * Storage tags and the 32-bit guard, which no emulated drive has: compare tuples
 * and commands with bytes written out by hand, and with a model of a drive that
 * implements NVM Command Set specification 1.0, 5.2, in 128-bit arithmetic
 *
 * wrap: nvme_get_nsid nvme_identify
 */
#include <endian.h>
#include <errno.h>
#include <libnvme.h>

#include "pi_test_format.h"
#include "pi_test_guard.h"
#include "pi_test_nvme.h"

#include "fault.h"
#include "layout.h"
#include "namespace.h"
#include "nvme.h"

#define INTERVAL	512
#define BLOCKS		5
#define MAX_MD		64
#define APP		0x1234
#define REF		0x1122334455667788ULL

/* answer of Identify; figures 118 and 119 */
static struct {
	uint16_t md_size;
	uint8_t dps;
	uint8_t pic;
	uint64_t lbstm;
	uint32_t elbaf;
} drive;

int __wrap_nvme_get_nsid(int fd, __u32 *nsid);
int __wrap_nvme_identify(struct nvme_identify_args *args);

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	(void)fd;
	*nsid = 1;
	return 0;
}

int __wrap_nvme_identify(struct nvme_identify_args *args)
{
	struct nvme_nvm_id_ns *nvm = args->data;
	struct nvme_id_ns *ns = args->data;

	memset(args->data, 0, 4096);
	if (args->cns == NVME_IDENTIFY_CNS_NS) {
		ns->flbas = 3;
		ns->nlbaf = 3;
		ns->mc = NVME_NS_MC_SEPARATE;
		ns->dpc = NVME_NS_DPC_PI_TYPE1;
		ns->lbaf[3].ds = 9;
		ns->lbaf[3].ms = htole16(drive.md_size);
		ns->dps = drive.dps;
	} else {
		nvm->lbstm = htole64(drive.lbstm);
		nvm->pic = drive.pic;
		nvm->elbaf[3] = htole32(drive.elbaf);
	}
	return 0;
}

static void identify(unsigned int pif, unsigned int sts, uint16_t md_size,
		     uint8_t dps, uint64_t lbstm)
{
	drive = (typeof(drive)) {
		.md_size	= md_size,
		.dps		= dps,
		.lbstm		= lbstm,
		.elbaf		= pif << 7 | sts,
	};
}

static int probe(struct pi_namespace *ns, struct pi_reason *reason)
{
	memset(ns, PI_TEST_CANARY, sizeof(*ns));
	return pi_namespace_probe(7, ns, reason);
}

static struct pi_format must_probe(void)
{
	struct pi_reason reason = { "" };
	struct pi_namespace ns;

	if (probe(&ns, &reason))
		fail_msg("%s", reason.text);
	return ns.format;
}

/* tuple and command of one block */
struct sample {
	struct pi_format format;
	struct pi_tuple tuple;
	struct pi_nvme_ns ns;
	uint8_t data[BLOCKS * INTERVAL];
	uint8_t md[BLOCKS * MAX_MD];
	uint8_t sqe[128];
	struct pi_io io;
};

static void sample_init(struct sample *s, const struct pi_tuple_options *o,
			uint64_t number, unsigned int dir)
{
	struct pi_io_mode mode;

	s->format = must_probe();
	assert_int_equal(pi_tuple_init(&s->tuple, &s->format, o), 0);
	pi_test_fill(s->data, sizeof(s->data));
	memset(s->md, PI_TEST_CANARY, sizeof(s->md));
	s->tuple.generate(&s->tuple, s->data, s->md, BLOCKS, number, number);
	/* as in the engine */
	s->ns = (struct pi_nvme_ns) {
		.nsid		= 1,
		.stride		= INTERVAL,
		.control	= { NVME_IO_STC, NVME_IO_STC },
		.cdw2		= s->tuple.ref_top,
		.app_mask	= o->app_mask,
		.ref_varies	= s->tuple.ref_varies,
		.ref		= s->tuple.ref,
	};
	s->io = (struct pi_io) {
		.sqe	= (void *)s->sqe,
		.md	= s->md,
		.ns	= &s->ns,
		.blocks	= BLOCKS,
	};
	pi_nvme_arm(&s->io);
	pi_io_mode_init(&mode, false, false);
	pi_io_rw(&s->io, &mode, dir, 5, 0, s->data, sizeof(s->data), 0, 0, 9, false);
	pi_nvme_rw(&s->io, 7, o->app, BLOCKS * s->format.md_size, number);
}

static uint32_t dword(const struct sample *s, unsigned int offset)
{
	uint32_t value;

	memcpy(&value, s->sqe + offset, sizeof(value));
	return value;
}

static const struct {
	unsigned int pif, sts;
	uint64_t storage;
	uint8_t type;
	uint8_t tags[12];	/* behind the guard */
	unsigned int bytes;
	uint32_t cdw2, cdw3, cdw14;
} byte_for_byte[] = {
	{ 0, 0, 0, 1, "\x12\x34\x55\x66\x77\x88", 6, 0, 0, 0x55667788 },
	{ 0, 8, 0x5a, 1, "\x12\x34\x5a\x66\x77\x88", 6, 0, 0, 0x5a667788 },
	{ 0, 20, 0xabcde, 1, "\x12\x34\xab\xcd\xe7\x88", 6, 0, 0, 0xabcde788 },
	{ 0, 32, 0xdeadbeef, 1, "\x12\x34\xde\xad\xbe\xef", 6, 0, 0, 0xdeadbeef },
	{ 1, 16, 0xabcd, 1,
	  "\x12\x34\xab\xcd\x11\x22\x33\x44\x55\x66\x77\x88", 12,
	  0xabcd, 0x11223344, 0x55667788 },
	{ 1, 20, 0xabcde, 1,
	  "\x12\x34\xab\xcd\xe1\x22\x33\x44\x55\x66\x77\x88", 12,
	  0xabcd, 0xe1223344, 0x55667788 },
	{ 1, 48, 0xa0b0c0d0e0f0, 1,
	  "\x12\x34\xa0\xb0\xc0\xd0\xe0\xf0\x55\x66\x77\x88", 12,
	  0xa0b0, 0xc0d0e0f0, 0x55667788 },
	{ 1, 64, 0x0123456789abcdef, 1,
	  "\x12\x34\x01\x23\x45\x67\x89\xab\xcd\xef\x77\x88", 12,
	  0x0123, 0x456789ab, 0xcdef7788 },
	{ 1, 32, 0x89abcdef, 3,
	  "\x12\x34\x89\xab\xcd\xef\xff\xee\xdd\xcc\xbb\xaa", 12,
	  0x89ab, 0xcdefffee, 0xddccbbaa },
	{ 2, 0, 0, 1, "\x12\x34\x33\x44\x55\x66\x77\x88", 8,
	  0, 0x3344, 0x55667788 },
	{ 2, 12, 0x5a5, 1, "\x12\x34\x5a\x54\x55\x66\x77\x88", 8,
	  0, 0x5a54, 0x55667788 },
	{ 2, 40, 0xa0b0c0d0e0, 1, "\x12\x34\xa0\xb0\xc0\xd0\xe0\x88", 8,
	  0, 0xa0b0, 0xc0d0e088 },
	{ 2, 48, 0xa0b0c0d0e0f0, 3, "\x12\x34\xa0\xb0\xc0\xd0\xe0\xf0", 8,
	  0, 0xa0b0, 0xc0d0e0f0 },
};

static void test_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(byte_for_byte); i++) {
		const typeof(byte_for_byte[0]) *row = &byte_for_byte[i];
		const struct pi_tuple_options o = {
			.app = APP, .app_mask = 0xf0ff, .storage = row->storage,
			.ref = 0xffeeddccbbaa,
		};
		struct sample s;
		const uint8_t *pi = s.md;

		identify(row->pif, row->sts, row->pif ? 16 : 8, row->type, -1);
		for (unsigned int dir = 0; dir < 2; dir++) {
			sample_init(&s, &o, REF, dir);
			assert_memory_equal(pi + s.format.guard->guard_size,
					    row->tags, row->bytes);
			assert_int_equal(dword(&s, CDW2), row->cdw2);
			assert_int_equal(dword(&s, CDW3), row->cdw3);
			assert_int_equal(dword(&s, CDW(14)), row->cdw14);
			/* PRCHK, STC, blocks; LBATM, LBAT */
			assert_int_equal(dword(&s, CDW(12)),
					 0x1d000000 | (BLOCKS - 1));
			assert_int_equal(dword(&s, CDW(15)), 0xf0ff1234);
		}
	}
}

/* the test cases for the 32b guard in the specification, and Castagnoli's own */
static void test_guard_samples(void **state)
{
	const struct pi_guard *guard = pi_guard_by_pif(1);
	uint8_t block[4096];

	(void)state;
	assert_string_equal(guard->name, "CRC32");
	assert_int_equal(guard->compute(0, "123456789", 9), 0xe3069283);
	assert_int_equal(pi_test_crc32(0, "123456789", 9), 0xe3069283);
	memset(block, 0, sizeof(block));
	assert_int_equal(guard->compute(0, block, 4096), 0x98f94189);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(guard->compute(0, block, 4096), 0x25c1fe13);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = i;
	assert_int_equal(guard->compute(0, block, 4096), 0x9c71fe32);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = 0xff - i;
	assert_int_equal(guard->compute(0, block, 4096), 0x214941a8);
}

/* every length at every alignment, in one piece and in two */
static void test_guard_reference(void **state)
{
	const struct pi_guard *guard = pi_guard_by_pif(1);
	uint8_t buf[600];

	(void)state;
	pi_test_fill(buf, sizeof(buf));
	for (unsigned int from = 0; from < 16; from++)
		for (unsigned int len = 0; len <= sizeof(buf) - from; len++) {
			const unsigned int cut = pi_test_below(len + 1);
			const uint64_t seed = pi_test_rand() & 0xffffffff;
			const uint64_t want = pi_test_crc32(seed, buf + from, len);
			uint64_t is = guard->compute(seed, buf + from, cut);

			assert_int_equal(guard->compute(seed, buf + from, len), want);
			is = guard->compute(is, buf + from + cut, len - cut);
			assert_int_equal(is, want);
		}
}

/* figure 118: 16b 0 to 32 bits, 32b 16 to 64, 64b 0 to 48 */
static void test_sizes(void **state)
{
	static const unsigned int least[] = { 0, 16, 0 }, most[] = { 32, 64, 48 };
	struct pi_namespace ns;
	struct pi_reason reason;

	(void)state;
	for (unsigned int pif = 0; pif < 3; pif++)
		for (unsigned int sts = 0; sts < 128; sts++) {
			const bool fits = sts >= least[pif] && sts <= most[pif];

			identify(pif, sts, 16, 1, UINT64_MAX);
			assert_int_equal(probe(&ns, &reason),
					 fits ? 0 : -EOPNOTSUPP);
			if (!fits) {
				pi_test_says(&reason, "storage tag of");
				continue;
			}
			assert_int_equal(ns.format.storage_bits, sts);
			assert_int_equal(ns.format.storage_mask,
					 sts ? UINT64_MAX >> (64 - sts) : 0);
		}
}

/* PIF 3 refers to QPIF if PIC says so; the mask comes from the drive */
static void test_identify(void **state)
{
	static const char * const name[] = { "CRC16", "CRC32", "CRC64" };
	struct pi_namespace ns;
	struct pi_reason reason;
	struct pi_format format;
	char text[64];

	(void)state;
	for (unsigned int qpif = 0; qpif < 16; qpif++) {
		identify(3, 24, 64, 9, 0xff00ff);
		drive.elbaf |= qpif << 9;
		assert_int_equal(probe(&ns, &reason), -EOPNOTSUPP);
		pi_test_says(&reason, "information format 3");
		drive.pic = 1 << 3;
		assert_int_equal(probe(&ns, &reason), qpif < 3 ? 0 : -EOPNOTSUPP);
		if (qpif >= 3)
			continue;
		assert_string_equal(ns.format.guard->name, name[qpif]);
		assert_int_equal(ns.format.storage_mask, 0xff00ff);
		assert_false(ns.reads_check_storage);
		drive.pic |= 1 << 2;
		assert_int_equal(probe(&ns, &reason), 0);
		assert_true(ns.reads_check_storage);
	}
	identify(1, 16, 16, 1, -1);
	format = must_probe();
	pi_format_name(&format, text, sizeof(text));
	assert_string_equal(text, "512+16 type 1 CRC32, 16-bit storage tag");
	/* no protection information, no storage tag */
	identify(1, 16, 16, 0, -1);
	assert_int_equal(must_probe().storage_bits, 0);
}

static void test_lba_formats(void **state)
{
	struct pi_lba_format formats[PI_MAX_LBA_FORMATS];

	(void)state;
	identify(1, 40, 16, 1, -1);
	assert_int_equal(pi_namespace_lba_formats(7, formats), 4);
	assert_string_equal(formats[3].guard->name, "CRC32");
	assert_int_equal(formats[3].storage_bits, 40);
	assert_false(formats[3].by_kernel);
	identify(2, 0, 16, 1, -1);
	pi_namespace_lba_formats(7, formats);
	assert_true(formats[3].by_kernel);
	identify(2, 1, 16, 1, -1);
	pi_namespace_lba_formats(7, formats);
	assert_false(formats[3].by_kernel);
}

/* a number of up to 80 bits */
static unsigned __int128 big_endian(const uint8_t *p, unsigned int bytes)
{
	unsigned __int128 value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

static unsigned __int128 low(unsigned __int128 value, unsigned int bits)
{
	return value & (((unsigned __int128)1 << bits) - 1);
}

/*
 * How a drive with that format executes the command.  Returns the first tag that
 * is wrong, or -1.  5.2.2 and figures 12 and 121 to 124.
 */
static int checked_by_drive(const struct sample *s)
{
	static const unsigned int guard_size[] = { 2, 4, 8 }, space[] = { 32, 80, 48 };
	static uint64_t (* const crc[])(uint64_t, const void *, size_t) = {
		pi_test_crc16, pi_test_crc32, pi_test_crc64,
	};
	const unsigned int pif = drive.elbaf >> 7 & 3, sts = drive.elbaf & 0x7f;
	const unsigned int ref_bits = space[pif] - sts;
	const unsigned int at = drive.dps & 8 ? 0 : drive.md_size - (pif ? 16 : 8);
	const uint32_t cdw12 = dword(s, CDW(12)), cdw15 = dword(s, CDW(15));
	unsigned __int128 tags = dword(s, CDW2);

	tags = low((tags << 32 | dword(s, CDW3)) << 32 | dword(s, CDW(14)), space[pif]);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		const uint8_t *md = s->md + i * drive.md_size, *pi = md + at;
		const uint8_t *app = pi + guard_size[pif];
		const unsigned __int128 is = big_endian(app + 2, space[pif] / 8);
		uint64_t guard = crc[pif](0, s->data + i * INTERVAL, INTERVAL);

		guard = crc[pif](guard, md, at);
		if (cdw12 & 1 << 28 && guard != pi_test_get_be(pi, guard_size[pif]))
			return PI_TAG_GUARD;
		if (cdw12 & 1 << 27 && (pi_test_get_be(app, 2) ^ cdw15) & cdw15 >> 16)
			return PI_TAG_APP;
		if (cdw12 & 1 << 26 && (drive.dps & 7) != 3 &&
		    low(tags + i, ref_bits) != low(is, ref_bits))
			return PI_TAG_REF;
		if (cdw12 & 1 << 24 &&
		    ((is ^ tags) >> ref_bits) & low(drive.lbstm, sts))
			return PI_TAG_STORAGE;
	}
	return -1;
}

/* damage both in the same way; the other blocks remain correct */
static void fault(struct sample *s, enum pi_fault_id kind, uint64_t number,
		  uint64_t random, int tag)
{
	const unsigned int block = random % BLOCKS;
	uint8_t *md = s->md + block * s->format.md_size;
	uint8_t was[sizeof(s->md)];
	struct pi_mismatch bad;
	const struct pi_fault_block damaged = {
		.format	= &s->format,
		.tuple	= &s->tuple,
		.number	= number + block,
		.ref	= number + block,
		.tag	= number + block,
		.data	= s->data + block * INTERVAL,
		.md	= md,
	};

	memcpy(was, s->md, sizeof(was));
	if (!pi_fault_apply(&(struct pi_fault) { kind, random >> 8 }, &damaged))
		fail_msg("no fault %d", kind);
	assert_int_equal(checked_by_drive(s), tag);
	assert_int_equal(s->tuple.verify(&s->tuple, s->data, s->md, BLOCKS,
					 number, number, &bad), -EILSEQ);
	assert_int_equal(bad.tag, tag);
	assert_int_equal(bad.block, block);
	assert_int_equal(__builtin_popcountll(bad.expected ^ bad.actual), 1);
	if (tag == PI_TAG_STORAGE) {
		const unsigned int width = pi_format_ref_bits(&s->format);
		const uint8_t *pi = md + s->format.pi_offset +
				    s->format.guard->guard_size + 2;

		assert_int_equal(bad.actual, (uint64_t)(big_endian(pi,
				 s->format.guard->ref_size) >> width));
	}
	memcpy(s->md, was, sizeof(was));
}

static void round_trip(unsigned int pif, unsigned int sts, uint8_t dps,
		       uint16_t md_size)
{
	const uint64_t number = pi_test_rand();
	const struct pi_tuple_options o = {
		.app = APP, .app_mask = 0xffff, .storage = pi_test_rand(),
		.ref = pi_test_rand(), .opaque = true,
	};
	const unsigned int ref_bits = (pif == 1 ? 80 : pif ? 48 : 32) - sts;
	const uint64_t mask = pi_test_rand() | 1;
	struct pi_mismatch bad;
	struct sample s;

	identify(pif, sts, md_size, dps, mask);
	sample_init(&s, &o, number, 1);
	assert_int_equal(checked_by_drive(&s), -1);
	assert_int_equal(s.tuple.verify(&s.tuple, s.data, s.md, BLOCKS, number,
					number, &bad), 0);
	fault(&s, PI_FAULT_GUARD, number, pi_test_rand(), PI_TAG_GUARD);
	fault(&s, PI_FAULT_APPTAG, number, pi_test_rand(), PI_TAG_APP);
	if (sts)
		fault(&s, PI_FAULT_STORTAG, number, pi_test_rand(), PI_TAG_STORAGE);
	/* with few bits, the only other tag may be that of a neighbour */
	if (ref_bits && (dps & 7) != 3)
		fault(&s, PI_FAULT_REFTAG, number, pi_test_rand(), PI_TAG_REF);
	/* a bit that the drive does not compare is not found */
	for (unsigned int bit = 0; bit < sts; bit++) {
		const unsigned int at = ref_bits + bit;
		uint8_t *end = s.md + s.format.pi_offset + s.format.guard->pi_size;

		if (mask >> bit & 1)
			continue;
		end[-1 - (int)at / 8] ^= 1 << at % 8;
		assert_int_equal(checked_by_drive(&s), -1);
		assert_int_equal(s.tuple.verify(&s.tuple, s.data, s.md, BLOCKS,
						number, number, &bad), 0);
	}
}

static void test_drive(void **state)
{
	static const unsigned int least[] = { 0, 16, 0 }, most[] = { 32, 64, 48 };

	(void)state;
	for (unsigned int pif = 0; pif < 3; pif++)
		for (unsigned int sts = least[pif]; sts <= most[pif]; sts++)
			for (uint8_t type = 1; type <= 3; type++) {
				round_trip(pif, sts, type, pif ? 16 : 8);
				round_trip(pif, sts, type, 64);
				round_trip(pif, sts, type | 8, 64);
			}
}

/* the reference tag in its bits, and no others */
static void test_ref(void **state)
{
	const struct pi_tuple_options o = { .storage = 0x5a5a5a5a5a5a5a5a };
	struct sample s;

	(void)state;
	identify(1, 21, 16, 1, -1);
	sample_init(&s, &o, REF, 1);
	assert_int_equal(pi_tuple_ref(&s.tuple, s.md), REF & (-1ULL >> 5));
	pi_tuple_set_ref(&s.tuple, s.md, 0);
	assert_int_equal(pi_test_get_be(s.md + 8, 8), 0x1aULL << 59);
	pi_tuple_set_ref(&s.tuple, s.md, UINT64_MAX);
	assert_int_equal(pi_test_get_be(s.md + 8, 8), 0x1aULL << 59 | -1ULL >> 5);
}

/* what the job or the drive excludes is not compared */
static void test_unchecked(void **state)
{
	struct pi_tuple_options o = { .unchecked = 1 << PI_TAG_STORAGE };
	struct pi_tuple t;
	struct pi_format f;

	(void)state;
	identify(1, 40, 16, 1, -1);
	f = must_probe();
	assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
	assert_int_equal(t.storage_check | t.top_check, 0);
	assert_int_equal(pi_fault_visible(&f, &t) >> PI_FAULT_STORTAG, 0);
	o.unchecked = 0;
	assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
	assert_int_equal(pi_fault_visible(&f, &t) >> PI_FAULT_STORTAG, 1);
	f.storage_mask = 0;
	assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
	assert_int_equal(pi_fault_visible(&f, &t) >> PI_FAULT_STORTAG, 0);
	/* type 3: application tag and reference tag of all ones, whatever the storage tag */
	identify(1, 40, 16, 3, -1);
	f = must_probe();
	assert_int_equal(pi_tuple_init(&t, &f, &o), 0);
	assert_int_equal(t.ref_escape, (1ULL << 40) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pi_test_with_random(test_bytes),
		cmocka_unit_test(test_guard_samples),
		pi_test_with_random(test_guard_reference),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_identify),
		cmocka_unit_test(test_lba_formats),
		pi_test_with_random(test_drive),
		pi_test_with_random(test_ref),
		cmocka_unit_test(test_unchecked),
	};

	return cmocka_run_group_tests_name("storage", tests, pi_test_seed, NULL);
}
