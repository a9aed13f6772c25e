/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.c - hands connections on to another server
 *
 * A connection has two tasks, one for each direction.  One that has read the end
 * passes it on and leaves, while the other goes on (half-close).  One that fails
 * cancels the other.  The last one closes.
 */
#include "common.h"

#include <errno.h>

static const char usage[] =
	"usage: proxy [-s] HOST PORT CONNECT-MS IDLE-MS [LISTEN-PORT]\n"
	"  -s           all connections on one stack\n"
	"  CONNECT-MS   to find and reach HOST\n"
	"  IDLE-MS      without a byte in either direction\n"
	"  LISTEN-PORT  of 127.0.0.1; 0, the default: a free one\n";

static const char *host, *port;
static unsigned flags, connect_ms, idle_ms;

/* In the heap: two tasks look at it. */
struct connection {
	struct end {
		int fd;
		aco_io_task_t task; /* that reads from fd */
		struct end *other;
		struct connection *connection;
	} end[2]; /* of the client, of the server */
	int64_t last_byte;
	int tasks;
};

static int64_t idle_deadline(const struct end *end)
{
	return end->connection->last_byte + idle_ms * INT64_C(1000000);
}

/* A direction may be silent for as long as the other one is not. */
static int wait_for_bytes(const struct end *from)
{
	while (aco_io_wait(from->fd, ACO_IO_READ, idle_deadline(from)) < 0)
		if (errno != ETIMEDOUT || idle_deadline(from) <= aco_io_now())
			return -1;
	return 0;
}

/* Not inline, see echo.c.  Returns how many bytes, 0 at the end, or -1. */
static __attribute__((noinline)) ssize_t pass(const struct end *from)
{
	char buf[16384];
	ssize_t n = aco_io_read(from->fd, buf, sizeof(buf),
				idle_deadline(from));

	from->connection->last_byte = aco_io_now();
	if (n > 0)
		n = aco_io_write(from->other->fd, buf, (size_t)n,
				 aco_io_after(idle_ms));
	return n;
}

static void release(struct connection *c)
{
	if (--c->tasks)
		return;
	for (int i = 0; i < 2; i++)
		if (c->end[i].fd >= 0)
			aco_io_close(c->end[i].fd);
	free(c);
}

static void run_direction(void *arg)
{
	const struct end *from = arg;
	ssize_t n;

	do
		n = wait_for_bytes(from) ? -1 : pass(from);
	while (n > 0);
	if (n || shutdown(from->other->fd, SHUT_WR))
		aco_io_cancel(from->other->task);
	release(from->connection);
}

static void proxy(void *arg)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		perror("connection");
		aco_io_close(descriptor(arg));
		return;
	}
	c->end[0] = (struct end){ descriptor(arg), aco_io_self(), &c->end[1],
				  c };
	c->end[1] = (struct end){ dial(host, port, aco_io_after(connect_ms)), 0,
				  &c->end[0], c };
	c->last_byte = aco_io_now();
	if (c->end[1].fd >= 0)
		c->end[1].task = aco_io_go(connections, run_direction,
					   &c->end[1], flags);
	c->tasks = c->end[1].task ? 2 : 1;
	if (c->tasks == 2)
		run_direction(&c->end[0]);
	else
		release(c);
}

int main(int argc, char **argv)
{
	flags = parse_options(argc, argv, 4, 5, usage);
	argv += optind;
	host = argv[0], port = argv[1];
	/* Of a number that is too big, getaddrinfo() takes the lower 16 bits. */
	if (*port >= '0' && *port <= '9')
		parse_number(port, 1, 65535, usage);
	connect_ms = parse_number(argv[2], 0, 3600000, usage);
	idle_ms = parse_number(argv[3], 1, 3600000, usage);
	run_server(parse_port(argv[4], usage), proxy, flags);
	return 0;
}
