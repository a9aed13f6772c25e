/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioutil.c - what the test programs of libaco-io share
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "ioutil.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

/* As in testutil.c: a test that hangs ends, too. */
#define TIMEOUT_SECONDS 300

unsigned io_flags;

static void no_scheduler_is_left(void)
{
	if (aco_io_current())
		aco_io_destroy(aco_io_current());
}

static void world_set_up(void)
{
	t_reset();
	io_flags = 0;
}

TCase *io_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, TIMEOUT_SECONDS);
	tcase_add_checked_fixture(tc, world_set_up, no_scheduler_is_left);
	suite_add_tcase(s, tc);
	return tc;
}

int io_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

void io_run(int kind, aco_io_func_t fn)
{
	int fds = io_open_fds();
	aco_io_t *io = aco_io_new(NULL);

	ck_assert_ptr_nonnull(io);
	io_flags = kind ? ACO_IO_SHARED : 0;
	io_go(NULL, fn, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	ck_assert_int_eq(io_open_fds(), fds);
}

aco_io_task_t io_go(aco_io_group_t *group, aco_io_func_t fn, void *arg)
{
	aco_io_task_t task = aco_io_go(group, fn, arg, io_flags);

	ck_assert_msg(task, "aco_io_go: errno %d", errno);
	return task;
}

aco_io_group_t *io_group(void)
{
	aco_io_group_t *group = aco_io_group_new();

	ck_assert_ptr_nonnull(group);
	return group;
}

void io_settle(void)
{
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(aco_io_yield(), 0);
}

void io_turns(int n)
{
	while (n-- > 0)
		ck_assert_int_eq(aco_io_sleep(aco_io_now() + 1), 0);
}

void io_pair(int fd[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, fd),
			 0);
}

int io_listen(struct sockaddr_in *addr, int backlog)
{
	socklen_t len = sizeof(*addr);
	int fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	memset(addr, 0, sizeof(*addr));
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)addr, len), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

void io_tcp_pair(int fd[2])
{
	struct sockaddr_in addr;
	int listener = io_listen(&addr, 1);

	fd[0] = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(aco_io_connect(fd[0], (struct sockaddr *)&addr,
					sizeof(addr), ACO_IO_NEVER),
			 0);
	fd[1] = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER);
	ck_assert_int_ge(fd[1], 0);
	aco_io_close(listener);
}

void io_put(int fd, const void *buf, size_t len)
{
	ck_assert_int_eq(write(fd, buf, len), (ssize_t)len);
}

void io_get(int fd, void *buf, size_t len)
{
	ck_assert_int_eq(read(fd, buf, len), (ssize_t)len);
}

int io_file(void)
{
	char name[] = "/tmp/libaco-test.XXXXXX";
	const char *dir = getenv("TMPDIR");
	int fd = dir ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;

	if (fd < 0) {
		fd = mkostemp(name, O_CLOEXEC);
		unlink(name);
	}
	ck_assert_int_ge(fd, 0);
	return fd;
}
