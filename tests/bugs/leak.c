/* SPDX-License-Identifier: Apache-2.0 */
/* Cos that nobody destroys: bugs.sh, aco_bugs(7). */
#include <aco.h>

static aco_t *main_co;
static aco_share_stack_t *sstk;

static void job(void)
{
	aco_yield();
	aco_exit();
}

static int start(int number)
{
	aco_t *co = aco_create(main_co, sstk, 0, job, NULL);

	aco_resume(co);
	if (number % 10 == 0)
		return -1; /* the bug: co is forgotten */
	aco_resume(co);
	aco_destroy(co);
	return 0;
}

static void report(int failed)
{
	printf("%d jobs have failed\n", failed);
}

int main(void)
{
	int failed = 0;

	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	sstk = aco_share_stack_new(0);
	for (int i = 0; i < 1000; i++)
		failed += start(i) != 0;
	report(failed);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return 0;
}
