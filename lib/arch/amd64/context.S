/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.S - the switch of contexts for amd64 (System V ABI, LP64)
 *
 * A suspended context has one form, whichever routine suspended it:
 *
 *	aco_t                     its stack
 *	reg[0]  resume address    :                       : high addresses
 *	reg[1]  stack pointer --. | return address        |
 *	reg[2]  rbp             | | r12                   |
 *	reg[3]  rbx             | | r13                   |
 *	fp_control, _2          | | r14                   |
 *	                        '>| r15                   | low addresses
 *
 * The code at the resume address alone knows what lies on the stack; the
 * picture shows what aco_switch_landing finds there.  To continue a context,
 * code loads rsp and rbp, has the co in rdi, and jumps.  Each resume address
 * starts with endbr64.
 *
 * At each instruction rsp points below everything live on a valid stack, so a
 * signal may come anywhere.
 */
#include "../asm.h"

/* Save the callee-saved registers: rbx and rbp in rdi's reg[], the others on
   the stack, with their unwind rules. */
	.macro	save_registers
	movq	%rbx, ACO_OFF_BX_(%rdi)
	movq	%rbp, ACO_OFF_BP_(%rdi)
	.irp	r, r12, r13, r14, r15
	pushq	%\r
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %\r, 0
	.endr
	.endm

	.macro	restore_pushed
	.irp	r, r15, r14, r13, r12
	popq	%\r
	.cfi_adjust_cfa_offset -8
	.cfi_same_value %\r
	.endr
	.endm

/*
 * DW_CFA_def_cfa: rsp (7) + 0.  As bytes, because clang goes on from the offset
 * that it saw last, and does not see what .cfi_restore_state brings back.
 */
	.macro	stack_of_another
	.cfi_escape 0x0c, 7, 0
	.endm

/*
 * Jump into the co in rdi, whose rsp is loaded; at is a register with its
 * address.  Where the stack is that of the
 * co already, the unwind rules say: a frame without size, whose caller is the
 * resume address.  DW_CFA_expression: rip (16), rbp (6) and rbx (3) are saved in
 * reg[], at breg5 (rdi) + offset.
 */
	.macro	jump_into_co at
	stack_of_another
	.irp	r, r12, r13, r14, r15
	.cfi_same_value %\r
	.endr
	.cfi_escape 0x10, 16, 2, 0x75, ACO_OFF_IP_
	.cfi_escape 0x10, 6, 2, 0x75, ACO_OFF_BP_
	.cfi_escape 0x10, 3, 2, 0x75, ACO_OFF_BX_
	movq	ACO_OFF_BP_(\at), %rbp
	jmp	*ACO_OFF_IP_(\at)
	.endm

/*
 * rdi is saved, and rdx has its resume address: continue rsi.
 */
	.macro	continue_other
	movq	%rdx, ACO_OFF_IP_(%rdi)
	movq	%rsp, ACO_OFF_SP_(%rdi)
	.cfi_remember_state

	movq	%rsi, %rdi
	movq	ACO_OFF_SP_(%rsi), %rsp
	jump_into_co %rsi

	/* Never executed.  Debuggers look one byte before a resume address,
	   and find the unwind rules of the landing there.  To them rbx is
	   what reg[] says. */
	.cfi_restore_state
	int3
	.endm

/* The resume address of a routine: the context in rdi is continued here. */
	.macro	landing name
	hidden	\name
\name:
	endbr64
	movq	ACO_OFF_BX_(%rdi), %rbx
	.endm

/*
 * Return from a routine that was suspended.  By a jump: what a ret would be
 * predicted to return to is on the other stack.  A return address carries no
 * endbr64, hence notrack.
 */
	.macro	return_by_jump
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	notrack jmp *%rcx
	.endm

	.text

/*
 * int aco_switch_fpenv(aco_t *from, aco_t *to, const char *land)
 *
 * As aco_switch, and also exchanges the control words, which belong to the
 * callee-saved state: all of x87's, the control bits of MXCSR.
 */
	function aco_switch_fpenv
	endbr64
	save_registers
	stmxcsr	ACO_OFF_CONTROL_(%rdi)
	fnstcw	ACO_OFF_CONTROL_2_(%rdi)
	testb	$ACO_FLAG_COMPARES_, ACO_OFF_FLAGS_(%rsi)
	jz	1f
	movl	ACO_OFF_CONTROL_(%rdi), %eax
	xorl	ACO_OFF_CONTROL_(%rsi), %eax
	testl	$ACO_MXCSR_CONTROL_, %eax
	jnz	1f
	movzwl	ACO_OFF_CONTROL_2_(%rdi), %eax
	cmpw	ACO_OFF_CONTROL_2_(%rsi), %ax
	je	2f
1:	ldmxcsr	ACO_OFF_CONTROL_(%rsi)
	fldcw	ACO_OFF_CONTROL_2_(%rsi)
2:	continue_other
	end	aco_switch_fpenv

/*
 * int aco_switch(aco_t *from, aco_t *to, const char *land)
 *
 *	rdi  the running context, to be suspended
 *	rsi  the suspended context to continue
 *	rdx  aco_switch_landing
 *
 * Returns 0 when from is continued, with all callee-saved registers as they
 * were.
 */
	function aco_switch
	endbr64
	save_registers
	continue_other

	landing	aco_switch_landing
	restore_pushed
	xorl	%eax, %eax
	return_by_jump
	end	aco_switch

/*
 * void *aco_switch_value(aco_t *from, aco_t *to, const char *land)
 *
 * As aco_switch, but rdx is aco_value_landing, and it returns the value that was
 * sent.
 *
 *	| return address |
 *	| r12            |
 *	| r13            |
 *	| r14            |
 *	| r15            |
 *	| value          |  NULL, or what the sender stores there
 *	'-- rsp ---------'
 */
	function aco_switch_value
	endbr64
	save_registers
	pushq	$0
	.cfi_adjust_cfa_offset 8
	continue_other

	landing	aco_value_landing
	popq	%rax
	.cfi_adjust_cfa_offset -8
	restore_pushed
	return_by_jump
	end	aco_switch_value

/*
 * int aco_switch_in_place(aco_t *from, aco_t *to)
 *
 *	rdi  the running context, to be suspended
 *	rsi  the suspended context to continue, a user of the same stack
 *
 * Returns 0 when from is continued, at aco_switch_landing, and -1 when
 * aco_leave_place() does.
 *
 *	  before            while from's bytes        while to's bytes
 *	                    are copied out            are copied in
 *
 *	| from, live  |     | from        |           |             |
 *	|  r12 - r15  |     |             |           | to, arrives |
 *	'-- rsp ------'     '-------------'           |             |
 *	:             :     | what to copy|           '-- rsp ------' to's reg[SP]
 *	                    | call of C   |           :             :
 *	                    '-- rsp ------'
 *
 * After the call all that is still needed is in registers, so the stack
 * pointer can go to where that of to has been, and no signal can hurt what
 * arrives above.  No more room is used than to had when it was suspended.
 */
	function aco_switch_in_place
	endbr64
	save_registers
	movq	%rsp, ACO_OFF_SP_(%rdi)

	movq	%rsi, %r12
	subq	$40, %rsp	/* keeps it aligned */
	.cfi_adjust_cfa_offset 40
	movq	%rsp, %rdx
	call	aco_leave_place
	testl	%eax, %eax
	jnz	6f
	.cfi_remember_state

	movq	%r12, %rdx
	movq	ACO_MOVE_END(%rsp), %rdi
	movq	ACO_MOVE_FROM(%rsp), %rsi
	movq	ACO_MOVE_WORDS(%rsp), %rcx
	movq	ACO_MOVE_ZEROS(%rsp), %rax
	movq	ACO_OFF_SP_(%rdx), %rsp
	/* from is gone, to has not arrived: no frame can be unwound, nor
	   can a walk along frame pointers start. */
	stack_of_another
	.cfi_undefined %rip
	xorl	%ebp, %ebp
	testq	%rax, %rax
	jz	2f
1:	subq	$8, %rdi
	movq	$0, (%rdi)
	decq	%rax
	jnz	1b
2:	leaq	(, %rcx, 8), %rax
	subq	%rax, %rdi
	cmpq	$ACO_MOVE_FEW, %rcx
	ja	4f
	testq	%rcx, %rcx
	jz	5f
3:	movq	-8(%rsi, %rcx, 8), %rax
	movq	%rax, -8(%rdi, %rcx, 8)
	decq	%rcx
	jnz	3b
	jmp	5f
4:	rep movsq
5:	movq	%rdx, %rdi
	jump_into_co %rdi

	/* aco_leave_place() has set errno. */
	.cfi_restore_state
6:	addq	$40, %rsp
	.cfi_adjust_cfa_offset -40
	restore_pushed
	ret
	end	aco_switch_in_place

#include "../note.h"
