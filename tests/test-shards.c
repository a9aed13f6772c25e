/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-shards.c - the cache of destroyed stacks as several threads use it
 *
 * Linked with the static library, so that a lock can be said to be taken.  One
 * thread then goes through what else would need several at the right moment.
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>

#define KIB ((size_t)1024)

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __real_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);
int __real_madvise(void *at, size_t sz, int advice);
int __wrap_madvise(void *at, size_t sz, int advice);

static int idle;  /* so many of the next locks are not taken, */
static int busy;  /* so many of those after them are */
static int held;  /* by this thread */
static int calls; /* for guards, and to give memory back */
static pthread_mutex_t *last_tried;

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	held++;
	return __real_pthread_mutex_lock(lock);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	held--;
	return __real_pthread_mutex_unlock(lock);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
	if (idle > 0) {
		idle--;
	} else if (busy > 0) {
		busy--;
		return EBUSY;
	}
	last_tried = lock;
	held++;
	return __real_pthread_mutex_trylock(lock);
}

int __wrap_madvise(void *at, size_t sz, int advice)
{
	calls++;
	return __real_madvise(at, sz, advice);
}

static aco_share_stack_t *new (size_t sz)
{
	aco_share_stack_t *sstk = aco_share_stack_new(sz);

	ck_assert_ptr_nonnull(sstk);
	return sstk;
}

/* To another shard than before. */
static void move(void)
{
	aco_share_stack_t *sstk = new (1);
	pthread_mutex_t *before;

	aco_share_stack_destroy(sstk);
	before = last_tried;
	busy = 1;
	aco_share_stack_destroy(new (1));
	ck_assert_int_eq(busy, 0);
	ck_assert_ptr_ne(last_tried, before);
}

START_TEST(found_in_another_shard)
{
	aco_share_stack_t *sstk = new (64 * KIB);
	void *ptr = sstk->ptr;

	for (int i = 0; i < 40; i++) {
		aco_share_stack_destroy(sstk);
		move();
		calls = 0;
		sstk = new (64 * KIB);
		ck_assert_ptr_eq(sstk->ptr, ptr);
		ck_assert_int_eq(calls, 0);
	}
	aco_share_stack_destroy(sstk);
	ck_assert_int_eq(held, 0);
}
END_TEST

/* No thread waits for another shard: there is new memory. */
START_TEST(not_found_in_a_shard_in_use)
{
	aco_share_stack_t *sstk = new (80 * KIB);
	void *ptr = sstk->ptr;
	aco_share_stack_t *other;

	aco_share_stack_destroy(sstk);
	move();
	idle = 1; /* its own */
	busy = 1;
	other = new (80 * KIB);
	ck_assert_int_eq(idle + busy, 0);
	ck_assert_ptr_ne(other->ptr, ptr);
	/* it is still there */
	sstk = new (80 * KIB);
	ck_assert_ptr_eq(sstk->ptr, ptr);
	aco_share_stack_destroy(sstk);
	aco_share_stack_destroy(other);
	ck_assert_int_eq(held, 0);
}
END_TEST

/* Where all shards are taken, a thread does not wait for ever. */
START_TEST(all_busy)
{
	aco_share_stack_t *sstk;

	busy = 16;
	sstk = new (64 * KIB);
	ck_assert_int_eq(busy, 0);
	busy = 16;
	aco_share_stack_destroy(sstk);
	ck_assert_int_eq(busy, 0);
	ck_assert_int_eq(held, 0);
}
END_TEST

static void make_and_destroy(size_t n, size_t sz)
{
	aco_share_stack_t *stacks[100];

	ck_assert_uint_le(n, T_LEN(stacks));
	for (size_t i = 0; i < n; i++)
		stacks[i] = new (sz);
	while (n > 0)
		aco_share_stack_destroy(stacks[--n]);
}

/* The limit is for all shards together. */
START_TEST(one_limit)
{
	aco_share_stack_t *sstk = new (64 * KIB);
	size_t sz = sstk->sz;

	aco_share_stack_destroy(sstk);
	aco_share_stack_cache_limit(10 * sz);
	for (int i = 0; i < 16; i++) {
		make_and_destroy(2, 64 * KIB);
		move();
	}
	make_and_destroy(20, 64 * KIB);
	calls = 0;
	aco_share_stack_cache_limit(0);
	/* those that move() has made are small */
	ck_assert_int_ge(calls, 9);
	ck_assert_int_le(calls, 12);
}
END_TEST

/* What another shard does not need. */
START_TEST(credit_of_another_shard)
{
	aco_share_stack_t *stacks[10];
	size_t sz, i;

	stacks[0] = new (64 * KIB);
	sz = stacks[0]->sz;
	aco_share_stack_destroy(stacks[0]);
	aco_share_stack_cache_limit(10 * sz);
	make_and_destroy(10, 64 * KIB);
	for (i = 0; i < 10; i++)
		stacks[i] = new (64 * KIB); /* all credit is unused now */
	busy = 1;
	aco_share_stack_destroy(stacks[0]); /* elsewhere */
	calls = 0;
	for (i = 1; i < 10; i++)
		aco_share_stack_destroy(stacks[i]);
	ck_assert_int_eq(calls, 0);
}
END_TEST

/* What another shard keeps, when this one has nothing of the size. */
START_TEST(room_of_another_shard)
{
	aco_share_stack_cache_limit(1000 * KIB);
	make_and_destroy(20, 64 * KIB);
	move();
	make_and_destroy(1, 500 * KIB);
	calls = 0;
	make_and_destroy(1, 500 * KIB);
	ck_assert_int_eq(calls, 0);
	/* the others are not all gone */
	make_and_destroy(5, 64 * KIB);
	ck_assert_int_eq(calls, 0);
	/* a lock that is taken is no reason to wait */
	move();
	make_and_destroy(20, 64 * KIB);
	aco_share_stack_destroy(new (800 * KIB));
	busy = 17;
	aco_share_stack_destroy(new (900 * KIB));
	busy = 0;
	ck_assert_int_eq(held, 0);
}
END_TEST

/* Many of one size leave the others alone. */
START_TEST(room_of_others)
{
	aco_share_stack_cache_limit(1000 * KIB);
	make_and_destroy(1, 64 * KIB);
	make_and_destroy(5, 20 * KIB);
	make_and_destroy(100, 64 * KIB);
	calls = 0;
	make_and_destroy(5, 20 * KIB);
	ck_assert_int_eq(calls, 0);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("shards");
	TCase *tc = t_case(s, "shards");

	tcase_add_test(tc, found_in_another_shard);
	tcase_add_test(tc, not_found_in_a_shard_in_use);
	tcase_add_test(tc, all_busy);
	tcase_add_test(tc, one_limit);
	tcase_add_test(tc, credit_of_another_shard);
	tcase_add_test(tc, room_of_another_shard);
	tcase_add_test(tc, room_of_others);
	return s;
}
