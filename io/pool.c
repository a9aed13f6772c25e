/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - threads for what can only block
 *
 * The threads of a scheduler start when they are first needed, and end when it is
 * destroyed.  A thread that is still in a call then, which was given up, ends
 * after it: so the pool belongs to its threads, too.
 */
#include "internal.h"

#include <signal.h>

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t has_jobs;
	struct jobs jobs;
	unsigned queued, idle, threads, limit;
	bool is_closed;
};

static struct pool *pool_new(unsigned limit)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->has_jobs, NULL);
	aco_io_jobs_init(&pool->jobs);
	pool->limit = limit;
	return pool;
}

static void pool_free(struct pool *pool)
{
	pthread_cond_destroy(&pool->has_jobs);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* With the lock, which is open while the call runs. */
static void call(struct pool *pool, struct job *job)
{
	job->state = JOB_RUNS;
	pool->queued--;
	pthread_mutex_unlock(&pool->lock);
	job->fn(job->arg);
	pthread_mutex_lock(&pool->lock);
	if (job->state == JOB_GIVEN_UP)
		aco_io_job_drop(job);
	else
		aco_io_job_post(job);
}

static void *work(void *arg)
{
	struct pool *pool = arg;
	bool is_last;

	pthread_mutex_lock(&pool->lock);
	while (!pool->is_closed) {
		if (pool->jobs.head) {
			call(pool, aco_io_jobs_take(&pool->jobs));
			continue;
		}
		pool->idle++;
		pthread_cond_wait(&pool->has_jobs, &pool->lock);
		pool->idle--;
	}
	is_last = !--pool->threads;
	pthread_mutex_unlock(&pool->lock);
	if (is_last)
		pool_free(pool);
	return NULL;
}

/* No signals: the program's handlers expect its own threads. */
static int start_thread(struct pool *pool)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int error;

	error = pthread_attr_init(&attr);
	if (error)
		return error;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, &attr, work, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!error)
		pool->threads++;
	return error;
}

/* An idle thread may have been woken for a job that is queued.  Where no thread can
   be started, those there are have more to do. */
static int submit(struct pool *pool, struct job *job)
{
	int error = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->queued >= pool->idle && pool->threads < pool->limit)
		error = start_thread(pool);
	if (pool->threads) {
		error = 0;
		aco_io_jobs_add(&pool->jobs, job);
		pool->queued++;
		pthread_cond_signal(&pool->has_jobs);
	}
	pthread_mutex_unlock(&pool->lock);
	return error ? fail(error) : 0;
}

static struct job *job_new(aco_io_func_t fn, void *arg, aco_io_func_t drop)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->fn = fn;
	job->arg = arg;
	job->drop = drop;
	job->io = aco_io_thread;
	job->task = aco_io_thread->running;
	return job;
}

static void remove_job(struct pool *pool, const struct job *job)
{
	struct jobs *jobs = &pool->jobs;
	struct job **link = &jobs->head;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (!*link)
		jobs->tail = link;
	pool->queued--;
}

/* Returns whether arg is no longer the caller's: a thread has the job, or the
   scheduler when it arrives. */
static bool give_up(struct pool *pool, struct job *job)
{
	bool is_taken;

	pthread_mutex_lock(&pool->lock);
	is_taken = job->state == JOB_RUNS;
	if (is_taken)
		job->state = JOB_GIVEN_UP;
	else if (job->state == JOB_QUEUED)
		remove_job(pool, job);
	pthread_mutex_unlock(&pool->lock);
	if (!is_taken)
		free(job);
	return is_taken;
}

int aco_io_pool_call(aco_io_func_t fn, void *arg, aco_io_func_t drop,
		     int64_t deadline, bool *given_up)
{
	aco_io_t *io = aco_io_thread;
	struct job *job;
	int error;

	*given_up = false;
	if (!io->pool)
		io->pool = pool_new(io->threads);
	job = io->pool ? job_new(fn, arg, drop) : NULL;
	if (!job)
		return -1;
	if (submit(io->pool, job)) {
		free(job);
		return -1;
	}
	if (!drop) {
		aco_io_give_way_shielded(ACO_IO_NEVER, NULL);
	} else if (aco_io_give_way(deadline, NULL)) {
		error = errno;
		*given_up = give_up(io->pool, job);
		return fail(error);
	}
	free(job);
	return 0;
}

void aco_io_pool_close(struct pool *pool)
{
	bool has_threads;

	pthread_mutex_lock(&pool->lock);
	pool->is_closed = true;
	has_threads = pool->threads;
	pthread_cond_broadcast(&pool->has_jobs);
	pthread_mutex_unlock(&pool->lock);
	if (!has_threads)
		pool_free(pool);
}

int aco_io_offload(aco_io_func_t fn, void *arg)
{
	bool given_up;

	if (!fn)
		return fail(EINVAL);
	if (aco_io_take_turn(true))
		return -1;
	if (aco_io_is_movable(arg))
		return fail(EFAULT);
	return aco_io_pool_call(fn, arg, NULL, ACO_IO_NEVER, &given_up);
}
