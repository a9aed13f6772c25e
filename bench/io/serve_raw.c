/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_raw.c - callbacks on epoll, with nothing between: the floor of the others
 *
 * Edge-triggered, so that a connection costs one epoll_ctl(2) in its life, and
 * a read that was short has taken all.
 */
#define _GNU_SOURCE 1

#include "hello.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct watcher {
	void (*callback)(struct watcher *watcher);
	int fd;
	unsigned matched;
};

static int epoll_fd;

static void watch(int fd, void (*callback)(struct watcher *watcher))
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					       EPOLLET };

	if (!watcher)
		hello_fail("calloc");
	watcher->callback = callback;
	watcher->fd = fd;
	event.data.ptr = watcher;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		hello_fail("epoll_ctl");
}

static void end(struct watcher *watcher)
{
	close(watcher->fd);
	free(watcher);
}

static void serve(struct watcher *watcher)
{
	ssize_t n;

	do {
		n = read(watcher->fd, hello_buffer, sizeof(hello_buffer));
		if (n <= 0) {
			if (n == 0 || errno != EAGAIN)
				end(watcher);
			return;
		}
		for (unsigned heads = hello_heads(&watcher->matched,
						  hello_buffer, (size_t)n);
		     heads; heads--)
			if (send(watcher->fd, hello_answer, hello_answer_size,
				 MSG_NOSIGNAL) != (ssize_t)hello_answer_size) {
				end(watcher);
				return;
			}
	} while ((size_t)n == sizeof(hello_buffer));
}

static void accept_all(struct watcher *watcher)
{
	int fd;

	while ((fd = accept4(watcher->fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(fd, serve);
	if (errno != EAGAIN)
		hello_fail("accept4");
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);
	struct epoll_event events[256];

	if (strcmp(args.what, "hello") != 0)
		hello_usage();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || fcntl(HELLO_LISTENER, F_SETFL, O_NONBLOCK))
		hello_fail("serve-raw");
	watch(HELLO_LISTENER, accept_all);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++) {
			struct watcher *watcher = events[i].data.ptr;

			watcher->callback(watcher);
		}
	}
}
