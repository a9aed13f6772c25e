/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.S - the switch of contexts for i386 (System V ABI)
 *
 * A suspended context has one form, whichever routine suspended it:
 *
 *	aco_t                     its stack
 *	reg[0]  resume address    :                       : high addresses
 *	reg[1]  stack pointer --. | return address        |
 *	reg[2]  ebp             | | ebx                   |
 *	reg[3]  esi             '>| edi                   | low addresses
 *	fp_control, _2
 *
 * The code at the resume address alone knows what lies on the stack; the
 * picture shows what aco_switch_landing finds there.  To continue a context,
 * code loads esp and ebp, has the co in edx, and jumps.  Each resume address
 * starts with endbr32.
 *
 * At each instruction esp points below everything live on a valid stack, so a
 * signal may come anywhere.
 */
#include "../asm.h"

/* Save the callee-saved registers: esi and ebp in eax's reg[], the others on
   the stack, with their unwind rules. */
	.macro	save_registers
	movl	%esi, ACO_OFF_BX_(%eax)
	movl	%ebp, ACO_OFF_BP_(%eax)
	.irp	r, ebx, edi
	pushl	%\r
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %\r, 0
	.endr
	.endm

	.macro	restore_pushed
	.irp	r, edi, ebx
	popl	%\r
	.cfi_adjust_cfa_offset -4
	.cfi_same_value %\r
	.endr
	.endm

/*
 * DW_CFA_def_cfa: esp (4) + 0.  As bytes, because clang goes on from the offset
 * that it saw last, and does not see what .cfi_restore_state brings back.
 */
	.macro	stack_of_another
	.cfi_escape 0x0c, 4, 0
	.endm

/*
 * Jump into the co in edx, whose esp is loaded; at is a register with its
 * address.  Where the stack is that of the
 * co already, the unwind rules say: a frame without size, whose caller is the
 * resume address.  DW_CFA_expression: eip (8), ebp (5) and esi (6) are saved in
 * reg[], at breg2 (edx) + offset.
 */
	.macro	jump_into_co at
	stack_of_another
	.irp	r, ebx, edi
	.cfi_same_value %\r
	.endr
	.cfi_escape 0x10, 8, 2, 0x72, ACO_OFF_IP_
	.cfi_escape 0x10, 5, 2, 0x72, ACO_OFF_BP_
	.cfi_escape 0x10, 6, 2, 0x72, ACO_OFF_BX_
	movl	ACO_OFF_BP_(\at), %ebp
	jmp	*ACO_OFF_IP_(\at)
	.endm

/*
 * eax is saved, and ecx has its resume address: continue edx.
 */
	.macro	continue_other
	movl	%ecx, ACO_OFF_IP_(%eax)
	movl	%esp, ACO_OFF_SP_(%eax)
	.cfi_remember_state

	movl	ACO_OFF_SP_(%edx), %esp
	jump_into_co %edx

	/* Never executed.  Debuggers look one byte before a resume address,
	   and find the unwind rules of the landing there.  To them esi is
	   what reg[] says. */
	.cfi_restore_state
	int3
	.endm

/* The resume address of a routine: the context in edx is continued here. */
	.macro	landing name
	hidden	\name
\name:
	endbr32
	movl	ACO_OFF_BX_(%edx), %esi
	.endm

/*
 * Return from a routine that was suspended.  By a jump: what a ret would be
 * predicted to return to is on the other stack.  A return address carries no
 * endbr32, hence notrack.
 */
	.macro	return_by_jump
	popl	%ecx
	.cfi_adjust_cfa_offset -4
	.cfi_register %eip, %ecx
	notrack jmp *%ecx
	.endm

	.text

/*
 * int aco_switch_fpenv(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 * As aco_switch, and also exchanges the control words, which belong to the
 * callee-saved state: all of x87's, the control bits of MXCSR.  Processors
 * without SSE have no MXCSR.
 */
	function aco_switch_fpenv
	endbr32
	save_registers
	testb	$ACO_FLAG_SSE_, ACO_OFF_FLAGS_(%eax)
	jz	1f
	stmxcsr	ACO_OFF_CONTROL_(%eax)
1:	fnstcw	ACO_OFF_CONTROL_2_(%eax)
	testb	$ACO_FLAG_COMPARES_, ACO_OFF_FLAGS_(%edx)
	jz	2f
	movl	ACO_OFF_CONTROL_(%eax), %ebx
	xorl	ACO_OFF_CONTROL_(%edx), %ebx
	testl	$ACO_MXCSR_CONTROL_, %ebx
	jnz	2f
	movzwl	ACO_OFF_CONTROL_2_(%eax), %ebx
	cmpw	ACO_OFF_CONTROL_2_(%edx), %bx
	je	4f
2:	testb	$ACO_FLAG_SSE_, ACO_OFF_FLAGS_(%eax)
	jz	3f
	ldmxcsr	ACO_OFF_CONTROL_(%edx)
3:	fldcw	ACO_OFF_CONTROL_2_(%edx)
4:	continue_other
	end	aco_switch_fpenv

/*
 * int aco_switch(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 *	eax  the running context, to be suspended
 *	edx  the suspended context to continue
 *	ecx  aco_switch_landing; finding one's own address takes a call here
 *
 * Returns 0 when from is continued, with all callee-saved registers as they
 * were.
 */
	function aco_switch
	endbr32
	save_registers
	continue_other

	landing	aco_switch_landing
	restore_pushed
	xorl	%eax, %eax
	return_by_jump
	end	aco_switch

/*
 * void *aco_switch_value(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 * As aco_switch, but ecx is aco_value_landing, and it returns the value that was
 * sent.
 *
 *	| return address |
 *	| ebx            |
 *	| edi            |
 *	| value          |  NULL, or what the sender stores there
 *	'-- esp ---------'
 */
	function aco_switch_value
	endbr32
	save_registers
	pushl	$0
	.cfi_adjust_cfa_offset 4
	continue_other

	landing	aco_value_landing
	popl	%eax
	.cfi_adjust_cfa_offset -4
	restore_pushed
	return_by_jump
	end	aco_switch_value

/*
 * int aco_switch_in_place(aco_t *from, aco_t *to), regparm(3)
 *
 *	eax  the running context, to be suspended
 *	edx  the suspended context to continue, a user of the same stack
 *
 * Returns 0 when from is continued, at aco_switch_landing, and -1 when
 * aco_leave_place() does.
 *
 *	  before            while from's bytes        while to's bytes
 *	                    are copied out            are copied in
 *
 *	| from, live  |     | from        |           |             |
 *	|  ebx, edi   |     |             |           | to, arrives |
 *	'-- esp ------'     '-------------'           |             |
 *	:             :     | what to copy|           '-- esp ------' to's reg[SP]
 *	                    | call of C   |           :             :
 *	                    '-- esp ------'
 *
 * After the call all that is still needed is in registers, so the stack
 * pointer can go to where that of to has been, and no signal can hurt what
 * arrives above.  No more room is used than to had when it was suspended.
 */
	function aco_switch_in_place
	endbr32
	save_registers
	movl	%esp, ACO_OFF_SP_(%eax)

	movl	%edx, %ebx
	subl	$20, %esp	/* keeps it aligned */
	.cfi_adjust_cfa_offset 20
	movl	%esp, %ecx
	call	aco_leave_place
	testl	%eax, %eax
	jnz	6f
	.cfi_remember_state

	movl	%ebx, %edx
	movl	ACO_MOVE_END(%esp), %edi
	movl	ACO_MOVE_FROM(%esp), %esi
	movl	ACO_MOVE_WORDS(%esp), %ecx
	movl	ACO_MOVE_ZEROS(%esp), %eax
	movl	ACO_OFF_SP_(%edx), %esp
	/* from is gone, to has not arrived: no frame can be unwound, nor
	   can a walk along frame pointers start. */
	stack_of_another
	.cfi_undefined %eip
	xorl	%ebp, %ebp
	testl	%eax, %eax
	jz	2f
1:	subl	$4, %edi
	movl	$0, (%edi)
	decl	%eax
	jnz	1b
2:	leal	(, %ecx, 4), %eax
	subl	%eax, %edi
	cmpl	$ACO_MOVE_FEW, %ecx
	ja	4f
	testl	%ecx, %ecx
	jz	5f
3:	movl	-4(%esi, %ecx, 4), %eax
	movl	%eax, -4(%edi, %ecx, 4)
	decl	%ecx
	jnz	3b
	jmp	5f
4:	rep movsl
5:	jump_into_co %edx

	/* aco_leave_place() has set errno. */
	.cfi_restore_state
6:	addl	$20, %esp
	.cfi_adjust_cfa_offset -20
	restore_pushed
	ret
	end	aco_switch_in_place

#include "../note.h"
