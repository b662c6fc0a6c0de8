// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <libnvme.h>

#include "nvme.h"

_Static_assert(sizeof(struct nvme_uring_cmd) == 72, "80 bytes of an SQE128");
_Static_assert(sizeof(struct pi_nvme_range) == sizeof(struct nvme_dsm_range),
	       "NVM Command Set 1.0, figure 42");
_Static_assert(sizeof(struct pi_nvme_range) <= sizeof(union pi_io_attr),
	       "a range is stored where other layouts keep the attribute");

/* sqe->off: its first half is cmd_op, its second half must be zero */
#define CMD_OP(op)	((uint64_t)(op) << 32 * (BYTE_ORDER == BIG_ENDIAN))

static struct nvme_uring_cmd *command(struct pi_io *io)
{
	return (void *)pi_io_sqe_attr(io);
}

void pi_nvme_arm(struct pi_io *io)
{
	memset(io->sqe, 0, 2 * sizeof(*io->sqe));
}

/*
 * Fields that are not set here remain zero: pi_nvme_arm() cleared them, and no
 * command sets them.
 */
void pi_nvme_rw(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		uint32_t md_len, uint64_t ref)
{
	static const struct {
		uint64_t off;
		uint8_t opcode;
		uint8_t flags;
	} ops[] = {
		[IORING_OP_READ]	= { CMD_OP(NVME_URING_CMD_IO), nvme_cmd_read, 0 },
		[IORING_OP_WRITE]	= { CMD_OP(NVME_URING_CMD_IO), nvme_cmd_write, 0 },
		[IORING_OP_READV]	= { CMD_OP(NVME_URING_CMD_IO_VEC), nvme_cmd_read, 0 },
		[IORING_OP_WRITEV]	= { CMD_OP(NVME_URING_CMD_IO_VEC), nvme_cmd_write, 0 },
		[IORING_OP_READ_FIXED]	= { CMD_OP(NVME_URING_CMD_IO), nvme_cmd_read, IORING_URING_CMD_FIXED },
		[IORING_OP_WRITE_FIXED]	= { CMD_OP(NVME_URING_CMD_IO), nvme_cmd_write, IORING_URING_CMD_FIXED },
	};
	struct nvme_uring_cmd *cmd = command(io);
	struct io_uring_sqe *sqe = io->sqe;
	const struct pi_nvme_ns *ns = io->ns;
	const typeof(ops[0]) *op = &ops[sqe->opcode];
	const uint64_t block = ref + ns->renumber;

	ref = (ref & ns->ref_varies) | ns->ref;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->ioprio = 0;
	sqe->off = op->off;
	sqe->rw_flags = op->flags;
	cmd->opcode = op->opcode;
	cmd->nsid = ns->nsid;
	cmd->cdw2 = ns->cdw2;
	cmd->cdw3 = ref >> 32;
	cmd->metadata = (uintptr_t)io->md;
	cmd->addr = sqe->addr;
	cmd->metadata_len = md_len;
	cmd->data_len = sqe->len;
	cmd->cdw10 = block;
	cmd->cdw11 = block >> 32;
	cmd->cdw12 = (io->blocks - 1) |
		     (ns->control[op->opcode == nvme_cmd_write] |
		      (chk & PI_IO_INTEGRITY_CHK_GUARD) * NVME_IO_PRINFO_PRCHK_GUARD |
		      (chk & PI_IO_INTEGRITY_CHK_REFTAG) *
		      (NVME_IO_PRINFO_PRCHK_REF / PI_IO_INTEGRITY_CHK_REFTAG) |
		      (chk & PI_IO_INTEGRITY_CHK_APPTAG) *
		      (NVME_IO_PRINFO_PRCHK_APP / PI_IO_INTEGRITY_CHK_APPTAG)) << 16;
	cmd->cdw14 = ref;
	cmd->cdw15 = (uint32_t)ns->app_mask << 16 | app_tag;
}

static struct nvme_uring_cmd *reset(struct pi_io *io, uint8_t sqe_flags,
				    int fd, uint64_t user_data)
{
	struct nvme_uring_cmd *cmd = command(io);

	pi_nvme_arm(io);
	io->slots = 1;
	io->sqe->opcode = IORING_OP_URING_CMD;
	io->sqe->flags = sqe_flags;
	io->sqe->fd = fd;
	io->sqe->cmd_op = NVME_URING_CMD_IO;
	io->sqe->user_data = user_data;
	cmd->nsid = io->ns->nsid;
	return cmd;
}

void pi_nvme_flush(struct pi_io *io, uint8_t sqe_flags, int fd,
		   uint64_t user_data)
{
	reset(io, sqe_flags, fd, user_data)->opcode = nvme_cmd_flush;
}

struct pi_nvme_range pi_nvme_range(uint64_t block, uint32_t blocks)
{
	return (struct pi_nvme_range) {
		.blocks	= htole32(blocks),
		.first	= htole64(block),
	};
}

void pi_nvme_deallocate_ranges(struct pi_io *io, uint8_t sqe_flags, int fd,
			       const struct pi_nvme_range *ranges,
			       unsigned int nr, uint64_t user_data)
{
	struct nvme_uring_cmd *cmd = reset(io, sqe_flags, fd, user_data);

	cmd->opcode = nvme_cmd_dsm;
	cmd->addr = (uintptr_t)ranges;
	cmd->data_len = nr * sizeof(*ranges);
	cmd->cdw10 = nr - 1;
	cmd->cdw11 = NVME_DSMGMT_AD;
}

void pi_nvme_deallocate(struct pi_io *io, uint8_t sqe_flags, int fd,
			uint64_t block, uint64_t user_data)
{
	struct pi_nvme_range *range = (void *)&io->attr_mem;

	*range = pi_nvme_range(block, io->blocks);
	pi_nvme_deallocate_ranges(io, sqe_flags, fd, range, 1, user_data);
}

int pi_nvme_status_tag(unsigned int status)
{
	switch (status) {
	case NVME_SCT_MEDIA << NVME_SCT_SHIFT | NVME_SC_GUARD_CHECK:
		return PI_TAG_GUARD;
	case NVME_SCT_MEDIA << NVME_SCT_SHIFT | NVME_SC_APPTAG_CHECK:
		return PI_TAG_APP;
	case NVME_SCT_MEDIA << NVME_SCT_SHIFT | NVME_SC_REFTAG_CHECK:
		return PI_TAG_REF;
	case NVME_SCT_MEDIA << NVME_SCT_SHIFT | NVME_SC_STORAGE_TAG_CHECK:
		return PI_TAG_STORAGE;
	default:
		return -1;
	}
}

int pi_nvme_status_errno(unsigned int status)
{
	int err;

	if (pi_nvme_status_tag(status) >= 0)
		return EILSEQ;
	err = nvme_status_to_errno(status, false);
	/* libnvme uses EILSEQ for another status */
	return err && err != EILSEQ ? err : EIO;
}
