/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-lookup.c - names of hosts, and lookups that are given up
 *
 * Linked with the static library and --wrap=getaddrinfo: a name that begins with
 * "slow" is found when the test opens the gate.
 */
#define _GNU_SOURCE 1

#include "ioutil.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

int __real_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res);
int __wrap_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res);
void __real_freeaddrinfo(struct addrinfo *res);
void __wrap_freeaddrinfo(struct addrinfo *res);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open, threads_are_late;
static int inside, idle, found, freed; /* under lock */

/* Results are made here, so that nothing is read from files. */
static int find(struct addrinfo **res)
{
	*res = calloc(1, sizeof(**res));
	(*res)->ai_family = AF_INET;
	found++;
	return 0;
}

int __wrap_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res)
{
	int result;

	if (strncmp(node, "slow", 4) != 0)
		return __real_getaddrinfo(node, service, hints, res);
	pthread_mutex_lock(&lock);
	inside++;
	pthread_cond_broadcast(&changed);
	while (!is_open)
		__real_pthread_cond_wait(&changed, &lock);
	inside--;
	result = find(res);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return result;
}

void __wrap_freeaddrinfo(struct addrinfo *res)
{
	if (res->ai_addr) {
		__real_freeaddrinfo(res);
		return;
	}
	free(res);
	pthread_mutex_lock(&lock);
	freed++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void gate(bool open)
{
	pthread_mutex_lock(&lock);
	is_open = open;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void late(bool on)
{
	pthread_mutex_lock(&lock);
	threads_are_late = on;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* A thread of the library that was woken takes its time. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	int result;

	pthread_mutex_lock(&lock);
	idle++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	result = __real_pthread_cond_wait(cond, mutex);
	pthread_mutex_unlock(mutex);
	pthread_mutex_lock(&lock);
	idle--;
	while (threads_are_late)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	pthread_mutex_lock(mutex);
	return result;
}

/* Blocks this thread, until n lookups are at the gate. */
static void wait_inside(int n)
{
	pthread_mutex_lock(&lock);
	while (inside < n)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

/* The same, until n threads of the library have nothing to do. */
static void wait_idle(int n)
{
	pthread_mutex_lock(&lock);
	while (idle < n)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void wait_freed(int n)
{
	pthread_mutex_lock(&lock);
	while (freed < n)
		__real_pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static int results[8], errors[8];

static void looks_up_until(int i, int64_t deadline)
{
	char node[] = "slow.example"; /* on the stack, which may move */
	struct addrinfo hints = { .ai_family = AF_INET };
	struct addrinfo *res = NULL;

	results[i] = aco_io_getaddrinfo(node, "80", &hints, &res, deadline);
	errors[i] = errno;
	if (results[i] == 0)
		freeaddrinfo(res);
}

static void looks_up(void *arg)
{
	looks_up_until((int)(intptr_t)arg, ACO_IO_NEVER);
}

static void looks_up_briefly(void *arg)
{
	looks_up_until((int)(intptr_t)arg, aco_io_after(SHORT));
}

IO_TEST(numbers)
{
	const struct addrinfo hints = { .ai_family = AF_INET,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST |
						    AI_NUMERICSERV };
	struct addrinfo *res = NULL;

	ck_assert_int_eq(aco_io_getaddrinfo("127.0.0.1", "80", &hints, &res,
					    ACO_IO_NEVER),
			 0);
	ck_assert_int_eq(((struct sockaddr_in *)(void *)res->ai_addr)->sin_port,
			 htons(80));
	freeaddrinfo(res);
	ck_assert_int_eq(aco_io_getaddrinfo("no number", NULL, &hints, &res,
					    ACO_IO_NEVER),
			 EAI_NONAME);
}

IO_TEST(nowhere_to_put_the_result)
{
	ck_assert_int_eq(aco_io_getaddrinfo("slow", NULL, NULL, NULL, 0),
			 EAI_SYSTEM);
	ck_assert_int_eq(errno, EINVAL);
}

IO_TEST(others_run_meanwhile)
{
	io_go(NULL, looks_up, NULL);
	io_settle();
	wait_inside(1);
	io_turns(5);
	ck_assert_int_eq(results[0], -9);
	gate(true);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], 0);
}

/* Its task has been told to give it up, and runs when the thread has ended it. */
IO_TEST(given_up_as_it_ends)
{
	aco_io_task_t task = io_go(NULL, looks_up, NULL);

	io_settle();
	wait_inside(1);
	ck_assert_int_eq(aco_io_cancel(task), 0);
	gate(true);
	wait_idle(1);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], EAI_SYSTEM);
	ck_assert_int_eq(errors[0], ECANCELED);
	io_settle(); /* it arrives */
	ck_assert_int_eq(freed, found);
}

/* Two threads: the first lookups run, the others are queued. */
static void check_given_up(bool by_cancel)
{
	aco_io_task_t task[4];

	for (int i = 0; i < 4; i++)
		task[i] = io_go(NULL, by_cancel ? looks_up : looks_up_briefly,
				(void *)(intptr_t)i);
	/* No turn passes, and no deadline, until two have started. */
	aco_io_yield();
	wait_inside(2);
	for (int i = 0; by_cancel && i < 4; i++)
		ck_assert_int_eq(aco_io_cancel(task[i]), 0);
	while (results[3] == -9)
		io_turns(1);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(results[i], EAI_SYSTEM);
		ck_assert_int_eq(errors[i], by_cancel ? ECANCELED : ETIMEDOUT);
	}
	ck_assert_int_eq(found, 0);
	gate(true);
	wait_freed(2);
	ck_assert_int_eq(found, 2);
}

static void in_two_threads(int kind, aco_io_func_t fn)
{
	const aco_io_opts_t opts = { .size = sizeof(opts), .threads = 2 };
	aco_io_t *io = aco_io_new(&opts);

	io_flags = kind ? ACO_IO_SHARED : 0;
	io_go(NULL, fn, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}

static void gives_up_by_cancel(void *unused)
{
	(void)unused;
	check_given_up(true);
}

static void gives_up_at_deadline(void *unused)
{
	(void)unused;
	check_given_up(false);
}

START_TEST(given_up_by_cancellation)
{
	in_two_threads(_i, gives_up_by_cancel);
}
END_TEST

START_TEST(given_up_at_the_deadline)
{
	in_two_threads(_i, gives_up_at_deadline);
}
END_TEST

/* The scheduler goes while the lookup runs. */
static void leaves_one(void *unused)
{
	(void)unused;
	io_go(NULL, looks_up_briefly, (void *)1);
	aco_io_yield();
	wait_inside(1);
}

START_TEST(the_scheduler_goes_first)
{
	io_run(_i, leaves_one);
	gate(true);
	wait_freed(1);
}
END_TEST

/* An idle thread that was woken for the first of several can't do all of them. */
IO_TEST(idle_threads_and_more_to_do)
{
	gate(true);
	looks_up_until(0, ACO_IO_NEVER);
	ck_assert_int_eq(results[0], 0);
	gate(false);
	late(true);
	for (int i = 1; i < 4; i++)
		io_go(NULL, looks_up, (void *)(intptr_t)i);
	aco_io_yield();
	wait_inside(2);
	late(false);
	gate(true);
	for (int i = 1; i < 4; i++) {
		while (results[i] == -9)
			io_turns(1);
		ck_assert_int_eq(results[i], 0);
	}
}

static void yields(void *unused)
{
	(void)unused;
	aco_io_yield();
}

/* Until the ended lookup has told the scheduler. */
static void let_it_arrive(void)
{
	struct pollfd p = { aco_io_fd(aco_io_current()), POLLIN, 0 };

	gate(true);
	ck_assert_int_eq(poll(&p, 1, -1), 1);
}

/* It is woken by the cancellation, and has not run yet when the lookup ends:
   the next look comes after 256 tasks. */
IO_TEST(cancelled_when_it_ends)
{
	aco_io_task_t task = io_go(NULL, looks_up, NULL);

	io_settle();
	wait_inside(1);
	for (int i = 0; i < 600; i++)
		io_go(NULL, yields, NULL);
	let_it_arrive();
	ck_assert_int_eq(aco_io_cancel(task), 0);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], EAI_SYSTEM);
	ck_assert_int_eq(errors[0], ECANCELED);
	ck_assert_int_eq(freed, found);
}

/* One look sees the deadline and the end. */
IO_TEST(late_when_it_ends)
{
	struct timespec until;

	io_go(NULL, looks_up_briefly, NULL);
	aco_io_yield();
	wait_inside(1);
	let_it_arrive();
	do
		clock_gettime(CLOCK_MONOTONIC, &until);
	while (until.tv_sec * INT64_C(1000000000) + until.tv_nsec <
	       aco_io_after(2 * SHORT));
	while (results[0] == -9)
		io_turns(1);
	if (results[0] != 0) {
		ck_assert_int_eq(results[0], EAI_SYSTEM);
		ck_assert_int_eq(errors[0], ETIMEDOUT);
	}
	ck_assert_int_eq(freed, found);
}

void t_reset(void)
{
	pthread_mutex_lock(&lock); /* against a thread of the test before */
	is_open = threads_are_late = false;
	inside = found = freed = 0;
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 8; i++)
		results[i] = -9;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-lookup");
	TCase *tc = io_case(s, "lookup");

	io_add(tc, numbers);
	io_add(tc, nowhere_to_put_the_result);
	io_add(tc, given_up_as_it_ends);
	io_add(tc, others_run_meanwhile);
	io_add(tc, given_up_by_cancellation);
	io_add(tc, given_up_at_the_deadline);
	io_add(tc, the_scheduler_goes_first);
	io_add(tc, idle_threads_and_more_to_do);
	io_add(tc, cancelled_when_it_ends);
	io_add(tc, late_when_it_ends);
	return s;
}
