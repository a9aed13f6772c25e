/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.c - start, listening socket, statistics
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http.h"

#include "http_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ----------------------------------------------------------------- start -- */

static void die(const struct http_server *srv, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", srv->name, what, strerror(errno));
	exit(1);
}

/* A descriptor for each connection: as many as the system lets us have. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void http_server_init(struct http_server *srv, const char *name,
		      bool coroutines, int argc, char **argv)
{
	const char *bad_log;

	memset(srv, 0, sizeof(*srv));
	srv->name = name;
	srv->root_fd = -1;
	http_parse_options(srv, coroutines, argc, argv);
	if (srv->opt.root) {
		srv->root_fd = open(srv->opt.root,
				    O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (srv->root_fd < 0)
			die(srv, srv->opt.root);
	}
	bad_log = http_log_open(&srv->opt);
	if (bad_log)
		die(srv, bad_log);
	http_parse_setup();
	raise_fd_limit();
	/* sendfile() to a peer that has gone would end the program. */
	signal(SIGPIPE, SIG_IGN);
}

void http_server_destroy(struct http_server *srv)
{
	if (srv->root_fd >= 0)
		close(srv->root_fd);
}

/* ------------------------------------------------------ listening socket -- */

/* Format as in a URL: 127.0.0.1:8080 or [::1]:8080. */
static void format_address(const struct http_server *srv, char *text,
			   size_t size)
{
	char host[INET6_ADDRSTRLEN + 20], port[8];
	bool v6 = srv->addr.ss_family == AF_INET6;

	if (getnameinfo((const struct sockaddr *)&srv->addr, srv->addr_len,
			host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		host[0] = port[0] = '\0';
	snprintf(text, size, v6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* On srv->addr, which gets the port. */
static int listen_here(struct http_server *srv, bool reuse_port)
{
	struct sockaddr *addr = (struct sockaddr *)&srv->addr;
	int fd, error, on = 1;

	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -1;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    (!reuse_port ||
	     !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) &&
	    !bind(fd, addr, srv->addr_len) && !listen(fd, SOMAXCONN) &&
	    !getsockname(fd, addr, &srv->addr_len))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct addrinfo *look_up(const struct http_server *srv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	char port[8];
	int error;

	hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
	snprintf(port, sizeof(port), "%u", srv->opt.port);
	error = getaddrinfo(srv->opt.host, port, &hints, &ai);
	if (!error)
		return ai;
	fprintf(stderr, "%s: %s: %s\n", srv->name, srv->opt.host,
		gai_strerror(error));
	exit(1);
}

/* On the first address of the host that this machine has.  The addresses of
   "localhost", for example, may begin with one of IPv6 where there is none. */
static int listen_first(struct http_server *srv, bool reuse_port)
{
	struct addrinfo *all = look_up(srv), *ai;
	int fd = -1;

	for (ai = all; ai && fd < 0; ai = ai->ai_next) {
		memcpy(&srv->addr, ai->ai_addr, ai->ai_addrlen);
		srv->addr_len = ai->ai_addrlen;
		fd = listen_here(srv, reuse_port);
		if (fd < 0 && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)
			break;
	}
	freeaddrinfo(all);
	return fd;
}

int http_listen(struct http_server *srv, bool reuse_port)
{
	char address[80], what[100];
	int fd;

	fd = srv->addr_len ? listen_here(srv, reuse_port)
			   : listen_first(srv, reuse_port);
	if (fd < 0) {
		format_address(srv, address, sizeof(address));
		snprintf(what, sizeof(what), "listen on %s", address);
		die(srv, what);
	}
	return fd;
}

void http_announce(const struct http_server *srv)
{
	char address[80];

	format_address(srv, address, sizeof(address));
	printf("listening on http://%s\n"
	       "This is an example of libaco, not a server for production.\n",
	       address);
	if (fflush(stdout))
		die(srv, "standard output");
}

/* ----------------------------------------------------------- connections -- */

bool http_connection_begin(struct http_server *srv)
{
	unsigned long n = atomic_fetch_add(&srv->connections, 1) + 1;
	unsigned long peak = atomic_load(&srv->connections_peak);

	if (n > srv->opt.max_connections) {
		http_connection_end(srv);
		http_log_error(
			"refused: the limit of %u connections is reached",
			srv->opt.max_connections);
		return false;
	}
	while (n > peak &&
	       !atomic_compare_exchange_weak(&srv->connections_peak, &peak, n))
		;
	return true;
}

void http_connection_end(struct http_server *srv)
{
	atomic_fetch_sub(&srv->connections, 1);
}

void http_refuse(int fd)
{
	static const char reply[] =
		"HTTP/1.1 503 Service Unavailable\r\n"
		"Connection: close\r\nContent-Length: 0\r\n\r\n";

	/* Fits into the empty buffer of a new socket, so it does not block. */
	send(fd, reply, strlen(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int http_accept_delay(int error)
{
	if (error == ECONNABORTED || error == EINTR)
		return 0;
	http_log_error("accept: %s", strerror(error));
	/* Most likely EMFILE.  Trying again at once would only burn time; new
	   connections wait in the backlog until old ones have ended. */
	return 100;
}

unsigned long http_count_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

void http_print_statistics(const struct http_server *srv)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr,
		"%s: requests=%lu connections_peak=%lu switches=%lu "
		"max_rss_kib=%ld\n",
		srv->name, atomic_load(&srv->requests),
		atomic_load(&srv->connections_peak), http_count_switches(),
		usage.ru_maxrss);
}
