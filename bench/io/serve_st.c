/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_st.c - State Threads
 */
#include "hello.h"

#include <signal.h>
#include <st.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT ((st_utime_t)HELLO_TIMEOUT_MS * 1000)

static size_t rounds;

static void *serve(void *arg)
{
	st_netfd_t fd = arg;
	unsigned matched = 0;
	ssize_t n;

	do {
		n = st_read(fd, hello_buffer, sizeof(hello_buffer), TIMEOUT);
		if (n <= 0)
			break;
		for (unsigned heads =
			     hello_heads(&matched, hello_buffer, (size_t)n);
		     heads && n > 0; heads--)
			n = st_write(fd, hello_answer, hello_answer_size,
				     TIMEOUT);
	} while (n > 0);
	st_netfd_close(fd);
	return NULL;
}

static void *echo(void *arg)
{
	st_netfd_t fd = arg;
	char *buf = malloc(HELLO_ECHO);
	ssize_t n;

	if (!buf)
		hello_fail("malloc");
	do {
		n = st_read(fd, buf, HELLO_ECHO, TIMEOUT);
		if (n > 0)
			n = st_write(fd, buf, (size_t)n, TIMEOUT);
	} while (n > 0);
	free(buf);
	st_netfd_close(fd);
	return NULL;
}

static void accept_all(void *(*connection)(void *fd))
{
	st_netfd_t listener = st_netfd_open_socket(HELLO_LISTENER);
	st_netfd_t fd;

	if (!listener)
		hello_fail("st_netfd_open_socket");
	for (;;) {
		fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT);
		if (!fd)
			hello_fail("st_accept");
		if (!st_thread_create(connection, fd, 0, HELLO_STACK))
			hello_fail("st_thread_create");
	}
}

static void *sleeper(void *arg)
{
	for (size_t i = 0; i < rounds; i++)
		st_usleep(hello_sleep_ms((size_t)(intptr_t)arg) * 1000);
	return NULL;
}

static void sleepers(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!st_thread_create(sleeper, (void *)(intptr_t)i, 0,
				      HELLO_STACK))
			hello_fail("st_thread_create");
	st_thread_exit(NULL); /* the program ends with the last thread */
}

/* epoll, if it was built with that (Debian's is not), or poll(2): select(2), which
   it takes by itself, ends at descriptor 1024. */
static void choose_events(void)
{
	st_set_eventsys(ST_EVENTSYS_ALT);
	if (!*st_get_eventsys_name())
		st_set_eventsys(ST_EVENTSYS_POLL);
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);

	signal(SIGPIPE, SIG_IGN);
	choose_events();
	if (st_init())
		hello_fail("st_init");
	rounds = args.rounds;
	if (!strcmp(args.what, "hello"))
		accept_all(serve);
	else if (!strcmp(args.what, "echo"))
		accept_all(echo);
	else if (!strcmp(args.what, "sleepers"))
		sleepers(args.n);
	hello_usage();
}
