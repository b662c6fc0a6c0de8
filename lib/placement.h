/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_PLACEMENT_H
#define PI_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "reason.h"

/* directive types, NVM Express Base 2.0, figure 431 */
#define PI_PLACEMENT_STREAMS	1
#define PI_PLACEMENT_FDP	2

/**
 * pi_placement_ids() - list the placement identifiers of an NVMe namespace
 * @fd:		character device of the namespace
 * @ids:	array to be filled in
 * @room:	number of entries in @ids, may be 0
 * @reason:	filled in on failure
 *
 * I/O Management Receive, Reclaim Unit Handle Status (NVM Command Set 1.0c,
 * 3.2.9).
 *
 * Return: the number of placement identifiers, which may exceed @room;
 * -EOPNOTSUPP if the drive does not support the command, -ENOMEM, or the
 * negative errno of the ioctl.
 */
int pi_placement_ids(int fd, uint16_t *ids, unsigned int room,
		     struct pi_reason *reason);

/**
 * pi_placement_streams() - number of write streams of a block device (Linux
 *			    6.16)
 * @fd:		block device
 *
 * Return: the number of streams, which are numbered from 1; 0 if there are
 * none.
 */
unsigned int pi_placement_streams(int fd);

/**
 * pi_placement_directive() - test whether the Streams directive is enabled
 * @fd:		character device of a namespace; the query requires root
 *
 * Return: whether it is enabled; false if that cannot be determined.
 */
bool pi_placement_directive(int fd);

/**
 * pi_placement_command() - set the placement of a read or write command
 * @io:		I/O filled in by pi_nvme_rw()
 * @type:	PI_PLACEMENT_STREAMS or PI_PLACEMENT_FDP, 0 for none
 * @id:		stream or placement identifier
 */
void pi_placement_command(struct pi_io *io, unsigned int type, uint16_t id);

/**
 * pi_placement_sqe() - set the write stream of a read or write
 * @io:		I/O filled in by pi_io_rw()
 * @stream:	write stream of the block device, 0 for none
 */
static inline void pi_placement_sqe(struct pi_io *io, uint8_t stream)
{
	/* liburing's headers call this byte write_stream from 2.11 on */
	*(uint8_t *)&io->sqe->file_index = stream;
}

#endif
