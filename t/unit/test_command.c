// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare commands with bytes written out by hand according to the NVM Command
 * Set specification 1.0, and test how the device's support is detected
 *
 * wrap: nvme_get_nsid nvme_identify nvme_get_log
 */
#include <endian.h>
#include <errno.h>
#include <libnvme.h>

#include "pi_test.h"
#include "pi_test_nvme.h"

#include "command.h"
#include "nvme.h"

#define IO		0xc0484e80U	/* NVME_URING_CMD_IO */

#define FD		77
#define LEN		0x8000

static struct {
	uint16_t oncs;
	uint32_t verify_effects;
	uint8_t dlfeat;
	uint8_t vsl, wzsl, wusl;
	int ctrl_ret;
	int nvm_ret;
	int log_ret;
} fake;

int __wrap_nvme_get_nsid(int fd, __u32 *nsid);
int __wrap_nvme_identify(struct nvme_identify_args *args);
int __wrap_nvme_get_log(struct nvme_get_log_args *args);

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	assert_int_equal(fd, FD);
	*nsid = 5;
	return 0;
}

int __wrap_nvme_identify(struct nvme_identify_args *args)
{
	memset(args->data, 0, 4096);
	if (args->cns == NVME_IDENTIFY_CNS_CTRL) {
		((struct nvme_id_ctrl *)args->data)->oncs = htole16(fake.oncs);
		errno = EACCES;
		return fake.ctrl_ret;
	}
	if (args->cns == NVME_IDENTIFY_CNS_NS) {
		assert_int_equal(args->nsid, 5);
		((struct nvme_id_ns *)args->data)->dlfeat = fake.dlfeat;
		return 0;
	}
	assert_int_equal(args->cns, NVME_IDENTIFY_CNS_CSI_CTRL);
	*(struct nvme_id_ctrl_nvm *)args->data = (struct nvme_id_ctrl_nvm) {
		.vsl = fake.vsl, .wzsl = fake.wzsl, .wusl = fake.wusl,
	};
	return fake.nvm_ret;
}

int __wrap_nvme_get_log(struct nvme_get_log_args *args)
{
	struct nvme_cmd_effects_log *log = args->log;

	assert_int_equal(args->lid, NVME_LOG_LID_CMD_EFFECTS);
	memset(log, 0, sizeof(*log));
	log->iocs[0x0c] = htole32(fake.verify_effects);
	return fake.log_ret;
}

struct sample {
	uint8_t sqe[128];
	uint8_t was[128];
	uint8_t want[128];
	uint8_t md[64];
	struct pi_io io;
	struct iovec iov;
};

static const struct pi_nvme_ns ns48 = {
	.nsid		= 0x1f,
	.stride		= 4096,
	.control	= { 0, 1 << 14 | 1 << 13 },	/* FUA, PRACT */
	.app_mask	= 0xf0ff,
	.ref_varies	= 0xffffffffffff,
};

/* a write of 8 blocks with all fields set, or a read */
static void sample_init(struct sample *s, unsigned int dir, bool vectored,
			bool fixed)
{
	struct pi_io_mode mode;

	memset(s, PI_TEST_CANARY, sizeof(*s));
	s->io = (struct pi_io) {
		.iov	= &s->iov,
		.sqe	= (void *)s->sqe,
		.md	= s->md,
		.ns	= &ns48,
		.blocks	= 8,
	};
	pi_nvme_arm(&s->io);
	pi_io_mode_init(&mode, vectored, fixed);
	pi_io_rw(&s->io, &mode, dir, 5, 0, s->md, LEN, 0, 3, 42, vectored);
	pi_nvme_rw(&s->io, 7, 0x1234, 64, 0x123456789a);
	memcpy(s->was, s->sqe, sizeof(s->was));
	memcpy(s->want, s->sqe, sizeof(s->want));
}

static void no_data(struct sample *s)
{
	pi_test_put(s->want, 8, uint32_t, IO);
	pi_test_put(s->want, 28, uint32_t, 0);		/* no registered buffer */
	pi_test_put(s->want, METADATA, uint64_t, 0);
	pi_test_put(s->want, ADDR, uint64_t, 0);
	pi_test_put(s->want, METADATA_LEN, uint32_t, 0);
	pi_test_put(s->want, DATA_LEN, uint32_t, 0);
}

static void expect(const struct sample *s)
{
	for (unsigned int i = 0; i < sizeof(s->want); i++)
		if (s->sqe[i] != s->want[i])
			fail_msg("byte %u is 0x%02x, should be 0x%02x", i,
				 s->sqe[i], s->want[i]);
}

/* FUA and PRCHK are kept, PRACT is not Verify's */
static void test_verify(void **state)
{
	struct sample s;

	(void)state;
	for (int how = 0; how < 3; how++) {
		sample_init(&s, 1, how == 1, how == 2);
		pi_command_convert(&s.io, PI_COMMAND_VERIFY, 0);
		no_data(&s);
		pi_test_put(s.want, OPCODE, uint8_t, 0x0c);
		pi_test_put(s.want, CDW(12), uint32_t, 0x5c000007);
		pi_test_put(s.want, CDW(14), uint32_t, 0x3456789a);
		pi_test_put(s.want, CDW3, uint32_t, 0x12);
		pi_test_put(s.want, CDW(15), uint32_t, 0xf0ff1234);
		expect(&s);
		assert_int_equal(pi_command_of(&s.io), PI_COMMAND_VERIFY);
	}
}

/* no PRCHK; PRACT is bit 29 and DEAC bit 25 of dword 12 */
static void test_zeroes(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, 1, false, true);
	pi_command_convert(&s.io, PI_COMMAND_ZEROES,
			NVME_IO_PRINFO_PRACT | NVME_IO_DEAC);
	no_data(&s);
	pi_test_put(s.want, OPCODE, uint8_t, 0x08);
	pi_test_put(s.want, CDW(12), uint32_t, 0x62000007);
	expect(&s);
	sample_init(&s, 1, false, false);
	pi_command_convert(&s.io, PI_COMMAND_ZEROES, 0);
	no_data(&s);
	pi_test_put(s.want, OPCODE, uint8_t, 0x08);
	pi_test_put(s.want, CDW(12), uint32_t, 0x40000007);
	expect(&s);
	assert_int_equal(pi_command_of(&s.io), PI_COMMAND_ZEROES);
}

/* nothing but the blocks */
static void test_uncor(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s, 1, true, false);
	pi_command_convert(&s.io, PI_COMMAND_UNCOR, 0);
	no_data(&s);
	pi_test_put(s.want, OPCODE, uint8_t, 0x04);
	pi_test_put(s.want, CDW3, uint32_t, 0);
	pi_test_put(s.want, CDW(12), uint32_t, 7);
	pi_test_put(s.want, CDW(14), uint32_t, 0);
	pi_test_put(s.want, CDW(15), uint32_t, 0);
	expect(&s);
	assert_int_equal(pi_command_of(&s.io), PI_COMMAND_UNCOR);
}

/* data and metadata go where those of a write do, even from a read */
static void test_compare(void **state)
{
	struct sample s;

	(void)state;
	for (unsigned int dir = 0; dir < 2; dir++) {
		sample_init(&s, dir, false, true);
		pi_command_convert(&s.io, PI_COMMAND_COMPARE, 0);
		pi_test_put(s.want, OPCODE, uint8_t, 0x05);
		pi_test_put(s.want, CDW(12), uint32_t,
			    dir ? 0x5c000007 : 0x1c000007);
		expect(&s);
		assert_int_equal(pi_command_of(&s.io), PI_COMMAND_COMPARE);
	}
}

/* the next read or write in the same place is one again */
static void test_back(void **state)
{
	struct pi_io_mode mode;
	struct sample s;

	(void)state;
	for (int i = PI_COMMAND_RW + 1; i < PI_NR_COMMANDS; i++) {
		sample_init(&s, 1, false, true);
		pi_command_convert(&s.io, i, NVME_IO_DEAC);
		pi_io_mode_init(&mode, false, true);
		pi_io_rw(&s.io, &mode, 1, 5, 0, s.md, LEN, 0, 3, 42, false);
		pi_nvme_rw(&s.io, 7, 0x1234, 64, 0x123456789a);
		memcpy(s.want, s.was, sizeof(s.want));
		expect(&s);
		assert_int_equal(pi_command_of(&s.io), PI_COMMAND_RW);
	}
}

static void test_support(void **state)
{
	struct pi_command_support support;
	struct pi_reason reason;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.oncs = 1 << 0 | 1 << 3;
	fake.vsl = 7;
	fake.dlfeat = 1 << 3 | 1;
	assert_int_equal(pi_command_probe(FD, &support, &reason), 0);
	assert_int_equal(support.has, 1 << PI_COMMAND_RW | 1 << PI_COMMAND_COMPARE |
				      1 << PI_COMMAND_ZEROES);
	assert_true(support.deac);
	assert_int_equal(support.max_bytes[PI_COMMAND_VERIFY], 512 << 10);
	assert_int_equal(support.max_bytes[PI_COMMAND_ZEROES], 0);

	fake.oncs = 1 << 1 | 1 << 7;
	fake.dlfeat = 1;
	assert_int_equal(pi_command_probe(FD, &support, &reason), 0);
	assert_int_equal(support.has, 1 << PI_COMMAND_RW | 1 << PI_COMMAND_UNCOR |
				      1 << PI_COMMAND_VERIFY);
	assert_false(support.deac);
}

/* QEMU reports Verify only in the log, which requires root */
static void test_effects_log(void **state)
{
	struct pi_command_support support;
	struct pi_reason reason;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.verify_effects = 1;
	assert_int_equal(pi_command_probe(FD, &support, &reason), 0);
	assert_int_equal(support.has, 1 << PI_COMMAND_RW | 1 << PI_COMMAND_VERIFY);
	fake.log_ret = -1;
	fake.nvm_ret = 2;
	fake.vsl = 7;
	assert_int_equal(pi_command_probe(FD, &support, &reason), 0);
	assert_int_equal(support.has, 1 << PI_COMMAND_RW);
	assert_int_equal(support.max_bytes[PI_COMMAND_VERIFY], 0);
}

static void test_refused(void **state)
{
	struct pi_command_support support;
	struct pi_reason reason;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.ctrl_ret = -1;
	assert_int_equal(pi_command_probe(FD, &support, &reason), -EACCES);
	assert_non_null(strstr(reason.text, "root"));
	fake.ctrl_ret = 0x4002;
	assert_int_equal(pi_command_probe(FD, &support, &reason), -EIO);
	assert_non_null(strstr(reason.text, "0x4002"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_zeroes),
		cmocka_unit_test(test_uncor),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_support),
		cmocka_unit_test(test_effects_log),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
