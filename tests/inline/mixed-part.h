/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixed-part.h - resume and yield as one compiler, on one path, makes them
 *
 * Included by mixed-inline.c and mixed-func.c.  MIXED_OTHER: compiled a second
 * time, by another compiler.
 */
#include <aco.h>

#include "mixed.h"

/* In tail position: nothing but the switch. */
static void resume_bare(void *co)
{
	aco_resume((aco_t *)co);
}

static void yield_bare(void *unused)
{
	(void)unused;
	aco_yield();
}

/* The compiler does not know the value, and wants it in a register. */
static inline unsigned long load(const volatile unsigned long *v)
{
	return *v;
}

#define BUSY(v)                        \
	unsigned long a = load(&v[0]); \
	unsigned long b = load(&v[1]); \
	unsigned long c = load(&v[2]); \
	unsigned long d = load(&v[3]); \
	unsigned long e = load(&v[4]); \
	unsigned long f = load(&v[5]); \
	unsigned long g = load(&v[6]); \
	unsigned long h = load(&v[7])
#define IS_BUSY(v)                                                        \
	(a == v[0] && b == v[1] && c == v[2] && d == v[3] && e == v[4] && \
	 f == v[5] && g == v[6] && h == v[7])

static int resume_busy(aco_t *co, const unsigned long *v)
{
	BUSY(v);

	aco_resume(co);
	return IS_BUSY(v);
}

static int yield_busy(const unsigned long *v)
{
	BUSY(v);

	aco_yield();
	return IS_BUSY(v);
}

static void resume_value(void *co)
{
	aco_resume_value((aco_t *)co, co);
}

static void yield_value(void *v)
{
	aco_yield_value(v);
}

static void yield_to_bare(void *co)
{
	aco_yield_to((aco_t *)co);
}

static int yield_to_busy(aco_t *co, const unsigned long *v)
{
	int result;
	BUSY(v);

	result = aco_yield_to(co);
	return IS_BUSY(v) && result == 0;
}

const struct mixed_part PART = {
	NAME,	    PATH,	  resume_bare, yield_bare,    resume_busy,
	yield_busy, resume_value, yield_value, yield_to_bare, yield_to_busy,
};
