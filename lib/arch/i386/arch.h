/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch.h - what the library has to know of i386 (System V ABI)
 *
 * CONTRIBUTING.md has a table of all that an architecture gives.
 */
#ifndef ACO_ARCH_H
#define ACO_ARCH_H

#include "aco/arch/i386.h"

#define ACO_WORD 4

/* Numbers of registers in DWARF; BX is that of reg[3]. */
#define ACO_DW_IP 8 /* eip */
#define ACO_DW_SP 4 /* esp */
#define ACO_DW_BP 5 /* ebp */
#define ACO_DW_BX 6 /* esi */

/* The callee-saved registers that lie on the stack. */
#define ACO_DW_PUSHED 3, 7

/* aco_entry sets so many callee-saved registers to zero that the function of a
   co saves first, where it saves any: ebx esi edi. */
#define ACO_ZERO_WORDS 3

/* The ABI has no red zone. */
#define ACO_RED_ZONE 0

#if !defined(__ASSEMBLER__)
#include "thunks.h"

#include "../x86.h"

#include <xmmintrin.h>

/* Arguments of the assembly come in registers. */
#define ACO_REGPARM __attribute__((__regparm__(3)))

/* Bytes above the base of a stack, see stacks.h. */
#define ACO_ABOVE_BASE ((size_t)16)

/* When a function is called for the first time, the dynamic linker saves no
   vector registers. */
#define ACO_LINKER_SAVES(signal_frame) ((size_t)0)

/* The largest mapping that is made for many stacks.  Address space is scarce:
   it is just large enough for two dozen of the smallest. */
#define ACO_MAX_ARENA ((size_t)2 << 20)

/* The C library copies all sizes equally well, by moves of 16 bytes at most. */
#define ACO_COPY_PIECE ((size_t)0)
#define ACO_COPY_IN_PIECES ((size_t)0)
#define ACO_COPY_WIDE_UP_TO SIZE_MAX

/* Debian's i386 runs on processors without SSE, too.  AT_HWCAP would not tell:
   the C library replaces it. */
static inline int aco_has_sse(void)
{
	static signed char known; /* 1: yes, -1: no */
	signed char has = __atomic_load_n(&known, __ATOMIC_RELAXED);
	unsigned a, b, c, d;

	if (!has) {
		has = __get_cpuid(1, &a, &b, &c, &d) && (d & bit_SSE) ? 1 : -1;
		__atomic_store_n(&known, has, __ATOMIC_RELAXED);
	}
	return has > 0;
}

static inline void aco_control_record(struct aco_control *c)
{
	c->flags = aco_flags_of_processor();
	aco_x87_record(c);
	if (!aco_has_sse())
		return;
	c->flags |= ACO_FLAG_SSE_;
	aco_mxcsr_record(c);
}

/* The control words of from out of the processor, those of to in. */
static inline void aco_control_exchange(aco_t *from, const aco_t *to)
{
	int has_sse = from->flags & ACO_FLAG_SSE_;

	if (has_sse)
		aco_mxcsr_save(from);
	aco_x87_save(from);
	if (aco_control_stays(from, to))
		return;
	if (has_sse)
		aco_mxcsr_load(to);
	aco_x87_load(to);
}

/*
 * Copies 16 bytes by a vector register.  The function that calls this is
 * compiled as if each processor had them, and is called where it has.
 */
#define ACO_VECTOR_TARGET __attribute__((__target__("sse")))
#define ACO_HAS_VECTORS(co) ((co)->flags & ACO_FLAG_SSE_)

/*@
  requires \valid(dst + (0 .. 15)) && \valid_read(src + (0 .. 15));
  assigns dst[0 .. 15];
  exits \false;
*/
ACO_VECTOR_TARGET static inline void aco_copy_16(char *dst, const char *src)
{
	_mm_storeu_ps((float *)(void *)dst,
		      _mm_loadu_ps((const float *)(const void *)src));
}

#endif /* !__ASSEMBLER__ */

#endif /* ACO_ARCH_H */
