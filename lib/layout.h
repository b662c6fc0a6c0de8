/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_LAYOUT_H
#define PI_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "reason.h"
#include "ring.h"

/**
 * struct pi_layout - one way to hand the PI attribute to the kernel
 * @name:	value of the option pi_layout
 * @help:	one line
 * @pi:		I/Os carry protection information
 * @ring_flags:	IORING_SETUP_* flags that the ring must have
 * @probe:	whether the running kernel takes it: 0, or -EOPNOTSUPP with a
 *		reason that says which kernel would
 * @arm:	once for each I/O, after its SQE is known: what never changes
 * @fill:	for each read or write, after pi_io_rw(): the rest.  @chk are
 *		PI_IO_INTEGRITY_CHK_* for the device, @app_tag what it compares
 *		application tags with, @len the bytes of metadata, @seed the
 *		reference tag of the first interval
 *
 * A further layout is a further row in layout.c.
 */
struct pi_layout {
	const char *name;
	const char *help;
	bool pi;
	unsigned int ring_flags;
	int (*probe)(struct pi_ring *ring, struct pi_reason *reason);
	void (*arm)(struct pi_io *io);
	void (*fill)(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		     uint32_t len, uint64_t seed);
};

enum pi_layout_id {
	PI_LAYOUT_NONE,
	PI_LAYOUT_INDIRECT,
	PI_NR_LAYOUTS,
};

extern const struct pi_layout pi_layouts[PI_NR_LAYOUTS];

#endif
