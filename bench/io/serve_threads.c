/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_threads.c - a thread a connection
 */
#include "hello.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static __thread char buf[sizeof(hello_buffer)];
	unsigned matched = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (unsigned heads = hello_heads(&matched, buf, (size_t)n);
		     heads; heads--)
			if (send(fd, hello_answer, hello_answer_size,
				 MSG_NOSIGNAL) != (ssize_t)hello_answer_size)
				break;
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);
	pthread_attr_t attr;
	pthread_t thread;
	int fd;

	if (strcmp(args.what, "hello") != 0)
		hello_usage();
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	while ((fd = accept(HELLO_LISTENER, NULL, NULL)) >= 0) {
		errno = pthread_create(&thread, &attr, serve,
				       (void *)(intptr_t)fd);
		if (errno)
			hello_fail("pthread_create");
	}
	hello_fail("accept");
}
