// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare placement in commands and SQEs, and the handles reported by a drive,
 * with bytes written out by hand
 *
 * wrap: nvme_get_nsid nvme_directive_recv ioctl
 */
#include <errno.h>
#include <libnvme.h>
#include <linux/nvme_ioctl.h>

#include "pi_test.h"

#include "nvme.h"
#include "placement.h"

#define FD	77

static struct {
	int ret;
	uint8_t enabled;
	uint8_t data[16 + 3 * 32];
	uint32_t asked;
} fake;

int __wrap_nvme_get_nsid(int fd, __u32 *nsid);
int __wrap_nvme_directive_recv(struct nvme_directive_recv_args *args);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_nvme_get_nsid(int fd, __u32 *nsid)
{
	assert_int_equal(fd, FD);
	*nsid = 5;
	return 0;
}

int __wrap_nvme_directive_recv(struct nvme_directive_recv_args *args)
{
	assert_int_equal(args->nsid, 5);
	((struct nvme_id_directives *)args->data)->supported[0] = 0xff;
	((struct nvme_id_directives *)args->data)->enabled[0] = fake.enabled;
	return fake.ret;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct nvme_passthru_cmd *cmd;
	va_list args;

	va_start(args, request);
	cmd = va_arg(args, struct nvme_passthru_cmd *);
	va_end(args);
	assert_int_equal(fd, FD);
	assert_int_equal(request, NVME_IOCTL_IO_CMD);
	assert_int_equal(cmd->opcode, 0x12);
	assert_int_equal(cmd->nsid, 5);
	assert_int_equal(cmd->cdw10, 1);
	assert_int_equal((cmd->cdw11 + 1) * 4, cmd->data_len);
	fake.asked = cmd->data_len;
	memcpy((void *)(uintptr_t)cmd->addr, fake.data,
	       cmd->data_len < sizeof(fake.data) ? cmd->data_len : sizeof(fake.data));
	errno = EACCES;
	return fake.ret;
}

static void test_ids(void **state)
{
	struct pi_reason reason;
	uint16_t ids[3] = { 0 };

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memcpy(fake.data + 14, "\x03\x00", 2);
	memcpy(fake.data + 16, "\x34\x12", 2);
	memcpy(fake.data + 48, "\x01\x00", 2);
	memcpy(fake.data + 80, "\xff\xff", 2);
	assert_int_equal(pi_placement_ids(FD, NULL, 0, &reason), 3);
	assert_int_equal(fake.asked, 16);
	assert_int_equal(pi_placement_ids(FD, ids, 2, &reason), 3);
	assert_int_equal(fake.asked, 16 + 64);
	assert_int_equal(ids[0], 0x1234);
	assert_int_equal(ids[1], 1);
	assert_int_equal(ids[2], 0);
	fake.ret = 0x4002;
	assert_int_equal(pi_placement_ids(FD, ids, 2, &reason), -EOPNOTSUPP);
	assert_non_null(strstr(reason.text, "0x4002"));
	fake.ret = -1;
	assert_int_equal(pi_placement_ids(FD, ids, 2, &reason), -EACCES);
}

static void test_directive(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.enabled = 1 << 0 | 1 << 2;
	assert_false(pi_placement_directive(FD));
	fake.enabled = 1 << 1;
	assert_true(pi_placement_directive(FD));
	fake.ret = 0x4002;
	assert_false(pi_placement_directive(FD));
}

/* DTYPE in bits 20 to 23 of dword 12, DSPEC in bits 16 to 31 of dword 13 */
static void test_command(void **state)
{
	static const struct pi_nvme_ns ns = { .nsid = 1, .ref_varies = 0xffffffff };
	uint8_t sqe[128], want[128];
	struct pi_io io = { .sqe = (void *)sqe, .ns = &ns, .blocks = 8 };
	struct pi_io_mode mode;

	(void)state;
	pi_nvme_arm(&io);
	pi_io_mode_init(&mode, false, false);
	pi_io_rw(&io, &mode, 1, 5, 0, sqe, 4096, 0, 0, 42, false);
	pi_nvme_rw(&io, 7, 0x1234, 64, 0x77);
	memcpy(want, sqe, sizeof(want));
	pi_placement_command(&io, PI_PLACEMENT_FDP, 0x8003);
	pi_test_put(want, 48 + 48, uint32_t, 0x1c200007);
	pi_test_put(want, 48 + 52, uint32_t, 0x80030000);
	assert_memory_equal(sqe, want, sizeof(want));

	/* the next write has no placement */
	pi_io_rw(&io, &mode, 0, 5, 0, sqe, 4096, 0, 0, 42, false);
	pi_nvme_rw(&io, 0, 0x1234, 64, 0x77);
	pi_placement_command(&io, 0, 0);
	pi_test_put(want, 48 + 48, uint32_t, 7);
	pi_test_put(want, 48 + 52, uint32_t, 0);
	assert_memory_equal(sqe + 48 + 48, want + 48 + 48, 8);
}

/* struct io_uring_sqe: write_stream is byte 44 */
static void test_sqe(void **state)
{
	struct io_uring_sqe sqe, want;
	struct pi_io io = { .sqe = &sqe };
	struct pi_io_mode mode;

	(void)state;
	memset(&sqe, 0, sizeof(sqe));
	pi_io_mode_init(&mode, false, false);
	pi_io_rw(&io, &mode, 1, 5, 0, NULL, 4096, 0, 0, 42, false);
	want = sqe;
	pi_placement_sqe(&io, 0xfe);
	pi_test_put((uint8_t *)&want, 44, uint8_t, 0xfe);
	assert_memory_equal(&sqe, &want, sizeof(want));
	pi_io_rw(&io, &mode, 1, 5, 0, NULL, 4096, 0, 0, 42, false);
	assert_int_equal(((uint8_t *)&sqe)[44], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_directive),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_sqe),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
