/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fork.c - calls of the library in handlers of pthread_atfork(3)
 *
 * Each test has a process of its own, where the handlers stay, and where the
 * library has no handlers yet: some are to be registered before its own.
 */
#include "testutil.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#define KIB ((size_t)1024)

static aco_t *main_co;
static aco_share_stack_t *made_before;

static void exits(void)
{
	aco_exit();
}

static void live(size_t sz)
{
	aco_t *mine = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(sz);
	aco_t *co = aco_create(mine, sstk, 0, exits, NULL);

	t_child(mine && sstk && co);
	aco_resume(co);
	t_child(co->is_end);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(mine);
}

/* From the cache, from an arena, from a mapping. */
static void lives(void)
{
	live(64 * KIB);
	live(300 * KIB);
	live(64 * KIB);
	live(8 * KIB * KIB);
}

/* The stack goes to the cache, or back to its arena. */
static void destroys(void)
{
	if (made_before)
		aco_share_stack_destroy(made_before);
	made_before = NULL;
}

static void many(void)
{
	aco_share_stack_t *stacks[40];

	for (size_t i = 0; i < T_LEN(stacks); i++)
		t_child(stacks[i] = aco_share_stack_new(100 * KIB));
	for (size_t i = 0; i < T_LEN(stacks); i++)
		aco_share_stack_destroy(stacks[i]);
}

static void limits(void)
{
	aco_share_stack_cache_limit(0);
	many();
	aco_share_stack_cache_limit(KIB * KIB);
	many();
}

static void reports(void)
{
	t_child(aco_overflow_report(1) == 0);
	t_child(aco_overflow_report(0) == 0);
}

static void (*const calls[])(void) = { lives, destroys, many, limits, reports };
static void (*call)(void);
static int called;

static void handler(void)
{
	alarm(60); /* forgotten in a child */
	called++;
	call();
}

static void no_handler(void)
{
}

enum { PREPARE, PARENT, CHILD, ALL };

static void register_handlers(int when)
{
	int all = when == ALL;

	t_child(!pthread_atfork(all || when == PREPARE ? handler : no_handler,
				all || when == PARENT ? handler : no_handler,
				all || when == CHILD ? handler : no_handler));
}

/* With locks, if there are any left. */
static void *lives_in_thread(void *arg)
{
	lives();
	limits();
	reports();
	return arg;
}

static void goes_on(void)
{
	pthread_t thread;

	lives_in_thread(NULL);
	t_child(!pthread_create(&thread, NULL, lives_in_thread, NULL));
	t_child(!pthread_join(thread, NULL));
}

static void forks(void)
{
	int status;
	pid_t pid = fork();

	t_child(pid >= 0);
	if (pid == 0) {
		alarm(60);
		goes_on();
		_exit(called == 0 ? 99 : 0);
	}
	alarm(120); /* a child that hangs ends first */
	t_child(waitpid(pid, &status, 0) == pid);
	t_child(WIFEXITED(status));
	t_child(status == 0 || status == 99 << 8);
	t_child(status == 0 || called > 0);
	goes_on();
}

static void use_library(void)
{
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	made_before = aco_share_stack_new(64 * KIB);
	t_child(main_co && made_before);
	lives();
}

static void handlers_before(void *when)
{
	alarm(60);
	register_handlers((int)(uintptr_t)when);
	use_library();
	forks();
	forks();
}

static void handlers_after(void *when)
{
	alarm(60);
	use_library();
	register_handlers((int)(uintptr_t)when);
	forks();
	forks();
}

/* Not a test of its own for each: they are as many as the calls. */
START_TEST(handlers_may_use_the_library)
{
	call = calls[_i];
	for (uintptr_t when = PREPARE; when <= ALL; when++) {
		t_expect_ok(handlers_before, (void *)when);
		t_expect_ok(handlers_after, (void *)when);
	}
}
END_TEST

/* The first call of all is in a handler, in the middle of a fork. */
static void first_use(void *when)
{
	alarm(60);
	register_handlers((int)(uintptr_t)when);
	forks();
	forks();
}

START_TEST(first_use_in_a_handler)
{
	call = _i ? lives : reports;
	for (uintptr_t when = PREPARE; when <= ALL; when++)
		t_expect_ok(first_use, (void *)when);
}
END_TEST

static int stop;

static void *churns(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		live(64 * KIB);
		many();
		aco_share_stack_cache_limit(KIB * KIB);
		reports();
	}
	return arg;
}

static void among_threads(void *arg)
{
	pthread_t threads[3];

	alarm(120);
	handlers_before((void *)ALL);
	for (size_t i = 0; i < T_LEN(threads); i++)
		t_child(!pthread_create(&threads[i], NULL, churns, arg));
	for (int i = 0; i < 30; i++)
		forks();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < T_LEN(threads); i++)
		t_child(!pthread_join(threads[i], NULL));
}

START_TEST(handlers_among_threads)
{
	call = many;
	t_expect_ok(among_threads, NULL);
}
END_TEST

static void *reports_all_the_time(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		reports();
	return arg;
}

/* No handlers of the program, and nothing of the library but this. */
static void fork_while_another_reports(void *arg)
{
	pthread_t thread;
	int status;
	pid_t pid;

	alarm(600); /* as Check */
	reports();
	t_child(!pthread_create(&thread, NULL, reports_all_the_time, arg));
	for (int i = 0; i < 1000; i++) {
		pid = fork();
		t_child(pid >= 0);
		if (pid == 0) {
			alarm(60);
			reports();
			_exit(0);
		}
		t_child(waitpid(pid, &status, 0) == pid);
		t_child(status == 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	t_child(!pthread_join(thread, NULL));
}

START_TEST(fork_in_the_middle_of_aco_overflow_report)
{
	t_expect_ok(fork_while_another_reports, NULL);
}
END_TEST

static int used;

static void *uses_the_library(void *arg)
{
	aco_stats_t stats;
	aco_t *mine = aco_create(NULL, NULL, 0, NULL, NULL);

	t_child(mine && aco_stats(&stats) == 0);
	aco_destroy(mine);
	__atomic_store_n(&used, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		sched_yield();
	return arg;
}

static pthread_t other;

/* This is allowed where the library has not had its turn yet. */
static void has_the_library_used(void)
{
	t_child(!pthread_create(&other, NULL, uses_the_library, NULL));
	while (!__atomic_load_n(&used, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* The first call of all is in another thread, in the middle of a fork.  What the
   next thread has lies where that one had it. */
static void first_use_by_another_thread(void *arg)
{
	int status;
	pid_t pid;

	(void)arg;
	t_child(!pthread_atfork(has_the_library_used, NULL, NULL));
	pid = fork();
	t_child(pid >= 0);
	stop = 1;
	if (pid == 0) {
		alarm(60);
		t_child(!pthread_create(&other, NULL, uses_the_library, NULL));
		t_child(!pthread_join(other, NULL));
		_exit(0);
	}
	t_child(waitpid(pid, &status, 0) == pid);
	t_child(status == 0);
	t_child(!pthread_join(other, NULL));
}

START_TEST(first_use_in_the_middle_of_a_fork)
{
	t_expect_ok(first_use_by_another_thread, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("fork");
	TCase *tc =
		tcase_create("fork"); /* no world: no test uses the library */

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, handlers_may_use_the_library, 0, T_LEN(calls));
	tcase_add_loop_test(tc, first_use_in_a_handler, 0, 2);
	tcase_add_test(tc, first_use_in_the_middle_of_a_fork);
	tcase_add_test(tc, handlers_among_threads);
	tcase_add_test(tc, fork_in_the_middle_of_aco_overflow_report);
	suite_add_tcase(s, tc);
	return s;
}
