/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - a small HTTP/1.1 server, without the I/O
 *
 * The handler is written as if every call blocked.  httpd gives it calls of
 * libaco-io (one task per connection), httpd-threads calls that do block (one
 * thread per connection); the handler can't tell the difference.
 *
 *   http_options.c  options of the command line
 *   http_server.c   start, listening socket, statistics
 *   http_conn.c     a connection: one request after the other, and its end
 *   http_request.c  reading a request: limits and timeouts
 *   http_fields.c   the fields of its head
 *   http_parse.c    the parser, one of two libraries
 *   http_pages.c    what a request is answered with
 *   http_files.c    files below --root
 *   http_reply.c    writing a reply
 *   http_log.c      access log and error log
 *
 * This header is for the two programs, http_request.h for the handler.
 */
#ifndef HTTP_H
#define HTTP_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct http_options {
	const char *host, *root;
	const char *access_log, *error_log; /* files, "-" or NULL */
	unsigned port, threads;
	bool shared_stack;
	unsigned stack_size;
	unsigned max_connections, max_head, max_body;
	/* milliseconds */
	int idle_timeout, read_timeout, write_timeout, grace;
};

struct http_server {
	const char *name;
	struct http_options opt;
	int root_fd;		      /* -1: no files */
	struct sockaddr_storage addr; /* where it listens, if addr_len is set */
	socklen_t addr_len;

	/* Once set, each connection ends after the request it works on. */
	atomic_bool draining;

	atomic_ulong requests, connections, connections_peak;

	/* Write the text of /stats, where the program has one. */
	int (*stats)(char *text, size_t size);
};

/*
 * A connection as the program sees it: part of an object of the program's.
 * What fails returns -1 with errno, ETIMEDOUT when the deadline has passed.
 */
struct http_io {
	const struct http_io_ops *ops;
	int fd;
	char peer[INET6_ADDRSTRLEN]; /* for the access log */
	atomic_bool idle; /* between two requests: may be cut off at no loss */
};

struct http_io_ops {
	/* The deadline in msec milliseconds: nanoseconds on a clock of the
	   program's, and not 0.  One deadline can cover many calls. */
	int64_t (*after)(int msec);
	/* Wait for the next request, where that needs less memory than a
	   read() that blocks; else return 0 at once. */
	int (*wait)(struct http_io *io, int64_t deadline);
	ssize_t (*read)(struct http_io *io, void *buf, size_t len,
			int64_t deadline);
	/* All of it.  With more set: do not send a packet for this alone. */
	int (*write)(struct http_io *io, const void *buf, size_t len, bool more,
		     int64_t deadline);
	ssize_t (*sendfile)(struct http_io *io, int file, int64_t *off,
			    size_t len, int64_t deadline);
	int (*sleep)(struct http_io *io, int64_t deadline);
};

/* http_server.c */
void http_server_init(struct http_server *srv, const char *name,
		      bool coroutines, int argc, char **argv);
void http_server_destroy(struct http_server *srv);
/*
 * The first call looks for the address, and with port 0 for a free port.  Later
 * ones listen there, too.  Ends the program on errors.
 */
int http_listen(struct http_server *srv, bool reuse_port);
void http_announce(const struct http_server *srv);
/* False: too many, refuse it. */
bool http_connection_begin(struct http_server *srv);
void http_connection_end(struct http_server *srv);
/* Say so to a new connection, which the caller closes. */
void http_refuse(int fd);
/* Milliseconds to wait after accept() failed with error. */
int http_accept_delay(int error);
/* Of the threads of this process, by the kernel. */
unsigned long http_count_switches(void);
void http_print_statistics(const struct http_server *srv);

/* http_options.c */
/* Ends the program after --help and the like, and on errors. */
void http_parse_options(struct http_server *srv, bool coroutines, int argc,
			char **argv);

/* http_log.c */
/* Returns the name of a file that can't be opened, with errno, or NULL. */
const char *http_log_open(const struct http_options *opt);
/* Writes what is left. */
void http_log_close(void);
/* Keep format short of the newline; repeated in the same second, it is lost. */
void http_log_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* http_conn.c */
void http_serve(struct http_server *srv, struct http_io *io);

#endif /* HTTP_H */
