// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn-known - functions that take a known number of instructions
 *
 * They call each other in every way that insn-plugin has to tell apart.
 */
/* valgrind reads symbols only of what has data */
int insn_known = 1;

asm(".macro function name\n"
    ".globl \\name\n"
    ".type \\name, @function\n"
    "\\name:\n"
    ".endm\n"
    ".macro finish name\n"
    ".size \\name, . - \\name\n"
    ".endm\n"

    "function leaf\n"			/* 2 + 2 * 100 + 2 */
    "	push %rcx\n"
    "	mov $100, %ecx\n"
    "1:	dec %ecx\n"
    "	jnz 1b\n"
    "	pop %rcx\n"
    "	ret\n"
    "finish leaf\n"

    "function calls_at_once\n"		/* 2, the stack as it was at its entry */
    "	call leaf\n"
    "	ret\n"
    "finish calls_at_once\n"

    "function jumps\n"			/* 2 */
    "	nop\n"
    "	jmp leaf\n"
    "finish jumps\n"

    "function recursive\n"		/* 6 * 6 + 5 */
    "	push %rdi\n"
    "	dec %edi\n"
    "	js 1f\n"
    "	call recursive\n"
    "1:	pop %rdi\n"
    "	nop\n"
    "	ret\n"
    "finish recursive\n"

    "function asks\n"			/* 3 + 10 * 4 + 2 */
    "	push %rcx\n"
    "	push %rbx\n"
    "	mov $10, %ebx\n"
    "1:	mov $39, %eax\n"		/* getpid */
    "	syscall\n"
    "	dec %ebx\n"
    "	jnz 1b\n"
    "	pop %rbx\n"
    "	pop %rcx\n"
    "	ret\n"
    "finish asks\n"

    "function thread_main\n"		/* 8 */
    "	call leaf\n"
    "	call calls_at_once\n"
    "	call jumps\n"
    "	mov $5, %edi\n"
    "	call recursive\n"
    "	call asks\n"
    "	call leaf\n"
    "	ret\n"
    "finish thread_main\n"

    "function _start\n"
    "	call thread_main\n"
    "	mov $60, %eax\n"		/* exit(0) */
    "	xor %edi, %edi\n"
    "	syscall\n"
    "finish _start\n");
