/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - what happens when the stack of a co is unwound to its end
 *
 * Backtraces go on from the entry frame of a co into its resumer.  Exceptions
 * must not: the resumer has not called the function that throws.  When a thread
 * ends inside a co, by pthread_exit(3) or because it is cancelled, all its
 * frames are unwound, and those of the resumers are among them.
 */
#include "state.h"

/* Itanium C++ ABI, 1.2 and 1.3; <unwind.h> is the compiler's. */
#define UA_FORCE_UNWIND 8
#define URC_FATAL_PHASE1_ERROR 3
#define URC_CONTINUE_UNWIND 8

/*
 * All frames of co are unwound, and the unwinder goes on with its resumer.  It
 * finds the resumer by the owner of the stack, so co stays the owner, with no
 * bytes there.  What runs from now on in the thread has the resumer's control
 * words, as after any other end of co.
 */
static void end_unwound(aco_t *co)
{
	aco_t *resumer = aco_set_ended(co);

	co->reg[ACO_REG_IDX_SP] = co->share_stack->align_retptr;
	if (!(co->flags & ACO_SHARE_FPENV))
		aco_control_exchange(co, resumer);
	/* This is a switch to the tools that are told of switches: the frames
	   of the resumer are next. */
	aco_tools_before_switch(co, resumer);
	aco_tools_after_switch(resumer);
}

/*
 * The personality routine of the entry frames, which the unwinder calls, with
 * or without a C++ runtime.  It refuses exceptions in the search phase, before
 * anything is unwound; C++ then calls std::terminate.
 */
ACO_HIDDEN int aco_personality(int version, int actions);

ACO_UNCHECKED int aco_personality(int version, int actions)
{
	(void)version;
	if (!(actions & UA_FORCE_UNWIND))
		return URC_FATAL_PHASE1_ERROR;
	end_unwound(aco_gtls_co);
	return URC_CONTINUE_UNWIND;
}
