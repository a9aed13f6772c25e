/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_log.c - access log and error log
 *
 * A connection must not wait for a disk, or for the reader of a pipe.  So it
 * only copies its line into a buffer, and a thread for each log writes the
 * buffer out.  Lines that find the buffer full are lost; the error log tells
 * how many.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_BUFFER (64 * 1024)
#define URL_ROOM (HTTP_URL_MAX + 64)

struct log {
	int fd; /* -1: this log is off */
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t filled;

	/* Guarded by lock.  The writer has the other buffer. */
	char *fill;
	size_t len;
	unsigned long lost;
	bool ending;

	char buffers[2][LOG_BUFFER];
};

static struct log access_log = { .fd = -1,
				 .lock = PTHREAD_MUTEX_INITIALIZER,
				 .filled = PTHREAD_COND_INITIALIZER };
static struct log error_log = { .fd = -1,
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.filled = PTHREAD_COND_INITIALIZER };

/* ---------------------------------------------------------------- writer -- */

static void add_line(struct log *log, const char *line, size_t len)
{
	bool was_empty;

	pthread_mutex_lock(&log->lock);
	was_empty = !log->len;
	if (log->len + len <= LOG_BUFFER) {
		memcpy(log->fill + log->len, line, len);
		log->len += len;
	} else {
		log->lost++;
	}
	pthread_mutex_unlock(&log->lock);
	if (was_empty)
		pthread_cond_signal(&log->filled);
}

static void write_out(int fd, const char *buf, size_t len)
{
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		/* The disk is full, or the reader has gone.  The server goes
		   on. */
		if (n < 0)
			return;
	}
}

static void *run_writer(void *arg)
{
	struct log *log = arg;
	unsigned long lost;
	const char *full;
	size_t len;

	pthread_mutex_lock(&log->lock);
	while (log->len || !log->ending) {
		if (!log->len) {
			pthread_cond_wait(&log->filled, &log->lock);
			continue;
		}
		full = log->fill;
		len = log->len;
		lost = log->lost;
		log->fill = log->buffers[full == log->buffers[0]];
		log->len = log->lost = 0;
		pthread_mutex_unlock(&log->lock);
		write_out(log->fd, full, len);
		if (lost)
			http_log_error("the %s log has lost %lu lines",
				       log == &access_log ? "access" : "error",
				       lost);
		pthread_mutex_lock(&log->lock);
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

/* ----------------------------------------------------------- open, close -- */

/* False, with errno: it can't be opened. */
static bool open_log(struct log *log, const char *file, int standard)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
	sigset_t all, before;

	log->fd = strcmp(file, "-") ? open(file, flags, 0666) : standard;
	if (log->fd < 0)
		return false;
	log->fill = log->buffers[0];
	/* The program's own threads take the signals. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&log->writer, NULL, run_writer, log);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !errno;
}

const char *http_log_open(const struct http_options *opt)
{
	if (opt->access_log &&
	    !open_log(&access_log, opt->access_log, STDOUT_FILENO))
		return opt->access_log;
	if (!open_log(&error_log, opt->error_log, STDERR_FILENO))
		return opt->error_log;
	return NULL;
}

/* Lines that no one takes within a second, at the other end of a pipe, are
   lost. */
static void close_log(struct log *log)
{
	struct timespec until;

	if (log->fd < 0)
		return;
	pthread_mutex_lock(&log->lock);
	log->ending = true;
	pthread_mutex_unlock(&log->lock);
	pthread_cond_signal(&log->filled);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	if (pthread_timedjoin_np(log->writer, NULL, &until) &&
	    log == &access_log)
		http_log_error(
			"the end of the access log could not be written");
}

void http_log_close(void)
{
	close_log(&access_log);
	close_log(&error_log);
}

/* ------------------------------------------------------------ access log -- */

/* The peer's address, once for each connection. */
void http_log_peer(struct http_io *io)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	const void *from = &((struct sockaddr_in *)&addr)->sin_addr;

	if (access_log.fd < 0)
		return;
	getpeername(io->fd, (struct sockaddr *)&addr, &len);
	if (addr.ss_family == AF_INET6)
		from = &((struct sockaddr_in6 *)&addr)->sin6_addr;
	if (!inet_ntop(addr.ss_family, from, io->peer, sizeof(io->peer)))
		strcpy(io->peer, "-"); /* it has gone already */
}

/* What would end the field or the line becomes \xHH.  A URL that then does not
   fit is cut off.  Returns the length. */
static size_t quote(char *to, size_t size, const char *from)
{
	const char *begin = to, *end = to + size - sizeof("\\xHH");

	for (; *from && to < end; from++) {
		if (*from > ' ' && *from < 127 && *from != '"' && *from != '\\')
			*to++ = *from;
		else
			to += sprintf(to, "\\x%02x", (unsigned char)*from);
	}
	return to - begin;
}

/* As the client has sent it, as far as it could be read. */
static size_t format_request_line(const struct http_request *r, char *line)
{
	const http_parse_t *p = &r->parser;
	size_t len;

	if (!r->url_len)
		return sprintf(line, "-");
	len = sprintf(line, "%.30s ", http_parse_method_name(p));
	len += quote(line + len, URL_ROOM, r->url);
	if (p->http_major)
		len += sprintf(line + len, " HTTP/%u.%u", p->http_major,
			       p->http_minor);
	return len;
}

static const char *common_time(void)
{
	static _Thread_local struct http_time common;

	return http_time_now(&common, "%d/%b/%Y:%H:%M:%S +0000");
}

/* In the common log format. */
void http_log_access(const struct http_conn *c)
{
	const struct http_request *r = c->req;
	char line[URL_ROOM + 256];
	size_t len;

	if (access_log.fd < 0)
		return;
	len = sprintf(line, "%s - - [%s] \"", c->io->peer, common_time());
	len += format_request_line(r, line + len);
	len += sprintf(line + len, "\" %u %llu\n", r->reply_status,
		       r->reply_bytes);
	add_line(&access_log, line, len);
}

/* ------------------------------------------------------------- error log -- */

/* Whether format has been logged in this second: a server that can't accept
   connections, say, would otherwise fill the disk with that. */
static bool is_repeated(const char *format, time_t now)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static const char *last_format;
	static time_t last_time;
	bool repeated;

	pthread_mutex_lock(&lock);
	repeated = format == last_format && now == last_time;
	last_format = format;
	last_time = now;
	pthread_mutex_unlock(&lock);
	return repeated;
}

void http_log_error(const char *format, ...)
{
	time_t now = time(NULL);
	char text[400], line[480];
	struct tm tm;
	va_list args;
	size_t len;

	if (is_repeated(format, now))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ",
		       gmtime_r(&now, &tm));
	len += snprintf(line + len, sizeof(line) - len, "%s\n", text);
	add_line(&error_log, line, len);
}
