/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.c - what other threads send to a scheduler
 *
 *	another thread           posted         arrived        in the scheduler
 *	-----------------------  (lock)         -----------    ----------------
 *	aco_io_post()        ->  [  ] [  ]  ->  [  ] [  ]  ->  a new task
 *	an offloaded call ends   writes to                     wakes its task
 *	                         event_fd
 */
#include "internal.h"

void aco_io_jobs_init(struct jobs *jobs)
{
	jobs->head = NULL;
	jobs->tail = &jobs->head;
}

void aco_io_jobs_add(struct jobs *jobs, struct job *job)
{
	job->next = NULL;
	*jobs->tail = job;
	jobs->tail = &job->next;
}

struct job *aco_io_jobs_take(struct jobs *jobs)
{
	struct job *job = jobs->head;

	jobs->head = job->next;
	if (!jobs->head)
		jobs->tail = &jobs->head;
	return job;
}

bool aco_io_jobs_pending(aco_io_t *io)
{
	bool is_pending;

	pthread_mutex_lock(&io->lock);
	is_pending = io->posted.head != NULL;
	pthread_mutex_unlock(&io->lock);
	return is_pending;
}

/* Under the lock to its end: when the scheduler has seen the job, it may go. */
void aco_io_job_post(struct job *job)
{
	aco_io_t *io = job->io;
	const uint64_t one = 1;
	bool was_empty;

	pthread_mutex_lock(&io->lock);
	was_empty = !io->posted.head;
	aco_io_jobs_add(&io->posted, job);
	if (was_empty)
		while (write(io->event_fd, &one, sizeof(one)) < 0 &&
		       errno == EINTR)
			;
	pthread_mutex_unlock(&io->lock);
}

int aco_io_post(aco_io_t *io, aco_io_func_t fn, void *arg, unsigned flags)
{
	struct job *job;

	if (!io || !fn || (flags & ~ACO_IO_SHARED))
		return fail(EINVAL);
	job = calloc(1, sizeof(*job));
	if (!job)
		return -1;
	job->fn = fn;
	job->arg = arg;
	job->flags = flags;
	job->io = io;
	aco_io_job_post(job);
	return 0;
}

void aco_io_job_drop(struct job *job)
{
	job->drop(job->arg);
	free(job);
}

/* An offloaded call has ended.  Its task frees the job: it may have been woken by
   its deadline before, and be about to give up. */
static void arrive(struct job *job)
{
	if (job->state == JOB_GIVEN_UP) {
		aco_io_job_drop(job);
		return;
	}
	job->state = JOB_ARRIVED;
	aco_io_wake(job->task, 0);
}

static void receive(aco_io_t *io)
{
	uint64_t count;

	while (read(io->event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&io->lock);
	while (io->posted.head) {
		struct job *job = aco_io_jobs_take(&io->posted);

		if (job->task)
			arrive(job);
		else
			aco_io_jobs_add(&io->arrived, job);
	}
	pthread_mutex_unlock(&io->lock);
}

static bool start_first(aco_io_t *io)
{
	const struct job *job = io->arrived.head;

	if (!aco_io_start(&io->own_group, job->fn, job->arg, job->flags))
		return false;
	free(aco_io_jobs_take(&io->arrived));
	return true;
}

bool aco_io_jobs_start(aco_io_t *io)
{
	receive(io);
	while (io->arrived.head)
		if (!start_first(io))
			return false;
	return true;
}
