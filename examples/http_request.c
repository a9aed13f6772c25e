/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request.c - reading a request: limits and timeouts
 *
 * The parser takes its input in pieces of any size and keeps its own state, so
 * a request may arrive cut anywhere, and several may arrive in one piece
 * (pipelining): what follows the request being answered stays in req->in.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* ------------------------------------------------------ parser callbacks -- */

/* Refuse the request; returns what makes the parser stop. */
static int refuse(struct http_request *r, unsigned status)
{
	r->status = status;
	return -1;
}

static struct http_request *request_of(http_parse_t *p)
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

static int on_url(http_parse_t *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	append(r->url, HTTP_URL_MAX, &r->url_len, at, n);
	return r->url_len > HTTP_URL_MAX ? refuse(r, 414) : 0;
}

/* Name and value are complete. */
static int end_field(struct http_request *r)
{
	unsigned status = http_take_field(r);

	r->field_len = r->value_len = 0;
	r->in_value = false;
	return status ? refuse(r, status) : 0;
}

static int on_header_field(http_parse_t *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	/* Fields that trail a chunked body mean nothing here. */
	if (r->head_done)
		return 0;
	if (r->in_value && end_field(r))
		return -1;
	/* http_parser takes blanks in names.  To a proxy that takes them for the
	   name without them, "Content-Length :" may mean something else. */
	if (memchr(at, ' ', n))
		return refuse(r, 400);
	append(r->field, sizeof(r->field), &r->field_len, at, n);
	return 0;
}

static int on_header_value(http_parse_t *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);

	if (r->head_done)
		return 0;
	r->in_value = true;
	append(r->value, sizeof(r->value), &r->value_len, at, n);
	return 0;
}

static int on_headers_complete(http_parse_t *p)
{
	struct http_conn *c = p->data;
	struct http_request *r = c->req;

	if (r->in_value && end_field(r))
		return -1;
	r->head_done = true;
	r->keep_alive = http_parse_keep_alive(p);
	if (p->http_major != 1)
		return refuse(r, 505);
	if (p->http_minor > 0 && !r->has_host)
		return refuse(r, 400);
	/* Peers of that version know no answer that goes on. */
	if (p->http_minor == 0)
		r->expect_continue = false;
	if (p->method == HTTP_CONNECT)
		return refuse(r, 501);
	if (http_parse_content_length(p) > c->srv->opt.max_body)
		return refuse(r, 413);
	/* An Upgrade field may be ignored; the parser would stop here. */
	p->upgrade = 0;
	return 0;
}

static int on_body(http_parse_t *p, const char *at, size_t n)
{
	struct http_conn *c = p->data;

	(void)at;
	c->req->body_len += n;
	return c->req->body_len > c->srv->opt.max_body ? refuse(c->req, 413)
						       : 0;
}

static int on_message_complete(http_parse_t *p)
{
	request_of(p)->complete = true;
	return http_parse_stop(p);
}

static const http_callbacks_t callbacks = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ------------------------------------------------------ reading requests -- */

/* Of the next read(). */
static int64_t read_deadline(struct http_conn *c, int64_t *deadline)
{
	const struct http_options *opt = &c->srv->opt;

	if (!c->req->started)
		return c->io->ops->after(opt->idle_timeout);
	/* One for the whole head, else a peer could send it byte by byte; a
	   body may take as long as something comes. */
	if (!*deadline || c->req->head_done)
		*deadline = c->io->ops->after(opt->read_timeout);
	return *deadline;
}

/* Get more input.  False: there is none; unless status is set, just go. */
static bool fill(struct http_conn *c, int64_t *deadline)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_request *r = c->req;
	struct http_io *io = c->io;
	ssize_t n;

	if (r->head_done && r->expect_continue) {
		r->expect_continue = false;
		if (http_write(c, go_on, strlen(go_on), false))
			return false;
	}
	n = io->ops->read(io, r->in, sizeof(r->in), read_deadline(c, deadline));
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

/* Of what the parser does not take. */
static unsigned status_of(const struct http_request *r,
			  enum http_parse_result result)
{
	size_t i = r->pos;

	if (result != HTTP_PARSE_NO_METHOD)
		return 400;
	/* A word we don't know, or no HTTP at all?  A guess: the rest of the
	   word may not be here yet. */
	while (i < r->len && isupper((unsigned char)r->in[i]))
		i++;
	return i < r->len && r->in[i] == ' ' ? 501 : 400;
}

/*
 * Parse what is in the buffer.  The limit of the head is also that of what is
 * around the bytes of a chunked body, which has no end of its own.
 */
static void parse(struct http_request *r, size_t max_head)
{
	size_t room = max_head - r->head_len, n = r->len - r->pos;
	size_t body_len = r->body_len;
	bool head_done = r->head_done;
	enum http_parse_result result;

	if (!room) {
		r->status = 431;
		return;
	}
	n = http_parse(&r->parser, &callbacks, r->in + r->pos,
		       n < room ? n : room, &result);
	r->pos += n;
	r->head_len += n;
	if (r->head_done != head_done || r->body_len != body_len)
		r->head_len = 0;
	if (result != HTTP_PARSE_OK && result != HTTP_PARSE_STOPPED &&
	    !r->status)
		r->status = status_of(r, result);
}

bool http_read_request(struct http_conn *c)
{
	struct http_request *r = c->req;
	int64_t deadline = 0;

	memset(r, 0, offsetof(struct http_request, field));
	http_parse_init(&r->parser, &callbacks, c);
	r->started = r->pos < r->len;

	while (!r->complete && !r->status) {
		if (r->pos == r->len && !fill(c, &deadline))
			break;
		parse(r, c->srv->opt.max_head);
	}
	r->url[r->url_len < HTTP_URL_MAX ? r->url_len : HTTP_URL_MAX] = '\0';
	return r->complete || r->status;
}
