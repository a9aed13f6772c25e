/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parse.h - a parser of HTTP requests: llhttp, or else http_parser
 *
 * http_parser has no upstream any more; llhttp is its successor.  Systems that
 * have no llhttp yet, such as Debian 12, still have http_parser.  Both call
 * back in the same way, and both name the methods HTTP_GET, HTTP_HEAD and so
 * on.  The calls below hide the differences.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef HAVE_LLHTTP
#include <llhttp.h>
typedef llhttp_t http_parse_t;
typedef llhttp_settings_t http_callbacks_t;
#else
#include <http_parser.h>
typedef http_parser http_parse_t;
typedef http_parser_settings http_callbacks_t;
#endif

enum http_parse_result {
	HTTP_PARSE_OK,	      /* took all of the input */
	HTTP_PARSE_STOPPED,   /* on_message_complete has stopped it */
	HTTP_PARSE_NO_METHOD, /* no method that the parser knows */
	HTTP_PARSE_BAD,	      /* no HTTP, or a callback has failed */
};

/* Once, before there are threads. */
void http_parse_setup(void);

/* For the next request.  The callbacks find data in the parser's field data. */
void http_parse_init(http_parse_t *p, const http_callbacks_t *callbacks,
		     void *data);
/* Returns how many bytes the parser took. */
size_t http_parse(http_parse_t *p, const http_callbacks_t *callbacks,
		  const char *at, size_t len, enum http_parse_result *result);

/* on_message_complete returns this: what follows is the next request. */
int http_parse_stop(http_parse_t *p);

/* As soon as there is a URL. */
const char *http_parse_method_name(const http_parse_t *p);

/* From on_headers_complete on. */
bool http_parse_keep_alive(const http_parse_t *p);
uint64_t http_parse_content_length(const http_parse_t *p); /* 0: none given */

#endif /* HTTP_PARSE_H */
