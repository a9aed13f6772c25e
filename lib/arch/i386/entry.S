/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.S - where new cos begin, and where backtraces end, on i386
 */
#include "../asm.h"
#include "../link.h"

	.text

/*
 * Code that continues a new co jumps here.
 *
 *	edx  the co
 *	esp  the base of its stack, 16-byte aligned
 *
 *	base  +--------------------------+
 *	      | return into aco_entry    |  the same for all cos of a stack
 *	      +--------------------------+
 *	      | frame of co->fp          |
 *
 * No code has called it; link.h has the rules by which a backtrace goes on in
 * the resumer, while an exception that leaves the co ends in std::terminate.
 */
	function aco_entry_tools
	aco_linked_frame
	endbr32
	movl	%edx, %esi
	call	aco_tools_entered
	movl	%esi, %edx
	jmp	aco_entry
	end	aco_entry_tools

	function aco_entry
	aco_linked_frame
	endbr32
	/* what the function saves first: ACO_ZERO_WORDS */
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%esi, %esi
	xorl	%edi, %edi
	call	*ACO_OFF_FP(%edx)
	hidden	aco_entry_return
aco_entry_return:
	call	aco_returned
	ud2
	end	aco_entry

/*
 * Never executed: one byte into it is the caller of the entry frame, where no
 * resumer waits for the co.  The undefined return address ends a backtrace.
 */
	function aco_no_resumer
	.cfi_undefined %eip
	int3
	int3
	end	aco_no_resumer

#include "../note.h"
