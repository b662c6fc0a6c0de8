/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-cache - a modelled memory: which lines are touched, which are missed
 *
 * Two caches of a processor, for data and for instructions, and one behind
 * both.  Each replaces what was used least recently; nothing is fetched ahead.
 */
#ifndef INSN_CACHE_H
#define INSN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "qemu-plugin.h"

#define CACHE_NOBODY	UINT32_MAX

/**
 * cache_option() - take an argument of the plugin
 * @word: "d1=SIZE:WAYS:LINE" in bytes, and so i1= and l2=
 * Return: whether it is one of these
 */
bool cache_option(const char *word);

/**
 * cache_modelled() - whether there is a model: all three caches were given
 * Return: whether
 */
bool cache_modelled(void);

/**
 * cache_begin() - count from nothing
 * @nodes: how many there may be at most
 */
void cache_begin(uint32_t nodes);

/**
 * cache_charge() - say who touches what comes
 * @node: its number, or CACHE_NOBODY
 */
void cache_charge(uint32_t node);

/**
 * cache_next() - a line that is touched from here on is touched anew
 */
void cache_next(void);

/**
 * cache_instrument() - have what an instruction touches go through the model
 * @insn: the instruction
 * @before: the line of code before it in what is translated, 0 for none; kept
 */
void cache_instrument(struct qemu_plugin_insn *insn, uint64_t *before);

/**
 * cache_write() - write what was counted into a file of the directory
 * @name: the file's name
 * @nodes: how many there are
 */
void cache_write(const char *name, uint32_t nodes);

#endif
