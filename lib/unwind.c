/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - what happens when the stack of a co is unwound to its end
 *
 * Backtraces go on from the entry frame of a co into its resumer.  Exceptions
 * must not: the resumer has not called the function that throws.
 */
#include "internal.h"

/* Itanium C++ ABI, 1.2 and 1.3; <unwind.h> is the compiler's. */
#define UA_FORCE_UNWIND 8
#define URC_FATAL_PHASE1_ERROR 3
#define URC_CONTINUE_UNWIND 8

/*
 * The personality routine of the entry frames: called by whoever unwinds, with
 * or without a C++ runtime.  Whoever throws is told in the search phase, before
 * anything is unwound, that there is no way; C++ then calls std::terminate.
 */
ACO_HIDDEN int aco_personality(int version, int actions);

int aco_personality(int version, int actions)
{
	(void)version;
	return actions & UA_FORCE_UNWIND ? URC_CONTINUE_UNWIND
					 : URC_FATAL_PHASE1_ERROR;
}
