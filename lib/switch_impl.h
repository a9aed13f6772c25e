/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch_impl.h - the steps that switch.c, value.c and yield_to.c are made of
 *
 * A call of theirs checks, prepares, and switches:
 *
 *	aco_check_...()      the call is allowed, or abort
 *	aco_acquire_stack()  the co owns its share stack
 *	state.h              states, the resumer, the current co
 *	aco_switch...()      one context is suspended, another one continued
 */
#ifndef ACO_SWITCH_IMPL_H
#define ACO_SWITCH_IMPL_H

#include "stacks.h"
#include "state.h"
#include "tools.h"

/*
 * For exported functions that return after a switch, maybe on another thread.
 * None of them uses the address of aco_gtls_co after it; one that -flto inlined
 * into a caller's loop would.
 */
#define ACO_SWITCHES NOINLINE

/* ---- arch/ARCH/context.S ---------------------------------------------------- */

/*
 * Suspend the running context into from->reg and continue the one in to->reg.
 * Returns 0 when from is continued.  The second one exchanges the control words
 * as well.  land is aco_switch_landing: on i386 to find an address takes a call,
 * which the caller can make without upsetting the return predictor.
 */
ACO_HIDDEN ACO_REGPARM int aco_switch(aco_t *from, aco_t *to, const char *land);
ACO_HIDDEN ACO_REGPARM int aco_switch_fpenv(aco_t *from, aco_t *to,
					    const char *land);
ACO_HIDDEN extern const char aco_switch_landing[];

/*
 * As aco_switch(), with aco_value_landing, but returns the value that the code
 * that continues from stores where its stack pointer is, in reg; or NULL.
 */
ACO_HIDDEN ACO_REGPARM void *aco_switch_value(aco_t *from, aco_t *to,
					      const char *land);
ACO_HIDDEN extern const char aco_value_landing[];

/*
 * As aco_switch(), but to uses the stack that from runs on.  Once from has all
 * its registers on it, it calls aco_leave_place(), and returns -1 if that does.
 */
ACO_HIDDEN ACO_REGPARM int aco_switch_in_place(aco_t *from, aco_t *to);
ACO_HIDDEN ACO_REGPARM int aco_leave_place(aco_t *from, aco_t *to,
					   struct aco_move *move);

/* ---- arch/ARCH/entry.S ----------------------------------------------------- */

/* Where the function of a co returns to. */
ACO_HIDDEN extern const char aco_entry_return[];

/* The entry frame calls it when the function of the running co returns. */
ACO_HIDDEN void aco_returned(void) ACO_NORETURN_;

/* ---- refusals: switch.c ---------------------------------------------------- */

/* Why the call can't resume co, or leave it; they abort. */
ACO_HIDDEN COLD ACO_REGPARM void
aco_refuse_resume(const aco_t *co, const char *call) ACO_NORETURN_;
ACO_HIDDEN COLD ACO_REGPARM void
aco_refuse_leaving(const aco_t *co, const char *call) ACO_NORETURN_;
ACO_HIDDEN COLD ACO_REGPARM void
aco_refuse_memory(const aco_t *co, const char *call) ACO_NORETURN_;

static inline void aco_check_resumable(const aco_t *co, const char *call)
{
	if (aco_unlikely(!aco_is_resumable(co)))
		aco_refuse_resume(co, call);
}

static inline void aco_check_running(const aco_t *co, const char *call)
{
	if (aco_unlikely(!co || !aco_is_running(co)))
		aco_refuse_leaving(co, call);
}

/* ---- preparing ------------------------------------------------------------- */

/* Make co the owner of its share stack; -1 with ENOMEM when that can't be. */
static inline int aco_acquire_stack(aco_t *co, const char *call)
{
	aco_share_stack_t *sstk = co->share_stack;

	if (sstk->owner == co)
		return 0;
	if (sstk->owner && aco_unlikely(!aco_is_resumable(sstk->owner))) {
		if (sstk->owner->state != ACO_END)
			aco_misuse(call, "a running co uses its share stack",
				   co);
		sstk->owner = NULL; /* its thread has ended in it: unwind.c */
	}
	if (aco_unlikely(aco_is_destroyed(sstk)))
		aco_misuse_of(call, "its share stack", sstk,
			      "has been destroyed", co);
	return aco_switch_owner(co);
}

/*
 * The context that co will yield to.  From the main context that is the main co
 * of co when it stands for this thread, else the library's own.
 */
static inline aco_t *aco_resumer_for(const aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (cur && !aco_is_main(cur))
		return cur;
	cur = aco_main_here(co);
	return cur ? cur : aco_own_main_new();
}

/*
 * Everything of a resume but the switch.  Returns the resumer to suspend, or
 * NULL with ENOMEM and nothing changed.
 */
ACO_ALWAYS_INLINE aco_t *aco_prepare_resume(aco_t *co, const char *call)
{
	aco_t *resumer;

	aco_check_resumable(co, call);
	resumer = aco_resumer_for(co);
	if (!resumer || aco_acquire_stack(co, call) < 0)
		return NULL;
	aco_probe_start(co);
	co->resumer = resumer;
	aco_set_running(co, resumer, aco_running_state(co));
	return resumer;
}

static inline aco_t *aco_must_prepare_resume(aco_t *co, const char *call)
{
	aco_t *resumer;

	if (!co)
		aco_misuse(call, "the co is NULL", co);
	resumer = aco_prepare_resume(co, call);
	if (!resumer)
		aco_refuse_memory(co, call);
	return resumer;
}

/* Everything of a yield but the switch.  Returns the resumer. */
static inline aco_t *aco_prepare_yield(aco_t *co, const char *call)
{
	aco_check_running(co, call);
	return aco_set_suspended(co, aco_suspended_state(co));
}

/* Everything of an exit but the switch.  Returns the resumer. */
static inline aco_t *aco_prepare_exit(aco_t *co, const char *call)
{
	aco_t *resumer;

	aco_check_running(co, call);
	resumer = aco_set_ended(co);
	co->share_stack->owner = NULL;
	return resumer;
}

/* co is in that state and was resumed from cur before. */
static inline int aco_is_next(const aco_t *co, const aco_t *cur,
			      enum aco_run_state state)
{
	return co && co->resumer == cur && co->state == state;
}

/* ---- switching ------------------------------------------------------------- */

/*
 * Between two tail calls.  clang moves what both begin with, "add $8, %rsp", up
 * before the branch and leaves its unwind rule behind, so that a walk from there
 * would go astray.
 */
#if defined(__clang__)
#define ACO_TWO_TAILS __asm__ volatile("")
#else
#define ACO_TWO_TAILS (void)0
#endif

/*
 * Suspend from, continue to.  co is the one of both that is not the resumer: its
 * ACO_SHARE_FPENV flag decides whether the control words are exchanged.
 */
ACO_ALWAYS_INLINE int aco_switch_to(aco_t *from, aco_t *to, const aco_t *co)
{
	if (aco_likely(co->flags & ACO_SHARE_FPENV))
		return aco_switch(from, to, aco_switch_landing);
	ACO_TWO_TAILS;
	return aco_switch_fpenv(from, to, aco_switch_landing);
}

/* As aco_switch(), and notifies a tool when from is continued; switch.c. */
ACO_HIDDEN ACO_REGPARM int aco_switch_notify_back(aco_t *from, aco_t *to);

/* As aco_switch_to(), and also notifies sanitizers and C++ runtimes. */
static inline int aco_switch_notify(aco_t *from, aco_t *to, const aco_t *co)
{
	aco_tools_before_switch(from, to);
	if (aco_likely(!(aco_tools & ACO_TOOLS_SWITCH)))
		return aco_switch_to(from, to, co);
	if (!(co->flags & ACO_SHARE_FPENV))
		aco_control_exchange(from, to);
	return aco_switch_notify_back(from, to);
}

#endif /* ACO_SWITCH_IMPL_H */
