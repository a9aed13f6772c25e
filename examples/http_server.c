/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.c - options, listening socket, statistics
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http.h"
#include "http_parse.h"

#include <aco.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --------------------------------------------------------------- options -- */

static const char help_coroutines[] =
	"  --stack standalone|shared  a stack for each connection (default), "
	"or\n"
	"                             one for all connections of a thread\n"
	"  --threads N                schedulers, each on a thread (1)\n";

static const char help_common[] =
	"  --stack-size BYTES         size of a stack (65536)\n"
	"  --host ADDRESS             address to listen on (127.0.0.1)\n"
	"  --port N                   port to listen on, 0: a free one (8080)\n"
	"  --root DIR                 serve the files in DIR\n"
	"  --max-connections N        refuse more than that (100000)\n"
	"  --max-head BYTES           limit for the head of a request (16384)\n"
	"  --max-body BYTES           limit for the body of a request "
	"(1048576)\n"
	"  --idle-timeout SECONDS     for the next request to begin (60)\n"
	"  --read-timeout SECONDS     for the rest of its head, or for more "
	"of\n"
	"                             its body (10)\n"
	"  --write-timeout SECONDS    for the peer to take more of a reply "
	"(10)\n"
	"  --grace SECONDS            for running requests at shutdown (5)\n"
	"  --help, --version\n";

enum option_id {
	OPT_STACK = 1,
	OPT_THREADS,
	OPT_STACK_SIZE,
	OPT_HOST,
	OPT_PORT,
	OPT_ROOT,
	OPT_MAX_CONNECTIONS,
	OPT_MAX_HEAD,
	OPT_MAX_BODY,
	OPT_IDLE_TIMEOUT,
	OPT_READ_TIMEOUT,
	OPT_WRITE_TIMEOUT,
	OPT_GRACE,
	OPT_HELP,
	OPT_VERSION,
};

#define COROUTINE_OPTIONS 2 /* the first ones */

static const struct option long_options[] = {
	{ "stack", required_argument, NULL, OPT_STACK },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "stack-size", required_argument, NULL, OPT_STACK_SIZE },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS },
	{ "max-head", required_argument, NULL, OPT_MAX_HEAD },
	{ "max-body", required_argument, NULL, OPT_MAX_BODY },
	{ "idle-timeout", required_argument, NULL, OPT_IDLE_TIMEOUT },
	{ "read-timeout", required_argument, NULL, OPT_READ_TIMEOUT },
	{ "write-timeout", required_argument, NULL, OPT_WRITE_TIMEOUT },
	{ "grace", required_argument, NULL, OPT_GRACE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void usage_error(const char *name, const char *option)
{
	if (option)
		fprintf(stderr, "%s: bad value for --%s\n", name, option);
	fprintf(stderr, "usage: %s [OPTION]... (--help lists the options)\n",
		name);
	exit(2);
}

/* Each returns whether arg is good. */

static bool parse_number(const char *arg, unsigned long min, unsigned long max,
			 unsigned *value)
{
	unsigned long n;
	char *end;

	if (*arg < '0' || *arg > '9')
		return false;
	errno = 0;
	n = strtoul(arg, &end, 10);
	*value = n;
	return !*end && !errno && n >= min && n <= max;
}

static bool parse_seconds(const char *arg, int *msec)
{
	double seconds;
	char *end;

	if (*arg < '0' || *arg > '9')
		return false;
	seconds = strtod(arg, &end);
	if (*end || !(seconds <= 1e6))
		return false;
	*msec = seconds * 1e3;
	return true;
}

static bool parse_stack(const char *arg, bool *shared)
{
	*shared = !strcmp(arg, "shared");
	return *shared || !strcmp(arg, "standalone");
}

static bool parse_option(struct http_options *o, int id, const char *arg)
{
	switch (id) {
	case OPT_STACK:
		return parse_stack(arg, &o->shared_stack);
	case OPT_THREADS:
		return parse_number(arg, 1, 1024, &o->threads);
	case OPT_STACK_SIZE:
		return parse_number(arg, 16384, 1 << 30, &o->stack_size);
	case OPT_HOST:
		o->host = arg;
		return true;
	case OPT_PORT:
		return parse_number(arg, 0, 65535, &o->port);
	case OPT_ROOT:
		o->root = arg;
		return true;
	case OPT_MAX_CONNECTIONS:
		return parse_number(arg, 1, 10000000, &o->max_connections);
	case OPT_MAX_HEAD:
		return parse_number(arg, 64, 1 << 30, &o->max_head);
	case OPT_MAX_BODY:
		return parse_number(arg, 0, 1 << 30, &o->max_body);
	case OPT_IDLE_TIMEOUT:
		return parse_seconds(arg, &o->idle_timeout);
	case OPT_READ_TIMEOUT:
		return parse_seconds(arg, &o->read_timeout);
	case OPT_WRITE_TIMEOUT:
		return parse_seconds(arg, &o->write_timeout);
	case OPT_GRACE:
		return parse_seconds(arg, &o->grace);
	default:
		return false;
	}
}

static void parse_options(struct http_server *srv, bool coroutines, int argc,
			  char **argv)
{
	const struct option *options = long_options;
	int id, index;

	if (!coroutines)
		options += COROUTINE_OPTIONS;
	while ((id = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (id == OPT_HELP) {
			printf("usage: %s [OPTION]...\n\n%s%s", srv->name,
			       coroutines ? help_coroutines : "", help_common);
			exit(0);
		}
		if (id == OPT_VERSION) {
			printf("%s (libaco) %d.%d.%d\n", srv->name,
			       ACO_VERSION_MAJOR, ACO_VERSION_MINOR,
			       ACO_VERSION_PATCH);
			exit(0);
		}
		if (id == '?')
			usage_error(srv->name, NULL);
		if (!parse_option(&srv->opt, id, optarg))
			usage_error(srv->name, options[index].name);
	}
	if (optind < argc)
		usage_error(srv->name, NULL);
}

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
	static const struct http_options defaults = {
		.host = "127.0.0.1",
		.port = 8080,
		.threads = 1,
		.stack_size = 65536,
		.max_connections = 100000,
		.max_head = 16384,
		.max_body = 1024 * 1024,
		.idle_timeout = 60000,
		.read_timeout = 10000,
		.write_timeout = 10000,
		.grace = 5000,
	};

	memset(srv, 0, sizeof(*srv));
	srv->name = name;
	srv->opt = defaults;
	srv->root_fd = -1;
	parse_options(srv, coroutines, argc, argv);
	if (srv->opt.root) {
		srv->root_fd = open(srv->opt.root,
				    O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (srv->root_fd < 0)
			die(srv, srv->opt.root);
	}
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

int http_listen(struct http_server *srv, bool reuse_port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char port[8];
	int fd, error, on = 1;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	snprintf(port, sizeof(port), "%u", srv->opt.port);
	error = getaddrinfo(srv->opt.host, port, &hints, &ai);
	if (error) {
		fprintf(stderr, "%s: %s: %s\n", srv->name, srv->opt.host,
			gai_strerror(error));
		exit(1);
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (reuse_port &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die(srv, "listen");
	/* sin_port and sin6_port are in the same place. */
	srv->opt.port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	freeaddrinfo(ai);
	return fd;
}

void http_announce(const struct http_server *srv)
{
	bool v6 = strchr(srv->opt.host, ':') != NULL;

	printf("listening on http://%s%s%s:%u\n", v6 ? "[" : "", srv->opt.host,
	       v6 ? "]" : "", srv->opt.port);
	fflush(stdout);
}

/* ----------------------------------------------------------- connections -- */

bool http_connection_begin(struct http_server *srv)
{
	unsigned long n = atomic_fetch_add(&srv->connections, 1) + 1;
	unsigned long peak = atomic_load(&srv->connections_peak);

	if (n > srv->opt.max_connections) {
		http_connection_end(srv);
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
	close(fd);
}

int http_accept_delay(int error)
{
	if (error == ECONNABORTED || error == EINTR)
		return 0;
	/* Most likely EMFILE.  Trying again at once would only burn time; new
	   connections wait in the backlog until old ones have ended. */
	return 100;
}

void http_print_statistics(const struct http_server *srv)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr,
		"%s: requests=%lu connections_peak=%lu switches=%lu "
		"max_rss_kib=%ld\n",
		srv->name, atomic_load(&srv->requests),
		atomic_load(&srv->connections_peak), srv->switches(),
		usage.ru_maxrss);
}
