/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thunks.S - functions that return their own caller's address, see thunks.h
 *
 * One for each register.  Code calls them with nothing saved, and they change
 * nothing else.
 */
#include "../asm.h"

	.text

	.irp	r, ax, bx, cx, dx, si, di, bp
	function aco_pc_thunk_\r
	movl	(%esp), %e\r
	ret
	end	aco_pc_thunk_\r
	.endr

#include "../note.h"
