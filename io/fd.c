/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.c - descriptors: what is known of them, and waiting for them
 *
 * Each is registered with epoll once, edge-triggered, for all events, when a task
 * first waits for it.  An edge sets a bit of ready; EAGAIN clears it.  So a call
 * makes its system call at once, unless an earlier one was told that nothing is
 * there.
 *
 * Descriptors of libraries, which read by themselves, are not known to be ready
 * or not, and may be another file since the last time: each wait arms them again,
 * by which epoll reports what is there already.
 */
#define _GNU_SOURCE 1

#include "internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#define BOTH (ACO_IO_READ | ACO_IO_WRITE)

/* ---- the table ----------------------------------------------------------- */

static int grow(aco_io_t *io, size_t count)
{
	size_t n = io->fd_count ? io->fd_count : 64;
	struct descriptor *fds;

	while (n < count)
		n += n / 2;
	fds = realloc(io->fds, n * sizeof(struct descriptor));
	if (!fds)
		return -1;
	io->fds = fds;
	for (; io->fd_count < n; io->fd_count++)
		fds[io->fd_count] = (struct descriptor){ .ready = BOTH };
	return 0;
}

struct descriptor *aco_io_fd_get(int fd)
{
	aco_io_t *io = aco_io_thread;

	/* No table for a number that is none. */
	if ((size_t)fd >= io->fd_count &&
	    (fcntl(fd, F_GETFD) < 0 || grow(io, (size_t)fd + 1)))
		return NULL;
	return &io->fds[fd];
}

void aco_io_fd_forget(int fd, int flags)
{
	aco_io_t *io = aco_io_thread;
	struct descriptor *d;

	if ((size_t)fd >= io->fd_count)
		return; /* it will be unknown */
	d = &io->fds[fd];
	*d = (struct descriptor){ .ready = BOTH,
				  .flags = (uint8_t)flags,
				  .file = (uint16_t)(d->file + 1) };
}

static struct task **waiting(struct descriptor *d, int event)
{
	return &d->waiting[event == ACO_IO_WRITE];
}

static bool is_busy(struct descriptor *d, int events)
{
	return ((events & ACO_IO_READ) && d->waiting[0]) ||
	       ((events & ACO_IO_WRITE) && d->waiting[1]);
}

static void wake(struct descriptor *d, int event, int error)
{
	struct task **task = waiting(d, event);

	if (*task)
		aco_io_wake(*task, error);
	*task = NULL;
}

/* As long as a copy of it is open, epoll reports of a file whose number has been
   closed, and may be another's. */
void aco_io_fd_event(aco_io_t *io, uint64_t data, uint32_t events)
{
	const uint32_t ends = EPOLLHUP | EPOLLERR;
	struct descriptor *d = &io->fds[(uint32_t)data];

	if (d->file != data >> 32)
		return;
	if (events & (ends | EPOLLRDHUP | EPOLLPRI))
		d->flags |= FD_DOUBT;
	if (events & (ends | EPOLLRDHUP | EPOLLIN))
		d->ready |= ACO_IO_READ;
	/* Urgent data alone is for who asks for it: others find nothing. */
	if (events & (ends | EPOLLRDHUP | EPOLLPRI | EPOLLIN))
		wake(d, ACO_IO_READ, 0);
	if (events & (ends | EPOLLOUT)) {
		d->ready |= ACO_IO_WRITE;
		wake(d, ACO_IO_WRITE, 0);
	}
}

/* ---- registration -------------------------------------------------------- */

static int control(int operation, int fd)
{
	const aco_io_t *io = aco_io_thread;
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)io->fds[fd].file << 32 | (uint32_t)fd,
	};

	return epoll_ctl(io->epoll_fd, operation, fd, &event);
}

/*
 * Arms it, too: what is ready now will be reported.  Others may have closed the
 * file for which the number was registered, and opened another one; the old one
 * is still registered if a copy of it is open.
 */
static int arm(int fd, struct descriptor *d)
{
	int result = -1;

	if (d->flags & (FD_REGISTERED | FD_WAS_REGISTERED)) {
		result = control(EPOLL_CTL_MOD, fd);
		if (result)
			d->file++;
	}
	if (result)
		result = control(EPOLL_CTL_ADD, fd);
	if (result && errno == EEXIST)
		result = control(EPOLL_CTL_MOD, fd);
	if (!result)
		d->flags |= FD_REGISTERED;
	return result;
}

static int ensure_registered(int fd, struct descriptor *d)
{
	return d->flags & FD_REGISTERED ? 0 : arm(fd, d);
}

/* Others may run here, close fd, or have more descriptors.  Not inline: what it
   keeps meanwhile is nothing to the frame in which aco_io_wait() waits. */
static __attribute__((__noinline__)) struct descriptor *take_turn(int fd)
{
	struct descriptor *d;
	uint16_t file;

	if (!running())
		return NULL;
	d = aco_io_fd_get(fd);
	if (!d)
		return NULL;
	file = d->file;
	if (aco_io_take_turn(true))
		return NULL;
	d = &aco_io_thread->fds[fd];
	if (d->file == file)
		return d;
	errno = EBADF;
	return NULL;
}

/* ---- waiting ------------------------------------------------------------- */

/* The running task is no longer one that waits for fd. */
static inline void withdraw(int fd, int events)
{
	aco_io_t *io = aco_io_thread;

	if ((size_t)fd >= io->fd_count)
		return;
	for (int event = ACO_IO_READ; event <= ACO_IO_WRITE; event++)
		if ((events & event) &&
		    *waiting(&io->fds[fd], event) == io->running)
			*waiting(&io->fds[fd], event) = NULL;
}

static inline void enter(int fd, int events)
{
	aco_io_t *io = aco_io_thread;

	for (int event = ACO_IO_READ; event <= ACO_IO_WRITE; event++)
		if (events & event)
			*waiting(&io->fds[fd], event) = io->running;
}

/* A task that an event has woken finds the number closed, and perhaps in use
   again, if that happened before it ran. */
static ALWAYS_INLINE int wait_registered(int fd, int events, int64_t deadline)
{
	struct task *task = aco_io_thread->running;
	uint16_t file = aco_io_thread->fds[fd].file;
	int result;

	if (is_stopped(task))
		return fail(ECANCELED);
	if (is_past(deadline))
		return fail(ETIMEDOUT);
	enter(fd, events);
	task->fd = fd;
	task->events = (uint8_t)events & BOTH;
	result = wait_here(task, deadline, NULL);
	/* From the task, as what is kept on the stack is memory. */
	fd = task->fd;
	task->fd = -1;
	withdraw(fd, task->events);
	if (!result && aco_io_thread->fds[fd].file != file)
		return fail(EBADF);
	return result;
}

static ALWAYS_INLINE int block(int fd, int event, int64_t deadline)
{
	struct descriptor *d = &aco_io_thread->fds[fd];

	if (is_busy(d, event))
		return fail(EBUSY);
	if (ensure_registered(fd, d))
		return -1;
	return wait_registered(fd, event, deadline);
}

int aco_io_fd_block(int fd, int event, int64_t deadline)
{
	return block(fd, event, deadline);
}

/* Without waiting; a signal interrupts even that. */
static int poll_now(struct pollfd *fds, nfds_t n)
{
	int result;

	do
		result = poll(fds, n, 0);
	while (result < 0 && errno == EINTR);
	return result;
}

static int ready_now(int fd, int events)
{
	struct pollfd p = { .fd = fd };
	int result = 0;

	if (events & ACO_IO_READ)
		p.events = POLLIN;
	if (events & ACO_IO_WRITE)
		p.events |= POLLOUT;
	if (poll_now(&p, 1) < 0)
		return -1;
	if (p.revents & POLLNVAL)
		return fail(EBADF);
	if (p.revents & (POLLIN | POLLHUP | POLLERR))
		result = ACO_IO_READ;
	if (p.revents & (POLLOUT | POLLHUP | POLLERR))
		result |= ACO_IO_WRITE;
	return result & events;
}

/* Regular files, which epoll refuses, are always ready. */
static int wait_armed(int fd, int events, bool is_armed, int64_t deadline)
{
	struct descriptor *d = &aco_io_thread->fds[fd];
	int ready;

	if (is_busy(d, events)) /* another wait has begun in this one */
		return fail(EBUSY);
	is_armed |= (d->flags & FD_OURS) != 0;
	if (is_armed ? ensure_registered(fd, d) : arm(fd, d))
		return errno == EPERM ? events : -1;
	/* What is there will be reported, if it was not. */
	d->ready &= (uint8_t)~events;
	if (wait_registered(fd, events, deadline))
		return -1;
	ready = aco_io_thread->fds[fd].ready & events;
	/* It was urgent data, or another wait has begun since the event. */
	return ready ? ready : ready_now(fd, events);
}

/* Armed once: again and again epoll would report urgent data. */
int aco_io_wait(int fd, int events, int64_t deadline)
{
	struct descriptor *d = take_turn(fd);
	bool is_armed = false;
	int result = 0;

	if (!d)
		return -1;
	if (!events || (events & ~BOTH))
		return fail(EINVAL);
	if (is_busy(d, events))
		return fail(EBUSY);
	if (is_past(deadline) || ((d->flags & FD_OURS) && (d->ready & events)))
		result = ready_now(fd, events);
	while (!result) {
		if (is_past(deadline))
			return fail(ETIMEDOUT);
		result = wait_armed(fd, events, is_armed, deadline);
		is_armed = true;
	}
	return result;
}

/* ---- several ------------------------------------------------------------- */

static int events_of(const struct pollfd *p)
{
	const int writes = POLLOUT | POLLWRNORM | POLLWRBAND;

	return (p->events & writes ? ACO_IO_WRITE : 0) |
	       (p->events & ~writes ? ACO_IO_READ : 0);
}

static int enter_one(const struct pollfd *p, bool is_armed)
{
	int events = events_of(p) ? events_of(p) : ACO_IO_READ;
	struct descriptor *d = aco_io_fd_get(p->fd);

	if (!d)
		return -1;
	withdraw(p->fd, events); /* it may be in fds twice */
	if (is_busy(d, events))
		return fail(EBUSY);
	/* Its number may have been closed, and be another's, since it was. */
	if ((is_armed ? ensure_registered(p->fd, d) : arm(p->fd, d)) &&
	    errno != EPERM)
		return -1;
	enter(p->fd, events);
	return 0;
}

/*
 * A descriptor that epoll refuses is always ready: poll(2) has said so, unless
 * nothing was asked that it could be ready for.  Other tasks may change fds, if it
 * is in the heap: what was entered is kept apart.
 */
static int wait_for_all(const struct pollfd *fds, nfds_t n, bool is_armed,
			int64_t deadline)
{
	int *entered = malloc((n + 1) * sizeof(int));
	nfds_t count = 0;
	int result = 0;

	if (!entered)
		return -1;
	for (nfds_t i = 0; i < n && !result; i++) {
		if (fds[i].fd < 0)
			continue;
		entered[count++] = fds[i].fd;
		result = enter_one(&fds[i], is_armed);
	}
	if (!result)
		result = aco_io_give_way(deadline, NULL);
	while (count)
		withdraw(entered[--count], BOTH);
	free(entered);
	return result;
}

/* Armed once: again and again epoll would report what nobody asked for. */
int aco_io_poll(struct pollfd *fds, nfds_t n, int64_t deadline)
{
	bool is_armed = false;
	int result;

	if (aco_io_take_turn(true))
		return -1;
	while (!(result = poll_now(fds, n)) && !is_past(deadline)) {
		if (wait_for_all(fds, n, is_armed, deadline) &&
		    errno != ETIMEDOUT)
			return -1;
		is_armed = true;
	}
	return result;
}

/* ---- calls on descriptors ------------------------------------------------ */

/* A descriptor that came from elsewhere would block the thread. */
static int check_mode(int fd, struct descriptor *d)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	if (!(flags & O_NONBLOCK))
		return fail(EINVAL);
	d->flags |= FD_NONBLOCKING;
	return 0;
}

int aco_io_fd_check(const struct attempt *a)
{
	return aco_io_thread->fds[a->fd].file == a->file ? 0 : fail(EBADF);
}

int aco_io_fd_begin(struct attempt *a)
{
	struct descriptor *d;

	d = take_turn(a->fd);
	if (!d)
		return -1;
	a->file = d->file;
	/* One that is refused stays with those who opened it. */
	if (!(d->flags & FD_NONBLOCKING) && check_mode(a->fd, d))
		return -1;
	if (!(d->flags & FD_OURS)) { /* it may be another since a wait */
		if (d->flags & FD_REGISTERED)
			d->flags |= FD_WAS_REGISTERED;
		d->flags &= (uint8_t)~FD_REGISTERED;
		d->ready = BOTH;
	}
	d->flags |= FD_OURS;
	return 0;
}

static ALWAYS_INLINE int wait_for(struct attempt *a)
{
	bool tried = a->tried;

	a->tried = true;
	if (is_past(a->deadline))
		return tried ? fail(ETIMEDOUT) : 0;
	return block(a->fd, a->event, a->deadline);
}

int aco_io_fd_wait(struct attempt *a)
{
	return wait_for(a);
}

bool aco_io_fd_again(const struct attempt *a)
{
	if (errno == EAGAIN)
		aco_io_thread->fds[a->fd].ready &= (uint8_t)~a->event;
	return errno == EAGAIN || errno == EINTR;
}

/* ---- reading ------------------------------------------------------------- */

static int option(int fd, int name)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* Raw sockets have the protocol, too. */
static __attribute__((__noinline__)) void find_type(int fd,
						    struct descriptor *d)
{
	d->flags |= FD_TYPE_KNOWN;
	if (option(fd, SO_PROTOCOL) == IPPROTO_TCP &&
	    option(fd, SO_TYPE) == SOCK_STREAM)
		d->flags |= FD_IS_TCP;
}

bool aco_io_fd_is_tcp(int fd)
{
	struct descriptor *d = &aco_io_thread->fds[fd];

	if (!(d->flags & FD_TYPE_KNOWN))
		find_type(fd, d);
	return d->flags & FD_IS_TCP;
}

/*
 * A read of TCP that got less than it asked for has taken all: the next byte is
 * an edge, and the read(2) that would be told EAGAIN can be saved.  Other kinds
 * end a read where a datagram, line or message does.
 */
static void note_short_read(int fd)
{
	struct descriptor *d = &aco_io_thread->fds[fd];

	if ((d->flags & (FD_REGISTERED | FD_DOUBT)) == FD_REGISTERED &&
	    aco_io_fd_is_tcp(fd))
		d->ready &= (uint8_t)~ACO_IO_READ;
}

/* Here, because most tasks wait in it, and need no other frame of this library
   while they do. */
ssize_t aco_io_read(int fd, void *buf, size_t len, int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_READ,
			     .deadline = deadline };
	ssize_t n;

	if (fd_begin(&a))
		return -1;
	do {
		if (!is_ready(&a) && wait_for(&a))
			return -1;
		n = read(a.fd, buf, len);
	} while (n < 0 && aco_io_fd_again(&a));
	if (n > 0 && (size_t)n < len)
		note_short_read(a.fd);
	return n;
}

/* ---- handing over, and closing ------------------------------------------- */

int aco_io_adopt(int fd)
{
	struct descriptor *d;
	int flags;

	if (!aco_io_thread)
		return fail(EPERM);
	d = aco_io_fd_get(fd);
	if (!d)
		return -1;
	if (is_busy(d, BOTH))
		return fail(EBUSY);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -1;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -1;
	/* If it goes to another process, closing it here does not end this. */
	if (d->flags & (FD_REGISTERED | FD_WAS_REGISTERED))
		control(EPOLL_CTL_DEL, fd);
	aco_io_fd_forget(fd, FD_NONBLOCKING);
	return 0;
}

int aco_io_close(int fd)
{
	aco_io_t *io = aco_io_thread;

	if (io && fd >= 0 && (size_t)fd < io->fd_count) {
		wake(&io->fds[fd], ACO_IO_READ, EBADF);
		wake(&io->fds[fd], ACO_IO_WRITE, EBADF);
		aco_io_fd_forget(fd, 0);
	}
	return close(fd);
}
