/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-pieces.c - the memory of cos and save stacks: whose it is, where it
 * stays, and that it comes back
 */
#include "testutil.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static aco_t *co_with(size_t save_stack_sz)
{
	return aco_create(t_main, t_sstk, save_stack_sz, aco_exit, NULL);
}

/* All bytes of a co that its owner may look at or write to. */
static void fill(aco_t *co, int with)
{
	if (co->save_stack.ptr)
		memset(co->save_stack.ptr, with, co->save_stack.sz);
	co->arg = (void *)(intptr_t)with;
}

static void check_fill(const aco_t *co, int with)
{
	const char *bytes = co->save_stack.ptr;

	t_child(co->arg == (void *)(intptr_t)with);
	for (size_t i = 0; i < co->save_stack.sz; i++)
		t_child(bytes[i] == (char)with);
}

/* Cos of all sizes come and go; none gets what another has. */
static void come_and_go(void *arg)
{
	static aco_t *cos[3000];
	static int filled[T_LEN(cos)];
	uint32_t state = 1;
	int n;

	(void)arg;
	for (n = 0; n < 60000; n++) {
		size_t i = t_random(&state) % T_LEN(cos);

		if (cos[i]) {
			check_fill(cos[i], filled[i]);
			aco_destroy(cos[i]);
			cos[i] = NULL;
			continue;
		}
		cos[i] = co_with(t_random(&state) % 800);
		t_child(cos[i] && (uintptr_t)cos[i] % 16 == 0);
		filled[i] = n % 100;
		fill(cos[i], filled[i]);
	}
}

START_TEST(none_is_of_two)
{
	t_expect_ok(come_and_go, NULL);
}
END_TEST

/* ---------------------------------------------------------- coming back -- */

#define MANY ((size_t)200000)
#define SAVED 120

static aco_t **make_many(void)
{
	aco_t **cos = malloc(MANY * sizeof(*cos));

	for (size_t i = 0; i < MANY; i++) {
		cos[i] = co_with(SAVED);
		t_child(cos[i]);
		fill(cos[i], 1);
	}
	return cos;
}

static void shuffle(aco_t **cos)
{
	uint32_t state = 7;

	for (size_t i = MANY - 1; i > 0; i--) {
		size_t k = t_random(&state) % (i + 1);
		aco_t *co = cos[i];

		cos[i] = cos[k];
		cos[k] = co;
	}
}

static void destroy_from(aco_t **cos, size_t i, size_t end)
{
	for (; i < end; i++)
		aco_destroy(cos[i]);
}

/* No more than 5 bytes of each beside what it asked for. */
static void little_beside(void *arg)
{
	size_t before = t_memory().resident, used;
	aco_t **cos;

	(void)arg;
	cos = make_many();
	used = t_memory().resident - before - MANY * sizeof(*cos);
	t_child(used < MANY * ((sizeof(aco_t) + SAVED + 15) / 16 * 16 + 5));
}

START_TEST(nothing_beside_the_bytes)
{
	t_expect_ok(little_beside, NULL);
}
END_TEST

static void in_order(void *arg)
{
	struct t_memory before, after;
	aco_t **cos;
	size_t used;

	(void)arg;
	aco_destroy(co_with(SAVED)); /* of one slab something may stay */
	before = t_memory();
	cos = make_many();
	used = t_memory().resident - before.resident;
	destroy_from(cos, 0, MANY / 10 * 9);
	after = t_memory();
	t_child(after.resident - before.resident < used / 4);
	destroy_from(cos, MANY / 10 * 9, MANY);
	free(cos);
	after = t_memory();
	t_child(after.resident < before.resident + MIB);
	t_child(after.total < before.total + 3 * MIB);
}

START_TEST(pages_come_back)
{
	t_expect_ok(in_order, NULL);
}
END_TEST

/* A page has 15 or 16 of them, so that 9 of 10 leave a sixth of the pages without
   any. */
static void at_random(void *arg)
{
	struct t_memory before, after;
	aco_t **cos;
	size_t used;

	(void)arg;
	aco_destroy(co_with(SAVED));
	before = t_memory();
	cos = make_many();
	used = t_memory().resident - before.resident;
	shuffle(cos);
	destroy_from(cos, 0, MANY / 10 * 9);
	after = t_memory();
	t_child(after.resident - before.resident < used / 20 * 19);
	/* what is there is used before there is more */
	for (size_t i = 0; i < MANY / 10 * 9; i++)
		cos[i] = co_with(SAVED);
	t_child(t_memory().total <= before.total + used + 3 * MIB);
	/* what the thread keeps for the next cos may be one of each slab */
	destroy_from(cos, 0, MANY);
	free(cos);
	after = t_memory();
	t_child(after.resident < before.resident + used / 10);
}

START_TEST(some_pages_come_back_in_any_order)
{
	t_expect_ok(at_random, NULL);
}
END_TEST

/* -------------------------------------------------------------- threads -- */

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	t_child(pthread_create(&thread, NULL, fn, arg) == 0);
	t_child(pthread_join(thread, NULL) == 0);
}

static void *destroy_all(void *cos)
{
	destroy_from(cos, 0, MANY);
	return NULL;
}

/* One thread makes them, another one destroys them, and ends. */
static void elsewhere(void *arg)
{
	struct t_memory before, after;
	aco_t **cos;

	(void)arg;
	aco_destroy(co_with(SAVED));
	in_thread(destroy_all, make_many()); /* the C library's arena */
	before = t_memory();
	cos = make_many();
	in_thread(destroy_all, cos);
	free(cos);
	after = t_memory();
	t_child(after.resident < before.resident + MIB);
	t_child(after.total < before.total + 3 * MIB);
}

START_TEST(freed_by_another_thread)
{
	t_expect_ok(elsewhere, NULL);
}
END_TEST

enum { FEW = 200 }; /* more than a magazine has */

/* Of all sizes, so that each magazine has some. */
static void *make_and_destroy_few(void *arg)
{
	aco_t *cos[FEW];

	for (size_t sz = 0; sz < 400; sz += 16) {
		for (int i = 0; i < FEW; i++) {
			cos[i] = co_with(sz);
			fill(cos[i], 1);
		}
		for (int i = 0; i < FEW; i++)
			aco_destroy(cos[i]);
	}
	return arg;
}

static void thread_after_thread(void *arg)
{
	size_t before;

	(void)arg;
	in_thread(make_and_destroy_few, NULL);
	before = t_memory().resident;
	for (int i = 0; i < 500; i++)
		in_thread(make_and_destroy_few, NULL);
	t_child(t_memory().resident < before + MIB);
}

START_TEST(magazines_end_with_their_thread)
{
	t_expect_ok(thread_after_thread, NULL);
}
END_TEST

/* A key of the program whose destructor frees a co, when those of the library
   may be gone. */
static pthread_key_t last_key;
static int destroyed;

static void destroy_last(void *co)
{
	destroyed++;
	if (destroyed < 3) {
		pthread_setspecific(last_key, co);
		return;
	}
	aco_destroy(co);
	aco_destroy(co_with(SAVED));
}

static void *leave_one(void *arg)
{
	pthread_setspecific(last_key, co_with(SAVED));
	return arg;
}

static void destroy_late(void *arg)
{
	(void)arg;
	aco_destroy(co_with(SAVED));
	t_child(pthread_key_create(&last_key, destroy_last) == 0);
	in_thread(leave_one, NULL);
	t_child(destroyed == 3);
}

START_TEST(destroyed_when_the_thread_has_ended)
{
	t_expect_ok(destroy_late, NULL);
}
END_TEST

/* Such a destructor that is called once more, for the last time.  The library is
   not called again after it. */
static pthread_key_t very_last_key;
static __thread int calls;

static void make_one_last(void *arg)
{
	if (++calls < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(very_last_key, arg);
		return;
	}
	aco_destroy(co_with(3 * SAVED));
}

static void *use_library_to_the_end(void *arg)
{
	aco_destroy(co_with(SAVED));
	pthread_setspecific(very_last_key, arg);
	return NULL;
}

static void thread_after_thread_to_the_end(void *arg)
{
	size_t before;
	int some;

	(void)arg;
	aco_destroy(co_with(SAVED)); /* the library's key comes before it */
	t_child(pthread_key_create(&very_last_key, make_one_last) == 0);
	in_thread(use_library_to_the_end, &some);
	before = t_memory().resident;
	for (int i = 0; i < 500; i++)
		in_thread(use_library_to_the_end, &some);
	t_child(t_memory().resident < before + MIB);
}

START_TEST(no_magazines_after_the_end)
{
	t_expect_ok(thread_after_thread_to_the_end, NULL);
}
END_TEST

/* ---------------------------------------------------------------- limits -- */

static void until_it_fails(void *arg)
{
	struct rlimit limit = { 0, 0 };
	aco_t *last = NULL, *co = NULL;
	size_t n = 0;

	(void)arg;
	limit.rlim_cur = limit.rlim_max = t_memory().total + 40 * MIB;
	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	for (errno = 0;; n++) {
		co = co_with(SAVED);
		if (!co)
			break;
		co->arg = last;
		last = co;
	}
	t_child(errno == ENOMEM && n > 20 * MIB / 300);
	t_child(t_sstk->users == n);
	for (; last; last = co) {
		co = last->arg;
		aco_destroy(last);
	}
	t_child(co_with(SAVED));
}

START_TEST(no_memory)
{
	t_expect_ok(until_it_fails, NULL);
}
END_TEST

static void make_some(void)
{
	for (int i = 0; i < 100; i++) {
		aco_t *co = co_with(SAVED);

		t_child(co);
		aco_destroy(co);
		aco_share_stack_destroy(aco_share_stack_new(0));
	}
	t_child(errno == 0);
}

/* The library, which has not been used before, can't be told when the thread
   ends. */
static void without_keys(void *arg)
{
	pthread_key_t key;

	(void)arg;
	while (pthread_key_create(&key, NULL) == 0)
		continue;
	t_main = aco_create(NULL, NULL, 0, NULL, NULL);
	t_sstk = aco_share_stack_new(0);
	errno = 0;
	make_some();
}

START_TEST(no_keys)
{
	t_expect_ok(without_keys, NULL);
}
END_TEST

/* In place of the C library's: a kernel without huge pages takes no advice on
   them. */
static int without_huge_pages;

int madvise(void *at, size_t sz, int advice)
{
	if (without_huge_pages && advice == MADV_NOHUGEPAGE) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_madvise, at, sz, advice);
}

START_TEST(no_huge_pages)
{
	without_huge_pages = 1;
	errno = 0;
	for (size_t sz = 0; sz < 300; sz += 16) {
		aco_t *co = co_with(sz);
		int result = errno;

		ck_assert_ptr_nonnull(co);
		ck_assert_int_eq(result, 0);
		aco_destroy(co);
	}
	without_huge_pages = 0;
}
END_TEST

/* ------------------------------------------------------------------ fork -- */

static volatile int stop;

static void *churn(void *arg)
{
	while (!stop)
		make_and_destroy_few(NULL);
	return arg;
}

static void fork_among_threads(void *arg)
{
	pthread_t thread;
	int status;

	(void)arg;
	make_and_destroy_few(NULL);
	t_child(pthread_create(&thread, NULL, churn, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(60);
			make_and_destroy_few(NULL);
			_exit(0);
		}
		t_child(waitpid(pid, &status, 0) == pid && status == 0);
	}
	stop = 1;
	pthread_join(thread, NULL);
}

START_TEST(fork_while_others_make_cos)
{
	t_expect_ok(fork_among_threads, NULL);
}
END_TEST

/* As above, where the memory of cos is the first that the process needs of the
   library. */
static char stack_memory[64 * 1024];

START_TEST(fork_first)
{
	aco_share_stack_t *sstk = aco_share_stack_from(stack_memory,
						       sizeof(stack_memory));

	t_main = aco_create(NULL, NULL, 0, NULL, NULL);
	t_sstk = sstk;
	fork_among_threads(NULL);
	t_sstk = NULL;
	aco_share_stack_destroy(sstk);
	aco_destroy(t_main);
	t_main = NULL;
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("pieces");
	TCase *tc = tcase_create("first");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, no_keys);
	tcase_add_test(tc, fork_first);
	suite_add_tcase(s, tc);

	tc = t_case(s, "pieces");

	tcase_add_test(tc, none_is_of_two);
	tcase_add_test(tc, nothing_beside_the_bytes);
	tcase_add_test(tc, pages_come_back);
	tcase_add_test(tc, some_pages_come_back_in_any_order);
	tcase_add_test(tc, freed_by_another_thread);
	tcase_add_test(tc, magazines_end_with_their_thread);
	tcase_add_test(tc, destroyed_when_the_thread_has_ended);
	tcase_add_test(tc, no_magazines_after_the_end);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, no_huge_pages);
	tcase_add_test(tc, fork_while_others_make_cos);
	return s;
}
