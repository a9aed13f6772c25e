/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs-amd64.S - callee-saved registers and stack pointers for the tests
 */
	.text

/*
 * void regs_call(struct regs *regs, void (*fn)(void *arg), void *arg)
 *
 *	rdi  regs: in at 0, out at 48, flags at 96
 *	rsi  fn
 *	rdx  arg
 */
	.globl	regs_call
	.hidden	regs_call
	.type	regs_call, @function
regs_call:
	.cfi_startproc
	endbr64
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	pushq	%rdi
	.cfi_adjust_cfa_offset 8

	movq	0(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	%rdx, %rdi
	call	*%rsi

	popq	%rdi
	.cfi_adjust_cfa_offset -8
	movq	%rbx, 48(%rdi)
	movq	%rbp, 56(%rdi)
	movq	%r12, 64(%rdi)
	movq	%r13, 72(%rdi)
	movq	%r14, 80(%rdi)
	movq	%r15, 88(%rdi)
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	96(%rdi)
	.cfi_adjust_cfa_offset -8

	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %r12
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %rbp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %rbx
	ret
	.cfi_endproc
	.size	regs_call, . - regs_call

/* void regs_entry(void): tail-calls regs_entered(rsp). */
	.globl	regs_entry
	.hidden	regs_entry
	.type	regs_entry, @function
regs_entry:
	.cfi_startproc
	endbr64
	movq	%rsp, %rdi
	jmp	regs_entered
	.cfi_endproc
	.size	regs_entry, . - regs_entry

#include "../lib/arch/note.h"
