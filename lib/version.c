/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version.c - the library's version at run time
 */
#include "internal.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *aco_version(void)
{
	return TEXT(ACO_VERSION_MAJOR) "." TEXT(ACO_VERSION_MINOR) "." TEXT(
		ACO_VERSION_PATCH);
}
