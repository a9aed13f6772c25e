/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco_io.h - blocking-style I/O, timers and synchronisation for coroutines
 *
 * A scheduler runs tasks in one thread.  A task is a co that gives way to the
 * other tasks while it waits for a descriptor, a deadline, a thread or another
 * task, and goes on in the next line when that is there.
 *
 *   deadline    nanoseconds on the clock of aco_io_now(), which is
 *               CLOCK_MONOTONIC.  -1 (ACO_IO_NEVER) waits for ever; 0, and every
 *               time that has passed, does not wait: the call tries once.
 *   cancelled   a mark on a task that stays.  Every call that may wait then
 *               fails with ECANCELED, also where it need not wait, so that the
 *               task releases what it holds and returns.  No task is destroyed
 *               while it sleeps.
 *   movable     the memory on the stack of a task with ACO_IO_SHARED, and on
 *               that of a co of the task's own.  While the task waits, bytes of
 *               other tasks lie there.  Buffers of reads and writes may be
 *               movable, as the running task itself makes the system calls.
 *               What others look at while the task waits may not: such a call
 *               fails with EFAULT.
 *
 * Failures: a call returns -1 (or NULL, or 0 for a task; but aco_io_step() -2, and
 * aco_io_getaddrinfo() an error of its own kind) and sets errno.  Every call with a
 * deadline fails with ETIMEDOUT, ECANCELED, and EPERM outside a task or in the child
 * of a fork(2); and with EDEADLK in a co of the task's own that was not resumed by
 * aco_io_resume(); where one does not, it says so.  Every call fails with EINVAL for
 * NULL where it needs an object.  The other errors stand with the call.
 * A call costs its system call, and two switches if it waits.
 */
#ifndef ACO_IO_H
#define ACO_IO_H

#include <aco.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t */
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo; /* <netdb.h> */

typedef struct aco_io_s aco_io_t;
typedef struct aco_io_group_s aco_io_group_t;
typedef struct aco_io_chan_s aco_io_chan_t;
typedef uint64_t aco_io_task_t; /* 0: none; no two tasks of a scheduler have
				   the same */
typedef void (*aco_io_func_t)(void *arg);

#define ACO_IO_NEVER ((int64_t)-1)
#define ACO_IO_MSEC ((int64_t)1000000) /* a millisecond, to add to a deadline */

/* ------------------------------------------------------------ scheduler -- */

typedef struct {
	size_t size;	   /* sizeof(aco_io_opts_t), for later versions */
	size_t stack_size; /* of a task in bytes; 0: 64 KiB */
	unsigned threads;  /* for aco_io_offload(), at most; 0: 4 */
} aco_io_opts_t;

/*
 * Make the scheduler of the calling thread.  opts may be NULL: all defaults.
 * Until this call the library has no descriptor, no thread and no handler.
 * Returns NULL with ENOMEM, EMFILE, ENFILE, ENOSPC (too many watches of epoll(7)),
 * EBUSY (the thread has a scheduler) or EINVAL (opts has a size that this version
 * does not know).
 * Takes two descriptors.
 */
aco_io_t *aco_io_new(const aco_io_opts_t *opts);

/*
 * Free a scheduler that has no tasks, in its thread and outside tasks, or what
 * the child of a fork(2) has of that of the thread that forked.
 * Returns 0, or -1 with EBUSY (tasks, or posts, are left) or EPERM.
 */
int aco_io_destroy(aco_io_t *io);

/*
 * Run tasks until the last one has ended.
 * Returns 0, or -1 with EPERM (in a task, or not in the thread of io).
 */
int aco_io_run(aco_io_t *io);

/*
 * One turn, for a program that has another event loop: wait until deadline, at
 * most, for something to do, and run the tasks that are ready, some 256 at most.
 * Returns the time when to call again: 0 for at once, -1 for never, or -2 with
 * EPERM.  Call it also when aco_io_fd() is readable, and after code outside tasks
 * has started or woken some.
 */
int64_t aco_io_step(aco_io_t *io, int64_t deadline);
int aco_io_fd(const aco_io_t *io);

/* The scheduler of the calling thread, or NULL. */
aco_io_t *aco_io_current(void);

/*
 * From any thread: start a task in io, as aco_io_go() with NULL and flags does
 * there.  Tasks of one thread start in the order of its posts.  A scheduler
 * whose last task has ended may be leaving aco_io_run(): keep a task in it for
 * as long as posts may come.  Whether arg is movable is not looked at: it may not
 * be.
 * Returns 0, or -1 with ENOMEM or EINVAL (fn is NULL, unknown flags).
 */
int aco_io_post(aco_io_t *io, aco_io_func_t fn, void *arg, unsigned flags);

/*
 * Write a line to fd for each task: its name or function, what it waits for and
 * how long, its deadline, its co.  In the thread of io.
 */
void aco_io_dump(const aco_io_t *io, int fd);

/* The library's version at run time, as in "0.1.0"; a constant string. */
const char *aco_io_version(void);

/* ---------------------------------------------------------------- tasks -- */

#define ACO_IO_SHARED 1u /* on the one share stack of the scheduler */

/*
 * Start a task in group that calls fn(arg), soon; NULL is the scheduler's own
 * group.  The task has a guarded stack of its own, or with ACO_IO_SHARED only
 * the bytes that it uses while it waits.
 * Returns the task, or 0 with ENOMEM, EAGAIN (2^32 tasks), EINVAL (fn is NULL,
 * unknown flags), EFAULT (arg is movable), ECANCELED (the group is cancelled) or
 * EPERM (the thread has no scheduler, or it is not that of group).
 */
aco_io_task_t aco_io_go(aco_io_group_t *group, aco_io_func_t fn, void *arg,
			unsigned flags);

/* The running task, or 0. */
aco_io_task_t aco_io_self(void);

/*
 * Mark a task of this scheduler as cancelled, and wake it if it waits without a
 * shield.  Returns 0, or -1 with ESRCH (it has ended) or EPERM.
 */
int aco_io_cancel(aco_io_task_t task);

/*
 * While on is not 0, the running task waits as if it were not cancelled: to
 * release what takes a conversation.  Give a deadline to those calls.
 * Returns what it was, or -1 with EPERM.
 */
int aco_io_shield(int on);

/* Let the other tasks run that are ready.  Returns 0 or -1. */
int aco_io_yield(void);

/* Wait until deadline.  Returns 0, or -1 with ECANCELED, EPERM or EDEADLK. */
int aco_io_sleep(int64_t deadline);

/* The time when the scheduler has last looked for events.  Outside tasks: the
   time. */
int64_t aco_io_now(void);

/* The deadline in ms milliseconds from aco_io_now(); ms below 0: never. */
int64_t aco_io_after(int64_t ms);

/*
 * Name the running task, and its co as aco_set_name() does it, for
 * aco_io_dump(), messages and debuggers.  The string is not copied.  Returns 0,
 * or -1 with EFAULT (it is movable) or EPERM.
 */
int aco_io_set_name(const char *name);
const char *aco_io_get_name(void); /* NULL: none */

/*
 * A variable of which each task has its own value, at first NULL.  Its key is a
 * static object, as in
 *
 *	static const aco_io_key_t user = { free };
 *
 * When a task has returned, it calls destroy for each value that is not NULL;
 * destroy may be NULL.
 * aco_io_set_local() returns 0, or -1 with ENOMEM, EFAULT (the key is movable)
 * or EPERM.  Costs a walk through the variables of the task.
 */
typedef struct {
	void (*destroy)(void *value);
} aco_io_key_t;
int aco_io_set_local(const aco_io_key_t *key, void *value);
void *aco_io_get_local(const aco_io_key_t *key);

/*
 * Resume a co of the task's own, a generator for example, in which calls of this
 * library shall wait: as aco_try_resume(), but the whole task waits when one of
 * these calls waits.
 * Returns 0 when the co has yielded or ended, or -1 as aco_try_resume().
 */
int aco_io_resume(aco_t *co);

/* --------------------------------------------------------------- groups -- */

/*
 * A group ends after its tasks.  Returns NULL with ENOMEM or EPERM (the thread
 * has no scheduler).
 */
aco_io_group_t *aco_io_group_new(void);

/* The group of the running task, for aco_io_go(): a task of the same group ends
   with it.  NULL for the scheduler's own group, and outside tasks. */
aco_io_group_t *aco_io_group_self(void);

/* Wait until no task is left in group.  Returns 0, or -1, also with EDEADLK (the
   caller is in it). */
int aco_io_group_wait(aco_io_group_t *group, int64_t deadline);

/*
 * Cancel the tasks of group; aco_io_go() starts none in it any more.  NULL is
 * the scheduler's own group, which can start tasks again when the last task of the
 * scheduler has ended; tasks that are posted to it meanwhile begin cancelled.
 * Returns 0, or -1 with EPERM.
 */
int aco_io_group_cancel(aco_io_group_t *group);

/*
 * Cancel the tasks of group, wait until they have ended, cancelled or not, and
 * free it.  Returns 0, or -1 with nothing freed: EDEADLK (the caller is in it) or
 * EPERM (tasks are left, and the caller is no task that could wait).
 */
int aco_io_group_destroy(aco_io_group_t *group);

/* ---------------------------------------------------------- descriptors -- */

/*
 * Descriptors are non-blocking: those made here are, others are handed over by
 * aco_io_adopt().  One task at a time may wait for a direction of a descriptor;
 * a second one fails with EBUSY.  Close with aco_io_close() what these calls
 * have used; what aco_io_wait() and aco_io_poll() alone have seen may be
 * closed by those who opened it.  The calls with a deadline fail also as their
 * system calls do, with ENOMEM, with ENOSPC (too many watches of epoll(7)), and,
 * but for aco_io_wait() and aco_io_poll(), with EINVAL for a blocking descriptor.
 */
#define ACO_IO_READ 1
#define ACO_IO_WRITE 2

/* socket(2), non-blocking and closed on exec. */
int aco_io_socket(int domain, int type, int protocol);

/*
 * Make fd non-blocking, and forget what the scheduler knew of a descriptor with
 * its number.  Returns 0, or -1 as fcntl(2), with EBUSY (a task waits for it),
 * ENOMEM or EPERM.
 */
int aco_io_adopt(int fd);

/*
 * Wait until fd is ready for one of events (ACO_IO_READ, ACO_IO_WRITE, or both).
 * For libraries that make their own system calls.
 * Returns those that are ready, or -1, also with EINVAL (unknown events).
 */
int aco_io_wait(int fd, int events, int64_t deadline);

/* poll(2): returns how many of fds are ready, 0 at the deadline, or -1.  Costs up
   to one system call for each, and two more. */
int aco_io_poll(struct pollfd *fds, nfds_t n, int64_t deadline);

/* accept4(2): returns a non-blocking descriptor that is closed on exec. */
int aco_io_accept(int fd, struct sockaddr *addr, socklen_t *len,
		  int64_t deadline);

/* connect(2): returns 0 when fd is connected.  After a failure close fd. */
int aco_io_connect(int fd, const struct sockaddr *addr, socklen_t len,
		   int64_t deadline);

/* read(2): returns the number of bytes, at least one; 0: the end. */
ssize_t aco_io_read(int fd, void *buf, size_t len, int64_t deadline);

/*
 * Write all bytes; aco_io_send() with flags of send(2), as MSG_MORE.  A socket
 * sends no SIGPIPE.  Returns len, or -1 after any number of bytes.
 */
ssize_t aco_io_write(int fd, const void *buf, size_t len, int64_t deadline);
ssize_t aco_io_send(int fd, const void *buf, size_t len, int flags,
		    int64_t deadline);

/* recvmsg(2), sendmsg(2) with MSG_NOSIGNAL, and sendfile(2), once: they return
   the number of bytes.  sendfile reads file where it has to, from the disk, and
   nothing keeps it from sending SIGPIPE. */
ssize_t aco_io_recvmsg(int fd, struct msghdr *msg, int flags, int64_t deadline);
ssize_t aco_io_sendmsg(int fd, const struct msghdr *msg, int flags,
		       int64_t deadline);
ssize_t aco_io_sendfile(int fd, int file, int64_t *offset, size_t len,
			int64_t deadline);

/* close(2); a task that waits for fd fails with EBADF. */
int aco_io_close(int fd);

/*
 * pread(2) and pwrite(2) for regular files.  What is in the page cache is read
 * at once; all else is left to a thread, which cancellation does not interrupt.
 */
ssize_t aco_io_pread(int fd, void *buf, size_t len, int64_t offset);
ssize_t aco_io_pwrite(int fd, const void *buf, size_t len, int64_t offset);

/* --------------------------------------------------- what can only block -- */

/*
 * Call fn(arg) in a thread, and wait for its end, which cancellation does not
 * interrupt.  All signals are blocked there.
 * Returns 0, or -1 with nothing called: ENOMEM, EAGAIN (no thread), EINVAL,
 * EFAULT (arg is movable), ECANCELED, EPERM or EDEADLK.
 */
int aco_io_offload(aco_io_func_t fn, void *arg);

/*
 * getaddrinfo(3) in a thread.  Returns 0 or an error of getaddrinfo(3);
 * EAI_SYSTEM with errno for those of this library.  A lookup that is given up
 * ends by itself.
 */
int aco_io_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res,
		       int64_t deadline);

/*
 * Wait for a signal of set, which all threads of the process must block.
 * Returns its number, or -1.
 */
int aco_io_sigwait(const sigset_t *set, int64_t deadline);

/* -------------------------------------------------------- between tasks -- */

/* All zero: empty.  In memory that is not movable. */
typedef struct {
	void *private_[2];
} aco_io_queue_t;
#define ACO_IO_QUEUE_INIT          \
	{                          \
		{                  \
			NULL, NULL \
		}                  \
	}

/* Wait in queue for aco_io_unpark().  Returns 0 or -1, also with EFAULT. */
int aco_io_park(aco_io_queue_t *queue, int64_t deadline);

/* Wake the first n tasks of queue; all if n is below 0.  Returns how many. */
int aco_io_unpark(aco_io_queue_t *queue, int n);

/*
 * A channel: a queue of up to count items of size bytes, which are copied to the
 * heap and from there, between tasks of one scheduler.
 * Returns NULL with ENOMEM or EINVAL (count is 0, or the sizes overflow).
 */
aco_io_chan_t *aco_io_chan_new(size_t size, size_t count);

/* Returns 0, or -1, also with EPIPE: the channel is closed, and for a receiver
   empty.  item may be movable.  Outside tasks they work where they need not wait. */
int aco_io_chan_send(aco_io_chan_t *chan, const void *item, int64_t deadline);
int aco_io_chan_recv(aco_io_chan_t *chan, void *item, int64_t deadline);

/* No more items: wakes all tasks that wait.  Items that are there can still be
   received.  chan may be NULL. */
void aco_io_chan_close(aco_io_chan_t *chan);

/* Free chan, which may be NULL.  Returns 0, or -1 with EBUSY: tasks wait for it, or
   were woken and have not returned from their calls. */
int aco_io_chan_destroy(aco_io_chan_t *chan);

#ifdef __cplusplus
}
#endif

#endif /* ACO_IO_H */
