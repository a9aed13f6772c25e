/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_conn.c - a connection: read requests, keep alive, time out, refuse
 *
 * The parser takes its input in pieces of any size and keeps its own state, so
 * a request may arrive cut anywhere, and several may arrive in one piece
 * (pipelining): what follows the request being answered stays in req->in.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

/* Of a connection that the server ends: how much input to wait for. */
#define LINGER_MSEC 1000
#define LINGER_BYTES (256 * 1024)

#define SENDFILE_BYTES (1024 * 1024)

/* ------------------------------------------------------ parser callbacks -- */

/* Refuse the request; returns what makes the parser stop. */
static int refuse(struct http_request *r, unsigned status)
{
	r->status = status;
	return -1;
}

static struct http_request *request_of(http_parser *p)
{
	return ((struct http_conn *)p->data)->req;
}

/* Append what fits into dst; *len counts all, so that the excess shows. */
static void append(char *dst, size_t room, size_t *len, const char *at,
		   size_t n)
{
	if (*len < room)
		memcpy(dst + *len, at, n < room - *len ? n : room - *len);
	*len += n;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	append(r->url, HTTP_URL_MAX, &r->url_len, at, n);
	return r->url_len > HTTP_URL_MAX ? refuse(r, 414) : 0;
}

static bool equals(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(s, word, len);
}

/* Name and value are complete. */
static int end_field(struct http_request *r)
{
	if (equals(r->field, r->field_len, "host")) {
		if (r->has_host)
			return refuse(r, 400);
		r->has_host = true;
	} else if (equals(r->field, r->field_len, "expect")) {
		if (!equals(r->value, r->value_len, "100-continue"))
			return refuse(r, 417);
		r->expect_continue = true;
	}
	r->field_len = r->value_len = 0;
	r->in_value = false;
	return 0;
}

static int on_header_field(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	/* Fields that trail a chunked body mean nothing here. */
	if (r->head_done)
		return 0;
	if (r->in_value && end_field(r))
		return -1;
	append(r->field, sizeof(r->field), &r->field_len, at, n);
	return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	if (r->head_done)
		return 0;
	r->in_value = true;
	append(r->value, sizeof(r->value), &r->value_len, at, n);
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct http_conn *c = p->data;
	struct http_request *r = c->req;

	if (r->in_value && end_field(r))
		return -1;
	r->head_done = true;
	r->keep_alive = http_should_keep_alive(p);
	if (p->http_major != 1)
		return refuse(r, 505);
	if (p->http_minor > 0 && !r->has_host)
		return refuse(r, 400);
	if (p->method == HTTP_CONNECT)
		return refuse(r, 501);
	if ((p->flags & F_CONTENTLENGTH) &&
	    p->content_length > c->srv->opt.max_body)
		return refuse(r, 413);
	/* An Upgrade field may be ignored; the parser would stop here. */
	p->upgrade = 0;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct http_conn *c = p->data;

	(void)at;
	c->req->body_len += n;
	return c->req->body_len > c->srv->opt.max_body ? refuse(c->req, 413)
						       : 0;
}

static int on_message_complete(http_parser *p)
{
	request_of(p)->complete = true;
	/* The bytes that follow belong to the next request. */
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings parser_settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ------------------------------------------------------ reading requests -- */

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int write_all(struct http_conn *c, const char *buf, size_t len,
		     bool more)
{
	struct http_io *io = c->io;
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = io->ops->write(io, buf, len, more,
				   c->srv->opt.write_timeout);
		if (n < 0)
			return -1;
	}
	return 0;
}

/* How long the next read() may take. */
static int read_timeout(struct http_conn *c, long long *deadline)
{
	const struct http_options *opt = &c->srv->opt;
	long long left;

	if (!c->req->started)
		return opt->idle_timeout;
	/* One limit for the whole head, else a peer could send it byte by byte;
	   a body may take as long as something comes. */
	if (!*deadline || c->req->head_done)
		*deadline = now_ms() + opt->read_timeout;
	left = *deadline - now_ms();
	return left > 0 ? (int)left : 0;
}

/* Get more input.  False: there is none; unless status is set, just go. */
static bool fill(struct http_conn *c, long long *deadline)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_request *r = c->req;
	struct http_io *io = c->io;
	ssize_t n;

	if (r->head_done && r->expect_continue) {
		r->expect_continue = false;
		if (write_all(c, go_on, strlen(go_on), false))
			return false;
	}
	n = io->ops->read(io, r->in, sizeof(r->in), read_timeout(c, deadline));
	atomic_store(&io->idle, false);
	if (n < 0 && errno == ETIMEDOUT && r->started)
		r->status = 408;
	if (n <= 0)
		return false;
	r->started = true;
	r->pos = 0;
	r->len = n;
	return true;
}

static unsigned status_of(const struct http_request *r, enum http_errno error)
{
	size_t i = r->pos;

	if (error == HPE_HEADER_OVERFLOW)
		return 431;
	if (error != HPE_INVALID_METHOD)
		return 400;
	/* A word we don't know, or no HTTP at all?  A guess: the rest of the
	   word may not be here yet. */
	while (i < r->len && isupper((unsigned char)r->in[i]))
		i++;
	return i < r->len && r->in[i] == ' ' ? 501 : 400;
}

static void parse(struct http_request *r)
{
	enum http_errno error;

	r->pos += http_parser_execute(&r->parser, &parser_settings,
				      r->in + r->pos, r->len - r->pos);
	error = HTTP_PARSER_ERRNO(&r->parser);
	if (error != HPE_OK && error != HPE_PAUSED && !r->status)
		r->status = status_of(r, error);
}

/* Make c->req; false: the connection ends here. */
static bool wait_for_request(struct http_conn *c)
{
	/* First idle, then look at draining; whoever drains does it the other
	   way round, so one of the two sees the other. */
	atomic_store(&c->io->idle, true);
	if (atomic_load(&c->srv->draining) ||
	    c->io->ops->wait(c->io, c->srv->opt.idle_timeout))
		return false;
	c->req = malloc(sizeof(*c->req));
	if (!c->req)
		return false;
	c->req->pos = c->req->len = 0;
	return true;
}

/* True: a request to answer or, with status set, to refuse. */
static bool read_request(struct http_conn *c)
{
	struct http_request *r = c->req;
	long long deadline = 0;

	memset(r, 0, offsetof(struct http_request, field));
	http_parser_init(&r->parser, HTTP_REQUEST);
	r->parser.data = c;
	r->started = r->pos < r->len;

	while (!r->complete && !r->status) {
		if (r->pos == r->len && !fill(c, &deadline))
			break;
		parse(r);
	}
	return r->complete || r->status;
}

/* --------------------------------------------------------------- replies -- */

/* The time does not change often enough to format it for each reply. */
static const char *date_now(void)
{
	static _Thread_local char text[32];
	static _Thread_local time_t last;
	time_t now = time(NULL);
	struct tm tm;

	if (now != last)
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT",
			 gmtime_r(&now, &tm));
	last = now;
	return text;
}

/* The head of the reply, in req->out; returns its length. */
static size_t format_head(struct http_conn *c, unsigned status,
			  const char *fields, unsigned long long len)
{
	struct http_request *r = c->req;
	const char *connection = "";

	if (atomic_load(&c->srv->draining))
		r->keep_alive = false;
	if (!r->keep_alive)
		connection = "Connection: close\r\n";
	else if (r->parser.http_minor == 0)
		connection = "Connection: keep-alive\r\n";
	return snprintf(r->out, sizeof(r->out),
			"HTTP/1.1 %u %s\r\nDate: %s\r\n%sContent-Length: %llu"
			"\r\n%s\r\n",
			status, http_status_str((enum http_status)status),
			date_now(), fields, len, connection);
}

int http_reply(struct http_conn *c, unsigned status, const char *fields,
	       const void *body, size_t len)
{
	struct http_request *r = c->req;
	size_t head = format_head(c, status, fields, len);

	if (r->parser.method == HTTP_HEAD)
		len = 0;
	if (len > sizeof(r->out) - head)
		return write_all(c, r->out, head, true) ||
				       write_all(c, body, len, false)
			       ? -1
			       : 0;
	memcpy(r->out + head, body, len);
	return write_all(c, r->out, head + len, false);
}

int http_reply_file(struct http_conn *c, const char *fields, int file,
		    off_t size)
{
	bool body = size > 0 && c->req->parser.method != HTTP_HEAD;
	size_t head = format_head(c, 200, fields, size);
	struct http_io *io = c->io;
	off_t off = 0;
	size_t len;

	if (write_all(c, c->req->out, head, body))
		return -1;
	while (body && off < size) {
		len = size - off < SENDFILE_BYTES ? size - off : SENDFILE_BYTES;
		/* 0: somebody has truncated the file, so the reply can't be
		   completed any more. */
		if (io->ops->sendfile(io, file, &off, len,
				      c->srv->opt.write_timeout) <= 0)
			return -1;
	}
	return 0;
}

int http_reply_error(struct http_conn *c, unsigned status, const char *fields)
{
	char body[64], head[96];

	snprintf(head, sizeof(head), "%sContent-Type: text/plain\r\n", fields);
	snprintf(body, sizeof(body), "%u %s\n", status,
		 http_status_str((enum http_status)status));
	return http_reply(c, status, head, body, strlen(body));
}

/* ------------------------------------------------------------ connection -- */

/*
 * To close a socket with unread input makes the kernel reset the connection,
 * and the peer may lose the reply: take what it still sends, within limits.
 */
static void linger(struct http_conn *c)
{
	long long deadline = now_ms() + LINGER_MSEC;
	struct http_io *io = c->io;
	size_t got = 0;
	ssize_t n;
	int left;

	shutdown(io->fd, SHUT_WR);
	while (got < LINGER_BYTES && (left = deadline - now_ms()) > 0) {
		n = io->ops->read(io, c->req->in, sizeof(c->req->in), left);
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

void http_serve(struct http_server *srv, struct http_io *io)
{
	struct http_conn c = { .srv = srv, .io = io };

	do {
		if (!c.req && !wait_for_request(&c))
			break;
	} while (read_request(&c) && answer(&c));
	free(c.req);
}
