// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn-mark - signal insn-plugin by executing a special no-op instruction
 *
 * Static and without a C library, so that it always takes the same instructions.
 */
void _start(void)
{
	asm volatile("nopl 0x4b4d4950(%rax,%rax,1)\n\t"
		     "mov $60, %eax\n\t"	/* exit(0) */
		     "xor %edi, %edi\n\t"
		     "syscall");
	__builtin_unreachable();
}
