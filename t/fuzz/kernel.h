/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_FUZZ_KERNEL_H
#define PI_FUZZ_KERNEL_H

#include <stddef.h>

/*
 * A fake kernel with one NVMe namespace in memory.  It has the block device
 * FUZZ_DISK, the character device FUZZ_NG and the file FUZZ_LOG; nothing else can
 * be opened, executed or removed.
 */
#define FUZZ_DISK	"/dev/nvme9n9"
#define FUZZ_NG		"/dev/ng9n9"
#define FUZZ_LOG	"log"

/**
 * fuzz_kernel_boot() - let the fake kernel handle system calls
 * @line:	one character per property: the format, the features that the
 *		kernel lacks, the size of the disk; then one per I/O or system
 *		call, which says how it fails. After the end of the line
 *		everything succeeds.
 * @log:	contents of FUZZ_LOG
 */
void fuzz_kernel_boot(const char *line, const char *log);

/**
 * fuzz_kernel_halt() - let the real kernel handle system calls again
 */
void fuzz_kernel_halt(void);

#endif
