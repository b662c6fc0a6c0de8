/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-kind - classify instructions for insn-plugin
 */
#ifndef INSN_KIND_H
#define INSN_KIND_H

#include "qemu-plugin.h"

enum insn_kind {
	ANY,
	REGISTERS,	/* accesses registers only, and therefore cannot fault */
	MARK,
	RESUME,		/* returns from an interrupt or system call */
};

/**
 * insn_kind() - classify an instruction
 * @insn:	the instruction
 *
 * Return: its kind; ANY if it is not known.
 */
enum insn_kind insn_kind(const struct qemu_plugin_insn *insn);

#endif
