/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86.h - what amd64 and i386 have in common
 */
#ifndef ACO_X86_H
#define ACO_X86_H

#include "aco.h"

#include <cpuid.h>

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

/* What the cos of this process have in aco_t.flags: Intel's processors compare.  On
   virtual machines a CPUID costs much, so there is one. */
static inline uint8_t aco_flag_compares(void)
{
	static signed char known; /* 1: yes, -1: no */
	signed char is = __atomic_load_n(&known, __ATOMIC_RELAXED);
	unsigned a, b, c, d;

	if (!is) {
		is = -1;
		if (__get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx)
			is = 1;
		__atomic_store_n(&known, is, __ATOMIC_RELAXED);
	}
	return is > 0 ? ACO_FLAG_COMPARES_ : 0;
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
