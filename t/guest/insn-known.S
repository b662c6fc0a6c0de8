/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insn-known - functions that take a known number of instructions
 *
 * They call each other in every way that insn-plugin has to tell apart.
 */
.macro function name
.globl \name
.type \name, @function
\name:
.endm
.macro finish name
.size \name, . - \name
.endm

function leaf		/* 2 + 2 * 100 + 2 */
	push %rcx
	mov $100, %ecx
1:	dec %ecx
	jnz 1b
	pop %rcx
	ret
finish leaf

function calls_at_once		/* 2, the stack as it was at its entry */
	call leaf
	ret
finish calls_at_once

function jumps		/* 2 */
	nop
	jmp leaf
finish jumps

function recursive		/* 6 * 6 + 5 */
	push %rdi
	dec %edi
	js 1f
	call recursive
1:	pop %rdi
	nop
	ret
finish recursive

function asks		/* 3 + 10 * 4 + 2 */
	push %rcx
	push %rbx
	mov $10, %ebx
1:	mov $39, %eax		/* getpid */
	syscall
	dec %ebx
	jnz 1b
	pop %rbx
	pop %rcx
	ret
finish asks

function faults		/* 10, of which two are begun twice: nothing is counted twice, nothing before is lost */
	mov $1, %eax
	lea (%eax,%eax), %ecx
	xor %ecx, %eax
	incb one(%rip)
	movzx %al, %ecx
	add $2, %ecx
	cmp %eax, %ecx
	setc %al
	incb other(%rip)
	ret
finish faults

/* a byte in each of a number of lines, from the first on, several times */
.macro touch lines, times
	mov $\times, %edx
1:	mov $\lines, %ecx
	lea field(%rip), %rdi
2:	incb (%rdi)
	add $64, %rdi
	dec %ecx
	jnz 2b
	dec %edx
	jnz 1b
	ret
.endm

function warms
	touch 128, 1
finish warms

function sweeps		/* 2 + 2 * (4 + 4 * 128), all of the field */
	touch 128, 2
finish sweeps

function stays		/* 2 + 3 * (4 + 4 * 32), a quarter of it */
	touch 32, 3
finish stays

function thread_main		/* 11 */
	call leaf
	call calls_at_once
	call jumps
	mov $5, %edi
	call recursive
	call asks
	call faults
	call sweeps
	call stays
	call leaf
	ret
finish thread_main

function _start
	call warms		/* the field is in memory before it counts */
	call thread_main
	mov $60, %eax		/* exit(0) */
	xor %edi, %edi
	syscall
finish _start

	.bss
	.balign 4096
one:
	.skip 4096
other:
	.skip 4096
field:
	.skip 64 * 128

/* valgrind reads symbols only of what has data */
	.data
	.long 1
	.section .note.GNU-stack, "", @progbits
