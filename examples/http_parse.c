/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parse.c - a parser of HTTP requests: llhttp, or else http_parser
 */
#include "http_parse.h"

/* An error of either parser: the names are the same. */
static enum http_parse_result result_of(unsigned error)
{
	switch (error) {
	case HPE_OK:
		return HTTP_PARSE_OK;
	case HPE_PAUSED:
#ifdef HAVE_LLHTTP
	case HPE_PAUSED_UPGRADE:
#endif
		return HTTP_PARSE_STOPPED;
	case HPE_INVALID_METHOD:
		return HTTP_PARSE_NO_METHOD;
	default:
		return HTTP_PARSE_BAD;
	}
}

#ifdef HAVE_LLHTTP

void http_parse_setup(void)
{
}

void http_parse_init(http_parse_t *p, const http_callbacks_t *callbacks,
		     void *data)
{
	llhttp_init(p, HTTP_REQUEST, callbacks);
	p->data = data;
}

size_t http_parse(http_parse_t *p, const http_callbacks_t *callbacks,
		  const char *at, size_t len, enum http_parse_result *result)
{
	llhttp_errno_t error = llhttp_execute(p, at, len);

	(void)callbacks; /* llhttp_init() has taken them */
	*result = result_of(error);
	return error == HPE_OK ? len : (size_t)(llhttp_get_error_pos(p) - at);
}

int http_parse_stop(http_parse_t *p)
{
	(void)p;
	return HPE_PAUSED;
}

const char *http_parse_method_name(const http_parse_t *p)
{
	return llhttp_method_name((llhttp_method_t)p->method);
}

bool http_parse_keep_alive(const http_parse_t *p)
{
	return llhttp_should_keep_alive(p);
}

uint64_t http_parse_content_length(const http_parse_t *p)
{
	return p->flags & F_CONTENT_LENGTH ? p->content_length : 0;
}

#else /* http_parser */

void http_parse_setup(void)
{
	/* read_request() has the limit, as llhttp has none. */
	http_parser_set_max_header_size(UINT32_MAX);
}

void http_parse_init(http_parse_t *p, const http_callbacks_t *callbacks,
		     void *data)
{
	(void)callbacks;
	http_parser_init(p, HTTP_REQUEST);
	p->data = data;
}

size_t http_parse(http_parse_t *p, const http_callbacks_t *callbacks,
		  const char *at, size_t len, enum http_parse_result *result)
{
	size_t n = http_parser_execute(p, callbacks, at, len);

	*result = result_of(HTTP_PARSER_ERRNO(p));
	return n;
}

int http_parse_stop(http_parse_t *p)
{
	http_parser_pause(p, 1);
	return 0;
}

const char *http_parse_method_name(const http_parse_t *p)
{
	return http_method_str((enum http_method)p->method);
}

bool http_parse_keep_alive(const http_parse_t *p)
{
	return http_should_keep_alive(p);
}

uint64_t http_parse_content_length(const http_parse_t *p)
{
	return p->flags & F_CONTENTLENGTH ? p->content_length : 0;
}

#endif
