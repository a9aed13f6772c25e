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
	uint8_t flag; /* for aco_t.flags, or 0 */
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

static inline void aco_x87_exchange(aco_t *from, const aco_t *to)
{
	__asm__ volatile("fnstcw %0\n\tfldcw %1"
			 : "=m"(from->fp_control_2)
			 : "m"(to->fp_control_2));
}

static inline void aco_mxcsr_exchange(aco_t *from, const aco_t *to)
{
	__asm__ volatile("stmxcsr %0\n\tldmxcsr %1"
			 : "=m"(from->fp_control)
			 : "m"(to->fp_control));
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
