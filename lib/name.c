/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.c - names of cos: the calls.  The table is below fail.c, which shows them.
 */
#include "state.h"

#include <errno.h>

void aco_set_name(aco_t *co, const char *name)
{
	int saved = errno;

	if (!co)
		aco_misuse("aco_set_name", "the co is NULL", co);
	if (co->state == ACO_FREED)
		aco_misuse("aco_set_name", "the co has been destroyed", co);
	if (name && aco_name_put(co, name) < 0) {
		errno = ENOMEM;
		return;
	}
	errno = saved;
	if (name) {
		co->flags |= ACO_NAMED;
	} else if (co->flags & ACO_NAMED) {
		co->flags &= (uint8_t)~ACO_NAMED;
		aco_name_drop(co);
	}
}

const char *aco_get_name(const aco_t *co)
{
	if (!co)
		aco_misuse("aco_get_name", "the co is NULL", co);
	return co->flags & ACO_NAMED ? aco_name_find(co) : NULL;
}
