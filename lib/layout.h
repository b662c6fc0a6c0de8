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
 * @no_seed:	has no room for a reference tag: the kernel counts from 0 at the
 *		beginning of the file, a partition too
 * @passthru:	I/Os are commands for the character device of an NVMe namespace,
 *		which @fill takes from @io->ns (lib/nvme.h), and complete with
 *		an NVMe status
 * @fixed_md:	can say that metadata lies in a registered buffer
 * @ring_flags:	IORING_SETUP_* flags that the ring must have
 * @probe:	see pi_layout_probe(), with a ring that is thrown away after it
 * @mode:	change a mode of plain SQEs (pi_io_mode_init()) for I/Os with
 *		PI: 0, or -EOPNOTSUPP with a reason
 * @open:	see pi_layout_open(), before @arm: what the whole ring needs
 * @arm:	see pi_layout_open(), once for each I/O whose SQE has its place:
 *		what never changes
 * @fill:	for each read or write, after pi_io_rw(): the rest.  @chk are
 *		PI_IO_INTEGRITY_CHK_* for the device, @app_tag what it compares
 *		application tags with, @len the bytes of metadata, @seed the
 *		reference tag of the first interval
 *
 * A further layout is a further row in layout.c.
 *
 * In any ring pi_io_no_attr(), with a mode that no @mode has changed, makes an
 * I/O without PI: the kernel does not look into the second half of its SQE.
 * With a file for @passthru it does not work.
 */
struct pi_layout {
	const char *name;
	const char *help;
	bool pi;
	bool no_seed;
	bool passthru;
	bool fixed_md;
	unsigned int ring_flags;
	int (*probe)(const struct pi_layout *layout, struct pi_ring *ring,
		     struct pi_reason *reason);
	int (*mode)(struct pi_io_mode *mode, struct pi_reason *reason);
	int (*open)(struct pi_ring *ring, struct pi_io_set *set,
		    struct pi_reason *reason);
	void (*arm)(struct pi_io_set *set, struct pi_io *io);
	void (*fill)(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		     uint32_t len, uint64_t seed);
};

/**
 * enum pi_layout_id - the rows of pi_layouts
 * @PI_LAYOUT_NONE:		plain io_uring
 * @PI_LAYOUT_INDIRECT:		pointed to from the SQE
 * @PI_LAYOUT_SQE128:		the same, in the second half of the SQE
 * @PI_LAYOUT_PASSTHRU:		NVMe commands
 * @PI_LAYOUT_INLINE:		the second half of the SQE
 * @PI_LAYOUT_MIXED:		the same, in a ring of mixed sizes
 * @PI_LAYOUT_OPCODE:		READ_META and WRITE_META
 * @PI_LAYOUT_VEC:		array of types and addresses
 * @PI_LAYOUT_FLAT:		type and attribute in one piece
 * @PI_LAYOUT_REGION:		in registered memory
 * @PI_NR_LAYOUTS:		how many rows
 */
enum pi_layout_id {
	PI_LAYOUT_NONE,
	PI_LAYOUT_INDIRECT,
	PI_LAYOUT_SQE128,
	PI_LAYOUT_PASSTHRU,
	PI_LAYOUT_INLINE,
	PI_LAYOUT_MIXED,
	PI_LAYOUT_OPCODE,
	PI_LAYOUT_VEC,
	PI_LAYOUT_FLAT,
	PI_LAYOUT_REGION,
	PI_NR_LAYOUTS,
};

/* by PI_LAYOUT_* */
extern const struct pi_layout pi_layouts[PI_NR_LAYOUTS];

/**
 * pi_layout_probe() - whether the running kernel takes a layout
 * @layout:	which
 * @reason:	says what is missing
 *
 * Asks with a ring of its own, and does no I/O.
 *
 * Return: 0, or -errno with a @reason that says what is missing.
 */
int pi_layout_probe(const struct pi_layout *layout, struct pi_reason *reason);

/**
 * pi_layout_probe_fixed_md() - whether the running kernel takes metadata from
 *				a registered buffer
 * @layout:	one with fixed_md that the kernel takes
 * @reason:	says what is missing
 *
 * Asks with a ring of its own, and does no I/O.
 *
 * Return: 0, or -errno with a @reason that says what is missing.
 */
int pi_layout_probe_fixed_md(const struct pi_layout *layout,
			     struct pi_reason *reason);

/**
 * pi_layout_open() - give each I/O of a set its SQE, ready for @layout->fill()
 * @layout:	which
 * @ring:	with the layout's ring_flags; one set can be open in it
 * @set:	of pi_io_set_init()
 * @reason:	says why not
 *
 * pi_io_set_exit() releases what it takes.
 *
 * Return: 0 or -errno with a @reason.
 */
int pi_layout_open(const struct pi_layout *layout, struct pi_ring *ring,
		   struct pi_io_set *set, struct pi_reason *reason);

#endif
