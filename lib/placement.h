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
 * pi_placement_ids() - the placement identifiers of an NVMe namespace
 * @fd:		its character device
 * @ids:	filled with as many as there are, or as there is room for
 * @room:	in @ids, may be 0
 * @reason:	says why not
 *
 * I/O Management Receive, Reclaim Unit Handle Status (NVM Command Set 1.0c,
 * 3.2.9).
 *
 * Return: how many there are, or a negative errno with a @reason.
 */
int pi_placement_ids(int fd, uint16_t *ids, unsigned int room,
		     struct pi_reason *reason);

/**
 * pi_placement_streams() - write streams that the kernel offers (Linux 6.16)
 * @fd:		block device
 *
 * Return: how many; they are numbered from 1.
 */
unsigned int pi_placement_streams(int fd);

/**
 * pi_placement_directive() - whether the Streams directive is enabled
 * @fd:		character device of a namespace; asked as root
 *
 * Return: false too when it does not tell.
 */
bool pi_placement_directive(int fd);

/**
 * pi_placement_command() - say in a read or write command where its data goes
 * @io:		that pi_nvme_rw() has filled
 * @type:	PI_PLACEMENT_STREAMS or PI_PLACEMENT_FDP; 0: nowhere in particular
 * @id:		which stream or placement identifier
 */
void pi_placement_command(struct pi_io *io, unsigned int type, uint16_t id);

/**
 * pi_placement_sqe() - the same in the SQE of a read or write
 * @io:		that pi_io_rw() has filled
 * @stream:	of those of the kernel; 0: none
 */
static inline void pi_placement_sqe(struct pi_io *io, uint8_t stream)
{
	/* write_stream, in liburing's headers from 2.11 on */
	io->sqe->file_index = stream;
}

#endif
