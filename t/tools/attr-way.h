/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ATTR_WAY_H
#define ATTR_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* as an application that keeps a few batches in flight */
#define RING_DEPTH	128
#define ALL_PI		100

/**
 * struct way - a layout in a ring
 * @zeroed:	the application zeroes the second half of every SQE
 * @mode:	without PI, with PI
 * @next:	I/O of the ring whose turn it is
 * @pad:	what moves the I/Os of one place against those of another
 */
struct way {
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
 * struct pending - reads of an empty pipe that never end
 */
struct pending {
	struct way way;
	int pipe[2];
};

/**
 * way_sqe() - what the ring's SQEs are like, in a word or two
 */
const char *way_sqe(const struct way *way);

/**
 * way_open() - set up the ring of a way whose first three fields are filled
 * @place:	moves its I/Os against those of other places
 *
 * Return: 0, or -errno with a @reason why it cannot be measured.
 */
int way_open(struct way *way, unsigned int place, struct pi_reason *reason);

/**
 * way_run() - fill, submit and reap batches
 * @mix:	of 100 requests those with PI, spread evenly
 *
 * Return: nanoseconds that it took.
 */
uint64_t way_run(struct way *way, unsigned int mix, unsigned int batch,
		 unsigned long batches);

/**
 * way_run_user() - the same without the kernel, which finds the ring as it has
 *		    left it
 */
uint64_t way_run_user(struct way *way, unsigned int mix, unsigned int batch,
		      unsigned long batches);

/**
 * way_wrong() - end, since the kernel does not do what is assumed of it
 */
void way_wrong(const struct way *way, const char *what, int res)
	__attribute__((noreturn));

void pending_open(struct pending *pending);

/**
 * pending_add() - keep the memory of some more reads
 *
 * The kernel allocates and frees memory for each read that fails.  Where the
 * slab cache's stock at hand ends within a batch, every batch exchanges it for
 * another and pays for that, for as long as nobody else takes anything: the
 * whole run is 1 % dearer, or is not.  Reads that keep such memory move the
 * place, so that the median has none of that.
 */
void pending_add(struct pending *pending);

#endif
