/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * asm.h - what all assembly of the library shares
 *
 * Included first by each .S file, and "note.h" last.
 */
#ifndef ACO_ASM_H
#define ACO_ASM_H

#include "arch.h"

/* More members of aco_t than the inline switch needs, with those of
   aco_share_stack_t and of struct aco_move; layout.c asserts them. */
#define ACO_OFF_RESUMER (4 * ACO_WORD + 8)
#define ACO_OFF_FP (7 * ACO_WORD + 16)
#define ACO_OFF_OWNER (2 * ACO_WORD)
#define ACO_MOVE_END 0
#define ACO_MOVE_FROM ACO_WORD
#define ACO_MOVE_WORDS (2 * ACO_WORD)
#define ACO_MOVE_ZEROS (3 * ACO_WORD)

/* The first of the states in which a co has a resumer that waits for it. */
#define ACO_RUNNING_FROM 6

/* Up to so many words a loop is faster than a string instruction. */
#define ACO_MOVE_FEW 64

#if defined(__ASSEMBLER__)
/* A symbol for the library alone. */
	.macro	hidden name
	.globl	\name
	.hidden	\name
	.endm

/* Around each routine. */
	.macro	function name
	.p2align 4
	hidden	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.endm

	.macro	end name
	.cfi_endproc
	.size	\name, . - \name
	.endm
#endif

#endif /* ACO_ASM_H */
