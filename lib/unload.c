/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload.c - this code goes away before the process ends
 *
 * It does when the static library is in a plugin that is closed.  The shared
 * library and programs stay.
 */
#include "stacks.h"
#include "state.h"

#include <link.h>

/* The dynamic section of the program or shared object that this code is in.
   Static programs have none. */
ACO_HIDDEN extern ElfW(Dyn) _DYNAMIC[] __attribute__((__weak__));

static int can_be_unloaded(void)
{
	const ElfW(Dyn) *entry = _DYNAMIC;

	if (!entry)
		return 0;
	for (; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_DEBUG)
			return 0; /* a program */
		if (entry->d_tag == DT_FLAGS_1 &&
		    entry->d_un.d_val & DF_1_NODELETE)
			return 0;
	}
	return 1;
}

/*
 * No other code of the library runs after this when such a plugin is closed:
 * the C library and the kernel must not call any of it later.  It also runs at
 * exit(3).  Then other threads may go on with their cos, and the calling thread
 * may be in a co.
 */
__attribute__((__destructor__(101))) static void unload(void)
{
	if (!can_be_unloaded())
		return;
	aco_thread_unload();
	if (!aco_gtls_co || aco_is_main(aco_gtls_co))
		aco_own_main_free();
	/* If this is exit(3), a handler may be running.  What the handler reads
	   is not freed. */
	aco_overflow_report(0);
	aco_thread_alt_stack_free();
	aco_stack_cache_empty();
}
