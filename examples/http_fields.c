/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_fields.c - the fields of a request's head
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "http_request.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* The three formats of HTTP.  -1: none of them. */
static time_t parse_date(const char *text)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %d %H:%M:%S %Y",
	};
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = { 0 };

		end = strptime(text, formats[i], &tm);
		if (end && !*end)
			return timegm(&tm);
	}
	return -1;
}

/* Digits, if there are any, at *text.  -1: there are none. */
static long long parse_position(const char **text)
{
	long long n = -1;

	for (; isdigit((unsigned char)**text); ++*text) {
		if (n < 0)
			n = 0;
		n = n > LLONG_MAX / 10 - 1 ? LLONG_MAX / 10
					   : n * 10 + (**text - '0');
	}
	return n;
}

/* One range of bytes; all others are left out, which a server may do. */
static bool parse_range(const char *text, struct http_range *range)
{
	if (strncasecmp(text, "bytes=", 6) != 0)
		return false;
	text += 6;
	range->first = parse_position(&text);
	if (*text++ != '-')
		return false;
	range->last = parse_position(&text);
	if (*text || (range->first < 0 && range->last < 0))
		return false;
	return range->last < 0 || range->first <= range->last;
}

static unsigned take_host(struct http_request *r)
{
	if (r->has_host)
		return 400;
	r->has_host = true;
	return 0;
}

static unsigned take_expect(struct http_request *r)
{
	if (strcasecmp(r->value, "100-continue") != 0)
		return 417;
	r->expect_continue = true;
	return 0;
}

static unsigned take_if_modified_since(struct http_request *r)
{
	time_t date = parse_date(r->value);

	r->if_modified_since = date > 0 ? date : 0;
	return 0;
}

/* The server sends no entity tags, so that no tag can be that of a file. */
static unsigned take_if_none_match(struct http_request *r)
{
	r->if_none_match = true;
	return 0;
}

static unsigned take_range(struct http_request *r)
{
	/* Two fields are as wrong as two ranges. */
	r->has_range = !r->seen_range && parse_range(r->value, &r->range);
	r->seen_range = true;
	return 0;
}

static unsigned take_if_range(struct http_request *r)
{
	r->has_if_range = true;
	r->if_range = parse_date(r->value);
	return 0;
}

unsigned http_take_field(struct http_request *r)
{
	static const struct {
		const char *name;
		unsigned (*take)(struct http_request *r);
	} fields[] = {
		{ "expect", take_expect },
		{ "host", take_host },
		{ "if-modified-since", take_if_modified_since },
		{ "if-none-match", take_if_none_match },
		{ "if-range", take_if_range },
		{ "range", take_range },
	};
	size_t i, len = r->value_len;

	if (r->field_len >= sizeof(r->field))
		return 0;
	r->field[r->field_len] = '\0';
	/* One that is too long is none that the server understands. */
	if (len >= sizeof(r->value))
		len = 0;
	while (len && strchr(" \t", r->value[len - 1]))
		len--;
	r->value[len] = '\0';
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcasecmp(r->field, fields[i].name))
			return fields[i].take(r);
	return 0;
}
