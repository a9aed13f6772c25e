/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request.h - a connection and its request, inside the handler
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http.h"
#include "http_parse.h"

#include <time.h>

#define HTTP_URL_MAX 2000

/* Of bytes, as in the field Range.  With first -1: the last bytes of a file, as
   many as last says.  With last -1: all bytes from first on. */
struct http_range {
	long long first, last;
};

/*
 * A request being worked on, and the buffers for that.  Only connections that
 * are busy have one: 10,000 idle connections cost no buffers.
 */
struct http_request {
	http_parse_t parser;
	unsigned status; /* not 0: refuse the request with this */
	bool started, head_done, complete, keep_alive;
	bool in_value, has_host, expect_continue;
	bool if_none_match, seen_range, has_range, has_if_range;
	struct http_range range;
	time_t if_modified_since; /* 0: no such field */
	time_t if_range;	  /* -1: no date */
	size_t head_len; /* bytes since there was the last byte of body */
	size_t body_len, url_len, field_len, value_len;
	unsigned reply_status;
	unsigned long long reply_bytes; /* of its body, as sent */

	/* From here on not cleared between requests. */
	char field[20], value[64];  /* a header field, as far as it fits */
	char url[HTTP_URL_MAX + 1]; /* as it came */
	char out[1024];
	char in[2048];
	size_t pos, len; /* in[pos..len) has not been parsed yet */
};

/*
 * The running connection.  Lies on the stack of its co or thread, which is fine
 * for a sharing co, too: nobody else has a pointer to it.
 */
struct http_conn {
	struct http_server *srv;
	struct http_io *io;
	struct http_request *req;
};

/* http_request.c */
/* True: a request to answer or, with status set, to refuse. */
bool http_read_request(struct http_conn *c);

/* http_fields.c */
/* The field is in field and value.  Returns 0, or the status to refuse the
   request with. */
unsigned http_take_field(struct http_request *r);

/* http_reply.c */
/*
 * The time now in a format of strftime(3), in UTC.  It does not change often
 * enough to format it for each reply: a struct is for one thread and one format.
 */
struct http_time {
	time_t last;
	char text[32];
};
const char *http_time_now(struct http_time *t, const char *format)
	__attribute__((format(strftime, 2, 0)));
/* Each returns -1 when the connection can't go on. */
int http_write(struct http_conn *c, const char *buf, size_t len, bool more);
int http_reply(struct http_conn *c, unsigned status, const char *fields,
	       const void *body, size_t len);
/* len bytes of file from off on. */
int http_reply_file(struct http_conn *c, unsigned status, const char *fields,
		    int file, off_t off, off_t len);
int http_reply_error(struct http_conn *c, unsigned status, const char *fields);

/* http_files.c */
#define HTTP_INDEX "index.html"
/*
 * Open the file of a decoded path, which has room for HTTP_INDEX behind it.
 * Returns 0, or the status to refuse the request with.
 */
unsigned http_open_file(struct http_conn *c, char *path, int *file,
			const char **type);
int http_answer_file(struct http_conn *c, int file, const char *type);

/* http_pages.c */
int http_answer(struct http_conn *c);

/* http_log.c */
void http_log_peer(struct http_io *io);
void http_log_access(const struct http_conn *c);

#endif /* HTTP_REQUEST_H */
