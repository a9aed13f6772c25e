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

int http_answer_file(struct http_conn *c, int file, const char *type)
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
