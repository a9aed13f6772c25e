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

/* Of the program or shared object that we are in; static programs have none. */
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
 * The last of this code that runs when such a plugin is closed: the C library
 * and the kernel must not call any of it later.  It runs at exit(3), too, when
 * other threads may go on with their cos, and this one may be in one.
 */
__attribute__((__destructor__(101))) static void unload(void)
{
	if (!can_be_unloaded())
		return;
	aco_thread_unload();
	if (!aco_gtls_co || aco_is_main(aco_gtls_co))
		aco_own_main_free();
	/* A handler may be running, if this is exit(3): what it looks at is
	   not freed. */
	aco_overflow_report(0);
	aco_thread_alt_stack_free();
	aco_stack_cache_empty();
}
