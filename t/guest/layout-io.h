/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAYOUT_IO_H
#define LAYOUT_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* I/Os of layout-refuse, of two blocks each, at the beginning of the device */

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define IOS		2
#define BLOCKS		2
#define MD_BYTES	(BLOCKS * 8)
#define NR_ELEMENTS	16
#define REGION_BYTES	4096
#define PAGE		4096
/* bytes at both ends of other_md that are not registered */
#define MARGIN		64
#define CHK_ALL		(PI_IO_INTEGRITY_CHK_GUARD | PI_IO_INTEGRITY_CHK_REFTAG | \
			 PI_IO_INTEGRITY_CHK_APPTAG)

/**
 * enum buffer - what is registered with each ring
 * @DATA:	of all I/Os
 * @MD:		the metadata of the ring's set
 * @HOLE:	nothing
 * @OTHER_MD:	other_md, but for a MARGIN at both ends
 * @NR_BUFFERS:	how many places
 */
enum buffer { DATA, MD, HOLE, OTHER_MD, NR_BUFFERS };

enum way { PLAIN, VECTORED, FIXED, NR_WAYS };

/**
 * struct ring - a ring in which I/Os of any layout take turns
 * @flags:	IORING_SETUP_*
 * @fixed_md:	attributes say that metadata is in registered buffers
 * @set:	its I/Os, armed for each use
 */
struct ring {
	const char *name;
	unsigned int flags;
	bool fixed_md;
	struct pi_ring pi;
	struct pi_io_set set;
};

/**
 * struct io - one that is filled
 * @nr:		0 or 1, of those that can be in flight
 * @elements:	NR_ELEMENTS of layout vec, each with the address of the attribute
 */
struct io {
	struct ring *ring;
	unsigned int nr;
	struct pi_io *pi;
	struct pi_lab_attr_vec *elements;
	uint8_t *data;
	uint8_t *md;
};

/* of data in an I/O */
extern uint32_t io_bytes;
extern uint8_t other_md[2 * PAGE];
/* of ok() */
extern unsigned int checks, failures;

/**
 * ok() - one line of TAP
 *
 * Return: @passed.
 */
bool ok(bool passed, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * die() - end, since nothing can be tested
 */
void die(const char *what, const char *why) __attribute__((noreturn));

/**
 * open_device() - let all I/O go to a device of 8 bytes of metadata and type 1
 */
void open_device(const char *name);

/**
 * open_ring() - set a ring up, with its fixed buffers and its attribute region
 */
void open_ring(struct ring *ring, bool with_region);

/**
 * register_buffers() - as enum buffer has it, which open_ring() does too
 * @tags:	for each of them, or NULL
 */
void register_buffers(struct ring *ring, const __u64 *tags);

/**
 * has_way() - whether a layout has opcodes for a way to submit
 * @mode:	gets them
 */
bool has_way(const struct pi_layout *layout, enum way way,
	     struct pi_io_mode *mode);

/**
 * make() - a well-formed I/O, ready to be queued
 * @dir:	0 read, 1 write
 */
struct io make(struct ring *ring, const struct pi_layout *layout,
	       unsigned int nr, enum way way, unsigned int dir, uint64_t seed);

/**
 * fill() - the part of make() that says what is checked, with other checks
 */
void fill(const struct io *io, const struct pi_layout *layout, uint16_t chk,
	  uint64_t seed);

void queue(const struct io *io);
void submit(struct ring *ring, unsigned int slots);

/**
 * reap() - wait for @nr I/Os
 * @res:	gets the result of I/O n at place n
 */
void reap(struct ring *ring, int *res, unsigned int nr);

/**
 * run() - queue(), submit() and reap() one
 *
 * Return: its result.
 */
int run(const struct io *io);

/**
 * seed_of() - @seed, where the layout has room for it
 */
uint64_t seed_of(const struct pi_layout *layout, uint64_t seed);

/**
 * generate() - random data with tuples, and remember it
 */
void generate(const struct io *io, uint64_t seed);

/**
 * as_stored() - whether an I/O has read what was generated last
 */
bool as_stored(const struct io *io, uint64_t seed);

/**
 * store() - write what is generated
 */
bool store(struct ring *ring, const struct pi_layout *layout);

/**
 * intact() - whether well-formed I/O finds the blocks as they were stored
 */
bool intact(struct ring *ring, const struct pi_layout *layout);

/**
 * registered_md() - what only metadata in registered buffers can do
 * @ring:	of 64-byte SQEs, with fixed_md
 */
void registered_md(struct ring *ring);

#endif
