/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_files.c - files below --root
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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
	case ENXIO: /* a socket */
	case EPERM:
		return 403;
	case EMFILE:
	case ENFILE:
		return 503;
	default:
		return 500;
	}
}

unsigned http_open_file(struct http_conn *c, char *path, int *file,
			const char **type)
{
	unsigned status;

	if (path[strlen(path) - 1] == '/')
		strcat(path, HTTP_INDEX);
	*type = content_type(path);
	*file = open_below(c->srv->root_fd, path);
	if (*file >= 0)
		return 0;
	status = status_of(errno);
	if (status >= 500)
		http_log_error("%s: %s", c->req->url, strerror(errno));
	return status;
}

static bool is_unmodified(const struct http_request *r, const struct stat *st)
{
	return r->if_modified_since && !r->if_none_match &&
	       st->st_mtime <= r->if_modified_since;
}

/* Whether the client wants a part of just this version of the file. */
static bool wants_part(const struct http_request *r, const struct stat *st)
{
	return r->has_range && r->parser.method == HTTP_GET &&
	       (!r->has_if_range || r->if_range == st->st_mtime);
}

/* Set *off and *len to the part.  False: nothing of it is in the file. */
static bool find_part(const struct http_range *range, off_t size, off_t *off,
		      off_t *len)
{
	if (range->first < 0) {
		*len = range->last < size ? range->last : size;
		*off = size - *len;
		return *len > 0;
	}
	if (range->first >= size)
		return false;
	*off = range->first;
	*len = size - *off;
	if (range->last >= 0 && range->last < size)
		*len = range->last - *off + 1;
	return true;
}

static int reply_part(struct http_conn *c, const char *fields, int file,
		      off_t size)
{
	off_t off, len;
	char all[256];

	if (!find_part(&c->req->range, size, &off, &len)) {
		snprintf(all, sizeof(all), "Content-Range: bytes */%lld\r\n",
			 (long long)size);
		return http_reply_error(c, 416, all);
	}
	snprintf(all, sizeof(all), "%sContent-Range: bytes %lld-%lld/%lld\r\n",
		 fields, (long long)off, (long long)(off + len - 1),
		 (long long)size);
	return http_reply_file(c, 206, all, file, off, len);
}

/* Nothing for a time that has no date of HTTP: its year is too far away for four
   digits, or even for a struct tm.  All who may write the file can set it. */
static void format_modified(char *field, size_t size, time_t time)
{
	struct tm tm;

	if (!gmtime_r(&time, &tm) || tm.tm_year < 1000 - 1900 ||
	    tm.tm_year > 9999 - 1900 ||
	    !strftime(field, size,
		      "Last-Modified: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm))
		field[0] = '\0';
}

int http_answer_file(struct http_conn *c, int file, const char *type)
{
	char modified[64], fields[160];
	struct stat st;

	if (fstat(file, &st))
		return http_reply_error(c, 500, "");
	if (!S_ISREG(st.st_mode))
		return http_reply_error(c, S_ISDIR(st.st_mode) ? 404 : 403, "");
	format_modified(modified, sizeof(modified), st.st_mtime);
	snprintf(fields, sizeof(fields),
		 "Content-Type: %s\r\n%sAccept-Ranges: bytes\r\n", type,
		 modified);
	if (is_unmodified(c->req, &st))
		return http_reply(c, 304, fields, "", 0);
	if (wants_part(c->req, &st))
		return reply_part(c, fields, file, st.st_size);
	return http_reply_file(c, 200, fields, file, 0, st.st_size);
}
