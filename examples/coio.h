/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coio.h - blocking-style I/O on libaco and libev
 *
 * A scheduler (struct coio) owns an event loop and runs tasks.  A task is a co
 * that is resumed by the loop and by nobody else: when it would block, it tells
 * the loop what it waits for and yields; the loop's callback resumes it.  One
 * scheduler per thread; a task stays on the thread that spawned it.
 *
 * On a shared stack (coio_init() with shared) the bytes of a sleeping task are
 * moved away and another task's bytes lie in their place.  So whatever somebody
 * else looks at while the task sleeps must not be on its stack.  Here that is
 * the event loop and its watchers, which is why they live in struct coio_task
 * and why the program allocates that with malloc().  A buffer for coio_read()
 * may lie on the stack, because the system call is made by the task itself
 * after it has been resumed; but every byte of it would be copied at each
 * switch, so a big one is better off in the heap, too.
 */
#ifndef COIO_H
#define COIO_H

#include <aco.h>
#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct coio_task;
typedef void (*coio_func)(struct coio_task *task);

struct coio {
	struct ev_loop *loop;
	aco_t *main_co;
	aco_share_stack_t *shared; /* NULL: each task has a stack of its own */
	size_t stack_size;
	struct coio_task *tasks; /* all that have not ended */
	unsigned long switches;	 /* read by other threads: use atomics */
};

/* Part of an object of the program; all fields belong to coio. */
struct coio_task {
	struct coio *sched;
	struct coio_task *next, **link; /* in coio.tasks */
	coio_func run, ended;
	aco_t *co;
	aco_share_stack_t *stack;
	ev_io io;
	ev_timer timer;
	int result; /* of the wait: 0 or an error number */
	unsigned ops;
	bool cancelled;
};

/* All calls that return int or ssize_t: -1 and errno when they fail. */

int coio_init(struct coio *s, bool shared, size_t stack_size);
void coio_destroy(struct coio *s);

/*
 * Run the tasks of s until the last one has ended.  The first must have been
 * spawned before.
 */
void coio_run(struct coio *s);

/*
 * Start a task that calls run(task), soon: it runs when the loop gets control.
 * ended(task) is called by the loop afterwards, when task may be freed.
 */
int coio_spawn(struct coio *s, struct coio_task *task, coio_func run,
	       coio_func ended);

/*
 * From the scheduler's thread: whatever task waits for, now or later, fails
 * with ECANCELED, so that it unwinds and releases what it holds.
 */
void coio_cancel(struct coio_task *task);
void coio_cancel_all(struct coio *s);

/*
 * For tasks.  Timeouts are in milliseconds, -1 means none; a wait that takes
 * longer fails with ETIMEDOUT.  File descriptors must be non-blocking.
 */
int coio_wait(int fd, int events, int timeout); /* EV_READ or EV_WRITE */
int coio_sleep(int msec);
int coio_accept(int fd, int timeout);
ssize_t coio_read(int fd, void *buf, size_t len, int timeout);
ssize_t coio_write(int fd, const void *buf, size_t len, bool more, int timeout);
/* Ignore SIGPIPE before: unlike send(), sendfile() can't be told not to. */
ssize_t coio_sendfile(int fd, int file, off_t *off, size_t len, int timeout);
/* Close what this task has waited for: its next fd may have the same number. */
void coio_close(int fd);

#endif /* COIO_H */
