/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acosw.S - the switch for amd64 (System V ABI, LP64)
 *
 * A suspended context has one form, whoever suspended it:
 *
 *	aco_t                     its stack
 *	reg[0]  resume address    :                       : high addresses
 *	reg[1]  stack pointer --. | return address        |
 *	reg[2]  rbp             | | r12                   |
 *	reg[3]  rbx             | | r13                   |
 *	mxcsr, fpucw            | | r14                   |
 *	                        '>| r15                   | low addresses
 *
 * What lies on the stack is the affair of the code at the resume address; the
 * picture shows that of aco_switch_landing.  Whoever continues a context loads
 * rsp and rbp, has the continued co in rdi, and jumps.  Every resume address
 * starts with endbr64.
 *
 * At each instruction rsp points below everything live on a valid stack, so a
 * signal may come anywhere.
 */
#include "../link.h"
#include "../offsets.h"

/* The callee-saved registers that are not in reg[], and their unwind rules. */
	.macro	save_registers
	.irp	r, r12, r13, r14, r15
	pushq	%\r
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %\r, 0
	.endr
	.endm

	.macro	restore_registers
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
 * The rules where the stack is that of the co in rdi already: a frame without
 * size, whose caller is the resume address.  DW_CFA_expression: rip (16),
 * rbp (6) and rbx (3) are saved in reg[], at breg5 (rdi) + offset.
 */
	.macro	continued_frame
	stack_of_another
	.irp	r, r12, r13, r14, r15
	.cfi_same_value %\r
	.endr
	.cfi_escape 0x10, 16, 2, 0x75, ACO_OFF_IP
	.cfi_escape 0x10, 6, 2, 0x75, ACO_OFF_BP
	.cfi_escape 0x10, 3, 2, 0x75, ACO_OFF_BX
	.endm

	.text

/*
 * int aco_switch_fpenv(aco_t *from, aco_t *to, const char *land)
 *
 * As aco_switch, and also exchanges the control words, which belong to the
 * callee-saved state: all of x87's, the control bits of MXCSR.
 */
	.p2align 4
	.globl	aco_switch_fpenv
	.hidden	aco_switch_fpenv
	.type	aco_switch_fpenv, @function
aco_switch_fpenv:
	.cfi_startproc
	endbr64
	stmxcsr	ACO_OFF_MXCSR(%rdi)
	fnstcw	ACO_OFF_FPUCW(%rdi)
	ldmxcsr	ACO_OFF_MXCSR(%rsi)
	fldcw	ACO_OFF_FPUCW(%rsi)
	jmp	.Lsuspend
	.cfi_endproc
	.size	aco_switch_fpenv, . - aco_switch_fpenv

/*
 * int aco_switch(aco_t *from, aco_t *to, const char *land)
 *
 *	rdi  the running context, to be suspended
 *	rsi  the suspended context to continue
 *	rdx  aco_switch_landing
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
	endbr64
.Lsuspend:
	movq	%rbx, ACO_OFF_BX(%rdi)
	movq	%rbp, ACO_OFF_BP(%rdi)
	save_registers
	movq	%rdx, ACO_OFF_IP(%rdi)
	movq	%rsp, ACO_OFF_SP(%rdi)
	.cfi_remember_state

	movq	%rsi, %rdi
	movq	ACO_OFF_SP(%rsi), %rsp
	/* From here on this is a part of to. */
	continued_frame
	movq	ACO_OFF_BP(%rsi), %rbp
	jmp	*ACO_OFF_IP(%rsi)

	/* Never executed.  Debuggers look one byte before a resume address,
	   and find the unwind rules of the landing there.  To them rbx is
	   what reg[] says. */
	.cfi_restore_state
	int3

/* Resume address of everything that aco_switch suspended; rdi is its aco_t. */
	.globl	aco_switch_landing
	.hidden	aco_switch_landing
aco_switch_landing:
	endbr64
	movq	ACO_OFF_BX(%rdi), %rbx
	restore_registers
	xorl	%eax, %eax
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	/* a return address carries no endbr64, hence notrack */
	notrack jmp *%rcx
	.cfi_endproc
	.size	aco_switch, . - aco_switch

/*
 * void *aco_switch_value(aco_t *from, aco_t *to, const char *land)
 *
 * As aco_switch, but returns a value.
 *
 *	rdx  aco_value_landing
 *
 *	| return address |
 *	| r12            |
 *	| r13            |
 *	| r14            |
 *	| r15            |
 *	| value          |  NULL, or what whoever continues from puts there
 *	'-- rsp ---------'
 */
	.p2align 4
	.globl	aco_switch_value
	.hidden	aco_switch_value
	.type	aco_switch_value, @function
aco_switch_value:
	.cfi_startproc
	endbr64
	movq	%rbx, ACO_OFF_BX(%rdi)
	movq	%rbp, ACO_OFF_BP(%rdi)
	save_registers
	pushq	$0
	.cfi_adjust_cfa_offset 8
	movq	%rdx, ACO_OFF_IP(%rdi)
	movq	%rsp, ACO_OFF_SP(%rdi)
	.cfi_remember_state

	movq	%rsi, %rdi
	movq	ACO_OFF_SP(%rsi), %rsp
	/* A part of to. */
	continued_frame
	movq	ACO_OFF_BP(%rsi), %rbp
	jmp	*ACO_OFF_IP(%rsi)

	/* Never executed, as in aco_switch. */
	.cfi_restore_state
	int3

/* Resume address of what it suspended; rdi is its aco_t. */
	.globl	aco_value_landing
	.hidden	aco_value_landing
aco_value_landing:
	endbr64
	movq	ACO_OFF_BX(%rdi), %rbx
	popq	%rax
	.cfi_adjust_cfa_offset -8
	restore_registers
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	notrack jmp *%rcx
	.cfi_endproc
	.size	aco_switch_value, . - aco_switch_value

/*
 * int aco_switch_in_place(aco_t *from, aco_t *to)
 *
 *	rdi  the running context, to be suspended
 *	rsi  the suspended context to continue, a user of the same stack
 *
 * Returns 0 when from is continued, and -1 when aco_leave_place() does.
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
	.p2align 4
	.globl	aco_switch_in_place
	.hidden	aco_switch_in_place
	.type	aco_switch_in_place, @function
aco_switch_in_place:
	.cfi_startproc
	endbr64
	movq	%rbx, ACO_OFF_BX(%rdi)
	movq	%rbp, ACO_OFF_BP(%rdi)
	save_registers
	movq	%rsp, ACO_OFF_SP(%rdi)

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
	movq	ACO_OFF_SP(%rdx), %rsp
	/* One is gone, the other has not arrived: there is nobody to unwind. */
	stack_of_another
	.cfi_undefined %rip
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
	/* A part of to. */
	continued_frame
	movq	ACO_OFF_BP(%rdi), %rbp
	jmp	*ACO_OFF_IP(%rdi)

	/* The call has told why. */
	.cfi_restore_state
6:	addq	$40, %rsp
	.cfi_adjust_cfa_offset -40
	restore_registers
	ret
	.cfi_endproc
	.size	aco_switch_in_place, . - aco_switch_in_place

/*
 * Where new cos begin: not called, jumped to.
 *
 *	rdi  the co
 *	rsp  the base of its stack, 16-byte aligned
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
	endbr64
	movq	%rdi, %rbx
	call	aco_tools_entered
	movq	%rbx, %rdi
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
	endbr64
	/* what the function saves first, and copy.h knows */
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	call	*ACO_OFF_FP(%rdi)
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
	.cfi_undefined %rip
	int3
	int3
	.cfi_endproc
	.size	aco_no_resumer, . - aco_no_resumer

#include "../note.h"
