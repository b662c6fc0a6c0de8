/* SPDX-License-Identifier: GPL-2.0-only */
/* offsets of the fields of struct nvme_uring_cmd in an SQE */
#ifndef PI_TEST_NVME_H
#define PI_TEST_NVME_H

#define CMD		48
#define OPCODE		(CMD + 0)
#define NSID		(CMD + 4)
#define CDW2		(CMD + 8)
#define CDW3		(CMD + 12)
#define METADATA	(CMD + 16)
#define ADDR		(CMD + 24)
#define METADATA_LEN	(CMD + 32)
#define DATA_LEN	(CMD + 36)
#define CDW(n)		(CMD + 40 + 4 * ((n) - 10))

#endif
