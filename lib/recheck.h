/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_RECHECK_H
#define PI_RECHECK_H

#include "tuple.h"

/**
 * pi_recheck_read() - find the wrong tuple behind a device's -EILSEQ
 * @fd:		open with O_DIRECT
 * @offset:	bytes, on an interval
 * @data:	buffer of @blocks intervals, overwritten
 * @md:		their metadata, overwritten
 * @ref:	reference tag of the first
 *
 * The completion of a failed read says neither which block nor which tag, and
 * brings no data.  This reads again with the device's checks off and verifies
 * on the host.  For the error path: it sets up a ring of its own.
 *
 * Return: -EILSEQ with *@bad filled in, 0 when all verifies this time, or
 * -EIO when the device refuses this read too (SCSI checks without being
 * asked).
 */
int pi_recheck_read(const struct pi_tuple *t, int fd, uint64_t offset,
		    void *data, void *md, uint32_t blocks, uint64_t ref,
		    struct pi_mismatch *bad);

#endif
