// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <libnvme.h>
#include <linux/nvme_ioctl.h>

#include "command.h"

/* VSL, WZSL and WUSL are in units of the minimum page size, like MDTS */
#define PAGE_SHIFT	12
#define NLB		0xffffU
#define CDW12(control)	((uint32_t)(control) << 16)
#define PRCHK		(NVME_IO_PRINFO_PRCHK_REF | NVME_IO_PRINFO_PRCHK_APP | \
			 NVME_IO_PRINFO_PRCHK_GUARD)

const struct pi_command_kind pi_command_kinds[PI_NR_COMMANDS] = {
	[PI_COMMAND_RW] = {
		.name	= "write",
		.title	= "Write",
		.opcode	= nvme_cmd_write,
		.data	= true,
	},
	[PI_COMMAND_UNCOR] = {
		.name	= "uncor",
		.title	= "Write Uncorrectable",
		.opcode	= nvme_cmd_write_uncor,
		.oncs	= NVME_CTRL_ONCS_WRITE_UNCORRECTABLE,
		.cdw12	= NLB,
	},
	[PI_COMMAND_ZEROES] = {
		.name	= "zeroes",
		.title	= "Write Zeroes",
		.opcode	= nvme_cmd_write_zeroes,
		.oncs	= NVME_CTRL_ONCS_WRITE_ZEROES,
		.cdw12	= NLB | CDW12(NVME_IO_FUA),
	},
	[PI_COMMAND_VERIFY] = {
		.name	= "verify",
		.title	= "Verify",
		.opcode	= nvme_cmd_verify,
		.oncs	= NVME_CTRL_ONCS_VERIFY,
		.cdw12	= NLB | CDW12(NVME_IO_FUA | PRCHK),
	},
	[PI_COMMAND_COMPARE] = {
		.name	= "compare",
		.title	= "Compare",
		.opcode	= nvme_cmd_compare,
		.oncs	= NVME_CTRL_ONCS_COMPARE,
		.data	= true,
		.cdw12	= NLB | CDW12(NVME_IO_FUA | PRCHK),
	},
};

static unsigned int all_of(uint16_t oncs, const struct nvme_cmd_effects_log *log)
{
	unsigned int has = 1 << PI_COMMAND_RW;

	for (int i = PI_COMMAND_RW + 1; i < PI_NR_COMMANDS; i++) {
		const struct pi_command_kind *kind = &pi_command_kinds[i];

		if (oncs & kind->oncs ||
		    le32toh(log->iocs[kind->opcode]) & NVME_CMD_EFFECTS_CSUPP)
			has |= 1 << i;
	}
	return has;
}

static int effects(int fd, struct nvme_cmd_effects_log *log)
{
	struct nvme_get_log_args args = {
		.args_size	= sizeof(args),
		.fd		= fd,
		.timeout	= NVME_DEFAULT_IOCTL_TIMEOUT,
		.lid		= NVME_LOG_LID_CMD_EFFECTS,
		.nsid		= NVME_NSID_ALL,
		.csi		= NVME_CSI_NVM,
		.uuidx		= NVME_UUID_NONE,
		.len		= sizeof(*log),
		.log		= log,
	};

	return nvme_get_log(&args);
}

static uint64_t limit(uint8_t exponent)
{
	return exponent && exponent < 64 - PAGE_SHIFT ?
	       1ULL << (exponent + PAGE_SHIFT) : 0;
}

int pi_command_probe(int fd, struct pi_command_support *support,
		     struct pi_reason *reason)
{
	struct nvme_cmd_effects_log log;
	struct nvme_id_ctrl_nvm nvm;
	struct nvme_id_ctrl ctrl;
	struct nvme_id_ns ns;
	__u32 nsid;
	int ret;

	ret = nvme_get_nsid(fd, &nsid) ?: nvme_identify_ctrl(fd, &ctrl) ?:
	      nvme_identify_ns(fd, nsid, &ns);
	if (ret < 0)
		return pi_reason_set(reason, -errno,
			"Identify: %s; run as root (required before Linux 6.2)",
			strerror(errno));
	if (ret)
		return pi_reason_set(reason, -EIO, "Identify: NVMe status 0x%x",
				     ret);
	if (nvme_nvm_identify_ctrl(fd, &nvm))
		memset(&nvm, 0, sizeof(nvm));
	if (effects(fd, &log))
		memset(&log, 0, sizeof(log));
	*support = (struct pi_command_support) {
		.has		= all_of(le16toh(ctrl.oncs), &log),
		.deac		= ns.dlfeat & NVME_NS_DLFEAT_WRITE_ZEROES,
		.max_bytes	= {
			[PI_COMMAND_UNCOR]	= limit(nvm.wusl),
			[PI_COMMAND_ZEROES]	= limit(nvm.wzsl),
			[PI_COMMAND_VERIFY]	= limit(nvm.vsl),
		},
	};
	return 0;
}

void pi_command_convert(struct pi_io *io, enum pi_command command,
			uint32_t control)
{
	const struct pi_command_kind *kind = &pi_command_kinds[command];
	struct nvme_uring_cmd *cmd = (void *)pi_io_sqe_attr(io);

	cmd->opcode = kind->opcode;
	cmd->cdw12 = (cmd->cdw12 & kind->cdw12) | CDW12(control);
	if (command == PI_COMMAND_UNCOR) {
		cmd->cdw2 = 0;
		cmd->cdw3 = 0;
		cmd->cdw14 = 0;
		cmd->cdw15 = 0;
	}
	if (kind->data)
		return;
	io->sqe->cmd_op = NVME_URING_CMD_IO;
	io->sqe->rw_flags = 0;
	cmd->metadata = 0;
	cmd->addr = 0;
	cmd->metadata_len = 0;
	cmd->data_len = 0;
}

enum pi_command pi_command_of(const struct pi_io *io)
{
	const struct nvme_uring_cmd *cmd =
		(void *)((char *)io->sqe + PI_SQE_ATTR_OFFSET);

	for (int i = PI_COMMAND_RW + 1; i < PI_NR_COMMANDS; i++)
		if (cmd->opcode == pi_command_kinds[i].opcode)
			return i;
	return PI_COMMAND_RW;
}
