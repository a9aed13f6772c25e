/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker-pool.c - cos that go on in whatever thread has time
 *
 * A job is a co with a stack of its own.  Workers take jobs from one queue,
 * resume them once, and put them back until they have ended.  The lock of the
 * queue is all that a co needs to move: it orders the yield on one thread
 * before the resume on the next.
 *
 * It prints:
 *
 *	200 jobs of 100 steps: 20000 steps
 *	all sums are right
 */
#include <aco.h>
#include <pthread.h>

#define WORKERS 4
#define JOBS 200
#define STEPS 100

struct job {
	aco_t *co;
	aco_share_stack_t *stack;
	struct job *next;
	long sum;
};

static struct job *first, **last = &first;
static int unfinished = JOBS;
static long steps;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void run(void)
{
	struct job *job = aco_get_arg();

	for (int i = 1; i <= STEPS; i++) {
		job->sum += i;
		aco_yield();
	}
	aco_exit();
}

/* With the lock held. */
static void put(struct job *job)
{
	job->next = NULL;
	*last = job;
	last = &job->next;
	pthread_cond_signal(&changed);
}

/* With the lock held; NULL when all jobs have ended. */
static struct job *take(void)
{
	struct job *job;

	while (!first && unfinished)
		pthread_cond_wait(&changed, &lock);
	job = first;
	if (!job)
		return NULL;
	first = job->next;
	if (!first)
		last = &first;
	return job;
}

static void *work(void *arg)
{
	struct job *job;

	pthread_mutex_lock(&lock);
	while ((job = take())) {
		pthread_mutex_unlock(&lock);
		aco_resume(job->co);
		pthread_mutex_lock(&lock);
		steps += !job->co->is_end;
		if (!job->co->is_end)
			put(job);
		else if (--unfinished == 0)
			pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void)
{
	static struct job jobs[JOBS];
	pthread_t thread[WORKERS];
	int wrong = 0;
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	aco_assertptr(main_co);
	for (int i = 0; i < JOBS; i++) {
		jobs[i].stack = aco_share_stack_new(16 << 10);
		aco_assertptr(jobs[i].stack);
		jobs[i].co = aco_create(main_co, jobs[i].stack, 0, run,
					&jobs[i]);
		aco_assertptr(jobs[i].co);
		put(&jobs[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		aco_assert(!pthread_create(&thread[i], NULL, work, NULL));
	for (int i = 0; i < WORKERS; i++)
		aco_assert(!pthread_join(thread[i], NULL));
	for (int i = 0; i < JOBS; i++) {
		wrong += jobs[i].sum != STEPS * (STEPS + 1) / 2;
		aco_destroy(jobs[i].co);
		aco_share_stack_destroy(jobs[i].stack);
	}
	aco_destroy(main_co);
	printf("%d jobs of %d steps: %ld steps\n", JOBS, STEPS, steps);
	puts(wrong ? "some sums are wrong" : "all sums are right");
	return wrong || fflush(stdout);
}
