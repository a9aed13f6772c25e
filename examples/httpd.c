/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd.c - HTTP server with one task of libaco-io per connection
 *
 * Each worker thread has a scheduler, a listening socket of its own
 * (SO_REUSEPORT: the kernel spreads the connections) and these tasks: one that
 * accepts, one for each connection, which runs the same blocking-style handler
 * that httpd-threads runs on a thread, and at the end one that shuts down.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http.h"

#include <aco_io.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker {
	pthread_t thread;
	int listen_fd;
	aco_io_t *io;
	aco_io_group_t *acceptor, *connections;
	struct connection *first; /* of connections */
};

/* In the heap and not on the connection's stack: the task that shuts down looks
   at it while the connection sleeps. */
struct connection {
	struct http_io io; /* first: an io is its connection */
	struct worker *worker;
	aco_io_task_t task;
	struct connection *next, **link;
};

static struct http_server server;
static struct worker *workers;
static pthread_barrier_t barrier;
static unsigned task_flags; /* of connections */

/* ----------------------------------------------------------- connections -- */

/* These run in the connection's own task. */

static int64_t io_after(int msec)
{
	return aco_io_after(msec);
}

static int io_wait(struct http_io *io, int64_t deadline)
{
	return aco_io_wait(io->fd, ACO_IO_READ, deadline) < 0 ? -1 : 0;
}

static ssize_t io_read(struct http_io *io, void *buf, size_t len,
		       int64_t deadline)
{
	return aco_io_read(io->fd, buf, len, deadline);
}

static int io_write(struct http_io *io, const void *buf, size_t len, bool more,
		    int64_t deadline)
{
	int flags = more ? MSG_MORE : 0;

	return aco_io_send(io->fd, buf, len, flags, deadline) < 0 ? -1 : 0;
}

static ssize_t io_sendfile(struct http_io *io, int file, int64_t *off,
			   size_t len, int64_t deadline)
{
	return aco_io_sendfile(io->fd, file, off, len, deadline);
}

static int io_sleep(struct http_io *io, int64_t deadline)
{
	(void)io;
	return aco_io_sleep(deadline);
}

static const struct http_io_ops io_ops = {
	.after = io_after,
	.wait = io_wait,
	.read = io_read,
	.write = io_write,
	.sendfile = io_sendfile,
	.sleep = io_sleep,
};

static void list(struct connection *conn)
{
	conn->next = conn->worker->first;
	conn->link = &conn->worker->first;
	if (conn->next)
		conn->next->link = &conn->next;
	conn->worker->first = conn;
}

static void unlist(struct connection *conn)
{
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
}

static void run_connection(void *arg)
{
	struct connection *conn = arg;

	http_serve(&server, &conn->io);
	aco_io_close(conn->io.fd);
	http_connection_end(&server);
	unlist(conn);
	free(conn);
}

/* False, with errno: there is no memory. */
static bool start_task(struct worker *w, int fd)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return false;
	conn->io.ops = &io_ops;
	conn->io.fd = fd;
	conn->worker = w;
	conn->task = aco_io_go(w->connections, run_connection, conn,
			       task_flags);
	if (!conn->task) {
		free(conn);
		return false;
	}
	list(conn);
	return true;
}

static void start_connection(struct worker *w, int fd)
{
	int on = 1;

	if (http_connection_begin(&server)) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (start_task(w, fd))
			return;
		http_log_error("refused: %s", strerror(errno));
		http_connection_end(&server);
	}
	http_refuse(fd);
	aco_io_close(fd);
}

static void run_acceptor(void *arg)
{
	struct worker *w = arg;
	int fd, delay;

	for (;;) {
		fd = aco_io_accept(w->listen_fd, NULL, NULL, ACO_IO_NEVER);
		if (fd >= 0) {
			start_connection(w, fd);
			continue;
		}
		if (errno == ECANCELED)
			break;
		delay = http_accept_delay(errno);
		if (delay && aco_io_sleep(aco_io_after(delay)))
			break;
	}
	aco_io_close(w->listen_fd);
}

/*
 * Stop accepting and end what is idle; the others end after their request, or
 * when the grace time is over.  The acceptor has ended before its connections
 * are looked at, so there will be no more of them.
 */
static void shut_down(void *arg)
{
	struct worker *w = arg;
	struct connection *conn;

	aco_io_group_destroy(w->acceptor);
	for (conn = w->first; conn; conn = conn->next)
		if (atomic_load(&conn->io.idle))
			aco_io_cancel(conn->task);
	aco_io_group_wait(w->connections, aco_io_after(server.opt.grace));
	aco_io_group_destroy(w->connections);
}

/* ------------------------------------------------------------ statistics -- */

/* A line for each: as Prometheus and others read it. */
static int write_stats(char *text, size_t size)
{
	aco_stats_t s;

	aco_stats(&s);
	return snprintf(
		text, size,
		"aco_cos %" PRIu64 "\naco_cos_peak %" PRIu64
		"\naco_stacks %" PRIu64 "\naco_stacks_peak %" PRIu64
		"\naco_stacks_cached %" PRIu64 "\naco_save_bytes %" PRIu64
		"\naco_copies_total %" PRIu64
		"\naco_copied_bytes_total %" PRIu64 "\n",
		s.cos, s.cos_peak, s.stacks, s.stacks_peak, s.stacks_cached,
		s.save_bytes, s.copies, s.copied_bytes);
}

/* --------------------------------------------------------------- threads -- */

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", server.name, what, strerror(errno));
	exit(1);
}

static void *run_worker(void *arg)
{
	const aco_io_opts_t opts = { .size = sizeof(opts),
				     .stack_size = server.opt.stack_size };
	struct worker *w = arg;

	w->io = aco_io_new(&opts);
	if (!w->io)
		die("start");
	w->acceptor = aco_io_group_new();
	w->connections = aco_io_group_new();
	if (!w->acceptor || !w->connections ||
	    !aco_io_go(w->acceptor, run_acceptor, w, 0))
		die("start");
	pthread_barrier_wait(&barrier);

	aco_io_run(w->io);
	aco_io_destroy(w->io);
	return NULL;
}

static void start_workers(void)
{
	unsigned i, n = server.opt.threads;

	workers = calloc(n, sizeof(*workers));
	if (!workers)
		die("start");
	for (i = 0; i < n; i++)
		workers[i].listen_fd = http_listen(&server, n > 1);
	pthread_barrier_init(&barrier, NULL, n + 1);
	for (i = 0; i < n; i++) {
		errno = pthread_create(&workers[i].thread, NULL, run_worker,
				       &workers[i]);
		if (errno)
			die("pthread_create");
	}
	pthread_barrier_wait(&barrier);
}

/* The acceptor keeps the scheduler running until the post has arrived. */
static void stop_workers(void)
{
	unsigned i;

	atomic_store(&server.draining, true);
	for (i = 0; i < server.opt.threads; i++)
		if (aco_io_post(workers[i].io, shut_down, &workers[i], 0))
			die("shutdown");
	for (i = 0; i < server.opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
}

int main(int argc, char **argv)
{
	sigset_t signals;
	int signo;

	http_server_init(&server, "httpd", true, argc, argv);
	server.stats = write_stats;
	task_flags = server.opt.shared_stack ? ACO_IO_SHARED : 0;
	/* Before there are threads: they inherit it, and sigwait() needs it. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	start_workers();
	http_announce(&server);
	sigwait(&signals, &signo);
	/* Who can't wait for the grace time sends another one. */
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	stop_workers();

	http_log_close();
	http_print_statistics(&server);
	pthread_barrier_destroy(&barrier);
	free(workers);
	http_server_destroy(&server);
	return 0;
}
