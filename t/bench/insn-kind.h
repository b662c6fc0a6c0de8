/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-kind - what insn-plugin has to know of an instruction
 */
#ifndef INSN_KIND_H
#define INSN_KIND_H

#include "qemu-plugin.h"

enum insn_kind {
	ANY,
	REGISTERS,	/* only computes with registers: it cannot fault */
	MARK,
	RESUME,		/* goes on with what was interrupted, wherever that is */
};

/**
 * insn_kind() - tell what kind an instruction is of
 * @insn: the instruction
 * Return: its kind; ANY where that is not known
 */
enum insn_kind insn_kind(const struct qemu_plugin_insn *insn);

#endif
