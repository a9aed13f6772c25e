/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sched.c - schedulers: making, running, embedding, and misuse
 */
#define _GNU_SOURCE 1

#include "ioutil.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

static aco_io_t *io;
static int fds[2], count;

static void counts(void *unused)
{
	(void)unused;
	count++;
}

static void sleeps(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_sleep(aco_io_after(SHORT)), 0);
	count++;
}

/* ---- making -------------------------------------------------------------- */

START_TEST(new_and_destroy)
{
	int before = io_open_fds();

	ck_assert_ptr_null(aco_io_current());
	for (int i = 0; i < 3; i++) {
		io = aco_io_new(NULL);
		ck_assert_ptr_nonnull(io);
		ck_assert_ptr_eq(aco_io_current(), io);
		ck_assert_int_eq(io_open_fds(), before + 2);
		ck_assert_int_ne(fcntl(aco_io_fd(io), F_GETFD) & FD_CLOEXEC, 0);
		ck_assert_int_eq(aco_io_run(io), 0); /* nothing to do */
		errno = 0;
		ck_assert_ptr_null(aco_io_new(NULL));
		ck_assert_int_eq(errno, EBUSY);
		ck_assert_int_eq(aco_io_destroy(io), 0);
		ck_assert_ptr_null(aco_io_current());
		ck_assert_int_eq(io_open_fds(), before);
	}
	ck_assert_str_ne(aco_io_version(), "");
}
END_TEST

START_TEST(options)
{
	aco_io_opts_t opts = { .size = 0 };
	int before = io_open_fds();

	errno = 0;
	ck_assert_ptr_null(aco_io_new(&opts));
	ck_assert_int_eq(errno, EINVAL);
	opts.size = sizeof(opts) + 1;
	ck_assert_ptr_null(aco_io_new(&opts));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(aco_io_current());
	ck_assert_int_eq(io_open_fds(), before);
	opts.size = sizeof(opts);
	opts.stack_size = 256 << 10;
	io = aco_io_new(&opts);
	ck_assert_ptr_nonnull(io);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* In frames that are too small for Valgrind to take them for a switch. */
static __attribute__((__noinline__)) void fill_stack(int frames)
{
	char frame[30000];
	char *p = frame;

	memset(frame, frames, sizeof(frame));
	t_opaque(p);
	if (frames)
		fill_stack(frames - 1);
	else
		ck_assert_int_eq(aco_io_yield(), 0);
	t_opaque(p);
	ck_assert(frame[0] == frames && frame[sizeof(frame) - 1] == frames);
}

static void uses_much_stack(void *unused)
{
	(void)unused;
	fill_stack(9);
	count++;
}

START_TEST(size_of_stacks)
{
	aco_io_opts_t opts = { .size = sizeof(opts), .stack_size = 400 << 10 };

	io = aco_io_new(&opts);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_go(NULL, uses_much_stack, NULL);
	io_go(NULL, uses_much_stack, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* Each place for a descriptor is the last one once. */
START_TEST(no_descriptors)
{
	int before = io_open_fds(), spare = dup(0);
	struct rlimit old, none;

	close(spare);
	getrlimit(RLIMIT_NOFILE, &old);
	for (int i = 0; i < 2; i++) {
		none = (struct rlimit){ (rlim_t)(spare + i), old.rlim_max };
		setrlimit(RLIMIT_NOFILE, &none);
		errno = 0;
		io = aco_io_new(NULL);
		setrlimit(RLIMIT_NOFILE, &old);
		ck_assert_ptr_null(io);
		ck_assert_int_eq(errno, EMFILE);
		ck_assert_ptr_null(aco_io_current());
		ck_assert_int_eq(io_open_fds(), before);
	}
}
END_TEST

/* ---- misuse -------------------------------------------------------------- */

START_TEST(null)
{
	io_fails(aco_io_destroy(NULL), EINVAL);
	io_fails(aco_io_run(NULL), EINVAL);
	ck_assert_int_eq((int)aco_io_step(NULL, 0), -2);
	ck_assert_int_eq(errno, EINVAL);
	io_fails(aco_io_fd(NULL), EINVAL);
}
END_TEST

START_TEST(without_a_scheduler)
{
	struct pollfd p = { 0, POLLIN, 0 };
	char c;

	errno = 0;
	ck_assert_uint_eq(aco_io_go(NULL, counts, NULL, 0), 0);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_uint_eq(aco_io_self(), 0);
	io_fails(aco_io_cancel(1), EPERM);
	io_fails(aco_io_read(0, &c, 1, 0), EPERM);
	io_fails(aco_io_write(0, &c, 1, 0), EPERM);
	io_fails(aco_io_wait(0, ACO_IO_READ, 0), EPERM);
	io_fails(aco_io_poll(&p, 1, 0), EPERM);
	io_fails(aco_io_adopt(0), EPERM);
	io_fails(aco_io_accept(0, NULL, NULL, 0), EPERM);
	io_fails(aco_io_connect(0, NULL, 0, 0), EPERM);
	/* These do without. */
	fds[0] = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fds[0], 0);
	ck_assert_int_eq(aco_io_close(fds[0]), 0);
	ck_assert(aco_io_now() > 0);
}
END_TEST

START_TEST(outside_tasks)
{
	char c;

	io = aco_io_new(NULL);
	io_pair(fds);
	io_fails(aco_io_read(fds[0], &c, 1, 0), EPERM);
	io_fails(aco_io_write(fds[0], "x", 1, 0), EPERM);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, 0), EPERM);
	ck_assert_int_eq(aco_io_adopt(fds[0]), 0);
	ck_assert_int_eq(aco_io_close(fds[0]), 0);
	ck_assert_int_eq(aco_io_close(fds[1]), 0);
	io_fails(aco_io_cancel(1), ESRCH);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

IO_TEST(in_a_task)
{
	io = aco_io_current();
	io_fails(aco_io_run(io), EPERM);
	ck_assert_int_eq((int)aco_io_step(io, 0), -2);
	ck_assert_int_eq(errno, EPERM);
	io_fails(aco_io_destroy(io), EPERM);
	ck_assert_ptr_null(aco_io_new(NULL));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_ptr_eq(aco_io_current(), io);
}

IO_TEST(go)
{
	errno = 0;
	ck_assert_uint_eq(aco_io_go(NULL, NULL, NULL, 0), 0);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(aco_io_go(NULL, counts, NULL, 2), 0);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(aco_io_go(NULL, counts, NULL, ~0U), 0);
	ck_assert_int_eq(errno, EINVAL);
	io_go(NULL, counts, NULL);
	ck_assert_int_eq(count, 0); /* not at once */
	io_settle();
	ck_assert_int_eq(count, 1);
}

START_TEST(destroy_with_tasks)
{
	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_go(NULL, sleeps, NULL);
	io_fails(aco_io_destroy(io), EBUSY);
	ck_assert_int_ge(aco_io_step(io, 0), 0);
	io_fails(aco_io_destroy(io), EBUSY);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* ---- what lies on a stack that moves ------------------------------------- */

/* On a stack of one's own nothing moves. */
static void succeeds_on_own(int result)
{
	if (io_flags == ACO_IO_SHARED) {
		io_fails(result, EFAULT);
		return;
	}
	ck_assert_int_eq(result, 0);
}

IO_TEST(stacks_that_move)
{
	aco_io_queue_t queue = ACO_IO_QUEUE_INIT;
	const aco_io_key_t key = { NULL };
	char name[] = "name";
	int x = 0;

	succeeds_on_own(aco_io_set_name(name));
	succeeds_on_own(aco_io_set_local(&key, NULL));
	succeeds_on_own(aco_io_offload(counts, &x));
	succeeds_on_own(aco_io_go(NULL, counts, &x, io_flags) ? 0 : -1);
	aco_io_set_name(NULL);
	io_fails(aco_io_park(&queue, aco_io_now() + 1),
		 io_flags == ACO_IO_SHARED ? EFAULT : ETIMEDOUT);
	io_settle();
}

/* Buffers may lie there: the running task makes the system calls. */
static void scribbles(void *unused)
{
	char scratch[20000];
	char *p = scratch;

	(void)unused;
	for (int i = 0; i < 50; i++) {
		memset(scratch, 0xa5, sizeof(scratch));
		t_opaque(p);
		if (aco_io_yield())
			return;
	}
}

IO_TEST(buffers_on_stacks_that_move)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char buf[100], chars[10000];

	io_pair(fds);
	io_go(NULL, scribbles, NULL);
	memset(chars, 'c', sizeof(chars));
	for (int i = 0; i < 20; i++) {
		p[0].fd = fds[0];
		p[1].fd = fds[1];
		ck_assert_int_eq(aco_io_poll(p, 2, aco_io_now() + 1), 0);
		ck_assert(p[0].fd == fds[0] && p[1].events == POLLIN);
		ck_assert_int_eq(aco_io_write(fds[1], chars, 100, 0), 100);
		ck_assert_int_eq(aco_io_poll(p, 2, ACO_IO_NEVER), 1);
		ck_assert_int_eq(aco_io_read(fds[0], buf, 100, 0), 100);
		ck_assert_int_eq(memcmp(buf, chars, 100), 0);
		io_fails(aco_io_read(fds[0], buf, 100, aco_io_now() + 1),
			 ETIMEDOUT);
		ck_assert_int_eq(memcmp(buf, chars, 100), 0);
	}
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

/* ---- embedding ----------------------------------------------------------- */

static void echoes(void *unused)
{
	char buf[16];
	ssize_t n;

	(void)unused;
	while ((n = aco_io_read(fds[0], buf, sizeof(buf), ACO_IO_NEVER)) > 0)
		ck_assert_int_eq(
			aco_io_write(fds[0], buf, (size_t)n, ACO_IO_NEVER), n);
	ck_assert_int_eq(n, 0);
	count++;
	aco_io_close(fds[0]);
}

static int wait_ms(int64_t until)
{
	int64_t now = aco_io_now();

	if (until < 0)
		return -1;
	return until <= now ? 0 : (int)((until - now) / 1000000) + 1;
}

/* The other loop has a descriptor of its own, and waits as it is told. */
START_TEST(in_another_loop)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char c = 'a';
	int64_t next;
	int pings = 0;

	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_pair(fds);
	p[0].fd = aco_io_fd(io);
	p[1].fd = fds[1];
	io_go(NULL, echoes, NULL);
	io_go(NULL, sleeps, NULL);
	next = aco_io_step(io, 0);
	ck_assert_int_ge(next, 0);
	io_put(fds[1], &c, 1);
	while (pings < 20 || count < 1) {
		ck_assert_int_ge(poll(p, 2, wait_ms(next)), 0);
		next = aco_io_step(io, 0);
		ck_assert_int_ge(next, -1);
		if (pings < 20 && p[1].revents) {
			io_get(fds[1], &c, 1);
			ck_assert_int_eq(c, 'a' + pings);
			c++;
			if (++pings < 20)
				io_put(fds[1], &c, 1);
		}
	}
	close(fds[1]);
	while (count < 2) {
		ck_assert_int_ge(poll(p, 1, wait_ms(next)), 0);
		next = aco_io_step(io, 0);
	}
	ck_assert_int_eq((int)next, -1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

static void yields_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(aco_io_yield(), 0);
		count++;
	}
}

/* A turn ends, though tasks are always ready. */
START_TEST(a_turn_ends)
{
	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	io_go(NULL, yields_often, NULL);
	ck_assert_int_eq((int)aco_io_step(io, ACO_IO_NEVER), 0);
	ck_assert_int_gt(count, 100);
	ck_assert_int_lt(count, 1000);
	while (aco_io_step(io, ACO_IO_NEVER) == 0)
		;
	ck_assert_int_eq(count, 1000);
	/* With nothing to do it waits until the deadline. */
	ck_assert_int_eq((int)aco_io_step(io, 0), -1);
	ck_assert_int_eq((int)aco_io_step(io, aco_io_after(1)), -1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* More descriptors are ready than one look reports. */
#define MANY 400
static int many[MANY][2];

static void reads_one(void *arg)
{
	char c;

	ck_assert_int_eq(
		aco_io_read(many[(intptr_t)arg][0], &c, 1, ACO_IO_NEVER), 1);
	count++;
}

START_TEST(many_events)
{
	struct rlimit limit;
	int n = MANY;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * MANY + 50)
		n = ((int)limit.rlim_cur - 50) / 2;
	io = aco_io_new(NULL);
	io_flags = _i ? ACO_IO_SHARED : 0;
	for (intptr_t i = 0; i < n; i++) {
		io_pair(many[i]);
		io_go(NULL, reads_one, (void *)i);
	}
	while (aco_io_step(io, 0) == 0)
		;
	for (int i = 0; i < n; i++)
		io_put(many[i][1], "x", 1);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(count, n);
	for (int i = 0; i < n; i++) {
		aco_io_close(many[i][0]);
		aco_io_close(many[i][1]);
	}
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* A task that alone is ready, and never has to wait, does not keep them away. */
static void waits_for_a_byte(void *unused)
{
	char c;

	(void)unused;
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, ACO_IO_NEVER), 1);
	count = 1;
}

IO_TEST(events_beside_a_busy_task)
{
	int zero = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int calls = 0;
	char c;

	ck_assert_int_ge(zero, 0);
	io_pair(fds);
	io_go(NULL, waits_for_a_byte, NULL);
	io_turns(1);
	io_put(fds[1], "x", 1);
	for (; !count; calls++)
		ck_assert_int_eq(aco_io_read(zero, &c, 1, ACO_IO_NEVER), 1);
	ck_assert_int_le(calls, 128);
	aco_io_close(zero);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

/* Nor do those that give way again and again run more often than it does. */
static void yields_on(void *unused)
{
	(void)unused;
	while (aco_io_yield() == 0)
		count++;
}

IO_TEST(a_busy_task_beside_one_that_yields)
{
	int zero = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	aco_io_group_t *group = io_group();
	char c;

	ck_assert_int_ge(zero, 0);
	io_go(group, yields_on, NULL);
	for (int i = 0; i < 640; i++)
		ck_assert_int_eq(aco_io_read(zero, &c, 1, ACO_IO_NEVER), 1);
	ck_assert_int_ge(count, 9);
	ck_assert_int_le(count, 11);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	aco_io_close(zero);
}

void t_reset(void)
{
	count = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-sched");
	TCase *tc = io_case(s, "making");

	tcase_add_test(tc, new_and_destroy);
	tcase_add_test(tc, options);
	io_add(tc, events_beside_a_busy_task);
	io_add(tc, a_busy_task_beside_one_that_yields);
	io_add(tc, size_of_stacks);
	tcase_add_test(tc, no_descriptors);
	tc = io_case(s, "misuse");
	tcase_add_test(tc, null);
	tcase_add_test(tc, without_a_scheduler);
	tcase_add_test(tc, outside_tasks);
	io_add(tc, in_a_task);
	io_add(tc, go);
	io_add(tc, destroy_with_tasks);
	tc = io_case(s, "stacks");
	io_add(tc, stacks_that_move);
	io_add(tc, buffers_on_stacks_that_move);
	tc = io_case(s, "embedding");
	io_add(tc, in_another_loop);
	io_add(tc, a_turn_ends);
	io_add(tc, many_events);
	return s;
}
