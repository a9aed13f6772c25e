/* SPDX-License-Identifier: Apache-2.0 */
/* One call in a function, and some; what is live across them. */
#include <aco.h>

void resume(aco_t *co)
{
	aco_resume(co);
}

void yield(void)
{
	aco_yield();
}

long keep(aco_t *co, long *p)
{
	long a = p[0], b = p[1], c = p[2];

	aco_resume(co);
	a += b;
	aco_resume(co);
	b += c;
	aco_resume(co);
	return a ^ b ^ c;
}

/* clang addresses locals by the register that its switch reloads. */
long keep_array(aco_t *co, unsigned n)
{
	_Alignas(64) volatile char aligned[64];
	volatile char array[n + 1];

	array[n] = 1;
	aligned[1] = 2;
	aco_resume(co);
	return array[n] + aligned[1];
}

int either(aco_t *co, int which)
{
	if (which)
		aco_resume(co);
	else
		aco_yield();
	return which;
}
