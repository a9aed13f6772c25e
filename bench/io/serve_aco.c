/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_aco.c - libaco-io; with WITH_LIBEV in the loop of libev
 */
#include "hello.h"

#include <aco_io.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_LIBEV
#include <ev.h>
#endif

static unsigned flags;
static size_t count, rounds;

/* ---- servers ------------------------------------------------------------- */

static void serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	unsigned matched = 0;
	int64_t deadline;
	ssize_t n;

	do {
		deadline = aco_io_after(HELLO_TIMEOUT_MS);
		n = aco_io_read(fd, hello_buffer, sizeof(hello_buffer),
				deadline);
		if (n <= 0)
			break;
		for (unsigned heads =
			     hello_heads(&matched, hello_buffer, (size_t)n);
		     heads && n > 0; heads--)
			n = aco_io_write(fd, hello_answer, hello_answer_size,
					 deadline);
	} while (n > 0);
	aco_io_close(fd);
}

static void echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char *buf = malloc(HELLO_ECHO);
	int64_t deadline;
	ssize_t n;

	if (!buf)
		hello_fail("malloc");
	do {
		deadline = aco_io_after(HELLO_TIMEOUT_MS);
		n = aco_io_read(fd, buf, HELLO_ECHO, deadline);
		if (n > 0)
			n = aco_io_write(fd, buf, (size_t)n, deadline);
	} while (n > 0);
	free(buf);
	aco_io_close(fd);
}

static aco_io_func_t connection_func;

static void accept_all(void *arg)
{
	int fd;

	(void)arg;
	if (aco_io_adopt(HELLO_LISTENER))
		hello_fail("aco_io_adopt");
	for (;;) {
		fd = aco_io_accept(HELLO_LISTENER, NULL, NULL, ACO_IO_NEVER);
		if (fd < 0)
			hello_fail("aco_io_accept");
		if (!aco_io_go(NULL, connection_func, (void *)(intptr_t)fd,
			       flags))
			hello_fail("aco_io_go");
	}
}

/* ---- sleepers ------------------------------------------------------------ */

static void sleeper(void *arg)
{
	for (size_t i = 0; i < rounds; i++)
		if (aco_io_sleep(aco_io_after(
			    hello_sleep_ms((size_t)(intptr_t)arg))))
			hello_fail("aco_io_sleep");
}

static void start_sleepers(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < count; i++)
		if (!aco_io_go(NULL, sleeper, (void *)(intptr_t)i, flags))
			hello_fail("aco_io_go");
}

/* ---- channels ------------------------------------------------------------ */

static aco_io_chan_t *there, *back;

static void ping(void *arg)
{
	long item = 0;

	(void)arg;
	for (size_t i = 0; i < count; i++)
		if (aco_io_chan_send(there, &item, ACO_IO_NEVER) ||
		    aco_io_chan_recv(back, &item, ACO_IO_NEVER))
			hello_fail("ping");
	aco_io_chan_close(there);
}

static void pong(void *arg)
{
	long item;

	(void)arg;
	while (!aco_io_chan_recv(there, &item, ACO_IO_NEVER))
		if (aco_io_chan_send(back, &item, ACO_IO_NEVER))
			hello_fail("pong");
}

static void start_channel(void *arg)
{
	(void)arg;
	there = aco_io_chan_new(sizeof(long), 1);
	back = aco_io_chan_new(sizeof(long), 1);
	if (!there || !back || !aco_io_go(NULL, ping, NULL, flags) ||
	    !aco_io_go(NULL, pong, NULL, flags))
		hello_fail("channel");
}

/* ---- the loop ------------------------------------------------------------ */

#ifdef WITH_LIBEV
static aco_io_t *scheduler;
static ev_timer timer;
static ev_idle idle;

/* Called for a descriptor, at a time, or because there is more to do. */
static void turn(struct ev_loop *loop)
{
	int64_t next = aco_io_step(scheduler, 0);

	if (next == -2)
		hello_fail("aco_io_step");
	if (next == 0)
		ev_idle_start(loop, &idle);
	else
		ev_idle_stop(loop, &idle);
	timer.repeat = next > 0 ? (double)(next - aco_io_now()) / 1e9 : 0;
	if (next > 0 && timer.repeat <= 0)
		timer.repeat = 1e-9;
	ev_timer_again(loop, &timer);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
	(void)w;
	(void)events;
	turn(loop);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)w;
	(void)events;
	turn(loop);
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int events)
{
	(void)w;
	(void)events;
	turn(loop);
}

static void run(aco_io_t *io)
{
	struct ev_loop *loop = ev_default_loop(0);
	ev_io watcher;

	if (!loop)
		hello_fail("ev_default_loop");
	scheduler = io;
	ev_io_init(&watcher, on_io, aco_io_fd(io), EV_READ);
	ev_init(&timer, on_timer);
	ev_idle_init(&idle, on_idle);
	ev_io_start(loop, &watcher);
	ev_idle_start(loop, &idle);
	ev_run(loop, 0);
}
#else
static void run(aco_io_t *io)
{
	if (aco_io_run(io))
		hello_fail("aco_io_run");
}
#endif

static aco_io_func_t first_task(const char *what)
{
	if (!strcmp(what, "sleepers"))
		return start_sleepers;
	if (!strcmp(what, "channel"))
		return start_channel;
	if (!strcmp(what, "hello"))
		connection_func = serve;
	else if (!strcmp(what, "echo"))
		connection_func = echo;
	else
		hello_usage();
	return accept_all;
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);
	aco_io_opts_t opts = { .size = sizeof(opts),
			       .stack_size = HELLO_STACK };
	aco_io_func_t first = first_task(args.what);
	aco_io_t *io = aco_io_new(&opts);

	flags = args.is_shared ? ACO_IO_SHARED : 0;
	count = args.n;
	rounds = args.rounds;
	if (!io || !aco_io_go(NULL, first, NULL, 0))
		hello_fail("libaco-io");
	run(io);
	_Exit(0); /* freeing takes long, and is not measured */
}
