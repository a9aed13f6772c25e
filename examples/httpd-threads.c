/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd-threads.c - HTTP server with one thread per connection
 *
 * The twin of httpd, to compare with: the same handler on blocking sockets.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
	struct http_io io;	      /* first: an io is its connection */
	int rcv_timeout, snd_timeout; /* what the socket has, milliseconds */
	struct connection *next, **link;
};

static struct http_server server;
static volatile sig_atomic_t stop;

/* Guards what follows, and the descriptors of the listed connections: a listed
   one is open. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_ended = PTHREAD_COND_INITIALIZER;
static struct connection *connections;
static pthread_t last_ended;
static bool have_last_ended;

/* ---------------------------------------------------------- blocking I/O -- */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t io_after(int msec)
{
	return now() + msec * INT64_C(1000000);
}

/* In milliseconds, rounded up: it is mostly that of the last time, and need not
   be set again. */
static int timeout_until(int64_t deadline)
{
	int64_t left = deadline - now();

	return left > 0 ? (int)((left + 999999) / 1000000) : 0;
}

static void set_timeout(int fd, int option, int *current, int64_t deadline)
{
	int timeout = timeout_until(deadline);
	struct timeval tv;

	if (timeout < 1)
		timeout = 1; /* 0 would mean none */
	if (timeout == *current)
		return;
	*current = timeout;
	tv.tv_sec = timeout / 1000;
	tv.tv_usec = timeout % 1000 * 1000;
	setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

/* A socket with a timeout says EAGAIN when it is over. */
static ssize_t result_of(ssize_t n)
{
	if (n < 0 && errno == EAGAIN)
		errno = ETIMEDOUT;
	return n;
}

/* All signals are blocked here.  But a call on a socket with a timeout also ends
   when the process is stopped and continued, by Ctrl-Z or a debugger. */
static bool is_interrupted(ssize_t n)
{
	return n < 0 && errno == EINTR;
}

static int io_wait(struct http_io *io, int64_t deadline)
{
	/* A system call more for each request would buy nothing here. */
	(void)io;
	(void)deadline;
	return 0;
}

static ssize_t io_read(struct http_io *io, void *buf, size_t len,
		       int64_t deadline)
{
	struct connection *conn = (struct connection *)io;
	ssize_t n;

	do {
		set_timeout(io->fd, SO_RCVTIMEO, &conn->rcv_timeout, deadline);
		n = result_of(recv(io->fd, buf, len, 0));
	} while (is_interrupted(n));
	return n;
}

static int io_write(struct http_io *io, const void *buf, size_t len, bool more,
		    int64_t deadline)
{
	struct connection *conn = (struct connection *)io;
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	const char *at = buf;
	ssize_t n;

	for (; len; at += n, len -= n) {
		set_timeout(io->fd, SO_SNDTIMEO, &conn->snd_timeout, deadline);
		n = result_of(send(io->fd, at, len, flags));
		if (is_interrupted(n))
			n = 0;
		if (n < 0)
			return -1;
	}
	return 0;
}

static ssize_t io_sendfile(struct http_io *io, int file, int64_t *off,
			   size_t len, int64_t deadline)
{
	struct connection *conn = (struct connection *)io;
	off_t at = *off;
	ssize_t n;

	do {
		set_timeout(io->fd, SO_SNDTIMEO, &conn->snd_timeout, deadline);
		n = result_of(sendfile(io->fd, file, &at, len));
	} while (is_interrupted(n));
	*off = at;
	return n;
}

/* Ends early when the connection is shut down, by us or by the peer. */
static int io_sleep(struct http_io *io, int64_t deadline)
{
	struct pollfd p = { .fd = io->fd };

	if (!poll(&p, 1, timeout_until(deadline)))
		return 0;
	errno = ECANCELED;
	return -1;
}

static const struct http_io_ops io_ops = {
	.after = io_after,
	.wait = io_wait,
	.read = io_read,
	.write = io_write,
	.sendfile = io_sendfile,
	.sleep = io_sleep,
};

/* ----------------------------------------------------------- connections -- */

static void unlist(struct connection *conn)
{
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	close(conn->io.fd);
	http_connection_end(&server);
	if (!connections)
		pthread_cond_signal(&all_ended);
}

static void *run_connection(void *arg)
{
	struct connection *conn = arg;
	pthread_t previous;
	bool have_previous;

	http_serve(&server, &conn->io);

	/* Nobody waits for a connection's thread but the one that ends next;
	   the last of all is joined by main(). */
	pthread_mutex_lock(&lock);
	previous = last_ended;
	have_previous = have_last_ended;
	last_ended = pthread_self();
	have_last_ended = true;
	unlist(conn);
	pthread_mutex_unlock(&lock);

	if (have_previous)
		pthread_join(previous, NULL);
	free(conn);
	return NULL;
}

static void list(struct connection *conn)
{
	conn->next = connections;
	conn->link = &connections;
	if (conn->next)
		conn->next->link = &conn->next;
	connections = conn;
}

static int start_thread(struct connection *conn)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, server.opt.stack_size);
	pthread_mutex_lock(&lock);
	error = pthread_create(&thread, &attr, run_connection, conn);
	if (!error)
		list(conn);
	pthread_mutex_unlock(&lock);
	pthread_attr_destroy(&attr);
	return error;
}

static void start_connection(int fd)
{
	struct connection *conn;
	int on = 1, error = ENOMEM;

	if (!http_connection_begin(&server)) {
		http_refuse(fd);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn = calloc(1, sizeof(*conn));
	if (conn) {
		conn->io.ops = &io_ops;
		conn->io.fd = fd;
		error = start_thread(conn);
		if (!error)
			return;
	}
	free(conn);
	http_connection_end(&server);
	http_log_error("refused: %s", strerror(error));
	http_refuse(fd);
	close(fd);
}

/* The signals that end the server are delivered only where this waits. */
static void accept_until_stopped(int listen_fd, const sigset_t *wait_mask)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	struct timespec pause = { 0 };
	int fd, delay = 0;

	while (!stop) {
		pause.tv_nsec = delay * 1000000L;
		if (delay)
			ppoll(NULL, 0, &pause, wait_mask);
		else
			ppoll(&p, 1, NULL, wait_mask);
		while (!stop &&
		       (fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			start_connection(fd);
		delay = errno == EAGAIN ? 0 : http_accept_delay(errno);
	}
	close(listen_fd);
}

/* -------------------------------------------------------------- shutdown -- */

/* With the lock held: make reads (SHUT_RD), or all, fail. */
static void cut_off(bool idle_only, int how)
{
	struct connection *conn;

	for (conn = connections; conn; conn = conn->next)
		if (!idle_only || atomic_load(&conn->io.idle))
			shutdown(conn->io.fd, how);
}

static void end_connections(void)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += server.opt.grace / 1000;
	until.tv_nsec += server.opt.grace % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}

	atomic_store(&server.draining, true);
	pthread_mutex_lock(&lock);
	cut_off(true, SHUT_RD);
	while (connections && !error)
		error = pthread_cond_timedwait(&all_ended, &lock, &until);
	cut_off(false, SHUT_RDWR);
	while (connections)
		pthread_cond_wait(&all_ended, &lock);
	pthread_mutex_unlock(&lock);
	if (have_last_ended)
		pthread_join(last_ended, NULL);
}

static void on_signal(int signo)
{
	(void)signo;
	stop = 1;
}

int main(int argc, char **argv)
{
	/* A second signal ends the program at once. */
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESETHAND };
	sigset_t signals, before;
	int listen_fd;

	http_server_init(&server, "httpd-threads", false, argc, argv);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	/* Threads inherit the mask, so signals interrupt none of them. */
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	listen_fd = http_listen(&server, false);
	http_announce(&server);
	accept_until_stopped(listen_fd, &before);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	end_connections();

	http_log_close();
	http_print_statistics(&server);
	http_server_destroy(&server);
	return 0;
}
