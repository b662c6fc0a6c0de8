// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "layout.h"

static int probe_any(struct pi_ring *ring, struct pi_reason *reason)
{
	(void)ring, (void)reason;
	return 0;
}

static void arm_none(struct pi_io *io)
{
	(void)io;
}

static void fill_none(struct pi_io *io, uint16_t chk, uint16_t app_tag,
		      uint32_t len, uint64_t seed)
{
	(void)chk, (void)app_tag, (void)len, (void)seed;
	*pi_io_sqe_attr(io) = (struct pi_uapi_sqe_attr) { 0 };
}

/* kernels before 6.14 would ignore the attribute without a word */
static int probe_rw_attr(struct pi_ring *ring, struct pi_reason *reason)
{
	if (ring->features & PI_IORING_FEAT_RW_ATTR)
		return 0;
	return pi_reason_set(reason, -EOPNOTSUPP,
		"pi_layout=indirect needs Linux 6.14 or newer (this kernel has no IORING_FEAT_RW_ATTR); use pi_layout=none");
}

static void arm_indirect(struct pi_io *io)
{
	io->attr = &io->attr_mem;
	*io->attr = (struct pi_uapi_attr) { .addr = (uintptr_t)io->md };
}

static void fill_indirect(struct pi_io *io, uint16_t chk, uint16_t app_tag,
			  uint32_t len, uint64_t seed)
{
	io->attr->flags = chk;
	io->attr->app_tag = app_tag;
	io->attr->len = len;
	io->attr->seed = seed;
	*pi_io_sqe_attr(io) = (struct pi_uapi_sqe_attr) {
		.attr_ptr	= (uintptr_t)io->attr,
		.attr_type_mask	= PI_IORING_RW_ATTR_FLAG_PI,
	};
}

const struct pi_layout pi_layouts[PI_NR_LAYOUTS] = {
	[PI_LAYOUT_NONE] = {
		.name	= "none",
		.help	= "Plain io_uring, no protection information",
		.probe	= probe_any,
		.arm	= arm_none,
		.fill	= fill_none,
	},
	[PI_LAYOUT_INDIRECT] = {
		.name	= "indirect",
		.help	= "Attribute pointed to from the SQE (Linux 6.14)",
		.pi	= true,
		.probe	= probe_rw_attr,
		.arm	= arm_indirect,
		.fill	= fill_indirect,
	},
};
