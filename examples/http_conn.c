/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_conn.c - a connection: one request after the other, and its end
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Of a connection that the server ends: how much input to wait for. */
#define LINGER_MSEC 1000
#define LINGER_BYTES (256 * 1024)

/*
 * To close a socket with unread input makes the kernel reset the connection,
 * and the peer may lose the reply: take what it still sends, within limits.
 */
static void linger(struct http_conn *c)
{
	struct http_io *io = c->io;
	int64_t deadline = io->ops->after(LINGER_MSEC);
	size_t got = 0;
	ssize_t n;

	shutdown(io->fd, SHUT_WR);
	while (got < LINGER_BYTES) {
		n = io->ops->read(io, c->req->in, sizeof(c->req->in), deadline);
		if (n <= 0)
			break;
		got += n;
	}
}

/* False: the connection ends here. */
static bool answer(struct http_conn *c)
{
	struct http_request *r = c->req;
	int failed;

	atomic_fetch_add(&c->srv->requests, 1);
	if (r->status)
		r->keep_alive = false;
	failed = r->status ? http_reply_error(c, r->status, "")
			   : http_answer(c);
	http_log_access(c);
	if (!failed && !r->keep_alive)
		linger(c);
	if (failed || !r->keep_alive)
		return false;
	if (r->pos == r->len) {
		free(r);
		c->req = NULL;
	}
	return true;
}

/* Make c->req; false: the connection ends here. */
static bool wait_for_request(struct http_conn *c)
{
	struct http_io *io = c->io;

	/* First idle, then look at draining.  The thread that drains does it
	   the other way round, so one of the two sees the other. */
	atomic_store(&io->idle, true);
	if (atomic_load(&c->srv->draining) ||
	    io->ops->wait(io, io->ops->after(c->srv->opt.idle_timeout)))
		return false;
	c->req = malloc(sizeof(*c->req));
	if (!c->req) {
		http_log_error("request: %s", strerror(ENOMEM));
		return false;
	}
	c->req->pos = c->req->len = 0;
	return true;
}

void http_serve(struct http_server *srv, struct http_io *io)
{
	struct http_conn c = { .srv = srv, .io = io };

	http_log_peer(io);
	do {
		if (!c.req && !wait_for_request(&c))
			break;
	} while (http_read_request(&c) && answer(&c));
	free(c.req);
}
