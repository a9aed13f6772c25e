/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pages.c - what a request is answered with
 *
 *   GET  /hello        a generated page (also / when there is no --root)
 *   GET  /status       the server's counters, plain text
 *   GET  /stats        those of libaco, of httpd alone
 *   GET  /sleep?ms=N   answers after N milliseconds
 *   POST /discard      reads a body and says how long it was
 *   GET  anything else a file below --root
 *
 * A handler returns 0, or -1 when the connection can't go on.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SLEEP_MAX_MSEC 10000

#define TEXT "Content-Type: text/plain\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n"

/* ------------------------------------------------------- generated pages -- */

static int page_hello(struct http_conn *c, const char *query)
{
	char body[160];
	int len;

	(void)query;
	len = snprintf(body, sizeof(body),
		       "<!DOCTYPE html>\n<title>Hello</title>\n"
		       "<h1>Hello</h1>\n<p>This is answer %lu.</p>\n",
		       atomic_load(&c->srv->requests));
	return http_reply(c, 200, HTML, body, len);
}

static int page_status(struct http_conn *c, const char *query)
{
	struct http_server *srv = c->srv;
	char body[160];
	int len;

	(void)query;
	len = snprintf(body, sizeof(body),
		       "connections %lu\nconnections_peak %lu\n"
		       "requests %lu\nswitches %lu\n",
		       atomic_load(&srv->connections),
		       atomic_load(&srv->connections_peak),
		       atomic_load(&srv->requests), http_count_switches());
	return http_reply(c, 200, TEXT, body, len);
}

static int page_stats(struct http_conn *c, const char *query)
{
	char body[512];
	int len;

	(void)query;
	len = c->srv->stats(body, sizeof(body));
	return http_reply(c, 200, TEXT, body, len);
}

static int page_sleep(struct http_conn *c, const char *query)
{
	unsigned long ms;
	char *end;

	if (strncmp(query, "ms=", 3) || !isdigit((unsigned char)query[3]))
		return http_reply_error(c, 400, "");
	ms = strtoul(query + 3, &end, 10);
	if (*end || ms > SLEEP_MAX_MSEC)
		return http_reply_error(c, 400, "");
	/* Just this request: all other connections go on. */
	if (c->io->ops->sleep(c->io, c->io->ops->after(ms)))
		return -1;
	return http_reply(c, 200, TEXT, "done\n", 5);
}

static int page_discard(struct http_conn *c, const char *query)
{
	char body[32];
	int len;

	(void)query;
	len = snprintf(body, sizeof(body), "%zu bytes\n", c->req->body_len);
	return http_reply(c, 200, TEXT, body, len);
}

/* ---------------------------------------------------------------- routes -- */

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Decode the %XX in s, in place.  -1: not decodable, or a NUL comes out. */
static int percent_decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		*to = *s;
		if (*s == '%') {
			if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
				return -1;
			*to = hex_digit(s[1]) * 16 + hex_digit(s[2]);
			s += 2;
		}
		if (!*to++)
			return -1;
	}
	*to = '\0';
	return 0;
}

/* Past http://host of a URL that has it, as those for proxies do. */
static const char *skip_host(const char *url)
{
	if (!strncasecmp(url, "http://", 7))
		return url + 7 + strcspn(url + 7, "/?#");
	return url;
}

/* Copy the path of the URL to path, decoded, and point query into the URL. */
static int split_url(struct http_request *r, char *path, const char **query)
{
	const char *from = skip_host(r->url);
	size_t len;

	if (*from != '/')
		return -1;
	/* A fragment is none of the server's business. */
	r->url[strcspn(r->url, "#")] = '\0';
	len = strcspn(from, "?");
	*query = from[len] ? from + len + 1 : "";
	memcpy(path, from, len);
	path[len] = '\0';
	return percent_decode(path);
}

static bool is_read(unsigned method)
{
	return method == HTTP_GET || method == HTTP_HEAD;
}

static bool is_write(unsigned method)
{
	return method == HTTP_POST || method == HTTP_PUT;
}

static bool is_known(unsigned method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_POST:
	case HTTP_PUT:
	case HTTP_PATCH:
	case HTTP_DELETE:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
		return true;
	default:
		return false;
	}
}

/* Where a request goes. */
struct route {
	unsigned status; /* not 0: refuse it with this, and with fields */
	const char *fields;
	int (*page)(struct http_conn *c, const char *query);
	const char *query;
	/* Without a page: */
	int file;
	const char *type;
};

static void refuse_method(struct route *to, unsigned method, const char *allow)
{
	if (is_known(method)) {
		to->status = 405;
		to->fields = allow;
	} else {
		to->status = 501;
	}
}

static void find_page(const struct http_conn *c, const char *path,
		      struct route *to)
{
	static const struct {
		const char *path;
		int (*page)(struct http_conn *c, const char *query);
	} pages[] = {
		{ "/discard", page_discard },
		{ "/hello", page_hello },
		{ "/sleep", page_sleep },
		{ "/status", page_status },
	};
	size_t i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(path, pages[i].path))
			to->page = pages[i].page;
	if (c->srv->stats && !strcmp(path, "/stats"))
		to->page = page_stats;
	if (!to->page && c->srv->root_fd < 0 && !strcmp(path, "/"))
		to->page = page_hello;
}

/*
 * Not inline: path is gone from the stack before the reply is written.  A co on
 * a shared stack would have to move it each time it waits.
 */
static __attribute__((noinline)) void find_route(struct http_conn *c,
						 struct route *to)
{
	char path[HTTP_URL_MAX + sizeof(HTTP_INDEX)];
	unsigned method = c->req->parser.method;

	if (split_url(c->req, path, &to->query)) {
		to->status = 400;
		return;
	}
	find_page(c, path, to);
	if (to->page == page_discard) {
		if (!is_write(method))
			refuse_method(to, method, "Allow: POST, PUT\r\n");
		return;
	}
	if (!is_read(method))
		refuse_method(to, method, "Allow: GET, HEAD\r\n");
	else if (!to->page && c->srv->root_fd < 0)
		to->status = 404;
	else if (!to->page)
		to->status = http_open_file(c, path, &to->file, &to->type);
}

int http_answer(struct http_conn *c)
{
	struct route to = { .fields = "" };
	int result;

	find_route(c, &to);
	if (to.status)
		return http_reply_error(c, to.status, to.fields);
	if (to.page)
		return to.page(c, to.query);
	result = http_answer_file(c, to.file, to.type);
	close(to.file);
	return result;
}
