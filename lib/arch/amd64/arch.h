/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch.h - what the library has to know of amd64 (System V ABI, LP64)
 *
 * CONTRIBUTING.md has a table of all that an architecture gives.
 */
#ifndef ACO_ARCH_H
#define ACO_ARCH_H

#include "aco/arch/amd64.h"

#define ACO_WORD 8

/* Numbers of registers in DWARF; BX is that of reg[3]. */
#define ACO_DW_IP 16 /* rip */
#define ACO_DW_SP 7  /* rsp */
#define ACO_DW_BP 6  /* rbp */
#define ACO_DW_BX 3  /* rbx */

/* The callee-saved registers that lie on the stack. */
#define ACO_DW_PUSHED 12, 13, 14, 15

/* aco_entry sets so many callee-saved registers to zero that the function of a
   co saves first, where it saves any: rbx r12 r13 r14 r15. */
#define ACO_ZERO_WORDS 5

/* Bytes below the stack pointer that a function may use without a call. */
#define ACO_RED_ZONE 128

#if !defined(__ASSEMBLER__)
#include "../x86.h"

#include <emmintrin.h>

/* Arguments of the assembly come in registers. */
#define ACO_REGPARM

/*
 * Bytes above the base of a stack, see stacks.h.  libunwind's backtrace() takes
 * whatever is marked as a signal frame for the kernel's, and looks for the
 * registers that lie there, up to 176 bytes: it finds zeros, and stops.
 */
#define ACO_ABOVE_BASE ((size_t)176)

/* When a function is called for the first time, the dynamic linker saves the
   vector registers, as the kernel does for a signal. */
#define ACO_LINKER_SAVES(signal_frame) (signal_frame)

/* The largest mapping that is made for many stacks. */
#define ACO_MAX_ARENA ((size_t)64 << 20)

/*
 * The C library copies more than about 2 KiB by "rep movsb", which takes longer than
 * its loop of vector moves (Intel: a third), both ends in the first-level cache.
 * Beyond 8 KiB it is right.  So what lies between goes in pieces.  On AMD's
 * processors wide moves are faster than either, up to 16 KiB.
 */
#define ACO_COPY_PIECE ((size_t)2048)
#define ACO_COPY_IN_PIECES (4 * ACO_COPY_PIECE)
#define ACO_COPY_WIDE_UP_TO ((size_t)16 << 10)

/* Each processor of amd64 has. */
static inline int aco_has_sse(void)
{
	return 1;
}

static inline void aco_control_record(struct aco_control *c)
{
	c->flags = aco_flags_of_processor();
	aco_x87_record(c);
	aco_mxcsr_record(c);
}

/* The control words of from out of the processor, those of to in. */
static inline void aco_control_exchange(aco_t *from, const aco_t *to)
{
	aco_mxcsr_save(from);
	aco_x87_save(from);
	if (aco_control_stays(from, to))
		return;
	aco_mxcsr_load(to);
	aco_x87_load(to);
}

/* Copies 16 bytes by a vector register.  Each processor can. */
#define ACO_VECTOR_TARGET
#define ACO_HAS_VECTORS(co) 1

/*@
  requires \valid(dst + (0 .. 15)) && \valid_read(src + (0 .. 15));
  assigns dst[0 .. 15];
  exits \false;
*/
static inline void aco_copy_16(char *dst, const char *src)
{
	_mm_storeu_si128((__m128i_u *)(void *)dst,
			 _mm_loadu_si128((const __m128i_u *)(const void *)src));
}

#endif /* !__ASSEMBLER__ */

#endif /* ACO_ARCH_H */
