/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-post.c - tasks from other threads, and several schedulers at once
 */
#include "ioutil.h"

#include <pthread.h>

#define THREADS 3
#define POSTS 1000
#define SCHEDULERS 6

static aco_io_t *io;
static int last[THREADS], count, out_of_order;
static aco_io_queue_t done;

/* ---- posts of several threads -------------------------------------------- */

static void arrives(void *arg)
{
	intptr_t n = (intptr_t)arg;
	int thread = (int)(n % THREADS), i = (int)(n / THREADS);

	if (i != last[thread] + 1)
		out_of_order++;
	last[thread] = i;
	if (++count == THREADS * POSTS)
		aco_io_unpark(&done, 1);
}

static void *posts(void *arg)
{
	intptr_t thread = (intptr_t)arg;

	for (intptr_t i = 1; i <= POSTS; i++)
		if (aco_io_post(io, arrives, (void *)(i * THREADS + thread),
				io_flags))
			return NULL;
	return arg;
}

IO_TEST(in_the_order_of_each_thread)
{
	pthread_t threads[THREADS];
	void *result;

	io = aco_io_current();
	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, posts, (void *)i), 0);
	ck_assert_int_eq(aco_io_park(&done, ACO_IO_NEVER), 0);
	for (intptr_t i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_ptr_eq(result, (void *)i);
	}
	ck_assert_int_eq(out_of_order, 0);
	ck_assert_int_eq(count, THREADS * POSTS);
}

static void says_which(void *arg)
{
	*(aco_io_t **)arg = aco_io_current();
}

static aco_io_t *which;

/* Before it runs, and from its own thread: those that were posted run, too. */
START_TEST(before_it_runs)
{
	io = aco_io_new(NULL);
	ck_assert_int_eq(
		aco_io_post(io, says_which, &which, _i ? ACO_IO_SHARED : 0), 0);
	io_fails(aco_io_destroy(io), EBUSY);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_ptr_eq(which, io);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

START_TEST(refusals)
{
	io = aco_io_new(NULL);
	io_fails(aco_io_post(NULL, says_which, NULL, 0), EINVAL);
	io_fails(aco_io_post(io, NULL, NULL, 0), EINVAL);
	io_fails(aco_io_post(io, says_which, NULL, 2), EINVAL);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* A task of the cancelled group of the scheduler is cancelled. */
static void is_cancelled(void *unused)
{
	(void)unused;
	io_fails(aco_io_yield(), ECANCELED);
	count++;
}

static void cancels_all(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_group_cancel(NULL), 0);
	ck_assert_int_eq(aco_io_post(io, is_cancelled, NULL, 0), 0);
}

START_TEST(into_a_cancelled_group)
{
	io = aco_io_new(NULL);
	ck_assert_uint_ne(aco_io_go(NULL, cancels_all, NULL, 0), 0);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* ---- several schedulers, each in its thread ------------------------------ */

struct place {
	aco_io_t *io;
	struct place *next;
	unsigned flags;
	int token, hops;
	aco_io_queue_t got_it;
	bool is_last;
};

static struct place places[SCHEDULERS];
static pthread_barrier_t all_there;

#define HOPS 100

static void takes_token(void *arg)
{
	struct place *p = arg;

	p->token++;
	aco_io_unpark(&p->got_it, -1);
}

/* Passes what it gets to the next one, around the circle. */
static void passes_on(void *arg)
{
	struct place *p = arg;

	while (p->hops < HOPS) {
		if (!p->token) {
			if (aco_io_park(&p->got_it, ACO_IO_NEVER))
				return;
			continue;
		}
		p->token--;
		p->hops++;
		if (!p->is_last || p->hops < HOPS)
			if (aco_io_post(p->next->io, takes_token, p->next,
					p->next->flags))
				return;
	}
}

static void works(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		return;
	for (int i = 0; i < 200; i++)
		if (aco_io_write(fd[0], "x", 1, ACO_IO_NEVER) != 1 ||
		    aco_io_read(fd[1], &c, 1, ACO_IO_NEVER) != 1 ||
		    aco_io_sleep(aco_io_now() + 1))
			return;
	aco_io_close(fd[0]);
	aco_io_close(fd[1]);
	takes_token(arg);
}

static void *runs_one(void *arg)
{
	struct place *p = arg;
	struct place other = { .token = 0 };
	bool is_good;

	p->io = aco_io_new(NULL);
	pthread_barrier_wait(&all_there);
	if (!p->io)
		return NULL;
	aco_io_go(NULL, passes_on, p, p->flags);
	aco_io_go(NULL, works, &other, p->flags);
	is_good = aco_io_run(p->io) == 0 && p->hops == HOPS && other.token == 1;
	/* The next one may be posting to it still. */
	pthread_barrier_wait(&all_there);
	is_good = aco_io_run(p->io) == 0 && is_good;
	return aco_io_destroy(p->io) == 0 && is_good ? p : NULL;
}

START_TEST(several_at_once)
{
	pthread_t threads[SCHEDULERS];
	void *result;

	memset(places, 0, sizeof(places));
	pthread_barrier_init(&all_there, NULL, SCHEDULERS);
	for (int i = 0; i < SCHEDULERS; i++) {
		places[i].next = &places[(i + 1) % SCHEDULERS];
		places[i].flags = _i ? ACO_IO_SHARED : 0;
	}
	places[0].token = 1;
	places[SCHEDULERS - 1].is_last = true;
	for (int i = 0; i < SCHEDULERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, runs_one, &places[i]),
			0);
	for (int i = 0; i < SCHEDULERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_ptr_eq(result, &places[i]);
	}
	pthread_barrier_destroy(&all_there);
}
END_TEST

/* Each is the scheduler of its thread alone. */
static void *uses_another(void *unused)
{
	bool is_good = !aco_io_current() && aco_io_run(io) == -1 &&
		       errno == EPERM && aco_io_step(io, 0) == -2 &&
		       errno == EPERM && aco_io_destroy(io) == -1 &&
		       errno == EPERM && !aco_io_go(NULL, arrives, NULL, 0) &&
		       errno == EPERM;

	return is_good ? unused : NULL;
}

START_TEST(another_thread)
{
	pthread_t thread;
	void *result;

	io = aco_io_new(NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, uses_another, io), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, io);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

void t_reset(void)
{
	memset(last, 0, sizeof(last));
	count = out_of_order = 0;
	which = NULL;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-post");
	TCase *tc = io_case(s, "post");

	io_add(tc, in_the_order_of_each_thread);
	io_add(tc, before_it_runs);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, into_a_cancelled_group);
	tc = io_case(s, "threads");
	io_add(tc, several_at_once);
	tcase_add_test(tc, another_thread);
	return s;
}
