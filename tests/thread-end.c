/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread-end.c - a thread ends in its main context, its co goes on elsewhere
 *
 * sanitizers.sh runs it.
 */
#include <aco.h>

#include <pthread.h>

static aco_t *main_co;
static aco_t *co;

static void yields(void)
{
	int *resumes = aco_get_arg();

	++*resumes;
	aco_yield();
	++*resumes;
	aco_exit();
}

static void *starts_it(void *sstk)
{
	static int resumes;

	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	co = aco_create(main_co, sstk, 0, yields, &resumes);
	aco_resume(co);
	pthread_exit(&resumes);
}

int main(void)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	pthread_t thread;
	void *resumes;

	if (pthread_create(&thread, NULL, starts_it, sstk) ||
	    pthread_join(thread, &resumes))
		return 1;
	aco_resume(co);
	aco_assert(co->is_end && *(int *)resumes == 2);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return 0;
}
