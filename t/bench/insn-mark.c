// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn-mark - says "now" to insn-plugin, by an instruction that does nothing
 *
 * Static and without a C library, so that it takes the same each time.
 */
void _start(void)
{
	asm volatile("nopl 0x4b4d4950(%rax,%rax,1)\n\t"
		     "mov $60, %eax\n\t"	/* exit(0) */
		     "xor %edi, %edi\n\t"
		     "syscall");
	__builtin_unreachable();
}
