/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_options.c - options of the command line
 */
#include "http.h"

#include <aco.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_coroutines[] =
	"  --stack standalone|shared  a stack for each connection (default), "
	"or\n"
	"                             one for all connections of a thread\n"
	"  --threads N                schedulers, each on a thread (1)\n";

static const char help_common[] =
	"  --stack-size BYTES         size of a stack (65536)\n"
	"  --host HOST                name or address to listen on "
	"(127.0.0.1)\n"
	"  --port N                   port to listen on, 0: a free one (8080)\n"
	"  --root DIR                 serve the files in DIR\n"
	"  --access-log FILE          log requests, - for standard output "
	"(no)\n"
	"  --error-log FILE           log the server's troubles "
	"(standard error)\n"
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
	"  --help, --version\n"
	"\n"
	"Pages: /hello, /status, /sleep?ms=N, POST /discard, files below DIR; "
	"of httpd\n"
	"alone /stats, what aco_stats(3) counts.\n"
	"\n"
	"This is an example of the library libaco, not a server for "
	"production.\n";

static const struct http_options defaults = {
	.host = "127.0.0.1",
	.error_log = "-",
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

enum option_id {
	OPT_STACK = 1,
	OPT_THREADS,
	OPT_STACK_SIZE,
	OPT_HOST,
	OPT_PORT,
	OPT_ROOT,
	OPT_ACCESS_LOG,
	OPT_ERROR_LOG,
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
	{ "access-log", required_argument, NULL, OPT_ACCESS_LOG },
	{ "error-log", required_argument, NULL, OPT_ERROR_LOG },
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

/* After what was asked for is on standard output. */
static void end_well(const char *name)
{
	if (!fflush(stdout))
		exit(0);
	fprintf(stderr, "%s: standard output: %s\n", name, strerror(errno));
	exit(1);
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
	case OPT_ACCESS_LOG:
		o->access_log = arg;
		return true;
	case OPT_ERROR_LOG:
		o->error_log = arg;
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

void http_parse_options(struct http_server *srv, bool coroutines, int argc,
			char **argv)
{
	const struct option *options = long_options;
	int id, index;

	srv->opt = defaults;
	if (!coroutines)
		options += COROUTINE_OPTIONS;
	while ((id = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (id == OPT_HELP) {
			printf("usage: %s [OPTION]...\n\n%s%s", srv->name,
			       coroutines ? help_coroutines : "", help_common);
			end_well(srv->name);
		}
		if (id == OPT_VERSION) {
			printf("%s (libaco) %d.%d.%d\n", srv->name,
			       ACO_VERSION_MAJOR, ACO_VERSION_MINOR,
			       ACO_VERSION_PATCH);
			end_well(srv->name);
		}
		if (id == '?')
			usage_error(srv->name, NULL);
		if (!parse_option(&srv->opt, id, optarg))
			usage_error(srv->name, options[index].name);
	}
	if (optind < argc)
		usage_error(srv->name, NULL);
}
