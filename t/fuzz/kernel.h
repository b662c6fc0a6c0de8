/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FUZZ_KERNEL_H
#define PI_FUZZ_KERNEL_H

#include <stddef.h>

/*
 * A kernel with one NVMe namespace in memory, in the place of the real one:
 * the block device FUZZ_DISK, the character device FUZZ_NG, the file FUZZ_LOG,
 * and nothing else that could be opened, run or removed.
 */
#define FUZZ_DISK	"/dev/nvme9n9"
#define FUZZ_NG		"/dev/ng9n9"
#define FUZZ_LOG	"log"

/**
 * fuzz_kernel_boot() - from now on it answers this process
 * @line:	what it is and does, one character each: the format, what the
 *		kernel lacks, the size of the disk; then what becomes of one I/O
 *		or system call after the other, and when the line has ended all
 *		goes well
 * @log:	content of FUZZ_LOG
 */
void fuzz_kernel_boot(const char *line, const char *log);

/**
 * fuzz_kernel_halt() - the real one answers again
 */
void fuzz_kernel_halt(void);

#endif
