/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-shards.c - the cache of destroyed stacks as several threads use it
 *
 * Linked with the static library, so that a lock can be said to be taken.  One
 * thread then goes through what else would need several at the right moment.
 * It has no keeper, which would serve it without a lock.
 */
#define _GNU_SOURCE 1 /* REG_RIP */

#include "testutil.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <time.h>

#define CHECK(expr) ck_assert(expr)
#include "trap.h"

#define KIB ((size_t)1024)

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __real_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __real_madvise(void *at, size_t sz, int advice);
int __wrap_madvise(void *at, size_t sz, int advice);

static int idle;  /* so many of the next locks are not taken, */
static int busy;  /* so many of those after them are */
static int held;  /* by this thread */
static int locks; /* taken by any thread */
static int has_keeper;
static int calls; /* for guards, and to give memory back */
static pthread_mutex_t *last_tried;

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	held++;
	locks++;
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
	locks++;
	held++;
	return __real_pthread_mutex_trylock(lock);
}

static void (*at_next_call)(void);

int __wrap_madvise(void *at, size_t sz, int advice)
{
	void (*fn)(void) = at_next_call;

	calls++;
	at_next_call = NULL;
	if (fn)
		fn();
	return __real_madvise(at, sz, advice);
}

/* As if there were no memory for the thread to be told that it ends. */
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return has_keeper ? __real_pthread_setspecific(key, value) : ENOMEM;
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

/* For lines that are written. */
const char *aco_name_if_free(const void *co);

START_TEST(names_that_are_locked)
{
	aco_set_name(t_main, "main");
	busy = 100;
	ck_assert_str_eq(aco_name_if_free(t_main), "main");
	ck_assert_int_eq(busy, 0);
	busy = 1000000;
	ck_assert_ptr_null(aco_name_if_free(t_main));
	ck_assert_int_gt(busy, 0);
	busy = 0;
	ck_assert_int_eq(held, 0);
}
END_TEST

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

/* ---------------------------------------------------------------- keepers -- */

static void use_keeper(void)
{
	has_keeper = 1;
	aco_share_stack_destroy(new (1)); /* the credit is there from now on */
	aco_share_stack_cache_limit(32768 * KIB);
}

static void *do_with_keeper(void *fn)
{
	use_keeper();
	((void (*)(void))(uintptr_t)fn)();
	return NULL;
}

/* The keeper of a thread that has made no stack before. */
static void in_new_thread(void (*fn)(void))
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, do_with_keeper,
					(void *)(uintptr_t)fn),
			 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	has_keeper = 0;
}

static void make_again(void)
{
	aco_share_stack_t *sstk = new (64 * KIB);
	void *ptr = sstk->ptr;

	aco_share_stack_destroy(sstk);
	locks = calls = 0;
	for (int i = 0; i < 10; i++) {
		sstk = aco_share_stack_new(64 * KIB); /* new() may lock */
		if (!sstk || sstk->ptr != ptr)
			calls = 1000;
		aco_share_stack_destroy(sstk);
	}
	if (locks || calls)
		ck_abort_msg("%d locks, %d calls", locks, calls);
}

START_TEST(no_lock_for_the_last_one)
{
	in_new_thread(make_again);
}
END_TEST

/* Sizes that a smaller or a larger class would serve. */
static void make_others(void)
{
	size_t sz;

	for (sz = 4 * KIB; sz < 900 * KIB; sz += 3 * KIB) {
		aco_share_stack_t *a, *b;

		aco_share_stack_destroy(new (200 * KIB));
		a = new (sz);
		b = new (sz);
		if (a->sz != b->sz || a->sz < sz)
			ck_abort_msg("%zu: %zu and %zu", sz, a->sz, b->sz);
		aco_share_stack_destroy(a);
		aco_share_stack_destroy(b);
	}
}

START_TEST(the_size_is_right)
{
	in_new_thread(make_others);
}
END_TEST

static void keep_and_limit(void)
{
	aco_share_stack_destroy(new (64 * KIB));
	calls = 0;
	aco_share_stack_cache_limit(0);
	ck_assert_int_eq(calls, 1);
	aco_share_stack_destroy(new (64 * KIB));
	ck_assert_int_gt(calls, 1); /* a guard, or given back */
	calls = 0;
	aco_share_stack_cache_limit(0);
	ck_assert_int_eq(calls, 0);
}

/* What a keeper has is given back, and its credit is worth nothing afterwards. */
START_TEST(keepers_obey_the_limit)
{
	in_new_thread(keep_and_limit);
}
END_TEST

static void *limit_to_0(void *arg)
{
	aco_share_stack_cache_limit(0);
	return arg;
}

#if defined(__x86_64__)
#define REG_IP REG_RIP
#else
#define REG_IP REG_EIP
#endif

static aco_share_stack_t *taken;
static const void *last_exchange;
static int toggles;

/* lock cmpxchg, with a prefix for 8 bytes or without. */
static int is_exchange(const uint8_t *code)
{
	if (code[0] != 0xf0)
		return 0;
	code += (code[1] & 0xf0) == 0x40 ? 2 : 1;
	return code[0] == 0x0f && code[1] == 0xb1;
}

/*
 * Right before the stack is taken out of the keeper, its thread takes it out itself,
 * or puts it back: three times.  Neither needs a lock, of which this thread has one
 * for each shard.
 */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const void *at = (const void *)(uintptr_t)uc->uc_mcontext.gregs[REG_IP];

	(void)sig;
	(void)info;
	if (held != 16 || calls > 0 || !is_exchange(at))
		return;
	toggles = at == last_exchange ? toggles + 1 : 1;
	last_exchange = at;
	if (toggles > 3)
		return;
	if (taken)
		aco_share_stack_destroy(taken);
	taken = taken ? NULL : new (64 * KIB);
}

static void keep_and_change(void)
{
	aco_stats_t stats;

	aco_share_stack_destroy(new (64 * KIB));
	calls = 0;
	catch_traps(on_trap);
	raise(SIGUSR1);
	aco_share_stack_cache_limit(0);
	raise(SIGUSR1);
	if (taken)
		aco_share_stack_destroy(taken);
	aco_share_stack_destroy(new (200 * KIB));
	aco_stats(&stats);
	ck_assert_uint_eq(stats.stacks_cached, 0);
	ck_assert_int_gt(toggles, 3);
}

/* A limit that a keeper escaped would be none for all others. */
START_TEST(keepers_change_while_limited)
{
	in_new_thread(keep_and_change);
}
END_TEST

static void keep_while_another_limits(void)
{
	aco_share_stack_t *sstk = new (64 * KIB);
	pthread_t thread;

	aco_share_stack_destroy(sstk);
	sstk = new (64 * KIB); /* there is credit for it */
	pthread_create(&thread, NULL, limit_to_0, NULL);
	pthread_join(thread, NULL);
	calls = 0;
	aco_share_stack_destroy(sstk);
	ck_assert_int_eq(calls, 1);
}

START_TEST(credit_is_taken_by_another_thread)
{
	in_new_thread(keep_while_another_limits);
}
END_TEST

static void *kept;

static void keep_to_the_end(void)
{
	aco_share_stack_t *sstk = new (72 * KIB);

	kept = sstk->ptr;
	aco_share_stack_destroy(sstk);
	calls = 0;
}

/* Of a thread that has ended: not a page was given back. */
START_TEST(left_to_other_threads)
{
	aco_share_stack_t *sstk;

	in_new_thread(keep_to_the_end);
	sstk = new (72 * KIB);
	ck_assert_ptr_eq(sstk->ptr, kept);
	ck_assert_int_eq(calls, 0);
	aco_share_stack_destroy(sstk);
}
END_TEST

static void keep_all_there_is(void)
{
	aco_share_stack_t *sstk = new (600 * KIB);
	size_t sz = sstk->sz;

	aco_share_stack_destroy(sstk);
	aco_share_stack_cache_limit(sz);
	aco_share_stack_destroy(new (600 * KIB)); /* all room is its */
	make_and_destroy(1, 64 * KIB);
	calls = 0;
	make_and_destroy(1, 64 * KIB);
	ck_assert_int_eq(calls, 0);
}

/* A size of which nothing is kept pushes out what a keeper has. */
START_TEST(pushed_out_of_a_keeper)
{
	in_new_thread(keep_all_there_is);
}
END_TEST

static void limit_memory(rlim_t to)
{
	struct rlimit limit = { to, RLIM_INFINITY };

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

static sem_t may_limit, has_limited;

/* The other thread may have to wait for a lock of this one. */
static void wait_for_limit(void)
{
	struct timespec until;

	limit_memory(RLIM_INFINITY);
	sem_post(&may_limit);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	sem_timedwait(&has_limited, &until);
}

static void *run_out_of_memory(void *arg)
{
	use_keeper();
	aco_share_stack_destroy(new (64 * KIB));
	at_next_call = wait_for_limit;
	limit_memory(0);
	aco_share_stack_destroy(new (8 * KIB * KIB));
	return arg;
}

static void limit_meanwhile(void)
{
	aco_share_stack_t *sstk = new (64 * KIB);
	pthread_t thread;

	sem_init(&may_limit, 0, 0);
	sem_init(&has_limited, 0, 0);
	pthread_create(&thread, NULL, run_out_of_memory, NULL);
	sem_wait(&may_limit);
	aco_share_stack_cache_limit(0);
	aco_share_stack_destroy(sstk);
	sem_post(&has_limited);
	pthread_join(thread, NULL);
	make_and_destroy(10, 64 * KIB);
	calls = 0;
	aco_share_stack_cache_limit(0);
	ck_assert_int_eq(calls, 0);
}

/* When memory has run out, a thread empties the cache while another one sets the
   limit: that stays the limit. */
START_TEST(limit_while_memory_runs_out)
{
	in_new_thread(limit_meanwhile);
}
END_TEST

static void *keep_one(void *arg)
{
	pthread_barrier_t *barrier = arg;

	aco_share_stack_destroy(new (64 * KIB));
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

/* There are more threads than keepers. */
START_TEST(too_many_threads)
{
	pthread_t threads[80];
	pthread_barrier_t barrier;

	has_keeper = 1;
	pthread_barrier_init(&barrier, NULL, T_LEN(threads) + 1);
	for (size_t i = 0; i < T_LEN(threads); i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, keep_one, &barrier),
			0);
	pthread_barrier_wait(&barrier);
	aco_share_stack_cache_limit(0);
	calls = 0;
	aco_share_stack_cache_limit(32768 * KIB);
	ck_assert_int_eq(calls, 0);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < T_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	has_keeper = 0;
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("shards");
	TCase *tc = t_case(s, "shards");

	tcase_add_test(tc, names_that_are_locked);
	tcase_add_test(tc, found_in_another_shard);
	tcase_add_test(tc, not_found_in_a_shard_in_use);
	tcase_add_test(tc, all_busy);
	tcase_add_test(tc, one_limit);
	tcase_add_test(tc, credit_of_another_shard);
	tcase_add_test(tc, room_of_another_shard);
	tcase_add_test(tc, room_of_others);

	tc = t_case(s, "keepers");
	tcase_add_test(tc, no_lock_for_the_last_one);
	tcase_add_test(tc, the_size_is_right);
	tcase_add_test(tc, keepers_obey_the_limit);
	tcase_add_test(tc, keepers_change_while_limited);
	tcase_add_test(tc, credit_is_taken_by_another_thread);
	tcase_add_test(tc, left_to_other_threads);
	tcase_add_test(tc, pushed_out_of_a_keeper);
	tcase_add_test(tc, limit_while_memory_runs_out);
	tcase_add_test(tc, too_many_threads);
	return s;
}
