/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.c - resume, yield, exit: the function path
 *
 * Each checks, keeps the books (state, resumer, the thread's current co) and
 * leaves through the assembly switch.
 */
#include "internal.h"

#include <errno.h>

#include "tools.h"

/*
 * Suspend from, continue to.  co is the one that is not the resumer: whether
 * the control words are switched is its property.
 */
static inline int go(aco_t *from, aco_t *to, const aco_t *co)
{
	if (aco_unlikely(aco_tools))
		return aco_tools_switch(from, to, co);
	if (co->flags & ACO_SHARE_FPENV)
		return aco_switch(from, to, aco_switch_landing);
	return aco_switch_fpenv(from, to, aco_switch_landing);
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

static int is_resumable(const aco_t *co)
{
	return co->state == ACO_SUSPENDED || co->state == ACO_INIT;
}

/*
 * Its owner runs, waits for a co that it has resumed, or is in the protector:
 * its bytes can't be moved away, and nobody else's can lie there.
 */
static int is_in_use(const aco_share_stack_t *sstk)
{
	const aco_t *owner = sstk->owner;

	return owner && (owner->state == ACO_RUNNING ||
			 owner->state == ACO_RETURNED);
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
	if (co->main_co->resumer == aco_thread_id())
		return co->main_co;
	return aco_thread_own_main();
}

/*
 * Everything of a resume but the switch.  Returns the resumer to leave, or
 * NULL with ENOMEM and nothing changed.
 */
static inline aco_t *prepare_resume(aco_t *co, const char *call)
{
	aco_t *resumer;

	if (aco_unlikely(!is_resumable(co)))
		refuse_resume(co, call);
	resumer = resumer_for(co);
	if (!resumer)
		return NULL;
	if (co->share_stack->owner != co) {
		if (is_in_use(co->share_stack))
			aco_misuse(call, "a running co uses its share stack",
				   co);
		if (aco_make_present(co) < 0)
			return NULL;
	}
	co->resumer = resumer;
	co->state = ACO_RUNNING;
	aco_gtls_co = co;
	return resumer;
}

int aco_try_resume(aco_t *co)
{
	aco_t *resumer;

	if (!co || !ACO_IS_ALIGNED(co)) {
		errno = EINVAL;
		return -1;
	}
	resumer = prepare_resume(co, "aco_try_resume");
	if (!resumer)
		return -1;
	return go(resumer, co, co);
}

void aco_resume(aco_t *co)
{
	aco_t *resumer;

	if (!co)
		aco_misuse("aco_resume", "the co is NULL", co);
	resumer = prepare_resume(co, "aco_resume");
	if (!resumer)
		aco_misuse("aco_resume", "no memory to make room for it", co);
	go(resumer, co, co);
}

COLD static void refuse_leaving(const aco_t *co, const char *call)
{
	if (co && co->state == ACO_RETURNED)
		aco_misuse(call, "the co's function has returned", co);
	aco_misuse(call, "called outside a co", co);
}

static inline void check_running(const aco_t *co, const char *call)
{
	if (aco_unlikely(!co || co->state != ACO_RUNNING))
		refuse_leaving(co, call);
}

static inline void yield(aco_t *co, const char *call)
{
	check_running(co, call);
	co->state = ACO_SUSPENDED;
	aco_gtls_co = co->resumer;
	go(co, co->resumer, co);
}

void aco_yield(void)
{
	yield(aco_gtls_co, "aco_yield");
}

void aco_yield1(aco_t *co)
{
	if (co != aco_gtls_co)
		aco_misuse("aco_yield1", "it is not the running co", co);
	yield(co, "aco_yield1");
}

ACO_NORETURN_ static void leave(aco_t *co, const char *call)
{
	check_running(co, call);
	co->is_end = 1;
	co->state = ACO_END;
	co->share_stack->owner = NULL;
	aco_gtls_co = co->resumer;
	go(co, co->resumer, co);
	__builtin_unreachable();
}

void aco_exit(void)
{
	leave(aco_gtls_co, "aco_exit");
}

void aco_exit1(aco_t *co)
{
	if (co != aco_gtls_co)
		aco_misuse("aco_exit1", "it is not the running co", co);
	leave(co, "aco_exit1");
}

void aco_returned(void)
{
	aco_t *co = aco_gtls_co;
	const void *back = aco_entry_return;

	/* This call, or a signal before it, has overwritten what all cos of
	   the stack need when they return. */
	memcpy(co->share_stack->align_retptr, &back, sizeof(back));
	if (co->flags & ACO_RETURN_EXITS)
		leave(co, "return");
	co->state = ACO_RETURNED;
	if (aco_thread.last_word)
		aco_thread.last_word();
	else
		aco_report_return(co);
	abort();
}
