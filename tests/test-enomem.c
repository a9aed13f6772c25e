/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-enomem.c - every allocation and mapping fails once
 *
 * Linked with the static library and -Wl,--wrap for each call that can fail.
 * A scenario is run again and again with the first, second, third ... of those
 * calls failing, until it gets through without: each failure has to show as
 * ENOMEM, change nothing, and go away when the call is repeated.
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>

void *__real_malloc(size_t sz);
void *__real_calloc(size_t n, size_t sz);
void *__real_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
int __real_mprotect(void *at, size_t sz, int prot);
void __real_free(void *ptr);
int __real_pthread_setspecific(pthread_key_t key, const void *value);

void *__wrap_malloc(size_t sz);
void *__wrap_calloc(size_t n, size_t sz);
void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
int __wrap_mprotect(void *at, size_t sz, int prot);
void __wrap_free(void *ptr);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

static int armed;     /* only calls between arm() and disarm() count */
static int countdown; /* the call that makes it 0 fails */
static int failed;

static int fails(void)
{
	if (!armed || countdown <= 0 || --countdown > 0)
		return 0;
	failed = 1;
	errno = ENOMEM;
	return 1;
}

/* Blocks without headers between them, as some allocators make them. */
static char *arena_next;
static char arena[4096] __attribute__((__aligned__(16)));
static void *arena_freed[4];
static size_t arena_frees;

void __wrap_free(void *ptr)
{
	if ((char *)ptr < arena || (char *)ptr >= arena + sizeof(arena))
		__real_free(ptr);
	else
		arena_freed[arena_frees++] = ptr;
}

void *__wrap_malloc(size_t sz)
{
	char *ptr = arena_next;

	if (ptr) {
		arena_next += sz;
		return ptr;
	}
	return fails() ? NULL : __real_malloc(sz);
}

void *__wrap_calloc(size_t n, size_t sz)
{
	return fails() ? NULL : __real_calloc(n, sz);
}

void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap(at, sz, prot, flags, fd, off);
}

int __wrap_mprotect(void *at, size_t sz, int prot)
{
	return fails() ? -1 : __real_mprotect(at, sz, prot);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return fails() ? ENOMEM : __real_pthread_setspecific(key, value);
}

/*
 * Run try(), which returns 0 for success: once with each of its calls failing,
 * at last with none.  Returns how many failures there were.
 */
static int fail_each(int (*try)(void))
{
	int n, result;

	for (n = 1;; n++) {
		countdown = n;
		failed = 0;
		errno = 0;
		armed = 1;
		result = try();
		armed = 0;
		if (!failed)
			break;
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(errno, ENOMEM);
	}
	ck_assert_int_eq(result, 0);
	return n - 1;
}

static int new_guarded(void)
{
	aco_share_stack_t *sstk = aco_share_stack_new(1 << 16);

	if (!sstk)
		return -1;
	aco_share_stack_destroy(sstk);
	return 0;
}

static int new_unguarded(void)
{
	aco_share_stack_t *sstk = aco_share_stack_new2(1 << 16, 0);

	if (!sstk)
		return -1;
	aco_share_stack_destroy(sstk);
	return 0;
}

START_TEST(share_stacks)
{
	/* the record, the mapping, its guard */
	ck_assert_int_ge(fail_each(new_guarded), 3);
	ck_assert_int_ge(fail_each(new_unguarded), 2);
}
END_TEST

static void nothing(void)
{
	aco_exit();
}

static int new_main(void)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	if (!co)
		return -1;
	aco_destroy(co);
	return 0;
}

static int new_co(void)
{
	size_t users = t_sstk->users;
	aco_t *co = aco_create(t_main, t_sstk, 100, nothing, NULL);

	if (!co) {
		armed = 0;
		ck_assert_uint_eq(t_sstk->users, users);
		return -1;
	}
	aco_destroy(co);
	return 0;
}

START_TEST(creation)
{
	ck_assert_int_eq(fail_each(new_main), 1);
	ck_assert_int_eq(fail_each(new_co), 1);
}
END_TEST

#define SHARERS 5

static aco_t *sharers[SHARERS];
static int progress[SHARERS];
static size_t next_sharer;

static void remember(void)
{
	int *mine = aco_get_arg();
	int id = (int)(mine - progress);
	volatile char bytes[300];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(id * 7 + (int)i);
	for (;;) {
		++*mine;
		aco_yield();
		for (i = 0; i < sizeof(bytes); i++)
			if (bytes[i] != (char)(id * 7 + (int)i))
				*mine = -1000000;
	}
}

static int resume_next(void)
{
	size_t i = next_sharer;
	int before = progress[i];
	aco_t *owner = t_sstk->owner;

	if (aco_try_resume(sharers[i]) == 0) {
		next_sharer = (i + 1) % SHARERS;
		return 0;
	}
	/* nothing has changed */
	armed = 0;
	if (progress[i] != before || t_sstk->owner != owner ||
	    aco_get_co() == sharers[i])
		errno = EFAULT;
	return -1;
}

START_TEST(save_stacks)
{
	int failures = 0, round;
	size_t i;

	for (i = 0; i < SHARERS; i++) {
		progress[i] = 0;
		sharers[i] = t_co(t_sstk, remember, &progress[i]);
	}
	next_sharer = 0;
	for (round = 0; round < 3 * SHARERS; round++)
		failures += fail_each(resume_next);
	/* each save stack was missing once */
	ck_assert_int_eq(failures, SHARERS);
	for (i = 0; i < SHARERS; i++)
		ck_assert_int_eq(progress[i], 3);
}
END_TEST

/* A save stack that happens to lie right behind its co is freed, too. */
START_TEST(adjacent_save_stack)
{
	aco_t *co, *other = t_co(t_sstk, remember, &progress[1]);
	void *saved;

	arena_next = arena;
	co = aco_create(t_main, t_sstk, 0, remember, &progress[0]);
	aco_resume(co);
	aco_resume(other);
	arena_next = NULL;
	saved = co->save_stack.ptr;
	ck_assert_ptr_eq(saved, co + 1);
	aco_destroy(co);
	ck_assert_uint_eq(arena_frees, 2);
	ck_assert_ptr_eq(arena_freed[0], saved);
	ck_assert_ptr_eq(arena_freed[1], co);
}
END_TEST

static aco_t *foreign;

static int resume_foreign(void)
{
	return aco_try_resume(foreign);
}

/* A thread without a main co gets one of the library's own. */
static void *foreign_thread(void *arg)
{
	(void)arg;
	ck_assert_int_eq(fail_each(resume_foreign), 2);
	return NULL;
}

START_TEST(own_main_co)
{
	pthread_t thread;

	foreign = t_co(t_sstk, nothing, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, foreign_thread, NULL),
			 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(foreign->is_end, 1);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("enomem");
	TCase *tc = t_case(s, "enomem");

	tcase_add_test(tc, share_stacks);
	tcase_add_test(tc, creation);
	tcase_add_test(tc, save_stacks);
	tcase_add_test(tc, adjacent_save_stack);
	tcase_add_test(tc, own_main_co);
	return s;
}
