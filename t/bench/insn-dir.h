/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-dir - the directory through which insn-plugin exchanges files
 */
#ifndef INSN_DIR_H
#define INSN_DIR_H

#include <stddef.h>
#include <stdio.h>

/**
 * insn_fail() - print a message and exit from QEMU
 * @format:	printf format, without a newline
 */
__attribute__((noreturn, format(printf, 1, 2)))
void insn_fail(const char *format, ...);

/**
 * insn_dir() - set the directory
 * @dir:	path of the directory, which must stay valid
 */
void insn_dir(const char *dir);

/**
 * insn_path() - path of a file in the directory
 * @name:	name of the file
 *
 * Return: the path, valid until the next call.
 */
const char *insn_path(const char *name);

/**
 * insn_open() - open a file in the directory, or exit from QEMU
 * @name:	name of the file
 * @mode:	mode for fopen()
 *
 * Return: the file.
 */
FILE *insn_open(const char *name, const char *mode);

/**
 * insn_room() - reallocarray(), or exit from QEMU
 * @old:	memory to resize, or NULL
 * @nr:		number of elements
 * @size:	size of an element in bytes
 *
 * Return: the memory.
 */
void *insn_room(void *old, size_t nr, size_t size);

#endif
