/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-offload.c - calls in threads
 */
#include "ioutil.h"

#include <pthread.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int arrived, most, running; /* under lock */
static bool is_open;
static int count;

struct call {
	pthread_t thread;
	sigset_t blocked;
	aco_io_t *io;
	aco_io_task_t self;
	int error;
};

static struct call a_call;

static void looks_around(void *arg)
{
	struct call *c = arg;

	c->thread = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &c->blocked);
	c->io = aco_io_current();
	c->self = aco_io_self();
	c->error = aco_io_sleep(0) ? errno : 0;
	errno = EDOM;
}

IO_TEST(in_another_thread)
{
	errno = 0;
	ck_assert_int_eq(aco_io_offload(looks_around, &a_call), 0);
	ck_assert(!pthread_equal(a_call.thread, pthread_self()));
	ck_assert_int_eq(sigismember(&a_call.blocked, SIGUSR1), 1);
	ck_assert_int_eq(sigismember(&a_call.blocked, SIGALRM), 1);
	ck_assert_ptr_null(a_call.io);
	ck_assert_uint_eq(a_call.self, 0);
	ck_assert_int_eq(a_call.error, EPERM);
	ck_assert_int_ne(errno, EDOM);
}

static void counts(void *arg)
{
	(*(int *)arg)++;
}

IO_TEST(refusals)
{
	io_fails(aco_io_offload(NULL, NULL), EINVAL);
	ck_assert_int_eq(aco_io_cancel(aco_io_self()), 0);
	io_fails(aco_io_offload(counts, &count), ECANCELED);
	ck_assert_int_eq(count, 0);
	aco_io_shield(1);
	ck_assert_int_eq(aco_io_offload(counts, &count), 0);
	ck_assert_int_eq(count, 1);
}

START_TEST(outside_tasks)
{
	io_fails(aco_io_offload(counts, &count), EPERM);
	ck_assert_int_eq(count, 0);
}
END_TEST

/* ---- which wait for each other ------------------------------------------- */

static void waits_for(void *arg)
{
	pthread_mutex_lock(&lock);
	arrived++;
	pthread_cond_broadcast(&changed);
	while (arrived < (int)(intptr_t)arg)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void offloads_a_wait(void *arg)
{
	ck_assert_int_eq(aco_io_offload(waits_for, arg), 0);
	count++;
}

/* One thread is idle: it can't do for two calls. */
IO_TEST(as_many_threads_as_calls)
{
	ck_assert_int_eq(aco_io_offload(waits_for, NULL), 0);
	arrived = 0;
	for (int i = 0; i < 4; i++)
		io_go(NULL, offloads_a_wait, (void *)4);
	while (count < 4)
		io_turns(1);
}

static void counts_running(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	if (++running > most)
		most = running;
	pthread_mutex_unlock(&lock);
	sched_yield();
	pthread_mutex_lock(&lock);
	running--;
	pthread_mutex_unlock(&lock);
}

static void offloads_many(void *unused)
{
	(void)unused;
	/* Each takes two turns of threads, which others may make long. */
	for (int i = 0; i < 20; i++)
		if (aco_io_offload(counts_running, NULL))
			ck_abort_msg("offload: errno %d", errno);
	count++;
}

static void starts_many(void *unused)
{
	aco_io_group_t *group = io_group();

	(void)unused;
	for (int i = 0; i < 20; i++)
		io_go(group, offloads_many, NULL);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	aco_io_group_destroy(group);
	ck_assert_int_eq(count, 20);
}

static void with_threads(int kind, unsigned threads)
{
	const aco_io_opts_t opts = { .size = sizeof(opts), .threads = threads };
	aco_io_t *io = aco_io_new(&opts);

	io_flags = kind ? ACO_IO_SHARED : 0;
	io_go(NULL, starts_many, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}

START_TEST(no_more_than_the_limit)
{
	with_threads(_i, 1);
	ck_assert_int_eq(most, 1);
	count = 0;
	with_threads(_i, 3);
	ck_assert_int_le(most, 3);
}
END_TEST

/* ---- cancellation does not interrupt ------------------------------------- */

static void waits_at_the_gate(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	arrived++;
	pthread_cond_broadcast(&changed);
	while (!is_open)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void is_not_interrupted(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_offload(waits_at_the_gate, NULL), 0);
	count++;
	io_fails(aco_io_yield(), ECANCELED);
	count++;
}

IO_TEST(cancelled_while_it_runs)
{
	aco_io_task_t task = io_go(NULL, is_not_interrupted, NULL);

	aco_io_yield();
	pthread_mutex_lock(&lock);
	while (!arrived)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	ck_assert_int_eq(aco_io_cancel(task), 0);
	io_turns(5);
	ck_assert_int_eq(count, 0);
	pthread_mutex_lock(&lock);
	is_open = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	while (count < 2)
		io_turns(1);
}

void t_reset(void)
{
	arrived = most = running = count = 0;
	is_open = false;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-offload");
	TCase *tc = io_case(s, "offload");

	io_add(tc, in_another_thread);
	io_add(tc, refusals);
	tcase_add_test(tc, outside_tasks);
	io_add(tc, as_many_threads_as_calls);
	io_add(tc, no_more_than_the_limit);
	io_add(tc, cancelled_while_it_runs);
	return s;
}
