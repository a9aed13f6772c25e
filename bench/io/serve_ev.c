/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_ev.c - callbacks of libev
 */
#define _GNU_SOURCE 1

#include "hello.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
	ev_io watcher; /* first: it is its connection */
	unsigned matched;
};

static void end(struct ev_loop *loop, struct connection *c)
{
	ev_io_stop(loop, &c->watcher);
	close(c->watcher.fd);
	free(c);
}

static void serve(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c = (struct connection *)watcher;
	ssize_t n = read(watcher->fd, hello_buffer, sizeof(hello_buffer));

	(void)events;
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			end(loop, c);
		return;
	}
	for (unsigned heads = hello_heads(&c->matched, hello_buffer, (size_t)n);
	     heads; heads--)
		if (send(watcher->fd, hello_answer, hello_answer_size,
			 MSG_NOSIGNAL) != (ssize_t)hello_answer_size) {
			end(loop, c);
			return;
		}
}

static void accept_all(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c;
	int fd;

	(void)events;
	while ((fd = accept4(watcher->fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c)
			hello_fail("calloc");
		ev_io_init(&c->watcher, serve, fd, EV_READ);
		ev_io_start(loop, &c->watcher);
	}
	if (errno != EAGAIN)
		hello_fail("accept4");
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);
	struct ev_loop *loop = ev_default_loop(0);
	ev_io listener;

	if (strcmp(args.what, "hello") != 0)
		hello_usage();
	if (!loop || fcntl(HELLO_LISTENER, F_SETFL, O_NONBLOCK))
		hello_fail("serve-ev");
	ev_io_init(&listener, accept_all, HELLO_LISTENER, EV_READ);
	ev_io_start(loop, &listener);
	ev_run(loop, 0);
	return 0;
}
