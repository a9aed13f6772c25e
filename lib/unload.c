/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload.c - whether this code may go away before the process ends
 *
 * It does when the static library is in a plugin that is closed.  The shared
 * library and programs stay.
 */
#include "internal.h"

#include <link.h>

/* The dynamic section of the program or shared object that this code is in.
   Static programs have none. */
ACO_HIDDEN extern ElfW(Dyn) _DYNAMIC[] __attribute__((__weak__));

int aco_can_be_unloaded(void)
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
