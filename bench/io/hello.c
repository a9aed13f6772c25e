/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.c - what the servers of the I/O benchmark have in common, see hello.h
 */
#include "hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char hello_answer[] = "HTTP/1.1 200 OK\r\n"
			    "Content-Type: text/plain\r\n"
			    "Content-Length: 6\r\n"
			    "\r\n"
			    "hello\n";
const size_t hello_answer_size = sizeof(hello_answer) - 1;
char hello_buffer[4096];

unsigned hello_heads(unsigned *matched, const char *buf, size_t n)
{
	static const char end[] = "\r\n\r\n";
	unsigned heads = 0, m = *matched;

	for (size_t i = 0; i < n; i++) {
		if (buf[i] == end[m])
			m++;
		else
			m = buf[i] == '\r';
		if (m == 4) {
			m = 0;
			heads++;
		}
	}
	*matched = m;
	return heads;
}

void hello_fail(const char *what)
{
	perror(what);
	exit(1);
}

unsigned hello_sleep_ms(size_t i)
{
	return 1000 + (unsigned)(i % 1000);
}

void hello_usage(void)
{
	fputs("usage: hello | echo | sleepers N ROUNDS | channel N, "
	      "and own | shared | timers where there is a choice\n",
	      stderr);
	exit(2);
}

static size_t number(const char *text)
{
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	if (!value || *end)
		hello_usage();
	return value;
}

struct hello_args hello_parse(int argc, char **argv)
{
	struct hello_args args = { argc > 1 ? argv[1] : "", 0, 0, 0, 0 };
	char **next = argv + 2;

	if (argc < 2)
		hello_usage();
	if (!strcmp(args.what, "sleepers") || !strcmp(args.what, "channel"))
		args.n = number(*next++);
	if (!strcmp(args.what, "sleepers"))
		args.rounds = args.n && *next ? number(*next++) : 0;
	args.is_shared = *next && !strcmp(*next, "shared");
	args.has_timers = *next && !strcmp(*next, "timers");
	return args;
}
