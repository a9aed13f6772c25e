/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - what a co does, and which one is the current co of its thread
 *
 * Only this file stores aco_t.state and aco_gtls_co, beside aco/switch.h, which
 * does the same in programs.
 *
 *	 INIT -.                          .-> SUSPENDED ... -.
 *	       |  resumed, or yielded to  |                  |
 *	       +----> RUNNING ... --------+                  |
 *	       |                          +-> RETURNED       |
 *	       |                          '-> END            |
 *	       '---------------------------------------------'
 *
 * There are four pairs of RUNNING and SUSPENDED:
 *
 *	fast      the only user and the owner of its share stack, in a process
 *	          without tools: the code of aco/switch.h may switch it
 *	fast_cxx  the same where a C++ runtime is the only tool: that code may
 *	          switch it, too, and calls a function before
 *	sharing   one of several users, without tools: that code may suspend it,
 *	          as this copies nothing
 *	(none)    all others: functions of the library alone switch them
 *
 * A co that has resumed another and waits stays RUNNING: it is not the current
 * one.  The values are constants to store, never or-ed together.
 */
#ifndef ACO_STATE_H
#define ACO_STATE_H

#include "internal.h"
#include "probe.h"
#include "tools.h"

#include "aco/switch.h"

enum aco_run_state {
	ACO_INIT = 0, /* never started: reg leads to the entry frame */
	ACO_FAST_SUSPENDED = ACO_FAST_SUSPENDED_,
	ACO_FAST_CXX_SUSPENDED = ACO_FAST_CXX_SUSPENDED_,
	ACO_SHARING_SUSPENDED = ACO_SHARING_SUSPENDED_,
	ACO_SUSPENDED = 4,
	ACO_SUSPENDED_INLINE = 5, /* was fast or fast_cxx: red zone */
	ACO_FAST_RUNNING = ACO_FAST_RUNNING_,
	ACO_FAST_CXX_RUNNING = ACO_FAST_CXX_RUNNING_,
	ACO_SHARING_RUNNING = ACO_SHARING_RUNNING_,
	ACO_RUNNING = 9,
	ACO_RETURNED = 10, /* fp returned without aco_exit(); about to abort */
	ACO_END = 11,
	ACO_MAIN = 12, /* stands for a thread's own stack */
	ACO_FREED = 13 /* its memory waits for another co */
};

/* ---- questions ----------------------------------------------------------- */

static inline int aco_is_resumable(const aco_t *co)
{
	return co->state <= ACO_SUSPENDED_INLINE;
}

/* Runs, or waits for a co that it has resumed. */
static inline int aco_is_running(const aco_t *co)
{
	return co->state >= ACO_FAST_RUNNING && co->state <= ACO_RUNNING;
}

/* Its bytes can't be moved away: it runs, waits for a co that it has resumed,
   or is in the protector. */
static inline int aco_is_busy(const aco_t *co)
{
	return aco_is_running(co) || co->state == ACO_RETURNED;
}

static inline int aco_is_main(const aco_t *co)
{
	return co->state == ACO_MAIN;
}

/* ---- the current co ------------------------------------------------------ */

static inline void aco_set_current(aco_t *co)
{
	aco_gtls_co = co;
}

/* ---- transitions --------------------------------------------------------- */

/* Before a co runs that may have run before. */
static inline void aco_probe_start(const aco_t *co)
{
	if (co->state == ACO_INIT)
		ACO_PROBE1(co__start, co);
}

/* Of the states that no switch brings about: INIT, MAIN, RETURNED, FREED. */
static inline void aco_set_state(aco_t *co, enum aco_run_state state)
{
	co->state = (uint8_t)state;
}

/* The state in which co, the owner of its share stack, runs from now on. */
static inline enum aco_run_state aco_running_state(aco_t *co)
{
	if (aco_tools & ~ACO_TOOL_CXX)
		return ACO_RUNNING;
	if (co->share_stack->users > 1)
		return aco_tools ? ACO_RUNNING : ACO_SHARING_RUNNING;
	co->share_stack->sole_user = co;
	return aco_tools ? ACO_FAST_CXX_RUNNING : ACO_FAST_RUNNING;
}

/* The state in which co, which runs, is when it is suspended now. */
static inline enum aco_run_state aco_suspended_state(const aco_t *co)
{
	switch (co->state) {
	case ACO_FAST_RUNNING:
		return ACO_FAST_SUSPENDED;
	case ACO_FAST_CXX_RUNNING:
		return ACO_FAST_CXX_SUSPENDED;
	case ACO_SHARING_RUNNING:
		return ACO_SHARING_SUSPENDED;
	default:
		return ACO_SUSPENDED;
	}
}

/* co, which has its resumer, runs. */
static inline void aco_set_running(aco_t *co, const aco_t *resumer,
				   enum aco_run_state running)
{
	ACO_PROBE2(co__resume, co, resumer);
	co->state = (uint8_t)running;
	aco_set_current(co);
}

/* co, the current co, is suspended.  Returns its resumer, which is current. */
static inline aco_t *aco_set_suspended(aco_t *co, enum aco_run_state suspended)
{
	aco_t *resumer = co->resumer;

	ACO_PROBE2(co__yield, co, resumer);
	co->state = (uint8_t)suspended;
	aco_set_current(resumer);
	return resumer;
}

/* co, the current co, is suspended, and to runs in its place. */
static inline void aco_set_replaced(aco_t *co, aco_t *to,
				    enum aco_run_state suspended,
				    enum aco_run_state running)
{
	ACO_PROBE2(co__yield_to, co, to);
	co->state = (uint8_t)suspended;
	to->state = (uint8_t)running;
	aco_set_current(to);
}

/* co, the current co, has ended.  Returns its resumer, which is current; co has
   none any more. */
static inline aco_t *aco_set_ended(aco_t *co)
{
	aco_t *resumer = co->resumer;

	ACO_PROBE2(co__exit, co, resumer);
	co->is_end = 1;
	co->state = ACO_END;
	aco_set_current(resumer);
	return resumer;
}

/* The sole user of the stack, whatever it does, is not fast any more: another
   user comes, or the stack is destroyed. */
static inline void aco_demote(aco_share_stack_t *sstk)
{
	aco_t *co = sstk->sole_user;

	if (!co)
		return;
	sstk->sole_user = NULL;
	switch (co->state) {
	case ACO_FAST_SUSPENDED:
	case ACO_FAST_CXX_SUSPENDED:
		co->state = ACO_SUSPENDED_INLINE;
		break;
	case ACO_FAST_RUNNING:
		co->state = ACO_SHARING_RUNNING;
		break;
	case ACO_FAST_CXX_RUNNING:
		co->state = ACO_RUNNING;
		break;
	}
}

#endif /* ACO_STATE_H */
