/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yield_to.c - from one co to another, past their resumer
 *
 *	before   R --resumes--> A              B suspended
 *	after    R --resumes--> B              A suspended
 *
 * Functions alone, no inline code; but a co that they suspend has the one form,
 * and they continue any suspended co.
 */
#include "switch_impl.h"

#include <errno.h>

#include "copy.h"

/*
 * Where the control words of co wait while others are in the processor: its own
 * ones in co, shared ones in its resumer, which gets them from there when a co
 * with own ones yields to it.
 */
static inline aco_t *words_of(aco_t *co)
{
	return co->flags & ACO_SHARE_FPENV ? co->resumer : co;
}

static inline int both_share_words(const aco_t *co, const aco_t *to)
{
	return co->flags & to->flags & ACO_SHARE_FPENV;
}

static void switch_words(aco_t *co, aco_t *to)
{
	aco_t *from = words_of(co);

	to = words_of(to);
	if (from != to)
		aco_control_exchange(from, to);
}

/*
 * The state in which to runs from now on.  A main co that to inherits may not be
 * the one that to is to be resumed from later, and the next resume of a fast co
 * does not look at that.
 */
static enum aco_run_state state_of_heir(aco_t *to)
{
	const aco_t *resumer = to->resumer;

	if (aco_is_main(resumer) && resumer != aco_main_here(to))
		return ACO_RUNNING;
	return aco_running_state(to);
}

ACO_UNCHECKED static void replace_slow(aco_t *co, aco_t *to)
{
	to->resumer = co->resumer;
	aco_probe_start(to);
	aco_set_replaced(co, to, aco_suspended_state(co), state_of_heir(to));
	aco_tools_before_switch(co, to);
}

/*
 * One stack for both.  The middle of aco_switch_in_place(): the registers of co
 * are saved, and below its stack pointer there is room for this call.
 *
 *	co runs          copied out, here     copied in, there
 *
 *	+-----------+    +-----------+        +-----------+
 *	| live      | -> | dead      |        | live, to  | <- save stack of to
 *	|           |    |           |        +-----------+ to->reg[SP]
 *	+-----------+    +-----------+        :           :
 *	: this call :    : this call :
 */
ACO_UNCHECKED ACO_REGPARM int aco_leave_place(aco_t *co, aco_t *to,
					      struct aco_move *move)
{
	int sharing = co->state == ACO_SHARING_RUNNING;

	if (!(sharing && ACO_HAS_VECTORS(co) && aco_keep_small(co)) &&
	    aco_copy_out(co) < 0)
		return -1;
	co->reg[ACO_REG_IDX_RETADDR] = (void *)(uintptr_t)aco_switch_landing;
	aco_count_copied(1 + (to->state != ACO_INIT),
			 co->save_stack.valid_sz + to->save_stack.valid_sz);
	aco_copy_in_later(to, move);
	to->share_stack->owner = to;
	if (aco_likely(sharing && to->resumer == co->resumer &&
		       to->state == ACO_SHARING_SUSPENDED))
		aco_set_replaced(co, to, ACO_SHARING_SUSPENDED,
				 ACO_SHARING_RUNNING);
	else
		replace_slow(co, to);
	if (!both_share_words(co, to))
		switch_words(co, to);
	if (!sharing)
		aco_tools_before_move(move);
	return 0;
}

static int switch_in_place_notify(aco_t *co, aco_t *to)
{
	int result = aco_switch_in_place(co, to);

	if (result == 0)
		aco_tools_after_switch(co);
	return result;
}

/*
 * Where no tool has to be notified the switches are tail calls: another function
 * returns after a switch than the one that was called last.
 */
NOINLINE static int yield_to_slow(aco_t *to)
{
	aco_t *co = aco_gtls_co;

	if (!to || !ACO_IS_ALIGNED(to)) {
		errno = EINVAL;
		return -1;
	}
	aco_check_running(co, "aco_yield_to");
	aco_check_resumable(to, "aco_yield_to");
	if (to->share_stack == co->share_stack)
		return aco_tools ? switch_in_place_notify(co, to)
				 : aco_switch_in_place(co, to);
	if (aco_acquire_stack(to, "aco_yield_to") < 0)
		return -1;
	replace_slow(co, to);
	switch_words(co, to);
	return aco_tools ? aco_switch_notify_back(co, to)
			 : aco_switch(co, to, aco_switch_landing);
}

/* The states of co and to are these, and both were resumed from one place. */
static inline int is_common(const aco_t *co, const aco_t *to,
			    enum aco_run_state suspended,
			    enum aco_run_state running)
{
	return co->state == running && to->state == suspended &&
	       to->resumer == co->resumer;
}

static inline int is_common_sharing(const aco_t *co, const aco_t *to)
{
	return co->state == ACO_SHARING_RUNNING &&
	       to->state == ACO_SHARING_SUSPENDED &&
	       to->share_stack == co->share_stack;
}

static inline int yield_to_common(aco_t *co, aco_t *to,
				  enum aco_run_state suspended,
				  enum aco_run_state running)
{
	aco_set_replaced(co, to, suspended, running);
	if (running == ACO_FAST_CXX_RUNNING)
		aco_tools_cxx(co, to);
	if (!((co->flags | to->flags) & ACO_SHARE_FPENV))
		return aco_switch_fpenv(co, to, aco_switch_landing);
	if (aco_unlikely(!both_share_words(co, to)))
		switch_words(co, to);
	return aco_switch(co, to, aco_switch_landing);
}

ACO_SWITCHES int aco_yield_to(aco_t *to)
{
	aco_t *co = aco_gtls_co;

	if (aco_unlikely(!to || !ACO_IS_ALIGNED(to) || !co))
		return yield_to_slow(to);
	if (aco_likely(is_common(co, to, ACO_FAST_SUSPENDED, ACO_FAST_RUNNING)))
		return yield_to_common(co, to, ACO_FAST_SUSPENDED,
				       ACO_FAST_RUNNING);
	if (is_common_sharing(co, to))
		return aco_switch_in_place(co, to);
	if (is_common(co, to, ACO_FAST_CXX_SUSPENDED, ACO_FAST_CXX_RUNNING))
		return yield_to_common(co, to, ACO_FAST_CXX_SUSPENDED,
				       ACO_FAST_CXX_RUNNING);
	return yield_to_slow(to);
}
