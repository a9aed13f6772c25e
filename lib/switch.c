/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.c - resume, yield, exit
 *
 * Each call tests for the common case first: one of the states that
 * aco/switch.h switches in place, for which nothing has to be prepared.
 */
#include "switch_impl.h"

#include <errno.h>

#include "copy.h"

ACO_REGPARM void aco_refuse_resume(const aco_t *co, const char *call)
{
	switch (co->state) {
	case ACO_END:
		aco_misuse(call, "the co has ended", co);
	case ACO_FREED:
		aco_misuse(call, "the co has been destroyed", co);
	case ACO_MAIN:
		aco_misuse(call, "a main co can't be resumed", co);
	case ACO_RETURNED:
		aco_misuse(call, "the co's function has returned", co);
	default:
		aco_misuse(call, "the co is running", co);
	}
}

ACO_REGPARM void aco_refuse_leaving(const aco_t *co, const char *call)
{
	if (co && co->state == ACO_RETURNED)
		aco_misuse(call, "the co's function has returned", co);
	aco_misuse(call, "called outside a co", co);
}

ACO_REGPARM void aco_refuse_memory(const aco_t *co, const char *call)
{
	aco_misuse(call, "no memory to make room for it", co);
}

ACO_UNCHECKED ACO_REGPARM int aco_switch_notify_back(aco_t *from, aco_t *to)
{
	aco_switch(from, to, aco_switch_landing);
	aco_tools_after_switch(from);
	return 0;
}

/* ---- resume ---------------------------------------------------------------- */

/* co is fast.  Nothing that was loaded for the check feeds the switch. */
static inline int resume_fast(aco_t *co, aco_t *cur)
{
	aco_set_running(co, cur, ACO_FAST_RUNNING);
	return aco_switch_to(cur, co, co);
}

/* co starts, the only user of its stack, from a context that it will yield to. */
static inline int can_start_fast(const aco_t *co, const aco_t *cur)
{
	return !aco_tools && co->state == ACO_INIT &&
	       co->share_stack->users == 1 && !co->share_stack->owner &&
	       (cur == co->main_co || !aco_is_main(cur));
}

static inline int start_fast(aco_t *co, aco_t *cur)
{
	co->resumer = cur;
	co->share_stack->owner = co;
	co->share_stack->sole_user = co;
	ACO_PROBE1(co__start, co);
	return resume_fast(co, cur);
}

NOINLINE static void resume_slow(aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (aco_is_next(co, cur, ACO_FAST_CXX_SUSPENDED)) {
		aco_set_running(co, cur, ACO_FAST_CXX_RUNNING);
		aco_tools_cxx(cur, co);
		aco_switch_to(cur, co, co);
		return;
	}
	cur = aco_must_prepare_resume(co, "aco_resume");
	aco_switch_notify(cur, co, co);
}

/* co is sharing: mostly its bytes and those of another such co change places. */
ACO_VECTOR_TARGET NOINLINE static void resume_sharing(aco_t *co, aco_t *cur)
{
	aco_share_stack_t *sstk = co->share_stack;
	aco_t *owner = sstk->owner;
	size_t back;

	if (aco_unlikely(!owner || owner == co ||
			 owner->state != ACO_SHARING_SUSPENDED)) {
		resume_slow(co);
		return;
	}
	back = co->save_stack.valid_sz;
	if (aco_swap_small(owner, co))
		aco_count_copied(2, back + owner->save_stack.valid_sz);
	else if (aco_unlikely(aco_switch_owner(co) < 0))
		aco_refuse_memory(co, "aco_resume");
	sstk->owner = co;
	aco_set_running(co, cur, ACO_SHARING_RUNNING);
	aco_switch_to(cur, co, co);
}

NOINLINE static void resume_other(aco_t *co, aco_t *cur)
{
	if (co && cur && can_start_fast(co, cur))
		start_fast(co, cur);
	else
		resume_slow(co);
}

ACO_SWITCHES void aco_resume(aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (aco_unlikely(!co || co->resumer != cur))
		resume_other(co, cur);
	else if (aco_likely(co->state == ACO_FAST_SUSPENDED))
		resume_fast(co, cur);
	else if (co->state == ACO_SHARING_SUSPENDED && ACO_HAS_VECTORS(co))
		resume_sharing(co, cur);
	else
		resume_other(co, cur);
}

void aco_resume_inline_(aco_t *co) __attribute__((__alias__("aco_resume")));

NOINLINE static int try_resume_slow(aco_t *co)
{
	aco_t *resumer;

	if (!co || !ACO_IS_ALIGNED(co)) {
		errno = EINVAL;
		return -1;
	}
	resumer = aco_prepare_resume(co, "aco_try_resume");
	if (!resumer)
		return -1;
	return aco_switch_notify(resumer, co, co);
}

ACO_SWITCHES int aco_try_resume(aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (aco_likely(ACO_IS_ALIGNED(co) &&
		       aco_is_next(co, cur, ACO_FAST_SUSPENDED)))
		return resume_fast(co, cur);
	return try_resume_slow(co);
}

/* ---- yield ----------------------------------------------------------------- */

NOINLINE static void yield_slow(const char *call)
{
	aco_t *co = aco_gtls_co;

	aco_switch_notify(co, aco_prepare_yield(co, call), co);
}

NOINLINE static void yield_not_fast(aco_t *co)
{
	if (!co || co->state != ACO_SHARING_RUNNING) {
		yield_slow("aco_yield");
		return;
	}
	aco_switch_to(co, aco_set_suspended(co, ACO_SHARING_SUSPENDED), co);
}

ACO_SWITCHES void aco_yield(void)
{
	aco_t *co = aco_gtls_co;

	if (aco_likely(co && co->state == ACO_FAST_RUNNING)) {
		aco_switch_to(co, aco_set_suspended(co, ACO_FAST_SUSPENDED),
			      co);
	} else {
		yield_not_fast(co);
	}
}

void aco_yield_inline_(void) __attribute__((__alias__("aco_yield")));

void aco_switch_cxx_(aco_t *to, aco_t *from)
{
	aco_tools_cxx(from, to);
}

ACO_SWITCHES void aco_yield1(aco_t *co)
{
	if (co != aco_gtls_co)
		aco_misuse("aco_yield1", "it is not the running co", co);
	yield_slow("aco_yield1");
}

/* ---- exit ------------------------------------------------------------------ */

ACO_NORETURN_ NOINLINE static void leave(const char *call)
{
	aco_t *co = aco_gtls_co;

	aco_switch_notify(co, aco_prepare_exit(co, call), co);
	__builtin_unreachable();
}

void aco_exit(void)
{
	aco_t *co = aco_gtls_co;

	if (aco_unlikely(!co || co->state != ACO_FAST_RUNNING))
		leave("aco_exit");
	co->share_stack->owner = NULL;
	aco_switch_to(co, aco_set_ended(co), co);
	__builtin_unreachable();
}

void aco_exit1(aco_t *co)
{
	if (co != aco_gtls_co)
		aco_misuse("aco_exit1", "it is not the running co", co);
	leave("aco_exit1");
}

void aco_returned(void)
{
	aco_t *co = aco_gtls_co;

	aco_restore_return(co->share_stack, aco_entry_return);
	if (co->flags & ACO_RETURN_EXITS)
		leave("return");
	aco_set_state(co, ACO_RETURNED);
	aco_must_abort();
	if (aco_thread.last_word)
		aco_thread.last_word();
	else
		aco_report_return(co);
	abort();
}
