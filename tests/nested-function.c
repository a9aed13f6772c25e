/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nested-function.c - a pointer to a nested function, which is code on the
 * stack
 *
 * limits.sh runs it: on a stack in executable memory, and with an argument on
 * one of the library's.
 */
#include <aco.h>

#define SIZE ((size_t)1 << 17)

static int apply(int (*volatile fn)(int), int x)
{
	return fn(x);
}

static void work(void)
{
	int *sum = aco_get_arg();
	int mine = *sum;

	__extension__ int add(int x)
	{
		return mine + x;
	}

	*sum = apply(add, 1);
	aco_yield();
	mine++;
	*sum = apply(add, 1);
	aco_exit();
}

int main(int argc, char **argv)
{
	void *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk;
	aco_t *co;
	int sum = 4;

	(void)argv;
	if (mem == MAP_FAILED)
		return 77; /* the system has a rule against it */
	sstk = argc > 1 ? aco_share_stack_new(0)
			: aco_share_stack_from(mem, SIZE);
	co = aco_create(main_co, sstk, 0, work, &sum);
	aco_assertptr(co);
	aco_resume(co);
	aco_assert(sum == 5);
	aco_resume(co);
	aco_assert(sum == 6);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return 0;
}
