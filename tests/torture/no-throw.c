/* SPDX-License-Identifier: Apache-2.0 */
#include "torture.h"

void torture_catch(void (*fn)(void *), void *arg, uintptr_t id)
{
	(void)id;
	fn(arg);
}

void torture_unwind(void (*fn)(void *), void *arg, uintptr_t id)
{
	(void)id;
	fn(arg);
}
