/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload.c - whether this code may go away before the process ends
 *
 * It does when the static library is in a plugin that is closed.  The shared
 * library and programs stay.
 */
#include "internal.h"

#include <link.h>

/* Of the program or shared object that we are in; static programs have none. */
ACO_HIDDEN extern ElfW(Dyn) _DYNAMIC[] __attribute__((__weak__));

static int stays(const ElfW(Dyn) * entry)
{
	switch (entry->d_tag) {
	case DT_DEBUG: /* programs alone */
		return 1;
	case DT_FLAGS_1:
		return !!(entry->d_un.d_val & DF_1_NODELETE);
	default:
		return 0;
	}
}

int aco_can_be_unloaded(void)
{
	const ElfW(Dyn) *entry = _DYNAMIC;

	if (!entry)
		return 0;
	while (entry->d_tag != DT_NULL && !stays(entry))
		entry++;
	return entry->d_tag == DT_NULL;
}
