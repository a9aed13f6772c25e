/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo.c - a server that sends back what it gets, with a task per connection
 *
 * How it accepts, and how it ends at SIGTERM, is in common.c.
 */
#include "common.h"

#define IDLE_MS 60000  /* for the peer to send something */
#define WRITE_MS 10000 /* for the peer to take it back */

static const char usage[] =
	"usage: echo [-s] [PORT]\n"
	"  -s    all connections on one stack\n"
	"  PORT  of 127.0.0.1; 0, the default: a free one\n";

/*
 * The buffer may lie on a shared stack, as the task itself reads and writes.  In
 * a function that is not inline it takes no memory while the connection is idle.
 */
static __attribute__((noinline)) int send_back(int fd)
{
	char buf[16384];
	ssize_t n = aco_io_read(fd, buf, sizeof(buf), aco_io_after(IDLE_MS));

	if (n > 0)
		n = aco_io_write(fd, buf, (size_t)n, aco_io_after(WRITE_MS));
	return n > 0;
}

static void echo(void *arg)
{
	int fd = descriptor(arg);

	/* Fails at the deadline, and when the server ends. */
	while (aco_io_wait(fd, ACO_IO_READ, aco_io_after(IDLE_MS)) > 0 &&
	       send_back(fd))
		;
	aco_io_close(fd);
}

int main(int argc, char **argv)
{
	unsigned flags = parse_options(argc, argv, 0, 1, usage);

	run_server(parse_port(argv[optind], usage), echo, flags);
	return 0;
}
