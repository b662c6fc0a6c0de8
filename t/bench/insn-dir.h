/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-dir - the directory that insn-plugin shares with whoever started QEMU
 */
#ifndef INSN_DIR_H
#define INSN_DIR_H

#include <stddef.h>
#include <stdio.h>

/**
 * insn_fail() - end QEMU, with one line
 * @format: as printf() takes it
 */
__attribute__((noreturn, format(printf, 1, 2)))
void insn_fail(const char *format, ...);

/**
 * insn_dir() - say which directory it is
 * @dir: its path, which stays
 */
void insn_dir(const char *dir);

/**
 * insn_path() - the path of a file in it
 * @name: the file's name
 * Return: the path, until the next call
 */
const char *insn_path(const char *name);

/**
 * insn_open() - open a file in it, or end QEMU
 * @name: the file's name
 * @mode: as fopen() takes it
 * Return: the file
 */
FILE *insn_open(const char *name, const char *mode);

/**
 * insn_room() - memory for so many, or end QEMU
 * @old: what reallocarray() takes
 * @nr: how many
 * @size: of each, in bytes
 * Return: the memory
 */
void *insn_room(void *old, size_t nr, size_t size);

#endif
