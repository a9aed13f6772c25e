/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - a pointer that goes with a switch
 *
 * A context that waits in one of the calls below has the resume address
 * aco_value_landing, and room for the pointer where its stack pointer is.  The
 * sender stores the pointer only there, just before the switch.  So a context
 * can't find a pointer that was sent earlier, or to another one.
 */
#include "switch_impl.h"

static inline void send(const aco_t *to, void *v)
{
	if (to->reg[ACO_REG_IDX_RETADDR] == aco_value_landing)
		memcpy(to->reg[ACO_REG_IDX_SP], &v, sizeof(v));
}

/* As aco_switch_to(); returns what is sent to from. */
ACO_ALWAYS_INLINE void *switch_value(aco_t *from, aco_t *to, const aco_t *co)
{
	if (!(co->flags & ACO_SHARE_FPENV))
		aco_control_exchange(from, to);
	return aco_switch_value(from, to, aco_value_landing);
}

ACO_UNCHECKED static void *switch_value_notify_back(aco_t *from, aco_t *to,
						    const aco_t *co)
{
	void *v = switch_value(from, to, co);

	aco_tools_after_switch(from);
	return v;
}

static inline void *switch_value_notify(aco_t *from, aco_t *to, const aco_t *co)
{
	aco_tools_before_switch(from, to);
	if (aco_unlikely(aco_tools & ACO_TOOLS_SWITCH))
		return switch_value_notify_back(from, to, co);
	return switch_value(from, to, co);
}

NOINLINE static void *resume_slow(aco_t *co, void *v)
{
	aco_t *cur = aco_must_prepare_resume(co, "aco_resume_value");

	send(co, v);
	return switch_value_notify(cur, co, co);
}

ACO_SWITCHES void *aco_resume_value(aco_t *co, void *v)
{
	aco_t *cur = aco_gtls_co;

	if (aco_unlikely(!aco_is_next(co, cur, ACO_FAST_SUSPENDED)))
		return resume_slow(co, v);
	aco_set_running(co, cur, ACO_FAST_RUNNING);
	send(co, v);
	return switch_value(cur, co, co);
}

NOINLINE static void *yield_slow(void *v)
{
	aco_t *co = aco_gtls_co;
	aco_t *resumer = aco_prepare_yield(co, "aco_yield_value");

	send(resumer, v);
	return switch_value_notify(co, resumer, co);
}

ACO_SWITCHES void *aco_yield_value(void *v)
{
	aco_t *co = aco_gtls_co;
	aco_t *resumer;

	if (aco_unlikely(!co || co->state != ACO_FAST_RUNNING))
		return yield_slow(v);
	resumer = aco_set_suspended(co, ACO_FAST_SUSPENDED);
	send(resumer, v);
	return switch_value(co, resumer, co);
}

void aco_exit_value(void *v)
{
	aco_t *self = aco_gtls_co;
	aco_t *resumer = aco_prepare_exit(self, "aco_exit_value");

	send(resumer, v);
	switch_value_notify(self, resumer, self);
	__builtin_unreachable();
}
