// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <libnvme.h>
#include <linux/nvme_ioctl.h>

#include "placement.h"
#include "sysfs.h"

#define IO_MGMT_RECV	0x12
#define RUH_STATUS	1

/* Reclaim Unit Handle Status, little-endian */
struct ruh_status {
	uint8_t rsvd[14];
	uint16_t nr;
	struct {
		uint16_t pid;
		uint16_t ruhid;
		uint32_t earutr;
		uint64_t ruamw;
		uint8_t rsvd[16];
	} handle[];
};

_Static_assert(sizeof(struct ruh_status) == 16, "NVM Command Set 1.0c, figure 92");
_Static_assert(sizeof(((struct ruh_status *)0)->handle[0]) == 32, "and 93");

static int receive(int fd, struct ruh_status *status, size_t size)
{
	struct nvme_passthru_cmd cmd = {
		.opcode		= IO_MGMT_RECV,
		.addr		= (uintptr_t)status,
		.data_len	= size,
		.cdw10		= RUH_STATUS,
		.cdw11		= size / 4 - 1,
	};

	if (nvme_get_nsid(fd, &cmd.nsid))
		return -1;
	return ioctl(fd, NVME_IOCTL_IO_CMD, &cmd);
}

int pi_placement_ids(int fd, uint16_t *ids, unsigned int room,
		     struct pi_reason *reason)
{
	const size_t size = sizeof(struct ruh_status) +
			    room * sizeof(((struct ruh_status *)0)->handle[0]);
	struct ruh_status *status = calloc(1, size);
	int ret, nr;

	if (!status)
		return pi_reason_set(reason, -ENOMEM, "no memory");
	ret = receive(fd, status, size);
	if (ret)
		ret = pi_reason_set(reason, ret < 0 ? -errno : -EOPNOTSUPP,
			"the drive lists no placement identifiers (Reclaim Unit Handle Status: %s 0x%x); drop fdp and dataplacement=fdp",
			ret < 0 ? strerror(errno) : "NVMe status", ret < 0 ? 0 : ret);
	nr = le16toh(status->nr);
	for (int i = 0; !ret && i < nr && i < (int)room; i++)
		ids[i] = le16toh(status->handle[i].pid);
	free(status);
	return ret ?: nr;
}

unsigned int pi_placement_streams(int fd)
{
	unsigned int nr;
	struct stat st;
	char text[4];
	int dir, disk;

	if (fstat(fd, &st))
		return 0;
	dir = pi_sysfs_open("/sys", &st);
	disk = pi_sysfs_dir(dir, pi_sysfs_text(dir, "partition", text,
					       sizeof(text)) ? "." : "..");
	nr = pi_sysfs_number(disk, "queue/max_write_streams");
	close(disk);
	close(dir);
	return nr;
}

bool pi_placement_directive(int fd)
{
	struct nvme_id_directives id = { 0 };
	__u32 nsid;

	return !nvme_get_nsid(fd, &nsid) &&
	       !nvme_directive_recv_identify_parameters(fd, nsid, &id) &&
	       id.enabled[0] & 1 << PI_PLACEMENT_STREAMS;
}

/* DTYPE is bits 23:20 of dword 12, DSPEC bits 31:16 of dword 13 */
void pi_placement_command(struct pi_io *io, unsigned int type, uint16_t id)
{
	struct nvme_uring_cmd *cmd = (void *)pi_io_sqe_attr(io);

	cmd->cdw12 |= type << 20;
	cmd->cdw13 = (uint32_t)id << 16;
}
