/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-stats.c - aco_stats()
 *
 * Each test runs in a process of its own, where Check forks; otherwise earlier
 * tests have counted, too.  So most of them look at differences.
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

static aco_stats_t before;

static aco_stats_t stats(void)
{
	aco_stats_t s;

	t_child(aco_stats(&s) == 0);
	return s;
}

void t_reset(void)
{
	before = stats();
}

/* What there is more than at the last t_reset() or begin(). */
static long long more(size_t offset)
{
	aco_stats_t now = stats();
	uint64_t a, b;

	memcpy(&a, (char *)&before + offset, sizeof(a));
	memcpy(&b, (char *)&now + offset, sizeof(b));
	return (long long)(b - a);
}
#define MORE(member) more(offsetof(aco_stats_t, member))

static void begin(void)
{
	before = stats();
}

static void yields(void)
{
	for (;;)
		aco_yield();
}

static void ends(void)
{
	aco_exit();
}

/* ---------------------------------------------------------------- the call -- */

START_TEST(null)
{
	errno = 0;
	ck_assert_int_eq(aco_stats(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(reserved_words_are_zero)
{
	aco_stats_t s;

	memset(&s, 0x5a, sizeof(s));
	errno = 7;
	ck_assert_int_eq(aco_stats(&s), 0);
	ck_assert_int_eq(errno, 7);
	for (size_t i = 0; i < T_LEN(s.reserved); i++)
		ck_assert_uint_eq(s.reserved[i], 0);
	/* that of a program for another word */
	ck_assert_uint_eq(sizeof(s), 24 * 8);
}
END_TEST

/* --------------------------------------------------------------------- cos -- */

#define MANY 1000

static aco_t *co[MANY];

static void make(size_t n, size_t save_stack_sz)
{
	for (size_t i = 0; i < n; i++) {
		co[i] = aco_create(t_main, t_sstk, save_stack_sz, ends, NULL);
		ck_assert_ptr_nonnull(co[i]);
	}
}

static void destroy(size_t n)
{
	while (n-- > 0)
		aco_destroy(co[n]);
}

START_TEST(cos_made_and_destroyed)
{
	ck_assert_int_eq(MORE(cos), 1); /* t_main */
	for (size_t n = 1; n <= MANY; n *= 3) {
		make(n, _i ? 100 : 0);
		ck_assert_int_eq(MORE(cos), (long long)n + 1);
		destroy(n);
		ck_assert_int_eq(MORE(cos), 1);
	}
}
END_TEST

START_TEST(cos_that_end_or_start_again)
{
	begin();
	make(1, 0);
	aco_resume(co[0]);
	ck_assert_int_eq(MORE(cos), 1);
	ck_assert_int_eq(aco_reset(co[0], ends, NULL), 0);
	ck_assert_int_eq(MORE(cos), 1);
	destroy(1);
	ck_assert_int_eq(MORE(cos), 0);
}
END_TEST

START_TEST(main_cos)
{
	aco_t *main_co;

	begin();
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	ck_assert_int_eq(MORE(cos), 1);
	aco_destroy(main_co);
	ck_assert_int_eq(MORE(cos), 0);
}
END_TEST

START_TEST(calls_that_fail)
{
	begin();
	ck_assert_ptr_null(aco_create(t_main, t_sstk, 0, NULL, NULL));
	ck_assert_ptr_null(aco_create(t_main, t_sstk, SIZE_MAX, ends, NULL));
	ck_assert_ptr_null(aco_share_stack_new(SIZE_MAX));
	ck_assert_int_eq(MORE(cos), 0);
	ck_assert_int_eq(MORE(stacks), 0);
	ck_assert_int_eq(MORE(save_bytes), 0);
}
END_TEST

/* Exact up to 64, and then at most a 64th too much. */
START_TEST(peak_of_cos)
{
	uint64_t peak = stats().cos_peak;

	ck_assert_uint_ge(peak, stats().cos);
	make(50, 0);
	ck_assert_uint_eq(stats().cos_peak, stats().cos);
	destroy(50);
	ck_assert_uint_eq(stats().cos_peak, stats().cos + 50);
	for (int i = 0; i < 10; i++) {
		make(30, 0);
		destroy(30);
	}
	ck_assert_uint_eq(stats().cos_peak, stats().cos + 50);
	make(MANY, 0);
	ck_assert_uint_ge(stats().cos_peak, stats().cos);
	ck_assert_uint_le(stats().cos_peak, stats().cos + MANY / 64 + 1);
	destroy(MANY);
}
END_TEST

/* ------------------------------------------------------------------ stacks -- */

START_TEST(stacks)
{
	static char mem[8192];
	aco_share_stack_t *sstk[40];

	begin();
	for (int i = 0; i < 40; i++) {
		sstk[i] = i == 20 ? aco_share_stack_from(mem, sizeof(mem))
				  : aco_share_stack_new2(8192, i % 3 != 0);
		ck_assert_ptr_nonnull(sstk[i]);
		ck_assert_int_eq(MORE(stacks), i + 1);
	}
	ck_assert_uint_eq(stats().stacks_peak, stats().stacks);
	for (int i = 40; i-- > 0;) {
		aco_share_stack_destroy(sstk[i]);
		ck_assert_int_eq(MORE(stacks), i);
	}
	ck_assert_uint_eq(stats().stacks_peak, stats().stacks + 40);
}
END_TEST

START_TEST(stacks_with_cos)
{
	aco_share_stack_t *sstk;
	aco_t *last;

	begin();
	sstk = aco_share_stack_new(0);
	last = aco_create(t_main, sstk, 0, ends, NULL);
	aco_share_stack_destroy(sstk);
	ck_assert_int_eq(MORE(stacks), 1);
	aco_destroy(last);
	ck_assert_int_eq(MORE(stacks), 0);
}
END_TEST

START_TEST(stacks_in_the_cache)
{
	aco_share_stack_t *sstk[3];

	aco_share_stack_cache_limit(1 << 20);
	begin();
	ck_assert_int_eq(before.stacks_cached, 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < T_LEN(sstk); i++)
			sstk[i] = aco_share_stack_new(8192);
		ck_assert_int_eq(MORE(stacks), 3);
		ck_assert_int_eq(MORE(stacks_cached), 0);
		for (size_t i = 0; i < T_LEN(sstk); i++)
			aco_share_stack_destroy(sstk[i]);
		ck_assert_int_eq(MORE(stacks), 0);
		ck_assert_int_eq(MORE(stacks_cached), 3);
	}
	aco_share_stack_cache_limit(0);
	ck_assert_int_eq(MORE(stacks_cached), 0);
	ck_assert_int_eq(MORE(stacks), 0);
	sstk[0] = aco_share_stack_new(8192);
	ck_assert_int_eq(MORE(stacks), 1);
	aco_share_stack_destroy(sstk[0]);
	ck_assert_int_eq(MORE(stacks), 0);
}
END_TEST

/* ------------------------------------------------------------ save stacks -- */

static void yields_deep(void)
{
	char frame[3000];
	char *p = frame;

	for (;;) {
		t_opaque(p);
		aco_yield();
	}
}

static long long sum_of_sizes(aco_t *const *of, size_t n)
{
	long long sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (long long)of[i]->save_stack.sz;
	return sum;
}

START_TEST(save_stacks)
{
	aco_t *of[6];

	begin();
	for (size_t i = 0; i < T_LEN(of); i++)
		of[i] = aco_create(t_main, t_sstk, i % 2 * 100 * i,
				   i < 3 ? yields : yields_deep, NULL);
	ck_assert_int_eq(MORE(save_bytes), 100 + 300 + 500);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < T_LEN(of); i++) {
			aco_resume(of[i]);
			ck_assert_int_eq(MORE(save_bytes),
					 sum_of_sizes(of, T_LEN(of)));
		}
	ck_assert_int_gt(MORE(save_bytes), 9000);
	for (size_t i = 0; i < T_LEN(of); i++) {
		aco_destroy(of[i]);
		ck_assert_int_eq(MORE(save_bytes),
				 sum_of_sizes(of + i + 1, T_LEN(of) - i - 1));
	}
}
END_TEST

/* ------------------------------------------------------------------ copies -- */

static long long copies_of(aco_t *const *of, size_t n)
{
	long long sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (long long)(of[i]->save_stack.ct_save +
				   of[i]->save_stack.ct_restore);
	return sum;
}

static void yields_to(void)
{
	for (;;)
		aco_yield_to(*(aco_t **)aco_get_arg());
}

/* By a resume and by aco_yield_to(), of few bytes and of many. */
START_TEST(copies)
{
	aco_t *of[4];
	long long bytes = 0, valid;

	begin();
	for (size_t i = 0; i < T_LEN(of); i++)
		of[i] = t_co(t_sstk, _i ? yields_deep : yields, NULL);
	for (int round = 0; round < 5; round++)
		for (size_t i = 0; i < T_LEN(of); i++) {
			aco_t *owner = t_sstk->owner;

			valid = (long long)of[i]->save_stack.valid_sz;
			aco_resume(of[i]);
			bytes += valid;
			if (owner)
				bytes += (long long)owner->save_stack.valid_sz;
			ck_assert_int_eq(MORE(copies),
					 copies_of(of, T_LEN(of)));
			ck_assert_int_eq(MORE(copied_bytes), bytes);
		}
	ck_assert_int_ge(MORE(copies), 30);
}
END_TEST

static void yields_deepest(void)
{
	char frame[1 << 20];
	char *p = frame;

	for (;;) {
		t_opaque(p);
		aco_yield();
	}
}

/* Where a word has 32 bits, half of what it can count is moved away from there. */
START_TEST(more_bytes_than_a_word_counts)
{
	aco_share_stack_t *sstk;
	aco_t *of[2];
	uint64_t bytes = 0;

	if (sizeof(size_t) == sizeof(uint64_t))
		return;
	begin();
	sstk = t_stack(2 << 20);
	for (size_t i = 0; i < T_LEN(of); i++) {
		of[i] = t_co(sstk, yields_deepest, NULL);
		aco_resume(of[i]);
	}
	for (size_t i = 0; bytes < UINT64_C(5) << 30; i = !i) {
		bytes = (uint64_t)MORE(copied_bytes);
		aco_resume(of[i]);
		ck_assert_uint_ge((uint64_t)MORE(copied_bytes),
				  bytes + (2 << 20));
	}
}
END_TEST

START_TEST(copies_by_yield_to)
{
	aco_t *of[2];

	begin();
	of[0] = t_co(t_sstk, yields_to, &of[1]);
	of[1] = t_co(t_sstk, _i ? yields_deep : yields, NULL);
	for (int round = 0; round < 5; round++) {
		long long bytes = MORE(copied_bytes);

		aco_resume(of[0]);
		ck_assert_int_eq(MORE(copies), copies_of(of, 2));
		/* more for the one than for the other */
		ck_assert_int_gt(MORE(copied_bytes), bytes);
		ck_assert(!round || !_i || MORE(copied_bytes) > bytes + 5000);
	}
	ck_assert_int_ge(MORE(copies), 10);
}
END_TEST

START_TEST(standalone_cos_are_not_copied)
{
	aco_t *alone = t_co(t_sstk, yields_deep, NULL);

	begin();
	for (int i = 0; i < 5; i++)
		aco_resume(alone);
	ck_assert_int_eq(MORE(copies), 0);
	ck_assert_int_eq(MORE(copied_bytes), 0);
}
END_TEST

/* ----------------------------------------------------------------- threads -- */

#define THREADS 4

static pthread_barrier_t barrier;
static aco_t *handed[THREADS][MANY];

static void *lives(void *arg)
{
	aco_t **mine = arg;
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);

	for (size_t i = 0; i < MANY; i++)
		mine[i] = aco_create(main_co, sstk, i % 2 * 50, yields, NULL);
	for (size_t i = 0; i < 10; i++)
		aco_resume(mine[i]);
	pthread_barrier_wait(&barrier);
	/* the main thread looks */
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < MANY; i++)
		aco_destroy(mine[i]);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return NULL;
}

START_TEST(sum_of_threads)
{
	pthread_t thread[THREADS];
	long long copies, saved = 0;

	begin();
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, lives, handed[i]), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(MORE(cos), THREADS * (MANY + 1));
	ck_assert_int_eq(MORE(stacks), THREADS);
	copies = MORE(copies);
	ck_assert_int_ge(copies, THREADS * 9);
	for (size_t i = 0; i < THREADS; i++)
		saved += sum_of_sizes(handed[i], MANY);
	ck_assert_int_eq(MORE(save_bytes), saved);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(MORE(cos), 0);
	ck_assert_int_eq(MORE(stacks), 0);
	ck_assert_int_eq(MORE(save_bytes), 0);
	ck_assert_int_eq(MORE(copies), copies); /* stay */
	ck_assert_uint_ge(stats().cos_peak, THREADS * (MANY + 1));
	ck_assert_uint_le(stats().cos_peak, THREADS * (MANY + 100));
	pthread_barrier_destroy(&barrier);
}
END_TEST

static long long with_own_main;

/* Its main co is another thread's, so the library makes one here. */
static void *resumes(void *of)
{
	aco_resume(of);
	t_child(aco_get_co() != NULL);
	with_own_main = MORE(cos);
	return NULL;
}

START_TEST(main_cos_of_the_library)
{
	aco_t *one = t_co(t_sstk, yields, NULL);
	pthread_t thread;

	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, resumes, one), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(with_own_main, 0);
	ck_assert_int_eq(MORE(cos), 0);
}
END_TEST

static void destroy_all(aco_t **of)
{
	for (size_t i = 0; i < MANY; i++)
		aco_destroy(of[i]);
}

#define ROUNDS 20

static int is_known;

static void *destroys(void *of)
{
	/* it has pieces at hand, and is known, from then on; or not */
	if (is_known)
		aco_destroy(aco_create(NULL, NULL, 0, NULL, NULL));
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		destroy_all(of);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* This thread only makes cos, another one only destroys them, and keeps no more
   than it may. */
START_TEST(cos_that_another_thread_destroys)
{
	pthread_t thread;

	begin();
	is_known = _i;
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, destroys, co), 0);
	for (int round = 0; round < ROUNDS; round++) {
		make(MANY, round % 2 * 70);
		ck_assert_int_ge(MORE(cos), MANY); /* and its main co */
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		ck_assert_int_eq(MORE(cos), 0);
		ck_assert_int_eq(MORE(save_bytes), 0);
	}
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
	/* two sizes of cos */
	ck_assert_uint_le(stats().cos_peak, before.cos + MANY + 3 * 64 + 20);
}
END_TEST

static void *makes_and_destroys(void *stop)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
		aco_share_stack_t *sstk = aco_share_stack_new(8192);
		aco_t *one = aco_create(main_co, sstk, 64, ends, NULL);

		aco_resume(one);
		aco_destroy(one);
		aco_share_stack_destroy(sstk);
	}
	aco_destroy(main_co);
	return NULL;
}

/* A main co, and at most one of each in the other thread. */
START_TEST(while_another_thread_counts)
{
	pthread_t thread;
	int stop = 0;

	begin();
	ck_assert_int_eq(
		pthread_create(&thread, NULL, makes_and_destroys, &stop), 0);
	for (int i = 0; i < 10000; i++) {
		aco_stats_t s = stats();

		if (s.cos - before.cos > 2 || s.stacks - before.stacks > 1)
			ck_abort_msg("%d cos and %d stacks too many",
				     (int)(s.cos - before.cos),
				     (int)(s.stacks - before.stacks));
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ck_assert_int_eq(MORE(cos), 0);
	ck_assert_int_eq(MORE(stacks), 0);
}
END_TEST

/* -------------------------------------------------------------------- fork -- */

/* What other threads have made is there in the child, too, and can be destroyed
   there. */
START_TEST(in_the_child_of_a_fork)
{
	pthread_t thread;
	int status;
	pid_t pid;

	begin();
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, lives, handed[0]), 0);
	pthread_barrier_wait(&barrier);
	pid = fork();
	if (pid == 0) {
		t_child(MORE(cos) == MANY + 1);
		t_child(MORE(save_bytes) == sum_of_sizes(handed[0], MANY));
		t_child(MORE(copies) >= 9);
		destroy_all(handed[0]);
		t_child(MORE(cos) == 1);
		t_child(MORE(save_bytes) == 0);
		make(100, 0);
		t_child(MORE(cos) == 101);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(MORE(cos), MANY + 1);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	ck_assert_int_eq(MORE(cos), 0);
	pthread_barrier_destroy(&barrier);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = t_case(s, "stats");

	tcase_add_test(tc, null);
	tcase_add_test(tc, reserved_words_are_zero);
	tcase_add_loop_test(tc, cos_made_and_destroyed, 0, 2);
	tcase_add_test(tc, cos_that_end_or_start_again);
	tcase_add_test(tc, main_cos);
	tcase_add_test(tc, calls_that_fail);
	tcase_add_test(tc, peak_of_cos);
	tcase_add_test(tc, stacks);
	tcase_add_test(tc, stacks_with_cos);
	tcase_add_test(tc, stacks_in_the_cache);
	tcase_add_test(tc, save_stacks);
	tcase_add_loop_test(tc, copies, 0, 2);
	tcase_add_test(tc, more_bytes_than_a_word_counts);
	tcase_add_loop_test(tc, copies_by_yield_to, 0, 2);
	tcase_add_test(tc, standalone_cos_are_not_copied);
	tcase_add_test(tc, sum_of_threads);
	tcase_add_test(tc, main_cos_of_the_library);
	tcase_add_loop_test(tc, cos_that_another_thread_destroys, 0, 2);
	tcase_add_test(tc, while_another_thread_counts);
	tcase_add_test(tc, in_the_child_of_a_fork);
	return s;
}
