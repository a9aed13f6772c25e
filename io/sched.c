/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched.c - the scheduler: who runs next, and waiting when nobody can
 *
 *	      .-------------------- look(): epoll_wait ------------------.
 *	      |            descriptors, posts and timers wake tasks      |
 *	      v                                                          |
 *	io->ready --> run_ready(): aco_try_resume() --> the task waits, -'
 *	      ^                       |                 or has ended
 *	      '---- in 10 ms -- io->starved: no memory to resume it
 */
#define _GNU_SOURCE 1

#include "internal.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define EVENTS 256

const char *aco_io_version(void)
{
	return ACO_IO_VERSION;
}

/* ---- birth and death ----------------------------------------------------- */

/* The child has no threads, and its descriptors are those of the parent, where
   it would change what is registered. */
static void after_fork(void)
{
	if (!aco_io_thread)
		return;
	aco_io_thread->is_forked = true;
	aco_io_thread = NULL;
}

static int fork_error;

static void watch_forks(void)
{
	fork_error = pthread_atfork(NULL, NULL, after_fork);
}

static int set_options(aco_io_t *io, const aco_io_opts_t *opts)
{
	io->stack_size = 65536;
	io->threads = 4;
	if (!opts)
		return 0;
	if (opts->size != sizeof(*opts))
		return fail(EINVAL);
	if (opts->stack_size)
		io->stack_size = opts->stack_size;
	if (opts->threads)
		io->threads = opts->threads;
	return 0;
}

static int open_descriptors(aco_io_t *io)
{
	struct epoll_event event = { .events = EPOLLIN };

	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (io->epoll_fd < 0)
		return -1;
	io->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (io->event_fd < 0)
		return -1;
	event.data.u64 = (uint32_t)io->event_fd;
	return epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, io->event_fd, &event);
}

static void free_all(aco_io_t *io)
{
	int error = errno;

	if (io->epoll_fd >= 0)
		close(io->epoll_fd);
	if (io->event_fd >= 0)
		close(io->event_fd);
	if (io->shared)
		aco_share_stack_destroy(io->shared);
	if (io->main_co)
		aco_destroy(io->main_co);
	if (!io->is_forked) /* another thread may have held it */
		pthread_mutex_destroy(&io->lock);
	free(io->heap.timers);
	free(io->fds);
	free(io->slots);
	free(io);
	errno = error;
}

aco_io_t *aco_io_new(const aco_io_opts_t *opts)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	aco_io_t *io;

	if (aco_io_thread) {
		errno = EBUSY;
		return NULL;
	}
	pthread_once(&once, watch_forks);
	if (fork_error) {
		errno = fork_error;
		return NULL;
	}
	io = calloc(1, sizeof(*io));
	if (!io)
		return NULL;
	io->epoll_fd = io->event_fd = -1;
	pthread_mutex_init(&io->lock, NULL);
	aco_io_jobs_init(&io->posted);
	aco_io_jobs_init(&io->arrived);
	io->own_group.io = io;
	io->now = aco_io_clock();
	if (set_options(io, opts) || open_descriptors(io))
		goto failed;
	io->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	if (!io->main_co)
		goto failed;
	return aco_io_thread = io;

failed:
	free_all(io);
	return NULL;
}

/*
 * A child's copy: its tasks can't run any more.  Nobody is to be woken for their
 * end, and the queues they wait in may lie on stacks that are gone.  What threads
 * of the parent may have been changing is left alone.
 */
static int destroy_copy(aco_io_t *io)
{
	if (io->running)
		return fail(EPERM);
	for (size_t i = 0; i < io->slot_count; i++)
		if (io->slots[i].task)
			aco_io_task_forget(io->slots[i].task);
	free_all(io);
	return 0;
}

bool aco_io_is_idle(aco_io_t *io)
{
	return !io->tasks && !io->arrived.head && !aco_io_jobs_pending(io);
}

int aco_io_destroy(aco_io_t *io)
{
	if (!io)
		return fail(EINVAL);
	if (io->is_forked)
		return destroy_copy(io);
	if (io != aco_io_thread || io->running)
		return fail(EPERM);
	if (!aco_io_is_idle(io))
		return fail(EBUSY);
	if (io->pool)
		aco_io_pool_close(io->pool);
	aco_io_thread = NULL;
	free_all(io);
	return 0;
}

/* ---- a turn -------------------------------------------------------------- */

static void timed_out(struct timer *timer)
{
	aco_io_wake((struct task *)(void *)((char *)timer -
					    offsetof(struct task, timer)),
		    ETIMEDOUT);
}

/* What waits for memory: tasks in starved, posts in arrived. */
static bool waits_for_memory(const aco_io_t *io)
{
	return io->starved.head || io->arrived.head;
}

static int64_t sooner(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* When there is something to do without an event: 0 for now, -1 for never. */
static int64_t next_time(const aco_io_t *io)
{
	int64_t next = aco_io_timers_next(&io->heap);

	if (io->ready.head)
		return 0;
	if (waits_for_memory(io))
		next = sooner(next, io->retry_at);
	return next;
}

/* In milliseconds, rounded up: a task that is woken too early would only wait
   again.  The tasks of this turn have taken time, too. */
static int timeout(const aco_io_t *io, int64_t until)
{
	int64_t now, ms;

	if (until < 0)
		return -1;
	if (until <= io->now || until <= (now = aco_io_clock()))
		return 0;
	ms = (until - now + ACO_IO_MSEC - 1) / ACO_IO_MSEC;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static void retry(aco_io_t *io)
{
	struct task *task;

	while ((task = io->starved.head)) {
		aco_io_dequeue(task);
		aco_io_enqueue(&io->ready, task);
	}
	if (!aco_io_jobs_start(io))
		io->retry_at = io->now + RETRY_AFTER;
}

/* Returns whether there may be more events. */
static bool look(aco_io_t *io, int64_t until)
{
	struct epoll_event events[EVENTS];
	bool has_jobs = false;
	int n;

	n = epoll_wait(io->epoll_fd, events, EVENTS, timeout(io, until));
	io->now = aco_io_clock();
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == (uint32_t)io->event_fd)
			has_jobs = true;
		else
			aco_io_fd_event(io, events[i].data.u64,
					events[i].events);
	aco_io_timers_run(&io->heap, io->now, timed_out);
	if (has_jobs && !aco_io_jobs_start(io))
		io->retry_at = io->now + RETRY_AFTER;
	if (waits_for_memory(io) && io->retry_at <= io->now)
		retry(io);
	return n == EVENTS;
}

static void run_task(aco_io_t *io, struct task *task)
{
	aco_io_dequeue(task);
	task->state = TASK_RUNNING;
	io->running = task;
	if (aco_try_resume(task->co)) {
		io->running = NULL;
		task->state = TASK_READY;
		aco_io_enqueue(&io->starved, task);
		io->retry_at = io->now + RETRY_AFTER;
		return;
	}
	io->running = NULL;
	if (task->co->is_end)
		aco_io_task_end(task);
}

static void run_ready(aco_io_t *io)
{
	io->ends_turn = false;
	for (int n = 0; io->ready.head && n < TASKS_IN_TURN && !io->ends_turn;
	     n++) {
		run_task(io, io->ready.head);
		if (io->is_forked)
			return;
	}
}

static int check(const aco_io_t *io)
{
	if (!io)
		return fail(EINVAL);
	return io != aco_io_thread || io->running ? fail(EPERM) : 0;
}

static int64_t turn(aco_io_t *io, int64_t deadline)
{
	bool has_more = look(io, sooner(next_time(io), deadline));

	run_ready(io);
	return has_more ? 0 : next_time(io);
}

/* Whether there is more to run; -1 in the child of a fork(2), which a task of this
   turn has become. */
static int go_on(aco_io_t *io)
{
	if (io->is_forked)
		return fail(EPERM);
	if (!aco_io_is_idle(io))
		return 1;
	io->own_group.is_cancelled = false;
	return 0;
}

int64_t aco_io_step(aco_io_t *io, int64_t deadline)
{
	int64_t next;

	if (check(io))
		return -2;
	next = turn(io, deadline);
	return go_on(io) < 0 ? -2 : next;
}

int aco_io_run(aco_io_t *io)
{
	int result;

	if (check(io))
		return -1;
	while ((result = go_on(io)) > 0)
		turn(io, ACO_IO_NEVER);
	return result;
}

int aco_io_fd(const aco_io_t *io)
{
	return io ? io->epoll_fd : fail(EINVAL);
}
