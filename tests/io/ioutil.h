/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioutil.h - what the test programs of libaco-io share, above testutil.h
 *
 * A test is the body of a task, the first of a scheduler of its own.  It runs
 * twice: all tasks have stacks of their own, or all are on the share stack.  After
 * it the scheduler must be empty, and no descriptor may be left open.
 */
#ifndef IOUTIL_H
#define IOUTIL_H

#include "../testutil.h"

#include <aco_io.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

extern unsigned io_flags; /* of all tasks of this test: 0 or ACO_IO_SHARED */

#define IO_TEST(name)                          \
	static void name##_task(void *unused); \
	START_TEST(name)                       \
	{                                      \
		io_run(_i, name##_task);       \
	}                                      \
	END_TEST                               \
	static void name##_task(void *unused __attribute__((__unused__)))

/* The tag of tests of what Valgrind imitates in another way than the kernel does. */
#define IO_KERNEL "kernel"

/* A test case without a world: tests make schedulers. */
TCase *io_case(Suite *s, const char *name);
#define io_add(tc, name) tcase_add_loop_test(tc, name, 0, 2)

/* fn(NULL) in a task of a new scheduler; kind is 0 or 1. */
void io_run(int kind, aco_io_func_t fn);

/* fn(arg) in a task of the running scheduler. */
aco_io_task_t io_go(aco_io_group_t *group, aco_io_func_t fn, void *arg);
aco_io_group_t *io_group(void);

/* Until each task that can run has done so, and waits. */
void io_settle(void);

/* Fails the test if value is not -1 with errno. */
#define io_fails(value, error)                      \
	do {                                        \
		ck_assert_int_eq((int)(value), -1); \
		ck_assert_int_eq(errno, error);     \
	} while (0)

/* Two non-blocking ends of a local connection; of a TCP connection. */
void io_pair(int fd[2]);
void io_tcp_pair(int fd[2]);
int io_listen(struct sockaddr_in *addr, int backlog);

/* Everything is written, or read, without the library. */
void io_put(int fd, const void *buf, size_t len);
void io_get(int fd, void *buf, size_t len);

/* Milliseconds until a deadline that a test waits for. */
#define SHORT 5

/* Of one that does not come, however slow a tool makes the test. */
#define LONG 100000000

/* Several turns pass, in which nothing happens that others wait for.  What was sent
   by TCP or UDP may be on its way for longer. */
void io_turns(int n);

/* Open descriptors of this process. */
int io_open_fds(void);

/* A file that has no name any more. */
int io_file(void);

#endif /* IOUTIL_H */
