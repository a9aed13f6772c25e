/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_reply.c - writing a reply
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SENDFILE_BYTES (1024 * 1024)

int http_write(struct http_conn *c, const char *buf, size_t len, bool more)
{
	const struct http_io_ops *ops = c->io->ops;

	return len ? ops->write(c->io, buf, len, more,
				ops->after(c->srv->opt.write_timeout))
		   : 0;
}

static const char *status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].text;
	return "";
}

const char *http_time_now(struct http_time *t, const char *format)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != t->last)
		strftime(t->text, sizeof(t->text), format, gmtime_r(&now, &tm));
	t->last = now;
	return t->text;
}

static const char *date_now(void)
{
	static _Thread_local struct http_time date;

	return http_time_now(&date, "%a, %d %b %Y %H:%M:%S GMT");
}

/* The head of the reply, in req->out; returns its length. */
static size_t format_head(struct http_conn *c, unsigned status,
			  const char *fields, unsigned long long len)
{
	struct http_request *r = c->req;
	const char *connection = "";
	char length[48] = "";

	if (atomic_load(&c->srv->draining))
		r->keep_alive = false;
	if (!r->keep_alive)
		connection = "Connection: close\r\n";
	else if (r->parser.http_minor == 0)
		connection = "Connection: keep-alive\r\n";
	r->reply_status = status;
	/* A reply that says "not modified" has no body. */
	if (status != 304)
		snprintf(length, sizeof(length), "Content-Length: %llu\r\n",
			 len);
	return snprintf(r->out, sizeof(r->out),
			"HTTP/1.1 %u %s\r\nDate: %s\r\n%s%s%s\r\n", status,
			status_text(status), date_now(), fields, length,
			connection);
}

int http_reply(struct http_conn *c, unsigned status, const char *fields,
	       const void *body, size_t len)
{
	struct http_request *r = c->req;
	size_t head = format_head(c, status, fields, len);
	int failed;

	if (r->parser.method == HTTP_HEAD)
		len = 0;
	if (len > sizeof(r->out) - head) {
		failed = http_write(c, r->out, head, true) ||
			 http_write(c, body, len, false);
	} else {
		memcpy(r->out + head, body, len);
		failed = http_write(c, r->out, head + len, false);
	}
	r->reply_bytes = failed ? 0 : len;
	return failed ? -1 : 0;
}

int http_reply_file(struct http_conn *c, unsigned status, const char *fields,
		    int file, off_t off, off_t len)
{
	struct http_request *r = c->req;
	size_t head = format_head(c, status, fields, len);
	const struct http_io_ops *ops = c->io->ops;
	int64_t at = off;
	ssize_t n;

	if (r->parser.method == HTTP_HEAD)
		len = 0;
	if (http_write(c, r->out, head, len > 0))
		return -1;
	for (; len; len -= n, r->reply_bytes += n) {
		n = ops->sendfile(c->io, file, &at,
				  len < SENDFILE_BYTES ? len : SENDFILE_BYTES,
				  ops->after(c->srv->opt.write_timeout));
		/* The file has been truncated, so the reply can't be completed
		   any more. */
		if (!n)
			http_log_error("%s: the file has become shorter",
				       r->url);
		if (n <= 0)
			return -1;
	}
	return 0;
}

int http_reply_error(struct http_conn *c, unsigned status, const char *fields)
{
	char body[64], head[96];

	snprintf(head, sizeof(head), "%sContent-Type: text/plain\r\n", fields);
	snprintf(body, sizeof(body), "%u %s\n", status, status_text(status));
	return http_reply(c, status, head, body, strlen(body));
}
