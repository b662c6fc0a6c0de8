/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-cache - a model of the caches, which counts lines touched and missed
 *
 * Models a first-level data cache, a first-level instruction cache and a unified
 * second-level cache, with LRU replacement and without prefetching.
 */
#ifndef INSN_CACHE_H
#define INSN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "qemu-plugin.h"

#define CACHE_NOBODY	UINT32_MAX

/**
 * cache_option() - parse an argument of the plugin
 * @word:	argument such as "d1=SIZE:WAYS:LINE", in bytes; also i1= and l2=
 *
 * Return: whether @word is such an argument.
 */
bool cache_option(const char *word);

/**
 * cache_modelled() - test whether caches are modelled
 *
 * Return: whether all three caches were given.
 */
bool cache_modelled(void);

/**
 * cache_begin() - start counting from zero
 * @nodes:	maximum number of nodes
 */
void cache_begin(uint32_t nodes);

/**
 * cache_charge() - set the node that accesses are charged to
 * @node:	index of the node, or CACHE_NOBODY
 */
void cache_charge(uint32_t node);

/**
 * cache_next() - start a new I/O: lines touched before count again
 */
void cache_next(void);

/**
 * cache_instrument() - pass the memory accesses of an instruction to the model
 * @insn:	the instruction
 * @before:	line of the previous instruction in the translation block, 0 if
 *		there is none; updated
 */
void cache_instrument(struct qemu_plugin_insn *insn, uint64_t *before);

/**
 * cache_write() - write the counts to a file in the shared directory
 * @name:	name of the file
 * @nodes:	number of nodes
 */
void cache_write(const char *name, uint32_t nodes);

#endif
