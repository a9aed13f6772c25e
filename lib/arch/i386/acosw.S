/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acosw.S - the switch for i386 (System V ABI)
 *
 * A suspended context has one form, whoever suspended it:
 *
 *	aco_t                     its stack
 *	reg[0]  resume address    :                       : high addresses
 *	reg[1]  stack pointer --. | return address        |
 *	reg[2]  ebp             | | ebx                   |
 *	reg[3]  esi             '>| edi                   | low addresses
 *	mxcsr, fpucw
 *
 * What lies on the stack is the affair of the code at the resume address; the
 * picture shows that of aco_switch_landing.  Whoever continues a context loads
 * esp and ebp, has the continued co in edx, and jumps.  Every resume address
 * starts with endbr32.
 *
 * At each instruction esp points below everything live on a valid stack, so a
 * signal may come anywhere.
 */
#include "../link.h"
#include "../offsets.h"

/* The callee-saved registers that are not in reg[], and their unwind rules. */
	.macro	save_registers
	.irp	r, ebx, edi
	pushl	%\r
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset %\r, 0
	.endr
	.endm

	.macro	restore_registers
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
 * The rules where the stack is that of the co in edx already: a frame without
 * size, whose caller is the resume address.  DW_CFA_expression: eip (8),
 * ebp (5) and esi (6) are saved in reg[], at breg2 (edx) + offset.
 */
	.macro	continued_frame
	stack_of_another
	.irp	r, ebx, edi
	.cfi_same_value %\r
	.endr
	.cfi_escape 0x10, 8, 2, 0x72, ACO_OFF_IP
	.cfi_escape 0x10, 5, 2, 0x72, ACO_OFF_BP
	.cfi_escape 0x10, 6, 2, 0x72, ACO_OFF_BX
	.endm

	.text

/*
 * int aco_switch_fpenv(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 * As aco_switch, and also exchanges the control words, which belong to the
 * callee-saved state: all of x87's, the control bits of MXCSR.  Processors
 * without SSE have no MXCSR.
 */
	.p2align 4
	.globl	aco_switch_fpenv
	.hidden	aco_switch_fpenv
	.type	aco_switch_fpenv, @function
aco_switch_fpenv:
	.cfi_startproc
	endbr32
	testb	$ACO_HAS_SSE_BIT, ACO_OFF_FLAGS(%eax)
	jz	1f
	stmxcsr	ACO_OFF_MXCSR(%eax)
	ldmxcsr	ACO_OFF_MXCSR(%edx)
1:	fnstcw	ACO_OFF_FPUCW(%eax)
	fldcw	ACO_OFF_FPUCW(%edx)
	jmp	.Lsuspend
	.cfi_endproc
	.size	aco_switch_fpenv, . - aco_switch_fpenv

/*
 * int aco_switch(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 *	eax  the running context, to be suspended
 *	edx  the suspended context to continue
 *	ecx  aco_switch_landing; finding one's own address takes a call here
 *
 * Returns 0 when from is continued, with all callee-saved registers as they
 * were.  Leaves by a jump: what a ret would be predicted to return to is on the
 * other stack.
 */
	.p2align 4
	.globl	aco_switch
	.hidden	aco_switch
	.type	aco_switch, @function
aco_switch:
	.cfi_startproc
	endbr32
.Lsuspend:
	movl	%esi, ACO_OFF_BX(%eax)
	movl	%ebp, ACO_OFF_BP(%eax)
	save_registers
	movl	%ecx, ACO_OFF_IP(%eax)
	movl	%esp, ACO_OFF_SP(%eax)
	.cfi_remember_state

	movl	ACO_OFF_SP(%edx), %esp
	/* From here on this is a part of to. */
	continued_frame
	movl	ACO_OFF_BP(%edx), %ebp
	jmp	*ACO_OFF_IP(%edx)

	/* Never executed.  Debuggers look one byte before a resume address,
	   and find the unwind rules of the landing there.  To them esi is
	   what reg[] says. */
	.cfi_restore_state
	int3

/* Resume address of everything that aco_switch suspended; edx is its aco_t. */
	.globl	aco_switch_landing
	.hidden	aco_switch_landing
aco_switch_landing:
	endbr32
	movl	ACO_OFF_BX(%edx), %esi
	restore_registers
	xorl	%eax, %eax
	popl	%ecx
	.cfi_adjust_cfa_offset -4
	.cfi_register %eip, %ecx
	/* a return address carries no endbr32, hence notrack */
	notrack jmp *%ecx
	.cfi_endproc
	.size	aco_switch, . - aco_switch

/*
 * void *aco_switch_value(aco_t *from, aco_t *to, const char *land), regparm(3)
 *
 * As aco_switch, but returns a value.
 *
 *	ecx  aco_value_landing
 *
 *	| return address |
 *	| ebx            |
 *	| edi            |
 *	| value          |  NULL, or what whoever continues from puts there
 *	'-- esp ---------'
 */
	.p2align 4
	.globl	aco_switch_value
	.hidden	aco_switch_value
	.type	aco_switch_value, @function
aco_switch_value:
	.cfi_startproc
	endbr32
	movl	%esi, ACO_OFF_BX(%eax)
	movl	%ebp, ACO_OFF_BP(%eax)
	save_registers
	pushl	$0
	.cfi_adjust_cfa_offset 4
	movl	%ecx, ACO_OFF_IP(%eax)
	movl	%esp, ACO_OFF_SP(%eax)
	.cfi_remember_state

	movl	ACO_OFF_SP(%edx), %esp
	/* A part of to. */
	continued_frame
	movl	ACO_OFF_BP(%edx), %ebp
	jmp	*ACO_OFF_IP(%edx)

	/* Never executed, as in aco_switch. */
	.cfi_restore_state
	int3

/* Resume address of what it suspended; edx is its aco_t. */
	.globl	aco_value_landing
	.hidden	aco_value_landing
aco_value_landing:
	endbr32
	movl	ACO_OFF_BX(%edx), %esi
	popl	%eax
	.cfi_adjust_cfa_offset -4
	restore_registers
	popl	%ecx
	.cfi_adjust_cfa_offset -4
	.cfi_register %eip, %ecx
	notrack jmp *%ecx
	.cfi_endproc
	.size	aco_switch_value, . - aco_switch_value

/*
 * int aco_switch_in_place(aco_t *from, aco_t *to), regparm(3)
 *
 *	eax  the running context, to be suspended
 *	edx  the suspended context to continue, a user of the same stack
 *
 * Returns 0 when from is continued, and -1 when aco_leave_place() does.
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
	.p2align 4
	.globl	aco_switch_in_place
	.hidden	aco_switch_in_place
	.type	aco_switch_in_place, @function
aco_switch_in_place:
	.cfi_startproc
	endbr32
	movl	%esi, ACO_OFF_BX(%eax)
	movl	%ebp, ACO_OFF_BP(%eax)
	save_registers
	movl	%esp, ACO_OFF_SP(%eax)

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
	movl	ACO_OFF_SP(%edx), %esp
	/* One is gone, the other has not arrived: there is nobody to unwind. */
	stack_of_another
	.cfi_undefined %eip
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
5:	/* A part of to. */
	continued_frame
	movl	ACO_OFF_BP(%edx), %ebp
	jmp	*ACO_OFF_IP(%edx)

	/* The call has told why. */
	.cfi_restore_state
6:	addl	$20, %esp
	.cfi_adjust_cfa_offset -20
	restore_registers
	ret
	.cfi_endproc
	.size	aco_switch_in_place, . - aco_switch_in_place

/*
 * Where new cos begin: not called, jumped to.
 *
 *	edx  the co
 *	esp  the base of its stack, 16-byte aligned
 *
 *	base  +--------------------------+
 *	      | return into aco_entry    |  the same for all cos of a stack
 *	      +--------------------------+
 *	      | frame of co->fp          |
 *
 * Nobody has called it; link.h has the rules by which a backtrace goes on in the
 * resumer, while an exception that leaves the co ends in std::terminate.
 */
	.p2align 4
	.globl	aco_entry_tools
	.hidden	aco_entry_tools
	.type	aco_entry_tools, @function
aco_entry_tools:
	.cfi_startproc
	aco_linked_frame
	endbr32
	movl	%edx, %esi
	call	aco_tools_entered
	movl	%esi, %edx
	jmp	aco_entry
	.cfi_endproc
	.size	aco_entry_tools, . - aco_entry_tools

	.p2align 4
	.globl	aco_entry
	.hidden	aco_entry
	.type	aco_entry, @function
aco_entry:
	.cfi_startproc
	aco_linked_frame
	endbr32
	/* what the function saves first, and copy.h knows */
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%esi, %esi
	xorl	%edi, %edi
	call	*ACO_OFF_FP(%edx)
	.globl	aco_entry_return
	.hidden	aco_entry_return
aco_entry_return:
	call	aco_returned
	ud2
	.cfi_endproc
	.size	aco_entry, . - aco_entry

/*
 * Never executed: the caller, one byte in, of the entry frame of a co that
 * nobody waits for.  The undefined return address ends a backtrace.
 */
	.globl	aco_no_resumer
	.hidden	aco_no_resumer
	.type	aco_no_resumer, @function
aco_no_resumer:
	.cfi_startproc
	.cfi_undefined %eip
	int3
	int3
	.cfi_endproc
	.size	aco_no_resumer, . - aco_no_resumer

/*
 * Where the caller goes on, in each register: see thunks.h.  They are called
 * with nothing saved, and change nothing else.
 */
	.irp	r, ax, bx, cx, dx, si, di, bp
	.p2align 2
	.globl	aco_pc_thunk_\r
	.hidden	aco_pc_thunk_\r
	.type	aco_pc_thunk_\r, @function
aco_pc_thunk_\r:
	.cfi_startproc
	movl	(%esp), %e\r
	ret
	.cfi_endproc
	.size	aco_pc_thunk_\r, . - aco_pc_thunk_\r
	.endr

#include "../note.h"
