/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ATTR_VARIANT_H
#define ATTR_VARIANT_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* like an application that keeps a few batches in flight */
#define RING_DEPTH	128
#define ALL_PI		100

/**
 * struct variant - a layout in a ring of a certain kind
 * @zeroed:	the application zeroes the second half of every SQE
 * @mode:	for requests without PI and with PI
 * @next:	index of the next I/O to use
 * @pad:	shifts the I/Os of one instance in memory against those of the
 *		others
 */
struct variant {
	const struct pi_layout *layout;
	unsigned int ring_flags;
	bool zeroed;
	struct pi_ring ring;
	struct pi_io_set set;
	struct pi_io_mode mode[2];
	unsigned int next;
	void *pad;
};

/**
 * struct pending - reads of an empty pipe, which never complete
 */
struct pending {
	struct variant variant;
	int pipe[2];
};

/**
 * variant_sqe() - describe the SQEs of the ring, as in "128 zeroed"
 */
const char *variant_sqe(const struct variant *v);

/**
 * variant_open() - set up the ring; layout, ring_flags and zeroed must be set
 * @place:	number of the instance, which shifts its I/Os in memory
 *
 * Return: 0, or -errno with a @reason why it cannot be measured.
 */
int variant_open(struct variant *v, unsigned int place, struct pi_reason *reason);

/**
 * variant_run() - fill in, submit and reap batches of requests
 * @mix:	how many of 100 requests carry PI; they are spread evenly
 *
 * Return: nanoseconds taken.
 */
uint64_t variant_run(struct variant *v, unsigned int mix, unsigned int batch,
		     unsigned long batches);

/**
 * variant_run_user() - variant_run() without entering the kernel
 *
 * The ring's state is restored afterwards.
 */
uint64_t variant_run_user(struct variant *v, unsigned int mix, unsigned int batch,
			  unsigned long batches);

/**
 * variant_wrong() - fail because the kernel does not behave as assumed
 */
void variant_wrong(const struct variant *v, const char *what, int res)
	__attribute__((noreturn));

void pending_open(struct pending *pending);

/**
 * pending_add() - add some pending reads, to take objects from the slab caches
 *
 * The kernel allocates and frees memory for each read that fails. If the CPU's
 * slab runs out within a batch, every batch exchanges it for another one, which
 * makes the whole run 1 % slower, and nothing else changes that. Taking objects
 * for good shifts where the slab runs out, so that the median is not affected.
 */
void pending_add(struct pending *pending);

#endif
