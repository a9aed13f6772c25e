/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed-libev.c - a scheduler inside the event loop of another library
 *
 * The loop watches one descriptor for the scheduler, and a timer for its next
 * deadline: either one gives it a turn.  Callbacks of the loop may start tasks,
 * wake or cancel them; they call turn() afterwards, as nothing tells the loop.
 *
 * The tasks are an echo server.  The loop says each second how many connections
 * it has had.
 */
#include "common.h"

#include <ev.h>

static const char usage[] =
	"usage: embed-libev [-s] [PORT]\n"
	"  -s    all connections on one stack\n"
	"  PORT  of 127.0.0.1; 0, the default: a free one\n";

static unsigned count;

/* ---- the loop ------------------------------------------------------------ */

static struct ev_loop *loop;
static aco_io_t *io;
static ev_io ready;
static ev_timer due, each_second;

static void turn(void)
{
	int64_t next = aco_io_step(io, 0), left = next - aco_io_now();

	if (next == -2)
		die("step");
	ev_timer_stop(loop, &due);
	if (next == ACO_IO_NEVER)
		return;
	ev_now_update(loop); /* from when on the timer counts */
	ev_timer_set(&due, left > 0 ? (double)left / 1e9 : 0, 0);
	ev_timer_start(loop, &due);
}

static void on_ready(struct ev_loop *l, ev_io *watcher, int events)
{
	(void)l, (void)watcher, (void)events;
	turn();
}

static void on_due(struct ev_loop *l, ev_timer *watcher, int events)
{
	(void)l, (void)watcher, (void)events;
	turn();
}

static void on_second(struct ev_loop *l, ev_timer *watcher, int events)
{
	(void)l, (void)watcher, (void)events;
	printf("%u connections so far\n", count);
	fflush(stdout);
}

/* ---- the tasks ----------------------------------------------------------- */

static void echo(void *arg)
{
	int fd = descriptor(arg);
	char buf[4096];
	ssize_t n;

	count++;
	do {
		n = aco_io_read(fd, buf, sizeof(buf), aco_io_after(60000));
		if (n > 0)
			n = aco_io_write(fd, buf, (size_t)n,
					 aco_io_after(10000));
	} while (n > 0);
	aco_io_close(fd);
}

/* In a turn, so in a callback of the loop. */
static void ended(void)
{
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	unsigned flags = parse_options(argc, argv, 0, 1, usage);

	loop = ev_default_loop(0);
	io = aco_io_new(NULL);
	if (!loop || !io)
		die("start");
	ev_io_init(&ready, on_ready, aco_io_fd(io), EV_READ);
	ev_io_start(loop, &ready);
	ev_init(&due, on_due);
	ev_timer_init(&each_second, on_second, 1, 1);
	ev_timer_start(loop, &each_second);
	start_server(parse_port(argv[optind], usage), echo, flags, ended);
	turn();

	ev_run(loop, 0);
	if (aco_io_destroy(io))
		die("scheduler");
	ev_loop_destroy(loop);
	return 0;
}
