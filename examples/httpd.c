/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd.c - HTTP server with one co per connection
 *
 * Each worker thread has a scheduler, a listening socket of its own
 * (SO_REUSEPORT: the kernel spreads the connections) and these tasks: one that
 * accepts, and one for each connection, which runs the same blocking-style
 * handler that httpd-threads runs on a thread.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "coio.h"
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>

struct worker {
	pthread_t thread;
	int listen_fd;
	struct coio sched;
	struct coio_task acceptor;
	ev_async stop;
	ev_timer grace;
};

/* In the heap and not on the connection's stack: the event loop and the
   shutdown code look at it while the connection sleeps. */
struct connection {
	struct coio_task task; /* first: a task is its connection */
	struct http_io io;
};

static struct http_server server;
static struct worker *workers;
static pthread_barrier_t barrier;

/* ----------------------------------------------------------- connections -- */

/* These run on the connection's own co. */

static int io_wait(struct http_io *io, int timeout)
{
	return coio_wait(io->fd, EV_READ, timeout);
}

static ssize_t io_read(struct http_io *io, void *buf, size_t len, int timeout)
{
	return coio_read(io->fd, buf, len, timeout);
}

static ssize_t io_write(struct http_io *io, const void *buf, size_t len,
			bool more, int timeout)
{
	return coio_write(io->fd, buf, len, more, timeout);
}

static ssize_t io_sendfile(struct http_io *io, int file, off_t *off, size_t len,
			   int timeout)
{
	return coio_sendfile(io->fd, file, off, len, timeout);
}

static int io_sleep(struct http_io *io, int msec)
{
	(void)io;
	return coio_sleep(msec);
}

static const struct http_io_ops io_ops = {
	.wait = io_wait,
	.read = io_read,
	.write = io_write,
	.sendfile = io_sendfile,
	.sleep = io_sleep,
};

static void run_connection(struct coio_task *task)
{
	struct connection *conn = (struct connection *)task;

	http_serve(&server, &conn->io);
	coio_close(conn->io.fd);
}

static void connection_ended(struct coio_task *task)
{
	http_connection_end(&server);
	free(task);
}

static void start_connection(struct coio *sched, int fd)
{
	struct connection *conn;
	int on = 1;

	if (!http_connection_begin(&server)) {
		http_refuse(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn = calloc(1, sizeof(*conn));
	if (conn) {
		conn->io.ops = &io_ops;
		conn->io.fd = fd;
		if (!coio_spawn(sched, &conn->task, run_connection,
				connection_ended))
			return;
	}
	free(conn);
	http_connection_end(&server);
	http_log_error("refused: %s", strerror(ENOMEM));
	http_refuse(fd);
}

static void run_acceptor(struct coio_task *task)
{
	struct worker *w = (struct worker *)((char *)task -
					     offsetof(struct worker, acceptor));
	int fd, delay;

	for (;;) {
		fd = coio_accept(w->listen_fd, -1);
		if (fd >= 0) {
			start_connection(&w->sched, fd);
			continue;
		}
		if (errno == ECANCELED)
			break;
		delay = http_accept_delay(errno);
		if (delay && coio_sleep(delay))
			break;
	}
	coio_close(w->listen_fd);
}

static void acceptor_ended(struct coio_task *task)
{
	(void)task;
}

/* -------------------------------------------------------------- shutdown -- */

static void on_grace_over(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct worker *w = timer->data;

	(void)loop;
	(void)revents;
	coio_cancel_all(&w->sched);
}

/* Stop accepting and end what is idle; the others end after their request. */
static void on_stop(struct ev_loop *loop, ev_async *async, int revents)
{
	struct worker *w = async->data;
	struct coio_task *t;

	(void)revents;
	for (t = w->sched.tasks; t; t = t->next)
		if (t == &w->acceptor ||
		    atomic_load(&((struct connection *)t)->io.idle))
			coio_cancel(t);
	ev_timer_start(loop, &w->grace);
}

/* --------------------------------------------------------------- threads -- */

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", server.name, what, strerror(errno));
	exit(1);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct coio *sched = &w->sched;

	if (coio_init(sched, server.opt.shared_stack, server.opt.stack_size) ||
	    coio_spawn(sched, &w->acceptor, run_acceptor, acceptor_ended))
		die("start");
	ev_async_init(&w->stop, on_stop);
	ev_timer_init(&w->grace, on_grace_over, server.opt.grace / 1e3, 0);
	w->stop.data = w->grace.data = w;
	ev_async_start(sched->loop, &w->stop);
	pthread_barrier_wait(&barrier);

	coio_run(sched);

	/* Not before stop_workers() has let go of the loop. */
	pthread_barrier_wait(&barrier);
	ev_async_stop(sched->loop, &w->stop);
	ev_timer_stop(sched->loop, &w->grace);
	coio_destroy(sched);
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

static void stop_workers(void)
{
	unsigned i;

	atomic_store(&server.draining, true);
	for (i = 0; i < server.opt.threads; i++)
		ev_async_send(workers[i].sched.loop, &workers[i].stop);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < server.opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static unsigned long count_switches(void)
{
	unsigned long n = 0;
	unsigned i;

	for (i = 0; i < server.opt.threads; i++)
		n += __atomic_load_n(&workers[i].sched.switches,
				     __ATOMIC_RELAXED);
	return n;
}

int main(int argc, char **argv)
{
	sigset_t signals;
	int signo;

	http_server_init(&server, "httpd", true, argc, argv);
	server.switches = count_switches;
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
