/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.h - what the servers of the I/O benchmark have in common
 *
 * Each is a program that bench/io/load starts:
 *
 *	serve-NAME hello [KIND]		answers each HTTP request with "hello"
 *	serve-NAME echo [KIND]		sends back what it gets
 *	serve-NAME sleepers N ROUNDS [KIND]
 *					N tasks sleep for a second, ROUNDS times
 *	serve-NAME channel N [KIND]	N times to another task and back
 *
 * KIND is "own" or "shared", for stacks, or "timers", for a timer that ends a
 * request that takes too long, where there is a choice.  The listening
 * socket is descriptor 3.  A program that can't do what is asked for ends with 2.
 *
 * The answer to a request is in one piece, and the same everywhere.  Of the
 * request, only the end of the head is looked for.
 */
#ifndef BENCH_HELLO_H
#define BENCH_HELLO_H

#include <stddef.h>

#define HELLO_LISTENER 3
#define HELLO_BACKLOG 4096
#define HELLO_STACK 16384      /* of a task, in bytes */
#define HELLO_ECHO 65536       /* bytes that an echo server reads at once */
#define HELLO_TIMEOUT_MS 60000 /* for a request, where that is usual */

extern const char hello_answer[];
extern const size_t hello_answer_size;

/* What was read, for as long as nothing else is: connections share it. */
extern char hello_buffer[4096];

/* How many heads of requests end in buf.  *matched is of the connection, at
   first 0. */
unsigned hello_heads(unsigned *matched, const char *buf, size_t n);

/* Prints what failed, with errno, and ends the program. */
void hello_fail(const char *what) __attribute__((__noreturn__));

/* Of sleeper number i, between one and two seconds. */
unsigned hello_sleep_ms(size_t i);

/* The command line. */
struct hello_args {
	const char *what;
	size_t n, rounds; /* 0: not given */
	int is_shared, has_timers;
};
struct hello_args hello_parse(int argc, char **argv);

/* For what the program does not have. */
void hello_usage(void) __attribute__((__noreturn__));

#endif /* BENCH_HELLO_H */
