/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.S - one step of a context on its own stack; the driver on another
 *
 *	the driver's stack        stack of the current context
 *
 *	| caller of trace_call |  | words that the       |
 *	| callee-saved regs    |  | driver has chosen    |
 *	'-- trace_driver ------'  '-- sp ----------------'
 *	                          | call of the library  |
 *
 * The call continues another context, in the middle of its trace_call().  That
 * one goes back to the driver's stack, to the caller that waits there: so the
 * driver runs on, whichever context is current.
 */
#if defined(__x86_64__)
#include "aco/arch/amd64.h"
#else
#include "aco/arch/i386.h"
#endif

	.bss
	.p2align 3
trace_driver:
	.skip	8

	.text
	.macro	function name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.endm

#if defined(__x86_64__)

	.macro	leave_driver
	.irp	r, rbp, rbx, r12, r13, r14, r15
	pushq	%\r
	.endr
	movq	%rsp, trace_driver(%rip)
	.endm

/* int trace_call(void *sp, void (*fn)(void), void *arg): fn(arg, NULL) */
	function trace_call
	endbr64
	leave_driver
	movq	%rdi, %rsp
	movq	%rsi, %rax
	movq	%rdx, %rdi
	xorl	%esi, %esi
	call	*%rax
trace_back:
	movq	trace_driver(%rip), %rsp
	.irp	r, r15, r14, r13, r12, rbx, rbp
	popq	%\r
	.endr
	ret
	.size	trace_call, . - trace_call

/* The function of all cos. */
	function trace_start
	endbr64
	xorl	%eax, %eax
	jmp	trace_back
	.size	trace_start, . - trace_start

/* int trace_inline(void *sp, aco_t *from, aco_t *to): as aco/switch.h does it. */
	function trace_inline
	endbr64
	leave_driver
	movq	%rdi, %rsp
	movq	%rdx, %rdi
	leaq	1f(%rip), %rax
	movq	%rax, ACO_OFF_IP_(%rsi)
	movq	%rsp, ACO_OFF_SP_(%rsi)
	movq	%rbp, ACO_OFF_BP_(%rsi)
	movq	%rbx, ACO_OFF_BX_(%rsi)
	movq	ACO_OFF_SP_(%rdi), %rsp
	movq	ACO_OFF_BP_(%rdi), %rbp
	jmp	*ACO_OFF_IP_(%rdi)
1:	endbr64
	xorl	%eax, %eax
	jmp	trace_back
	.size	trace_inline, . - trace_inline

#else

	.macro	leave_driver
	.irp	r, ebp, ebx, esi, edi
	pushl	%\r
	.endr
	movl	%esp, trace_driver
	.endm

/* int trace_call(void *sp, void (*fn)(void), void *arg): fn(arg, NULL) */
	function trace_call
	endbr32
	leave_driver
	movl	24(%esp), %eax
	movl	28(%esp), %edx
	movl	20(%esp), %esp
	subl	$8, %esp
	pushl	$0
	pushl	%edx
	call	*%eax
trace_back:
	movl	trace_driver, %esp
	.irp	r, edi, esi, ebx, ebp
	popl	%\r
	.endr
	ret
	.size	trace_call, . - trace_call

/* The function of all cos. */
	function trace_start
	endbr32
	xorl	%eax, %eax
	jmp	trace_back
	.size	trace_start, . - trace_start

/* int trace_inline(void *sp, aco_t *from, aco_t *to): as aco/switch.h does it. */
	function trace_inline
	endbr32
	leave_driver
	movl	24(%esp), %eax
	movl	28(%esp), %edx
	movl	20(%esp), %esp
	movl	$1f, ACO_OFF_IP_(%eax)
	movl	%esp, ACO_OFF_SP_(%eax)
	movl	%ebp, ACO_OFF_BP_(%eax)
	movl	%esi, ACO_OFF_BX_(%eax)
	movl	ACO_OFF_SP_(%edx), %esp
	movl	ACO_OFF_BP_(%edx), %ebp
	jmp	*ACO_OFF_IP_(%edx)
1:	endbr32
	xorl	%eax, %eax
	jmp	trace_back
	.size	trace_inline, . - trace_inline

#endif

	.section .note.GNU-stack, "", @progbits
