/* SPDX-License-Identifier: Apache-2.0 */
/*
 * constant.c - constants of the header, for languages that have no header
 */
#include "internal.h"

#include <errno.h>

/* The name in place: a pointer would be a relocation. */
struct constant {
	char name[24];
	int value;
};

#define CONSTANT(name) #name, (int)(name)

static const struct constant constants[] = {
	{ CONSTANT(ACO_RETURN_EXITS) },	   { CONSTANT(ACO_SHARE_FPENV) },
	{ CONSTANT(ACO_STATE_END) },	   { CONSTANT(ACO_STATE_INIT) },
	{ CONSTANT(ACO_STATE_RESUMING) },  { CONSTANT(ACO_STATE_RUNNING) },
	{ CONSTANT(ACO_STATE_SUSPENDED) },
};

int aco_constant(const char *name)
{
	const size_t count = sizeof(constants) / sizeof(*constants);

	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(name, constants[i].name))
			return constants[i].value;
	errno = EINVAL;
	return -1;
}
