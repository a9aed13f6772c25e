/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86.h - what amd64 and i386 have in common
 */
#ifndef ACO_X86_H
#define ACO_X86_H

#include "aco.h"

#include <cpuid.h>

/* Add to a variable that this thread alone writes, and others read: in one
   instruction. */
static inline void aco_add(size_t *to, size_t n)
{
	if (sizeof(n) == 8)
		__asm__("{addq %1, %0|add %0, %1}"
			: "+m"(*to)
			: "er"(n)
			: "cc");
	else
		__asm__("{addl %1, %0|add %0, %1}"
			: "+m"(*to)
			: "ir"(n)
			: "cc");
}

/* The control words that the cos of a thread start with. */
struct aco_control {
	uint32_t mxcsr;
	uint16_t x87;
	uint8_t flags; /* for aco_t.flags */
};

static inline void aco_x87_record(struct aco_control *c)
{
	__asm__("fnstcw %0" : "=m"(c->x87));
}

static inline void aco_mxcsr_record(struct aco_control *c)
{
	__asm__("stmxcsr %0" : "=m"(c->mxcsr));
}

static inline void aco_control_set(aco_t *co, const struct aco_control *c)
{
	co->fp_control = c->mxcsr;
	co->fp_control_2 = c->x87;
}

/*
 * A bit of aco_t.flags: copies of many bytes go by moves of 32 bytes.  To AMD's
 * processors these are faster than memcpy(3).  To Intel's they are not.
 */
#define ACO_FLAG_WIDE 128

/* The system keeps the registers of 32 bytes: the bits for those of 16 and for
   their upper halves are set. */
static inline int aco_system_keeps_wide(void)
{
	unsigned a, d;

	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & 6) == 6;
}

/* What the cos of this process have in aco_t.flags for the sake of the processor:
   Intel's compare control words, others copy wide. */
static inline uint8_t aco_find_flags(void)
{
	unsigned a, b, c, d;
	int is_intel = __get_cpuid(0, &a, &b, &c, &d) &&
		       b == signature_INTEL_ebx;
	int has_wide = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX) &&
		       (c & bit_OSXSAVE) && aco_system_keeps_wide();

	return (uint8_t)((is_intel ? ACO_FLAG_COMPARES_ : 0) |
			 (has_wide && !is_intel ? ACO_FLAG_WIDE : 0));
}

/* On virtual machines a CPUID costs much: each process asks once. */
static inline uint8_t aco_flags_of_processor(void)
{
	static short known = -1;
	short flags = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (flags < 0) {
		flags = aco_find_flags();
		__atomic_store_n(&known, flags, __ATOMIC_RELAXED);
	}
	return (uint8_t)flags;
}

/* What from has saved is as good for to: see ACO_SKIP_EQUAL_CONTROL_. */
static inline int aco_control_stays(const aco_t *from, const aco_t *to)
{
	return (to->flags & ACO_FLAG_COMPARES_) &&
	       !((from->fp_control ^ to->fp_control) & ACO_MXCSR_CONTROL_) &&
	       from->fp_control_2 == to->fp_control_2;
}

static inline void aco_x87_save(aco_t *co)
{
	__asm__ volatile("fnstcw %0" : "=m"(co->fp_control_2));
}

static inline void aco_x87_load(const aco_t *co)
{
	__asm__ volatile("fldcw %0" : : "m"(co->fp_control_2));
}

static inline void aco_mxcsr_save(aco_t *co)
{
	__asm__ volatile("stmxcsr %0" : "=m"(co->fp_control));
}

static inline void aco_mxcsr_load(const aco_t *co)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(co->fp_control));
}

/* Bytes of all registers that the system saves for a signal: the vector
   registers are what varies. */
/*@
  assigns \nothing;
  exits \false;
  ensures \result < 1 << 20;
*/
static inline size_t aco_vector_registers(void)
{
	unsigned a, sz, c, d;

	return __get_cpuid_count(13, 0, &a, &sz, &c, &d) ? sz : 512;
}

/* The return address that all cos of a stack need was used up by one whose
   function has returned: the next call, or a signal before it, may have written
   there. */
static inline void aco_restore_return(aco_share_stack_t *sstk, const void *ret)
{
	memcpy(sstk->align_retptr, &ret, sizeof(ret));
}

#endif /* ACO_X86_H */
