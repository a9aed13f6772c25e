/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of libaco-io know of each other
 *
 * A scheduler, and all that belongs to it, is used in its thread alone, but for
 * the list of posts, which has a lock.
 */
#ifndef ACO_IO_INTERNAL_H
#define ACO_IO_INTERNAL_H

#include "aco_io.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* The time until another try where memory was missing. */
#define RETRY_AFTER (10 * ACO_IO_MSEC)

/* A task gives way after so many calls that did not wait... */
#define CALLS_IN_TURN 64
/* ...and after so many tasks the scheduler looks at its descriptors again. */
#define TASKS_IN_TURN 256

/* --------------------------------------------------------------- timers -- */

/*
 * Deadlines mostly move later, as that of an idle connection at each request.
 * So a timer stays where it is in the heap, under the key of an earlier
 * deadline, and is looked at again when that comes up.
 */
struct timer {
	int64_t key;	  /* its place in the heap; never after deadline */
	int64_t deadline; /* INT64_MAX: none */
	uint32_t at;	  /* index in the heap + 1; 0: not there */
};

struct heap {
	struct timer **timers;
	uint32_t used, size;
};

int aco_io_heap_reserve(struct heap *heap, size_t timers);
void aco_io_timer_set(struct heap *heap, struct timer *timer, int64_t deadline);
void aco_io_timer_remove(struct heap *heap, struct timer *timer);
/* Calls fire for each timer that is due, in the order of their deadlines. */
void aco_io_timers_run(struct heap *heap, int64_t now,
		       void (*fire)(struct timer *timer));
/* The key of the next one, or -1. */
int64_t aco_io_timers_next(const struct heap *heap);

/* ---------------------------------------------------------------- tasks -- */

struct task;

struct queue {
	struct task *head, *tail;
};

/* A co that the task, or another such co, resumes.  It lies on the stack of that
   one, which is in place when this one runs. */
struct inner {
	aco_t *co;
	struct inner *outer;
};

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING };

struct task {
	aco_t *co; /* its argument is the function of the task */
	union {
		void *arg;	      /* until the task starts */
		struct local *locals; /* afterwards */
	};
	const char *name;
	struct inner *inner; /* the innermost of its own cos that run */
	aco_io_group_t *group;
	struct task *group_next, **group_link;
	struct task *next, *prev; /* in the queue in */
	struct queue *in;
	struct timer timer;
	uint32_t since; /* it waits, in units of 2^SINCE_SHIFT ns */
	uint32_t slot;	/* in aco_io_t.slots */
	int fd;		/* that it waits for, or -1 */
	uint8_t error;	/* what its wait ended with, or 0 */
	uint8_t calls;	/* since it last gave way */
	uint8_t state : 2;
	uint8_t events : 2; /* of fd */
	bool is_shared : 1, has_started : 1;
	bool is_cancelled : 1, is_shielded : 1, inner_waits : 1;
};

#define SINCE_SHIFT 20
/* With the word that malloc adds it is two cache lines. */
_Static_assert(sizeof(struct task) <= 128 - sizeof(size_t), "a small task");

/* By which an aco_io_task_t finds its task. */
struct slot {
	struct task *task; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
};

struct aco_io_group_s {
	aco_io_t *io;
	struct task *tasks;
	struct queue waiting; /* for the last task */
	size_t count;
	bool is_cancelled;
};

/* ---------------------------------------------------------- descriptors -- */

enum {
	FD_REGISTERED = 1, /* with epoll */
	FD_NONBLOCKING = 2,
	FD_OURS = 4,	   /* read and written by calls of this library */
	FD_TYPE_KNOWN = 8, /* FD_IS_TCP is right */
	FD_IS_TCP = 16,
	FD_DOUBT = 32, /* a short read may leave something: hangup, urgent */
	FD_WAS_REGISTERED = 64, /* this file, or one that had its number */
};

struct descriptor {
	struct task *waiting[2]; /* for ACO_IO_READ, ACO_IO_WRITE */
	uint8_t ready;		 /* may be; what is missing is certainly not */
	uint8_t flags;
	uint16_t file; /* changes when the number comes to be another's */
};

/* ------------------------------------------------------------ scheduler -- */

/* What comes from other threads: a post, or an offloaded call that has ended. */
struct job {
	struct job *next;
	aco_io_func_t fn;
	void *arg;
	unsigned flags;	   /* of a post */
	struct task *task; /* NULL: a post */
	aco_io_t *io;
	aco_io_func_t drop; /* frees arg, when nobody waits any more */
	enum { JOB_QUEUED, JOB_RUNS, JOB_GIVEN_UP, JOB_ARRIVED } state;
};

struct jobs {
	struct job *head, **tail;
};

struct aco_io_s {
	aco_t *main_co;
	aco_share_stack_t *shared; /* NULL before the first task there */
	size_t stack_size;
	int epoll_fd, event_fd;
	struct task *running;
	struct queue ready;
	struct queue starved; /* could not be resumed without memory */
	bool ends_turn;	      /* look for events, before another task runs */
	int64_t now, retry_at;
	struct heap heap;
	struct descriptor *fds;
	size_t fd_count;
	struct slot *slots;
	size_t slot_count;
	uint32_t free_slot; /* index + 1 */
	struct aco_io_group_s own_group;
	size_t tasks;
	struct jobs arrived; /* posts, not started yet */
	struct pool *pool;
	unsigned threads;
	bool is_forked; /* this is a child's copy */
	pthread_mutex_t lock;
	struct jobs posted; /* under lock */
};

/* Read without a call, as threads have it from their start. */
#define ACO_IO_THREAD_LOCAL \
	__thread __attribute__((__tls_model__("initial-exec")))
extern ACO_IO_THREAD_LOCAL aco_io_t *aco_io_thread;

int64_t aco_io_clock(void);

/* No tasks, and no posts that would become some. */
bool aco_io_is_idle(aco_io_t *io);

/* ------------------------------------------------------------- for tasks -- */

void aco_io_enqueue(struct queue *queue, struct task *task);
void aco_io_dequeue(struct task *task);

static inline int fail(int error)
{
	errno = error;
	return -1;
}

/* The running task; NULL with EPERM outside tasks. */
static inline struct task *running(void)
{
	aco_io_t *io = aco_io_thread;

	if (io && io->running)
		return io->running;
	errno = EPERM;
	return NULL;
}

/* Is the running co the task's, or one of its own that aco_io_resume() has resumed,
   directly or by others?  Only then does its way lead to the scheduler.  (Tasks stay
   in their thread, so that the variable can be read without a call.) */
static inline bool is_on_the_way(const struct task *task)
{
	return aco_gtls_co == (task->inner ? task->inner->co : task->co);
}

static inline bool is_past(int64_t deadline)
{
	return deadline >= 0 && deadline <= aco_io_thread->now;
}

/*
 * What follows is inline because each request needs it, and because each frame
 * on the stack of a task that waits is memory.
 */
#define ALWAYS_INLINE inline __attribute__((__always_inline__))

static inline bool is_stopped(const struct task *task)
{
	return task->is_cancelled && !task->is_shielded;
}

/* May the running task make a call now, and others run later? */
static inline bool has_turn(struct task *task)
{
	if (!is_on_the_way(task) || is_stopped(task) ||
	    task->calls + 1 >= CALLS_IN_TURN)
		return false;
	task->calls++;
	return true;
}

static ALWAYS_INLINE void suspend(struct task *task)
{
	task->calls = 0;
	task->error = 0;
	task->inner_waits = task->inner != NULL;
	aco_yield();
}

/* For those who have looked whether the running task may wait. */
static ALWAYS_INLINE int wait_here(struct task *task, int64_t deadline,
				   struct queue *queue)
{
	aco_io_t *io = aco_io_thread;

	if (deadline >= 0)
		aco_io_timer_set(&io->heap, &task->timer, deadline);
	if (queue)
		aco_io_enqueue(queue, task);
	task->state = TASK_WAITING;
	task->since = (uint32_t)(io->now >> SINCE_SHIFT);
	suspend(task);
	task->timer.deadline = INT64_MAX; /* and stays where it is */
	return task->error ? fail(task->error) : 0;
}

/* Lies p where other bytes may come while the running task waits? */
bool aco_io_is_movable(const void *p);

/*
 * The running task gives way and waits: until aco_io_wake(), or the deadline; in
 * queue, if that is not NULL.  Returns 0, or -1 with errno.
 */
int aco_io_give_way(int64_t deadline, struct queue *queue);

/* The same for a wait that cancellation does not end. */
int aco_io_give_way_shielded(int64_t deadline, struct queue *queue);

void aco_io_wake(struct task *task, int error);
int aco_io_wake_all(struct queue *queue, int error);

/*
 * For a call that may not wait: fails when the task is cancelled, and lets others run
 * from time to time.  System calls take so long that the scheduler looks for events
 * then, before any task goes on: else those who wait for these would wait for
 * TASKS_IN_TURN times CALLS_IN_TURN calls of a task that alone is ready.
 */
int aco_io_take_turn(bool is_system_call);

void aco_io_task_end(struct task *task);
/* Its waits end, unless it is shielded. */
void aco_io_task_cancel(struct task *task);
/* Frees a task that ends no more, in whatever it waits. */
void aco_io_task_forget(struct task *task);
aco_io_task_t aco_io_task_id(const struct task *task);
/* aco_io_go() without its checks; a task of a cancelled group is cancelled, too. */
struct task *aco_io_start(aco_io_group_t *group, aco_io_func_t fn, void *arg,
			  unsigned flags);
void aco_io_locals_end(struct task *task);
void aco_io_locals_forget(struct task *task);

/* ------------------------------------------------------------------ jobs -- */

void aco_io_jobs_init(struct jobs *jobs);
void aco_io_jobs_add(struct jobs *jobs, struct job *job);
struct job *aco_io_jobs_take(struct jobs *jobs);
bool aco_io_jobs_pending(aco_io_t *io);
void aco_io_job_post(struct job *job);
void aco_io_job_drop(struct job *job);
/* Starts what was posted.  False: memory is missing, try again later. */
bool aco_io_jobs_start(aco_io_t *io);

/*
 * Call fn(arg) in a thread, for the running task.  At the deadline, or when the
 * task is cancelled, the call is given up if drop is not NULL: it ends by itself,
 * and drop(arg) is called.  Returns 0 when fn has returned, or -1; given_up says
 * whether arg now belongs to drop.
 */
int aco_io_pool_call(aco_io_func_t fn, void *arg, aco_io_func_t drop,
		     int64_t deadline, bool *given_up);
void aco_io_pool_close(struct pool *pool);

/* ----------------------------------------------------------- descriptors -- */

/* Events of epoll have arrived, with the data of their registration. */
void aco_io_fd_event(aco_io_t *io, uint64_t data, uint32_t events);

/* What is known of fd; NULL with errno. */
struct descriptor *aco_io_fd_get(int fd);

/* Nothing is known of fd any more but flags. */
void aco_io_fd_forget(int fd, int flags);

/* Wait for event, not before the kernel has been asked if it is there. */
int aco_io_fd_block(int fd, int event, int64_t deadline);

/*
 * The frame of each call that makes a system call on fd until it is not told
 * EAGAIN:
 *
 *	struct attempt a = { .fd = fd, .event = event, .deadline = deadline };
 *
 *	if (fd_begin(&a))
 *		return -1;
 *	do {
 *		if (fd_ready(&a))
 *			return -1;
 *		n = ...;
 *	} while (n < 0 && aco_io_fd_again(&a));
 */
struct attempt {
	int fd, event;
	int64_t deadline;
	bool tried;
	uint16_t file;
};
int aco_io_fd_begin(struct attempt *attempt);
/* Fails with EBADF if fd was closed since, be the number in use again or not. */
int aco_io_fd_check(const struct attempt *attempt);
int aco_io_fd_wait(struct attempt *attempt);
bool aco_io_fd_again(const struct attempt *attempt);
bool aco_io_fd_is_tcp(int fd);

/* The common case of aco_io_fd_begin(): fd was used before. */
static inline int fd_begin(struct attempt *a)
{
	const unsigned used = FD_OURS | FD_NONBLOCKING;
	const aco_io_t *io = aco_io_thread;
	const struct descriptor *d;

	if (!io || !io->running || (unsigned)a->fd >= io->fd_count)
		return aco_io_fd_begin(a);
	d = &io->fds[a->fd];
	if ((d->flags & used) != used || !has_turn(io->running))
		return aco_io_fd_begin(a);
	a->file = d->file;
	return 0;
}

/* Whether the system call may be made: nothing was said to the contrary. */
static inline bool is_ready(struct attempt *a)
{
	bool ready = aco_io_thread->fds[a->fd].ready & a->event;

	a->tried |= ready;
	return ready;
}

static inline int fd_ready(struct attempt *a)
{
	return is_ready(a) ? 0 : aco_io_fd_wait(a);
}

#pragma GCC visibility pop

#endif /* ACO_IO_INTERNAL_H */
