/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * link.h - the unwind rules that link the entry frame of a co to its resumer
 *
 * No code has called aco_entry, but the resumer of the co waits, and its reg[]
 * tells where.  Unwinders find the resumer from the word that lies where a
 * return address would:
 *
 *	slot at the base of the stack -> share stack -> owner -> resumer
 *
 * Where there is no owner, or the owner isn't running (then its resumer has gone
 * on, and the resumer's reg[] is stale), the word above the slot stands for all
 * values: an address in aco_no_resumer, where the walk ends.  No step of the rules
 * may follow NULL: some unwinders read memory in the process without a check.
 *
 * Debuggers want frame addresses that grow from each frame to its caller.  The
 * resumer's stack may be anywhere, and debuggers accept that only for the frame
 * of a signal handler.
 */
#ifndef ACO_LINK_H
#define ACO_LINK_H

#include "asm.h"

/*
 * DWARF expressions, and what each leaves on the stack.  There are no branches
 * and no dup, because Valgrind 3.19 warns of what it does not know: "x if c,
 * else 0" is a product, and what is needed twice is computed twice.
 */

/* The owner of the stack, or 0: stack pointer, deref, member, deref. */
#define ACO_EX_OWNER 0x70 + ACO_DW_SP, 0, 0x06, 0x23, ACO_OFF_OWNER, 0x06
#define ACO_LEN_OWNER 6

/* "lit0 eq", stack pointer + off, "mul plus": the sum of that and of what was
   computed once if what was computed twice is 0. */
#define ACO_EX_OR_SP(off) \
	0x30, 0x29, 0x70 + ACO_DW_SP, (off) & 0x7f, 0x1e, 0x22
#define ACO_LEN_OR_SP 6

/* The owner, or an address where anything can be read. */
#define ACO_EX_CO ACO_EX_OWNER, ACO_EX_OWNER, ACO_EX_OR_SP(-64)
#define ACO_LEN_CO (2 * ACO_LEN_OWNER + ACO_LEN_OR_SP)

/* 1 if there is an owner and it is running, or else 0: word of the member,
   deref, "const1u shr", "const1u and", "const1u ge"; owner, "lit0 ne and". */
#define ACO_EX_IS_RUNNING                                                   \
	ACO_EX_CO, 0x23, ACO_OFF_STATE_ / ACO_WORD * ACO_WORD, 0x06, 0x08,   \
		ACO_OFF_STATE_ % ACO_WORD * 8, 0x25, 0x08, 0xff, 0x1a, 0x08, \
		ACO_RUNNING_FROM, 0x2a, ACO_EX_OWNER, 0x30, 0x2e, 0x1a
#define ACO_LEN_IS_RUNNING (ACO_LEN_CO + 12 + ACO_LEN_OWNER + 3)

/* An address without its highest byte, which is aco_t.is_end where an address
   has 8:
   "const2u 256 mul lit8 shr".  A thread that ends inside a co is unwound from
   the entry frame of a co that has just ended. */
#if ACO_WORD == 8
#define ACO_EX_NO_IS_END , 0x0a, 0, 1, 0x1e, 0x38, 0x25
#define ACO_LEN_NO_IS_END 6
#else
#define ACO_EX_NO_IS_END
#define ACO_LEN_NO_IS_END 0
#endif

/* The resumer that waits, or 0: member, deref; "mul". */
#define ACO_EX_RESUMER                                              \
	ACO_EX_CO, 0x23, ACO_OFF_RESUMER, 0x06 ACO_EX_NO_IS_END,    \
		ACO_EX_IS_RUNNING, 0x1e
#define ACO_LEN_RESUMER \
	(ACO_LEN_CO + 3 + ACO_LEN_NO_IS_END + ACO_LEN_IS_RUNNING + 1)

/* Where that member of it is, or the word above the slot. */
#define ACO_EX_REG(off)                                                   \
	ACO_EX_RESUMER, ACO_EX_RESUMER, ACO_EX_OR_SP(ACO_WORD - (off)),   \
		0x23, off
#define ACO_LEN_REG (2 * ACO_LEN_RESUMER + ACO_LEN_OR_SP + 2)

/* ULEB128 in two bytes. */
#define ACO_LENGTH(n) (n) % 128 + 128, (n) / 128

/* DW_CFA_expression: the register is saved in that member of the resumer. */
#define ACO_SAVED_AT(reg, off) \
	.cfi_escape 0x10, reg, ACO_LENGTH(ACO_LEN_REG), ACO_EX_REG(off)

/*
 * Right after .cfi_startproc of a routine that begins, and calls, with the
 * stack pointer at the base of the stack.  What isn't in reg[] the code at the
 * resume address has saved.
 *
 * The frame's address, DW_CFA_def_cfa_expression, is by convention what the
 * stack pointer was: deref reg[SP].  Nothing is said of the registers in which
 * an unwinder passes the exception to a handler (edx on i386): it would write
 * to where they are saved.
 */
	.macro	aco_linked_frame
	/* DW_EH_PE_pcrel | DW_EH_PE_sdata4 */
	.cfi_personality 0x1b, aco_personality
	.cfi_signal_frame
	.cfi_escape 0x0f, ACO_LENGTH(ACO_LEN_REG + 1), \
		ACO_EX_REG(ACO_OFF_SP_), 0x06
	ACO_SAVED_AT(ACO_DW_IP, ACO_OFF_IP_)
	ACO_SAVED_AT(ACO_DW_BP, ACO_OFF_BP_)
	ACO_SAVED_AT(ACO_DW_BX, ACO_OFF_BX_)
	.irp	reg, ACO_DW_PUSHED
	.cfi_undefined \reg
	.endr
	.endm

#endif /* ACO_LINK_H */
