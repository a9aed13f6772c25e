/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coio.c - blocking-style I/O on libaco and libev
 *
 * All tasks of a scheduler are resumed from its event loop, which runs in the
 * main co; a task never resumes another one.  That is what lets all of them use
 * a single share stack: at any time at most one is between aco_resume() and its
 * return.  (A task that resumes a co of its own, say a generator, gives that
 * one a stack of its own.)
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "coio.h"

#include <errno.h>
#include <sys/sendfile.h>

#define COIO_WAITING (-1)

/* Successful operations in a row before others get their turn. */
#define COIO_FAIR_OPS 64

/* Before another try when there is no memory to resume a task. */
#define COIO_RETRY_SEC 0.05

/* ------------------------------------------------------------ scheduler -- */

int coio_init(struct coio *s, bool shared, size_t stack_size)
{
	memset(s, 0, sizeof(*s));
	s->stack_size = stack_size;
	aco_thread_init(NULL);
	s->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	s->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	if (shared)
		s->shared = aco_share_stack_new(stack_size);
	if (s->loop && s->main_co && (s->shared || !shared))
		return 0;
	coio_destroy(s);
	errno = ENOMEM;
	return -1;
}

void coio_destroy(struct coio *s)
{
	if (s->shared)
		aco_share_stack_destroy(s->shared);
	if (s->main_co)
		aco_destroy(s->main_co);
	if (s->loop)
		ev_loop_destroy(s->loop);
}

void coio_run(struct coio *s)
{
	while (s->tasks)
		ev_run(s->loop, 0);
}

/* ---------------------------------------------------------------- tasks -- */

static void task_main(void)
{
	struct coio_task *t = aco_get_arg();

	t->run(t);
	aco_exit();
}

/* Free what the task used.  Only a co that does not run can be destroyed. */
static void release_task(struct coio_task *t)
{
	ev_io_stop(t->sched->loop, &t->io);
	ev_timer_stop(t->sched->loop, &t->timer);
	if (t->co)
		aco_destroy(t->co);
	if (t->stack && t->stack != t->sched->shared)
		aco_share_stack_destroy(t->stack);
}

static void end_task(struct coio_task *t)
{
	struct coio *s = t->sched;

	release_task(t);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	if (!s->tasks)
		ev_break(s->loop, EVBREAK_ALL);
	t->ended(t);
}

/* The one place that resumes: called by the loop's callbacks in the main co. */
static void wake(struct coio_task *t, int result)
{
	struct coio *s = t->sched;

	ev_io_stop(s->loop, &t->io);
	if (t->result == COIO_WAITING)
		t->result = result;
	if (aco_try_resume(t->co)) {
		/* No memory to move the bytes on the shared stack away.
		   Nothing has changed: t keeps its result and comes again. */
		t->timer.repeat = COIO_RETRY_SEC;
		ev_timer_again(s->loop, &t->timer);
		return;
	}
	__atomic_store_n(&s->switches, s->switches + 2, __ATOMIC_RELAXED);
	if (t->co->is_end)
		end_task(t);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	wake(w->data, 0);
}

/* Also called by ev_feed_event(), to start a task or to cancel it. */
static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct coio_task *t = w->data;

	(void)loop;
	(void)revents;
	wake(t, t->cancelled ? ECANCELED : ETIMEDOUT);
}

int coio_spawn(struct coio *s, struct coio_task *t, coio_func run,
	       coio_func ended)
{
	memset(t, 0, sizeof(*t));
	t->sched = s;
	t->run = run;
	t->ended = ended;
	ev_init(&t->io, on_io);
	ev_init(&t->timer, on_timer);
	t->io.data = t->timer.data = t;

	/* Nothing here computes with changed rounding modes, so the switches
	   need not keep control words apart: faster. */
	t->stack = s->shared ? s->shared : aco_share_stack_new(s->stack_size);
	if (t->stack)
		t->co = aco_create2(s->main_co, t->stack, 0, task_main, t,
				    ACO_SHARE_FPENV);
	if (!t->co) {
		release_task(t);
		errno = ENOMEM;
		return -1;
	}
	t->next = s->tasks;
	t->link = &s->tasks;
	if (t->next)
		t->next->link = &t->next;
	s->tasks = t;

	/* Not resumed from here: the caller may run on the same stack. */
	t->result = COIO_WAITING;
	ev_feed_event(s->loop, &t->timer, EV_CUSTOM);
	return 0;
}

void coio_cancel(struct coio_task *t)
{
	t->cancelled = true;
	/* The running task finds out at its next wait. */
	if (aco_get_co() != t->co)
		ev_feed_event(t->sched->loop, &t->timer, EV_CUSTOM);
}

void coio_cancel_all(struct coio *s)
{
	struct coio_task *t;

	for (t = s->tasks; t; t = t->next)
		coio_cancel(t);
}

/* ------------------------------------------------------------ for tasks -- */

int coio_wait(int fd, int events, int timeout)
{
	struct coio_task *t = aco_get_arg();
	struct ev_loop *loop = t->sched->loop;

	if (t->cancelled) {
		errno = ECANCELED;
		return -1;
	}
	if (fd >= 0) {
		/* Setting what is set already would cost an epoll_ctl(). */
		if (t->io.fd != fd || t->io.events != events)
			ev_io_set(&t->io, fd, events);
		ev_io_start(loop, &t->io);
	}
	/* Left running when the task is woken: to move a timer is cheaper than
	   to remove and insert it.  A repeat of 0 stops it. */
	t->timer.repeat = timeout < 0 ? 0 : timeout ? timeout / 1e3 : 1e-6;
	ev_timer_again(loop, &t->timer);

	t->ops = 0;
	t->result = COIO_WAITING;
	aco_yield();

	/* Others ran meanwhile, so errno is theirs until it is set here. */
	errno = t->result;
	return t->result ? -1 : 0;
}

int coio_sleep(int msec)
{
	if (!coio_wait(-1, 0, msec) || errno == ETIMEDOUT)
		return 0;
	return -1;
}

/* Before a system call: -1 when the task is to end. */
static int take_turn(void)
{
	struct coio_task *t = aco_get_arg();

	if (t->cancelled) {
		errno = ECANCELED;
		return -1;
	}
	/* A peer that is as fast as the task could keep it running for ever:
	   let the others have their turn. */
	return ++t->ops < COIO_FAIR_OPS ? 0 : coio_sleep(0);
}

/* After one that failed: wait, and say whether to try again. */
static bool again(int fd, int events, int timeout)
{
	if (errno == EAGAIN)
		return !coio_wait(fd, events, timeout);
	return errno == EINTR;
}

int coio_accept(int fd, int timeout)
{
	int n;

	do {
		if (take_turn())
			return -1;
		n = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (n < 0 && again(fd, EV_READ, timeout));
	return n;
}

ssize_t coio_read(int fd, void *buf, size_t len, int timeout)
{
	ssize_t n;

	do {
		if (take_turn())
			return -1;
		n = read(fd, buf, len);
	} while (n < 0 && again(fd, EV_READ, timeout));
	return n;
}

ssize_t coio_write(int fd, const void *buf, size_t len, bool more, int timeout)
{
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t n;

	do {
		if (take_turn())
			return -1;
		n = send(fd, buf, len, flags);
	} while (n < 0 && again(fd, EV_WRITE, timeout));
	return n;
}

ssize_t coio_sendfile(int fd, int file, off_t *off, size_t len, int timeout)
{
	ssize_t n;

	do {
		if (take_turn())
			return -1;
		n = sendfile(fd, file, off, len);
	} while (n < 0 && again(fd, EV_WRITE, timeout));
	return n;
}

void coio_close(int fd)
{
	struct coio_task *t = aco_get_arg();

	t->io.fd = -1;
	close(fd);
}
