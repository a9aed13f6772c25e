/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs-i386.S - callee-saved registers and stack pointers for the tests
 */
	.text

/*
 * void regs_call(struct regs *regs, void (*fn)(void *arg), void *arg)
 *
 *	 4(%esp)  regs: in at 0, out at 16, flags at 32
 *	 8(%esp)  fn
 *	12(%esp)  arg
 */
	.globl	regs_call
	.hidden	regs_call
	.type	regs_call, @function
regs_call:
	.cfi_startproc
	endbr32
	pushl	%ebx
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %ebx, 0
	pushl	%esi
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %esi, 0
	pushl	%edi
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %edi, 0
	pushl	%ebp
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %ebp, 0
	movl	20(%esp), %eax
	movl	24(%esp), %ecx
	movl	28(%esp), %edx

	/* arg, regs, one free word: the stack pointer is 16-byte aligned */
	subl	$12, %esp
	.cfi_adjust_cfa_offset 12
	movl	%edx, 0(%esp)
	movl	%eax, 4(%esp)
	movl	0(%eax), %ebx
	movl	4(%eax), %esi
	movl	8(%eax), %edi
	movl	12(%eax), %ebp
	call	*%ecx

	movl	4(%esp), %eax
	addl	$12, %esp
	.cfi_adjust_cfa_offset -12
	movl	%ebx, 16(%eax)
	movl	%esi, 20(%eax)
	movl	%edi, 24(%eax)
	movl	%ebp, 28(%eax)
	pushfl
	.cfi_adjust_cfa_offset 4
	popl	32(%eax)
	.cfi_adjust_cfa_offset -4

	popl	%ebp
	.cfi_adjust_cfa_offset -4
	.cfi_same_value %ebp
	popl	%edi
	.cfi_adjust_cfa_offset -4
	.cfi_same_value %edi
	popl	%esi
	.cfi_adjust_cfa_offset -4
	.cfi_same_value %esi
	popl	%ebx
	.cfi_adjust_cfa_offset -4
	.cfi_same_value %ebx
	ret
	.cfi_endproc
	.size	regs_call, . - regs_call

/* void regs_entry(void): tail-calls regs_entered(esp), regparm(1). */
	.globl	regs_entry
	.hidden	regs_entry
	.type	regs_entry, @function
regs_entry:
	.cfi_startproc
	endbr32
	movl	%esp, %eax
	jmp	regs_entered
	.cfi_endproc
	.size	regs_entry, . - regs_entry

#include "../lib/arch/note.h"
