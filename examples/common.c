/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.c - what the small programs on libaco-io have in common: the command
 *            line, connections, and the life of a server
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>

#define GRACE_MS 1000 /* at the end, for connections to end by themselves */

aco_io_group_t *connections;

static aco_io_func_t serve_one;
static unsigned task_flags;
static void (*when_ended)(void);
static sigset_t signals;

void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the command line ---------------------------------------------------- */

unsigned parse_options(int argc, char **argv, int min, int max,
		       const char *usage)
{
	unsigned flags = 0;
	int opt;

	while ((opt = getopt(argc, argv, "s")) == 's')
		flags = ACO_IO_SHARED;
	if (opt == -1 && argc - optind >= min && argc - optind <= max)
		return flags;
	fputs(usage, stderr);
	exit(2);
}

unsigned parse_number(const char *text, unsigned min, unsigned max,
		      const char *usage)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && n >= min &&
	    n <= max)
		return (unsigned)n;
	fprintf(stderr, "not a number from %u to %u: %s\n%s", min, max, text,
		usage);
	exit(2);
}

unsigned parse_port(const char *text, const char *usage)
{
	return text ? parse_number(text, 0, 65535, usage) : 0;
}

/* ---- connections --------------------------------------------------------- */

int listen_on(unsigned port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int on = 1, fd;

	addr.sin_port = htons((uint16_t)port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("listen");
	printf("listening on 127.0.0.1:%u\n", ntohs(addr.sin_port));
	if (fflush(stdout))
		die("standard output");
	return fd;
}

static int try_address(const struct addrinfo *ai, int64_t deadline)
{
	int fd = aco_io_socket(ai->ai_family, ai->ai_socktype, 0);
	int error;

	if (fd < 0 ||
	    !aco_io_connect(fd, ai->ai_addr, ai->ai_addrlen, deadline))
		return fd;
	error = errno;
	aco_io_close(fd);
	errno = error;
	return -1;
}

int dial(const char *host, const char *port, int64_t deadline)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all, *ai;
	int fd = -1, error;

	error = aco_io_getaddrinfo(host, port, &hints, &all, deadline);
	if (error) {
		fprintf(stderr, "%s: %s\n", host,
			error == EAI_SYSTEM ? strerror(errno)
					    : gai_strerror(error));
		return -1;
	}
	for (ai = all; ai && fd < 0; ai = ai->ai_next)
		fd = try_address(ai, deadline);
	if (fd < 0)
		fprintf(stderr, "%s port %s: %s\n", host, port,
			strerror(errno));
	freeaddrinfo(all);
	return fd;
}

/* ---- servers ------------------------------------------------------------- */

int descriptor(const void *arg)
{
	return (int)(intptr_t)arg;
}

static void accept_all(void *arg)
{
	int listener = descriptor(arg), fd;

	for (;;) {
		fd = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER);
		if (fd < 0 && errno == ECANCELED)
			break;
		if (fd < 0) {
			/* Out of descriptors, most likely: until some are
			   free, connections wait in the backlog. */
			perror("accept");
			aco_io_sleep(aco_io_after(100));
		} else if (!aco_io_go(connections, serve_one,
				      (void *)(intptr_t)fd, task_flags)) {
			perror("connection");
			aco_io_close(fd);
		}
	}
	aco_io_close(listener);
}

/*
 * At the end: accept no more, give the connections some time, cancel those that
 * are left, and wait for their tasks.  The acceptor is in a group of its own, as
 * it ends first; it starts tasks in the other group.
 */
static void live(void *arg)
{
	aco_io_group_t *acceptor = aco_io_group_new();

	connections = aco_io_group_new();
	if (!acceptor || !connections ||
	    !aco_io_go(acceptor, accept_all, arg, 0) ||
	    aco_io_sigwait(&signals, ACO_IO_NEVER) < 0)
		die("start");
	aco_io_group_destroy(acceptor);
	aco_io_group_wait(connections, aco_io_after(GRACE_MS));
	aco_io_group_destroy(connections);
	if (when_ended)
		when_ended();
}

void start_server(unsigned port, aco_io_func_t serve, unsigned flags,
		  void (*ended)(void))
{
	int listener = listen_on(port);

	serve_one = serve;
	task_flags = flags;
	when_ended = ended;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (!aco_io_go(NULL, live, (void *)(intptr_t)listener, 0))
		die("start");
}

void run_server(unsigned port, aco_io_func_t serve, unsigned flags)
{
	aco_io_t *io = aco_io_new(NULL);

	if (!io)
		die("scheduler");
	start_server(port, serve, flags, NULL);
	if (aco_io_run(io) || aco_io_destroy(io))
		die("scheduler");
}
