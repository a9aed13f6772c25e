/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread-end.c - threads that end while they have cos
 *
 *	thread-end		in the main context; the co goes on elsewhere
 *	thread-end exit		inside a co that another has resumed
 *	thread-end cancel	there, because it is cancelled
 *
 * sanitizers.sh runs it.
 */
#include <aco.h>

#include <pthread.h>

static aco_share_stack_t *sstk[2];
static aco_t *main_co;
static aco_t *outer_co;
static aco_t *co;
static int resumes;
static int handled;

static void handle(void *arg)
{
	char frame[200];

	memset(frame, *(int *)arg, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	handled++;
}

static void yields(void)
{
	resumes++;
	aco_yield();
	resumes++;
	aco_exit();
}

static void exits(void)
{
	pthread_exit(&resumes);
}

static void is_cancelled(void)
{
	int n = 1;

	pthread_cleanup_push(handle, &n);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	pthread_cleanup_pop(0);
}

static void outer(void)
{
	int n = 2;

	pthread_cleanup_push(handle, &n);
	aco_resume(co);
	pthread_cleanup_pop(0);
	aco_exit();
}

static aco_t *must_create(int i, aco_cofuncp_t fp)
{
	aco_t *made;

	sstk[i] = aco_share_stack_new(0); /* likely below the thread's own */
	made = aco_create(main_co, sstk[i], 0, fp, NULL);
	aco_assertptr(made);
	return made;
}

static void *starts_it(void *fp)
{
	int n = 3;

	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	co = must_create(0, *(aco_cofuncp_t *)fp);
	outer_co = must_create(1, outer);
	pthread_cleanup_push(handle, &n);
	aco_resume(co->fp == yields ? co : outer_co);
	pthread_cleanup_pop(0);
	pthread_exit(&resumes);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	aco_cofuncp_t fp = !strcmp(what, "exit")     ? exits
			   : !strcmp(what, "cancel") ? is_cancelled
						     : yields;
	pthread_t thread;

	alarm(300); /* a tool may never see the thread end */
	if (pthread_create(&thread, NULL, starts_it, &fp) ||
	    pthread_join(thread, NULL))
		return 1;
	if (fp == yields) {
		aco_resume(co);
		aco_assert(resumes == 2);
	} else {
		aco_assert(outer_co->is_end);
		aco_assert(handled == (fp == exits ? 2 : 3));
	}
	aco_assert(co->is_end);
	aco_destroy(co);
	aco_destroy(outer_co);
	for (int i = 0; i < 2; i++)
		aco_share_stack_destroy(sstk[i]);
	aco_destroy(main_co);
	return 0;
}
