/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - a pointer that goes with a switch
 *
 * Whoever waits in one of the calls below is known by its resume address, and
 * has room for the pointer where its stack pointer is.  Only there is one ever
 * stored, just before the switch, so nobody can find one that was sent earlier
 * or to somebody else.
 */
#include "internal.h"

#include "tools.h"

static inline void send(const aco_t *to, void *v)
{
	if (to->reg[ACO_REG_IDX_RETADDR] == aco_value_landing)
		memcpy(to->reg[ACO_REG_IDX_SP], &v, sizeof(v));
}

/* Suspend from, continue to, as in switch.c, and return what is sent here. */
ACO_ALWAYS_INLINE void *go(aco_t *from, aco_t *to, const aco_t *co)
{
	if (!(co->flags & ACO_SHARE_FPENV))
		aco_exchange_words(from, to);
	return aco_switch_value(from, to, aco_value_landing);
}

ACO_UNCHECKED static void *go_and_tell(aco_t *from, aco_t *to, const aco_t *co)
{
	void *v = go(from, to, co);

	aco_tools_after_switch(from);
	return v;
}

static inline void *go_told(aco_t *from, aco_t *to, const aco_t *co)
{
	aco_tools_before_switch(from, to);
	if (aco_unlikely(aco_tools & ACO_TOOLS_SWITCH))
		return go_and_tell(from, to, co);
	return go(from, to, co);
}

NOINLINE static void *resume_any(aco_t *co, void *v)
{
	aco_t *cur = aco_prepare_resume(co, "aco_resume_value");

	send(co, v);
	return go_told(cur, co, co);
}

ACO_SWITCHES void *aco_resume_value(aco_t *co, void *v)
{
	aco_t *cur = aco_gtls_co;

	if (aco_unlikely(!co || co->resumer != cur ||
			 co->state != ACO_FAST_SUSPENDED))
		return resume_any(co, v);
	co->state = ACO_FAST_RUNNING;
	aco_gtls_co = co;
	send(co, v);
	return go(cur, co, co);
}

NOINLINE static void *yield_any(void *v)
{
	aco_t *co = aco_prepare_yield("aco_yield_value");

	send(co->resumer, v);
	return go_told(co, co->resumer, co);
}

ACO_SWITCHES void *aco_yield_value(void *v)
{
	aco_t *co = aco_gtls_co;

	if (aco_unlikely(!co || co->state != ACO_FAST_RUNNING))
		return yield_any(v);
	co->state = ACO_FAST_SUSPENDED;
	aco_gtls_co = co->resumer;
	send(co->resumer, v);
	return go(co, co->resumer, co);
}

void aco_exit_value(void *v)
{
	aco_t *self = aco_gtls_co;
	aco_t *resumer = aco_prepare_exit(self, "aco_exit_value");

	send(resumer, v);
	aco_go(self, resumer, self);
	__builtin_unreachable();
}
