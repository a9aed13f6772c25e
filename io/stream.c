/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - sockets and pipes: connections, reading and writing
 */
#define _GNU_SOURCE 1

#include "internal.h"

#include <sys/sendfile.h>

_Static_assert(sizeof(off_t) == sizeof(int64_t), "_FILE_OFFSET_BITS=64");

/* ---- connections --------------------------------------------------------- */

int aco_io_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd >= 0 && aco_io_thread)
		aco_io_fd_forget(fd, FD_NONBLOCKING);
	return fd;
}

/* The next one may be there, if this has gone before it was accepted. */
static bool is_gone(int error)
{
	return error == ECONNABORTED || error == EPROTO;
}

int aco_io_accept(int fd, struct sockaddr *addr, socklen_t *len,
		  int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_READ,
			     .deadline = deadline };
	int connection, flags = FD_NONBLOCKING | FD_TYPE_KNOWN;

	if (fd_begin(&a))
		return -1;
	do {
		if (fd_ready(&a))
			return -1;
		connection = accept4(fd, addr, len,
				     SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (connection < 0 && (aco_io_fd_again(&a) || is_gone(errno)));
	if (connection < 0)
		return -1;
	if (aco_io_fd_is_tcp(fd))
		flags |= FD_IS_TCP;
	aco_io_fd_forget(connection, flags);
	return connection;
}

/* An error is told once, and another task that reads or writes may have heard it.
   Without an error or the end of the peer there is nothing to ask. */
static bool is_connected(int fd)
{
	struct sockaddr peer;
	socklen_t len = sizeof(peer);

	return !(aco_io_thread->fds[fd].flags & FD_DOUBT) ||
	       !getpeername(fd, &peer, &len);
}

static int finish_connect(int fd, int64_t deadline)
{
	int error = 0;
	socklen_t len = sizeof(error);

	aco_io_thread->fds[fd].ready &= (uint8_t)~ACO_IO_WRITE;
	if (aco_io_fd_block(fd, ACO_IO_WRITE, deadline) ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -1;
	if (error)
		return fail(error);
	return is_connected(fd) ? 0 : -1;
}

/* A local socket whose server has no place for more connections, or datagrams,
   tells nobody when it has: so ask from time to time. */
static int ask_later(const struct attempt *a)
{
	int64_t next = aco_io_thread->now + ACO_IO_MSEC;

	if (is_past(a->deadline))
		return fail(ETIMEDOUT);
	if (a->deadline >= 0 && a->deadline < next)
		next = a->deadline;
	return aco_io_sleep(next) ? -1 : aco_io_fd_check(a);
}

int aco_io_connect(int fd, const struct sockaddr *addr, socklen_t len,
		   int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_WRITE,
			     .deadline = deadline };

	if (fd_begin(&a))
		return -1;
	while (connect(fd, addr, len)) {
		if (errno == EINPROGRESS || errno == EINTR)
			return finish_connect(fd, deadline);
		if (errno != EAGAIN || ask_later(&a))
			return -1;
	}
	return 0;
}

/* ---- reading ------------------------------------------------------------- */

/* What these flags look for is not what others read: that it is missing says
   nothing of the rest, nor the other way round. */
static void look_apart(int fd, int flags)
{
	if (flags & (MSG_ERRQUEUE | MSG_OOB | MSG_PEEK))
		aco_io_thread->fds[fd].ready |= ACO_IO_READ;
}

ssize_t aco_io_recvmsg(int fd, struct msghdr *msg, int flags, int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_READ,
			     .deadline = deadline };
	ssize_t n = -1;

	if (fd_begin(&a))
		return -1;
	look_apart(fd, flags);
	do {
		if (fd_ready(&a))
			break;
		n = recvmsg(fd, msg, flags);
	} while (n < 0 && aco_io_fd_again(&a));
	look_apart(fd, flags);
	return n;
}

/* ---- writing ------------------------------------------------------------- */

static bool has_local_address(const struct msghdr *msg)
{
	const struct sockaddr *addr = msg ? msg->msg_name : NULL;

	return addr && msg->msg_namelen >= sizeof(addr->sa_family) &&
	       addr->sa_family == AF_UNIX;
}

static ssize_t send_to_local(const struct attempt *a, const struct msghdr *msg,
			     int flags)
{
	ssize_t n;

	while ((n = sendmsg(a->fd, msg, flags)) < 0)
		if (errno != EINTR && (errno != EAGAIN || ask_later(a)))
			return -1;
	return n;
}

ssize_t aco_io_sendmsg(int fd, const struct msghdr *msg, int flags,
		       int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_WRITE,
			     .deadline = deadline };
	ssize_t n;

	if (fd_begin(&a))
		return -1;
	flags |= MSG_NOSIGNAL;
	if (has_local_address(msg))
		return send_to_local(&a, msg, flags);
	do {
		if (fd_ready(&a))
			return -1;
		n = sendmsg(fd, msg, flags);
	} while (n < 0 && aco_io_fd_again(&a));
	return n;
}

ssize_t aco_io_sendfile(int fd, int file, int64_t *offset, size_t len,
			int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_WRITE,
			     .deadline = deadline };
	off_t at = offset ? *offset : 0;
	ssize_t n;

	if (fd_begin(&a))
		return -1;
	do {
		if (fd_ready(&a))
			return -1;
		n = sendfile(fd, file, offset ? &at : NULL, len);
	} while (n < 0 && aco_io_fd_again(&a));
	if (offset)
		*offset = at;
	return n;
}

/* Only sockets can be told to send no signal. */
static ssize_t send_or_write(int fd, const char *buf, size_t len, int flags)
{
	ssize_t n = send(fd, buf, len, flags | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK && !flags)
		n = write(fd, buf, len);
	return n;
}

ssize_t aco_io_send(int fd, const void *buf, size_t len, int flags,
		    int64_t deadline)
{
	struct attempt a = { .fd = fd,
			     .event = ACO_IO_WRITE,
			     .deadline = deadline };
	size_t sent = 0;
	ssize_t n;

	do {
		if (fd_begin(&a))
			return -1;
		do {
			if (fd_ready(&a))
				return -1;
			n = send_or_write(fd, (const char *)buf + sent,
					  len - sent, flags);
		} while (n < 0 && aco_io_fd_again(&a));
		if (n < 0)
			return -1;
		sent += (size_t)n;
	} while (sent < len);
	return (ssize_t)len;
}

ssize_t aco_io_write(int fd, const void *buf, size_t len, int64_t deadline)
{
	return aco_io_send(fd, buf, len, 0, deadline);
}
