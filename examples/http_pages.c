/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pages.c - what a request is answered with
 *
 *   GET  /hello        a generated page (also / when there is no --root)
 *   GET  /status       the server's counters, plain text
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
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
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
		       atomic_load(&srv->requests), srv->switches());
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
	if (c->io->ops->sleep(c->io, ms))
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

/* ----------------------------------------------------------------- files -- */

static const char *content_type(const char *path)
{
	static const char *const types[][2] = {
		{ ".css", "text/css; charset=utf-8" },
		{ ".gif", "image/gif" },
		{ ".htm", "text/html; charset=utf-8" },
		{ ".html", "text/html; charset=utf-8" },
		{ ".ico", "image/x-icon" },
		{ ".jpeg", "image/jpeg" },
		{ ".jpg", "image/jpeg" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".pdf", "application/pdf" },
		{ ".png", "image/png" },
		{ ".svg", "image/svg+xml" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".wasm", "application/wasm" },
		{ ".webp", "image/webp" },
		{ ".xml", "application/xml" },
	};
	const char *ext = strrchr(path, '.');
	size_t i;

	for (i = 0; ext && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(ext, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

/*
 * Open path below the directory root, one component at a time, so that nothing
 * can lead out of it: ".." is refused, a symbolic link never followed.
 */
static int open_below(int root, char *path)
{
	const int dir_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	/* O_NONBLOCK: to open a FIFO must not wait for its writer. */
	const int file_flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
	char *save, *name = strtok_r(path, "/", &save), *next;
	int dir = root, fd;

	while (name && strcmp(name, "..") != 0) {
		next = strtok_r(NULL, "/", &save);
		fd = openat(dir, name, next ? dir_flags : file_flags);
		if (dir != root)
			close(dir);
		if (fd < 0 || !next)
			return fd;
		dir = fd;
		name = next;
	}
	if (dir != root)
		close(dir);
	errno = EACCES;
	return -1;
}

static unsigned status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return 404;
	case EACCES:
	case ELOOP:
	case EPERM:
		return 403;
	case EMFILE:
	case ENFILE:
		return 503;
	default:
		return 500;
	}
}

static int reply_open_file(struct http_conn *c, int file, const char *type)
{
	char date[32], fields[128];
	struct stat st;
	struct tm tm;

	if (fstat(file, &st))
		return http_reply_error(c, 500, "");
	if (!S_ISREG(st.st_mode))
		return http_reply_error(c, S_ISDIR(st.st_mode) ? 404 : 403, "");
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
		 gmtime_r(&st.st_mtime, &tm));
	snprintf(fields, sizeof(fields),
		 "Content-Type: %s\r\nLast-Modified: %s\r\n", type, date);
	return http_reply_file(c, fields, file, st.st_size);
}

/* There is room behind path for the name of an index. */
static int page_file(struct http_conn *c, char *path)
{
	const char *type;
	int file, result;

	if (path[strlen(path) - 1] == '/')
		strcat(path, "index.html");
	type = content_type(path);
	file = open_below(c->srv->root_fd, path);
	if (file < 0)
		return http_reply_error(c, status_of(errno), "");
	result = reply_open_file(c, file, type);
	close(file);
	return result;
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
static char *skip_host(char *url)
{
	if (!strncasecmp(url, "http://", 7))
		return url + 7 + strcspn(url + 7, "/?#");
	return url;
}

/* Point path and query at the parts of the URL, each with a NUL behind. */
static int split_url(struct http_request *r, char **path, const char **query)
{
	char *end;

	r->url[r->url_len] = '\0';
	*path = skip_host(r->url);
	if (**path != '/')
		return -1;
	r->url[strcspn(r->url, "#")] = '\0';
	end = *path + strcspn(*path, "?");
	*query = *end ? end + 1 : "";
	*end = '\0';
	return percent_decode(*path);
}

static bool is_read(unsigned method)
{
	return method == HTTP_GET || method == HTTP_HEAD;
}

static bool is_write(unsigned method)
{
	return method == HTTP_POST || method == HTTP_PUT;
}

static int refuse_method(struct http_conn *c, const char *allow)
{
	switch (c->req->parser.method) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_POST:
	case HTTP_PUT:
	case HTTP_PATCH:
	case HTTP_DELETE:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
		return http_reply_error(c, 405, allow);
	default:
		return http_reply_error(c, 501, "");
	}
}

int http_answer(struct http_conn *c)
{
	static const struct {
		const char *path;
		int (*page)(struct http_conn *c, const char *query);
	} pages[] = {
		{ "/hello", page_hello },
		{ "/status", page_status },
		{ "/sleep", page_sleep },
	};
	unsigned method = c->req->parser.method;
	const char *query;
	char *path;
	size_t i;

	if (split_url(c->req, &path, &query))
		return http_reply_error(c, 400, "");
	if (!strcmp(path, "/discard"))
		return is_write(method)
			       ? page_discard(c, query)
			       : refuse_method(c, "Allow: POST, PUT\r\n");
	if (!is_read(method))
		return refuse_method(c, "Allow: GET, HEAD\r\n");
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(path, pages[i].path))
			return pages[i].page(c, query);
	if (c->srv->root_fd >= 0)
		return page_file(c, path);
	if (!strcmp(path, "/"))
		return page_hello(c, query);
	return http_reply_error(c, 404, "");
}
