/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.c - resume, yield, exit: the function path
 *
 * Each checks, keeps the books (state, resumer, the thread's current co) and
 * leaves through the assembly switch.
 */
#include "internal.h"

#include <errno.h>

#include "aco/switch.h"
#include "copy.h"
#include "tools.h"

/*
 * Suspend from, continue to.  co is the one that is not the resumer: whether
 * the control words are switched is its property.
 */
ACO_ALWAYS_INLINE int go(aco_t *from, aco_t *to, const aco_t *co)
{
	if (co->flags & ACO_SHARE_FPENV)
		return aco_switch(from, to, aco_switch_landing);
	return aco_switch_fpenv(from, to, aco_switch_landing);
}

ACO_UNCHECKED static int go_and_tell(aco_t *from, aco_t *to, const aco_t *co)
{
	go(from, to, co);
	aco_tools_after_switch(from);
	return 0;
}

/* The same where a tool may have to be told. */
static inline int go_told(aco_t *from, aco_t *to, const aco_t *co)
{
	aco_tools_before_switch(from, to);
	if (aco_unlikely(aco_tools & ACO_TOOLS_SWITCH))
		return go_and_tell(from, to, co);
	return go(from, to, co);
}

int aco_go(aco_t *from, aco_t *to, const aco_t *co)
{
	return go_told(from, to, co);
}

/* Out of the way of the callers' hot path. */
#define COLD __attribute__((__cold__, __noinline__)) ACO_NORETURN_

COLD static void refuse_resume(const aco_t *co, const char *call)
{
	switch (co->state) {
	case ACO_END:
		aco_misuse(call, "the co has ended", co);
	case ACO_MAIN:
		aco_misuse(call, "a main co can't be resumed", co);
	case ACO_RETURNED:
		aco_misuse(call, "the co's function has returned", co);
	default:
		aco_misuse(call, "the co is running", co);
	}
}

static inline void check_resumable(const aco_t *co, const char *call)
{
	if (aco_unlikely(!aco_is_resumable(co)))
		refuse_resume(co, call);
}

void aco_check_resumable(const aco_t *co, const char *call)
{
	check_resumable(co, call);
}

COLD static void refuse_memory(const aco_t *co, const char *call)
{
	aco_misuse(call, "no memory to make room for it", co);
}

/*
 * Who co will yield to.  In the main context that is co's main co when it
 * stands for this thread, else the thread's own.
 */
static aco_t *resumer_for(const aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (cur && cur->state != ACO_MAIN)
		return cur;
	cur = aco_main_of(co);
	return cur ? cur : aco_thread_own_main();
}

void aco_demote(aco_t *co)
{
	switch (co->state) {
	case ACO_FAST_SUSPENDED:
	case ACO_LONE_SUSPENDED:
		co->state = ACO_SUSPENDED_INLINE;
		break;
	case ACO_FAST_RUNNING:
		co->state = ACO_SHARING_RUNNING;
		break;
	case ACO_LONE_RUNNING:
		co->state = ACO_RUNNING;
		break;
	}
}

/* Of co, which owns its share stack: whether it has that for itself. */
static inline int running_state(aco_t *co)
{
	if (aco_tools & ~ACO_TOOL_CXX)
		return ACO_RUNNING;
	if (co->share_stack->users > 1)
		return aco_tools ? ACO_RUNNING : ACO_SHARING_RUNNING;
	co->share_stack->sole = co;
	return aco_tools ? ACO_LONE_RUNNING : ACO_FAST_RUNNING;
}

int aco_running_state(aco_t *co)
{
	return running_state(co);
}

static inline int suspended_state(const aco_t *co)
{
	switch (co->state) {
	case ACO_FAST_RUNNING:
		return ACO_FAST_SUSPENDED;
	case ACO_LONE_RUNNING:
		return ACO_LONE_SUSPENDED;
	case ACO_SHARING_RUNNING:
		return ACO_SHARING_SUSPENDED;
	default:
		return ACO_SUSPENDED;
	}
}

int aco_suspended_state(const aco_t *co)
{
	return suspended_state(co);
}

/* Make co the owner of its share stack; -1 with ENOMEM when that can't be. */
static inline int take_stack(aco_t *co, const char *call)
{
	const aco_share_stack_t *sstk = co->share_stack;

	if (sstk->owner == co)
		return 0;
	if (aco_is_in_use(sstk))
		aco_misuse(call, "a running co uses its share stack", co);
	if (aco_unlikely(aco_is_destroyed(sstk)))
		aco_misuse_of(call, "its share stack", sstk,
			      "has been destroyed", co);
	return aco_make_present(co);
}

int aco_take_stack(aco_t *co, const char *call)
{
	return take_stack(co, call);
}

/*
 * Everything of a resume but the switch.  Returns the resumer to leave, or
 * NULL with ENOMEM and nothing changed.
 */
static inline aco_t *prepare_resume(aco_t *co, const char *call)
{
	aco_t *resumer;

	check_resumable(co, call);
	resumer = resumer_for(co);
	if (!resumer)
		return NULL;
	if (take_stack(co, call) < 0)
		return NULL;
	if (co->resumer != resumer)
		co->resumer = resumer;
	co->state = running_state(co);
	aco_gtls_co = co;
	return resumer;
}

NOINLINE static int try_resume_any(aco_t *co)
{
	aco_t *resumer;

	if (!co || !ACO_IS_ALIGNED(co)) {
		errno = EINVAL;
		return -1;
	}
	resumer = prepare_resume(co, "aco_try_resume");
	if (!resumer)
		return -1;
	return go_told(resumer, co, co);
}

static inline aco_t *must_prepare_resume(aco_t *co, const char *call)
{
	aco_t *resumer;

	if (!co)
		aco_misuse(call, "the co is NULL", co);
	resumer = prepare_resume(co, call);
	if (!resumer)
		refuse_memory(co, call);
	return resumer;
}

aco_t *aco_prepare_resume(aco_t *co, const char *call)
{
	return must_prepare_resume(co, call);
}

/* co is in that state and was resumed from here before. */
static inline int is_next(const aco_t *co, const aco_t *cur, int state)
{
	return co && co->resumer == cur && co->state == state;
}

static inline void resume_lone(aco_t *co, aco_t *cur)
{
	co->state = ACO_LONE_RUNNING;
	aco_gtls_co = co;
	aco_tools_cxx(cur, co);
	go(cur, co, co);
}

NOINLINE static void resume_any(aco_t *co)
{
	if (is_next(co, aco_gtls_co, ACO_LONE_SUSPENDED)) {
		resume_lone(co, aco_gtls_co);
		return;
	}
	go_told(must_prepare_resume(co, "aco_resume"), co, co);
}

/*
 * The common case of a resume: co has its stack for itself.  Nothing that was
 * loaded for the check feeds the switch.
 */
static inline int resume_fast(aco_t *co, aco_t *cur)
{
	co->state = ACO_FAST_RUNNING;
	aco_gtls_co = co;
	return go(cur, co, co);
}

/* Everything of a resume where co mostly takes the place of another. */
ACO_TRADE_TARGET NOINLINE static void resume_sharing(aco_t *co, aco_t *cur)
{
	aco_share_stack_t *sstk = co->share_stack;
	aco_t *owner = sstk->owner;

	if (aco_unlikely(!owner || owner == co ||
			 owner->state != ACO_SHARING_SUSPENDED)) {
		resume_any(co);
		return;
	}
	if (!aco_trade_small(owner, co) &&
	    aco_unlikely(aco_make_present(co) < 0))
		refuse_memory(co, "aco_resume");
	sstk->owner = co;
	co->state = ACO_SHARING_RUNNING;
	aco_gtls_co = co;
	go(cur, co, co);
}

ACO_SWITCHES int aco_try_resume(aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (aco_likely(ACO_IS_ALIGNED(co) &&
		       is_next(co, cur, ACO_FAST_SUSPENDED)))
		return resume_fast(co, cur);
	return try_resume_any(co);
}

ACO_SWITCHES void aco_resume(aco_t *co)
{
	aco_t *cur = aco_gtls_co;

	if (aco_likely(is_next(co, cur, ACO_FAST_SUSPENDED)))
		resume_fast(co, cur);
	else if (is_next(co, cur, ACO_SHARING_SUSPENDED) && ACO_CAN_TRADE(co))
		resume_sharing(co, cur);
	else
		resume_any(co);
}

void aco_resume_inline_(aco_t *co) __attribute__((__alias__("aco_resume")));

COLD static void refuse_leaving(const aco_t *co, const char *call)
{
	if (co && co->state == ACO_RETURNED)
		aco_misuse(call, "the co's function has returned", co);
	aco_misuse(call, "called outside a co", co);
}

static inline void check_running(const aco_t *co, const char *call)
{
	if (aco_unlikely(!co || !aco_is_running(co)))
		refuse_leaving(co, call);
}

void aco_check_running(const aco_t *co, const char *call)
{
	check_running(co, call);
}

static inline aco_t *prepare_yield(const char *call)
{
	aco_t *co = aco_gtls_co;

	check_running(co, call);
	co->state = suspended_state(co);
	aco_gtls_co = co->resumer;
	return co;
}

aco_t *aco_prepare_yield(const char *call)
{
	return prepare_yield(call);
}

NOINLINE static void yield_any(const char *call)
{
	aco_t *co = prepare_yield(call);

	go_told(co, co->resumer, co);
}

NOINLINE static void yield_other(aco_t *co)
{
	if (!co || co->state != ACO_SHARING_RUNNING) {
		yield_any("aco_yield");
		return;
	}
	co->state = ACO_SHARING_SUSPENDED;
	aco_gtls_co = co->resumer;
	go(co, co->resumer, co);
}

ACO_SWITCHES void aco_yield(void)
{
	aco_t *co = aco_gtls_co;

	if (aco_likely(co && co->state == ACO_FAST_RUNNING)) {
		co->state = ACO_FAST_SUSPENDED;
		aco_gtls_co = co->resumer;
		go(co, co->resumer, co);
	} else {
		yield_other(co);
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
	yield_any("aco_yield1");
}

/* The books of an exit; returns the resumer, which the co has no more. */
static inline aco_t *prepare_exit(aco_t *co, const char *call)
{
	aco_t *resumer;

	check_running(co, call);
	resumer = co->resumer;
	co->is_end = 1;
	co->state = ACO_END;
	co->share_stack->owner = NULL;
	aco_gtls_co = resumer;
	return resumer;
}

aco_t *aco_prepare_exit(aco_t *co, const char *call)
{
	return prepare_exit(co, call);
}

ACO_NORETURN_ static void leave(const char *call)
{
	aco_t *co = aco_gtls_co;

	go_told(co, prepare_exit(co, call), co);
	__builtin_unreachable();
}

void aco_exit(void)
{
	leave("aco_exit");
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
	const void *back = aco_entry_return;

	/* This call, or a signal before it, has overwritten what all cos of
	   the stack need when they return. */
	memcpy(co->share_stack->align_retptr, &back, sizeof(back));
	if (co->flags & ACO_RETURN_EXITS)
		leave("return");
	co->state = ACO_RETURNED;
	aco_must_abort();
	if (aco_thread.last_word)
		aco_thread.last_word();
	else
		aco_report_return(co);
	abort();
}
