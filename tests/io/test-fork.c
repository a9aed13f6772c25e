/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fork.c - schedulers in the parent and in the child of a fork(2)
 */
#include "ioutil.h"

#include <malloc.h>
#include <sys/wait.h>

#define SLEEPERS 12

static aco_io_t *io;
static pid_t parent, child;
static int fds[2];
static aco_io_chan_t *chan;
static aco_io_group_t *group;
static int done, in_parent;

static void reads_one(void *unused)
{
	char c = 0;

	(void)unused;
	t_child(aco_io_read(fds[0], &c, 1, ACO_IO_NEVER) == 1 && c == 'x');
	done++;
}

static void sleeps(void *unused)
{
	(void)unused;
	t_child(aco_io_sleep(aco_io_after(SHORT)) == 0);
	done++;
}

static void receives(void *unused)
{
	int x = 0;

	(void)unused;
	t_child(aco_io_chan_recv(chan, &x, ACO_IO_NEVER) == 0 && x == 4);
	done++;
}

/* Waits for one that is made after it. */
static void waits_for_group(void *unused)
{
	(void)unused;
	t_child(aco_io_group_wait(group, ACO_IO_NEVER) == 0);
	done++;
}

/* A queue in a stack that goes before the task that waits in it. */
static aco_io_queue_t *queue;

static void owns_queue(void *unused)
{
	aco_io_queue_t mine = ACO_IO_QUEUE_INIT;
	aco_io_queue_t others = ACO_IO_QUEUE_INIT;

	(void)unused;
	queue = &mine;
	t_child(aco_io_park(&others, aco_io_after(SHORT)) == -1);
	t_child(aco_io_unpark(&mine, -1) == 1);
	done++;
}

static void parks(void *unused)
{
	(void)unused;
	t_child(aco_io_park(queue, ACO_IO_NEVER) == 0);
	done++;
}

static const aco_io_key_t key = { NULL };

static void has_value(void *unused)
{
	(void)unused;
	t_child(aco_io_set_local(&key, &done) == 0);
	t_child(aco_io_yield() == 0);
	t_child(aco_io_sleep(aco_io_after(SHORT)) == 0);
	done++;
}

static void check_child(void)
{
	int x = 0;

	t_child(!aco_io_current() && !aco_io_self());
	t_child(aco_io_sleep(0) == -1 && errno == EPERM);
	t_child(aco_io_yield() == -1 && errno == EPERM);
	t_child(aco_io_read(fds[0], &x, 1, ACO_IO_NEVER) == -1 &&
		errno == EPERM);
	t_child(!aco_io_go(NULL, sleeps, NULL, 0) && errno == EPERM);
	t_child(aco_io_group_wait(group, ACO_IO_NEVER) == -1 && errno == EPERM);
	t_child(aco_io_group_destroy(group) == -1 && errno == EPERM);
	t_child(aco_io_chan_recv(chan, &x, ACO_IO_NEVER) == -1 &&
		errno == EPERM);
	t_child(aco_io_run(io) == -1 && errno == EPERM);
	t_child(aco_io_step(io, 0) == -2 && errno == EPERM);
	t_child(aco_io_destroy(io) == -1 && errno == EPERM);
	t_child(aco_io_shield(1) == -1 && errno == EPERM);
	t_child(aco_io_cancel(1) == -1 && errno == EPERM);
	t_child(!aco_io_group_new() && errno == EPERM);
	t_child(!aco_io_get_local(&key));
	aco_io_dump(io, -1);
}

static void wait_for_child(void)
{
	int status = -1;

	while (waitpid(child, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_int_eq(status, 0);
}

static void forks(void *unused)
{
	int x = 4;

	(void)unused;
	chan = aco_io_chan_new(sizeof(int), 1);
	group = io_group();
	io_pair(fds);
	/* More than the allocator keeps as they are when they are freed. */
	for (int i = 0; i < SLEEPERS; i++)
		io_go(NULL, sleeps, NULL);
	io_go(NULL, waits_for_group, NULL);
	io_go(group, reads_one, NULL);
	io_go(NULL, sleeps, NULL);
	io_go(NULL, receives, NULL);
	io_go(NULL, has_value, NULL);
	if (!io_flags) {
		io_go(NULL, owns_queue, NULL);
		io_go(NULL, parks, NULL);
	}
	aco_io_yield();
	io_go(NULL, sleeps, NULL); /* has not started */
	fflush(NULL);
	child = fork();
	if (child == 0) {
		check_child();
		return;
	}
	in_parent++;
	wait_for_child();
	io_put(fds[1], "x", 1);
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	while (done < SLEEPERS + (io_flags ? 6 : 8))
		io_turns(1);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
	aco_io_close(fds[0]);
	close(fds[1]);
}

static void says_x(void *unused)
{
	(void)unused;
	t_child(aco_io_write(fds[1], "x", 1, 0) == 1);
}

/* The copy, and then a scheduler of the child's own. */
static void goes_on_in_child(unsigned flags)
{
	aco_io_t *copy = io;

	t_child(aco_io_run(io) == -1 && errno == EPERM);
	io = aco_io_new(NULL);
	t_child(io && io == aco_io_current());
	t_child(aco_io_destroy(copy) == 0);
	t_child(aco_io_current() == io);
	done = 0;
	t_child(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	t_child(aco_io_go(NULL, reads_one, NULL, flags) != 0);
	t_child(aco_io_go(NULL, sleeps, NULL, flags) != 0);
	t_child(aco_io_go(NULL, says_x, NULL, flags) != 0);
	t_child(aco_io_run(io) == 0);
	t_child(done == 2);
	t_child(aco_io_destroy(io) == 0);
	_exit(0);
}

/* Of aco_io_run(), or by turns: 0 at the end. */
static int run_all(bool by_turns)
{
	int64_t next;

	if (!by_turns)
		return aco_io_run(io);
	do
		next = aco_io_step(io, ACO_IO_NEVER);
	while (next >= 0 || (next == -1 && !in_parent));
	return next == -1 ? aco_io_run(io) : -1;
}

START_TEST(in_a_task)
{
	int result;

	mallopt(M_PERTURB, 0xa5); /* in the next ones that are freed */
	parent = getpid();
	io = aco_io_new(NULL);
	io_flags = _i & 1 ? ACO_IO_SHARED : 0;
	io_go(NULL, forks, NULL);
	result = run_all(_i & 2);
	if (getpid() != parent) {
		t_child(result == -1 && errno == EPERM);
		goes_on_in_child(io_flags);
	}
	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(in_parent, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* Between two turns, with tasks that wait. */
START_TEST(outside_tasks)
{
	mallopt(M_PERTURB, 0xa5);
	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_go(NULL, sleeps, NULL);
	io_go(NULL, has_value, NULL);
	ck_assert_int_ge(aco_io_step(io, 0), 0);
	fflush(NULL);
	child = fork();
	if (child == 0)
		goes_on_in_child(io_flags);
	wait_for_child();
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(done, 2);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* The child of a program that had no scheduler, or has none any more. */
START_TEST(without_a_scheduler)
{
	if (_i) {
		io = aco_io_new(NULL);
		ck_assert_int_eq(aco_io_destroy(io), 0);
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		io = aco_io_new(NULL);
		t_child(aco_io_go(NULL, sleeps, NULL, 0) != 0);
		t_child(aco_io_run(io) == 0);
		t_child(aco_io_destroy(io) == 0);
		_exit(0);
	}
	wait_for_child();
}
END_TEST

static void does_nothing(void *unused)
{
	(void)unused;
}

/* Threads of the pool are the parent's alone: the child starts its own. */
static void offloads_and_forks(void *unused)
{
	ck_assert_int_eq(aco_io_offload(does_nothing, NULL), 0);
	fflush(NULL);
	child = fork();
	if (child == 0)
		return;
	in_parent++;
	wait_for_child();
	ck_assert_int_eq(aco_io_offload(does_nothing, NULL), 0);
	(void)unused;
}

static void offloads(void *unused)
{
	(void)unused;
	t_child(aco_io_offload(does_nothing, NULL) == 0);
	done++;
}

START_TEST(with_threads)
{
	parent = getpid();
	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_go(NULL, offloads_and_forks, NULL);
	if (aco_io_run(io)) {
		t_child(getpid() != parent);
		t_child(aco_io_destroy(io) == 0);
		io = aco_io_new(NULL);
		t_child(aco_io_go(NULL, offloads, NULL, 0) != 0);
		t_child(aco_io_run(io) == 0 && done == 1);
		t_child(aco_io_destroy(io) == 0);
		_exit(0);
	}
	ck_assert_int_eq(in_parent, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

void t_reset(void)
{
	done = in_parent = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-fork");
	TCase *tc = io_case(s, "fork");

	tcase_add_loop_test(tc, in_a_task, 0, 4);
	io_add(tc, outside_tasks);
	io_add(tc, without_a_scheduler);
	tc = io_case(s, "threads");
	tcase_set_tags(tc,
		       IO_KERNEL); /* and the parent's, which are not there */
	io_add(tc, with_threads);
	return s;
}
