// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <string.h>

#include "insn-kind.h"

#define INSN_BYTES	16
#define ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	(a | b << 1 | c << 2 | d << 3 | e << 4 | f << 5 | g << 6 | h << 7 | \
	 i << 8 | j << 9 | k << 10 | l << 11 | m << 12 | n << 13 | o << 14 | \
	 p << 15)

/* opcodes that compute with registers only, unless an operand is in memory */
static const uint16_t one_byte[16] = {
	ROW(1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0),	/* add, or */
	ROW(1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0),	/* adc, sbb */
	ROW(1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0),	/* and, sub */
	ROW(1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0),	/* xor, cmp */
	[0x6] = ROW(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0),
	[0x8] = ROW(1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0),
	[0x9] = ROW(1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0),
	[0xa] = ROW(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0),
	[0xb] = ROW(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
	[0xc] = ROW(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	[0xd] = ROW(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
};

/* the same for opcodes after 0f: cmov, set, movzx, movsx, imul */
static const uint16_t two_bytes[16] = {
	[0x4] = 0xffff,
	[0x9] = 0xffff,
	[0xa] = ROW(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
	[0xb] = ROW(0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1),
};

static bool is_in(const uint16_t *rows, uint8_t opcode)
{
	return rows[opcode >> 4] >> (opcode & 15) & 1;
}

/* whether a ModRM byte follows the opcode */
static bool has_modrm(uint8_t opcode)
{
	return opcode < 0x40 ? (opcode & 7) < 4 :
			       opcode < 0x90 || opcode >= 0xc0;
}

/* returns false unless it is certain */
static bool only_registers(const uint8_t *at, size_t size)
{
	const uint8_t *end = at + size;
	bool two = false;

	if (at < end && *at == 0x66)
		at++;
	if (at < end && *at >> 4 == 4)
		at++;
	if (end - at > 1 && *at == 0x0f) {
		two = true;
		at++;
	}
	if (end - at < 1 || !is_in(two ? two_bytes : one_byte, *at))
		return false;
	if (!two && !has_modrm(*at))
		return true;
	return end - at > 1 && at[1] >> 6 == 3;
}

enum insn_kind insn_kind(const struct qemu_plugin_insn *insn)
{
	static const struct {
		enum insn_kind kind;
		uint8_t size;
		uint8_t bytes[8];
	} known[] = {
		{ MARK, 8, { 0x0f, 0x1f, 0x84, 0x00, 0x50, 0x49, 0x4d, 0x4b } },
		{ RESUME, 2, { 0x48, 0xcf } },		/* iretq */
		{ RESUME, 3, { 0x48, 0x0f, 0x07 } },	/* sysretq */
	};
	uint8_t bytes[INSN_BYTES];
	size_t size = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (size == known[i].size &&
		    !memcmp(bytes, known[i].bytes, size))
			return known[i].kind;
	return only_registers(bytes, size) ? REGISTERS : ANY;
}
