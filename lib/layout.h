/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PI_LAYOUT_H
#define PI_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "reason.h"
#include "ring.h"

/**
 * struct pi_layout - one way to pass the PI attribute to the kernel
 * @name:	value of the option pi_layout
 * @help:	help text, one line
 * @pi:		I/Os carry protection information
 * @no_seed:	the layout has no room for a reference tag; the kernel counts
 *		from 0 at the start of the file, which may be a partition
 * @passthru:	I/Os are commands for the character device of an NVMe namespace,
 *		which @fill takes from @io->ns (lib/nvme.h), and complete with
 *		an NVMe status
 * @fixed_md:	the layout can refer to metadata in a registered buffer
 * @ring_flags:	IORING_SETUP_* flags that the ring must have
 * @probe:	see pi_layout_probe(); @ring is used for the probe only
 * @mode:	turns @mode as set by pi_io_mode_init() into one for I/Os with
 *		PI; returns 0, or -EOPNOTSUPP with a @reason
 * @open:	sets up what the whole ring needs; called by pi_layout_open()
 *		before @arm
 * @arm:	sets up the parts of an I/O that never change; called by
 *		pi_layout_open() once for each I/O, after its SQE was assigned
 * @fill:	sets up the rest, for each read or write, after pi_io_rw(). @chk
 *		is what the device checks, PI_IO_INTEGRITY_CHK_*; @app_tag is
 *		the application tag that it compares with; @len is the size of
 *		the metadata in bytes; @seed is the reference tag of the first
 *		interval.
 *
 * To add a layout, add a row to the table in layout.c.
 *
 * I/Os without PI can share a ring with I/Os of any layout but passthru: use a
 * mode that @mode has not changed, and pi_io_no_attr(). The kernel then ignores
 * the second half of a 128-byte SQE.
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
 * enum pi_layout_id - indexes into pi_layouts
 * @PI_LAYOUT_NONE: plain io_uring
 * @PI_LAYOUT_INDIRECT: the SQE points to the attribute
 * @PI_LAYOUT_SQE128: same, with the attribute in the second half of a 128-byte
 *		SQE
 * @PI_LAYOUT_PASSTHRU: NVMe passthrough commands
 * @PI_LAYOUT_INLINE: the attribute is the second half of a 128-byte SQE
 * @PI_LAYOUT_MIXED: same, in a ring with SQEs of both sizes
 * @PI_LAYOUT_OPCODE: opcodes READ_META and WRITE_META
 * @PI_LAYOUT_VEC: the SQE points to an array of types and addresses
 * @PI_LAYOUT_FLAT: the SQE points to type and attribute in one structure
 * @PI_LAYOUT_REGION: the attribute is in memory registered with the ring
 * @PI_NR_LAYOUTS: number of layouts
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

/* indexed by enum pi_layout_id */
extern const struct pi_layout pi_layouts[PI_NR_LAYOUTS];

/**
 * pi_layout_probe() - test whether the running kernel supports a layout
 * @layout:	layout to test
 * @reason:	filled in on failure
 *
 * Uses a ring of its own and does no I/O.
 *
 * Return: 0, or -errno with a @reason that says what is missing.
 */
int pi_layout_probe(const struct pi_layout *layout, struct pi_reason *reason);

/**
 * pi_layout_probe_fixed_md() - test whether the running kernel accepts metadata
 *				in a registered buffer
 * @layout:	layout with @fixed_md that the kernel supports
 * @reason:	filled in on failure
 *
 * Uses a ring of its own and does no I/O.
 *
 * Return: 0, or -errno with a @reason that says what is missing.
 */
int pi_layout_probe_fixed_md(const struct pi_layout *layout,
			     struct pi_reason *reason);

/**
 * pi_layout_open() - assign SQEs to a set of I/Os and prepare them for
 *		      @layout->fill()
 * @layout:	layout to use
 * @ring:	ring with the layout's @ring_flags; at most one set can be open
 *		in it
 * @set:	set initialized by pi_io_set_init()
 * @reason:	filled in on failure
 *
 * pi_io_set_exit() releases what this allocates.
 *
 * Return: 0 or -errno with a @reason.
 */
int pi_layout_open(const struct pi_layout *layout, struct pi_ring *ring,
		   struct pi_io_set *set, struct pi_reason *reason);

#endif
