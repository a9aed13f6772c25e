/* SPDX-License-Identifier: Apache-2.0 */
/* Calls in loops, which compilers unroll and rotate. */
#include <aco.h>

void loop(aco_t *co, unsigned n)
{
	while (n--)
		aco_resume(co);
}

void loop_fixed(aco_t **co)
{
	for (int i = 0; i < 4; i++)
		aco_resume(co[i]);
}

double loop_sum(const double *p, unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++) {
		sum += p[i];
		aco_yield();
	}
	return sum;
}

void loop_nested(aco_t **co, unsigned n, unsigned m)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < m; k++) {
			aco_resume(co[i]);
			aco_yield();
		}
}

void loop_ends(aco_t *co)
{
	do
		aco_resume(co);
	while (!co->is_end);
}
