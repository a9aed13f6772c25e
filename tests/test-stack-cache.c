/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-stack-cache.c - what is kept of destroyed stacks, and given back
 */
#include "testutil.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define DEFAULT_LIMIT (32 * MIB)

static void exits(void)
{
	aco_exit();
}

static void yields(void)
{
	for (;;)
		aco_yield();
}

static aco_share_stack_t *stack(size_t sz)
{
	aco_share_stack_t *sstk = aco_share_stack_new(sz);

	t_child(sstk);
	return sstk;
}

static void run_on(aco_share_stack_t *sstk)
{
	aco_t *co = aco_create(t_main, sstk, 0, exits, NULL);

	t_child(co);
	aco_resume(co);
	t_child(co->is_end);
	aco_destroy(co);
}

static void live(size_t sz)
{
	aco_share_stack_t *sstk = stack(sz);

	run_on(sstk);
	aco_share_stack_destroy(sstk);
}

/* All of n stacks in memory, then destroyed. */
static void use_and_destroy(size_t n, size_t sz)
{
	aco_share_stack_t **stacks = calloc(n, sizeof(*stacks));

	for (size_t i = 0; i < n; i++) {
		stacks[i] = stack(sz);
		run_on(stacks[i]);
		memset(stacks[i]->ptr, 1, stacks[i]->sz - 64);
	}
	while (n > 0)
		aco_share_stack_destroy(stacks[--n]);
	free(stacks);
}

/* ---------------------------------------------------------- system calls -- */

/* From here on any other call that asks for memory, or waits, kills. */
static int forbid_memory_calls(void)
{
	static const int calls[] = {
		SYS_mmap,
		SYS_munmap,
		SYS_madvise,
		SYS_mprotect,
		SYS_mremap,
		SYS_brk,
#if defined(SYS_mmap2)
		SYS_mmap2,
#endif
		SYS_futex
	};
	struct sock_filter code[2 * T_LEN(calls) + 2], *c = code;
	struct sock_fprog prog = { T_LEN(code), code };

	*c++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					    offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < T_LEN(calls); i++) {
		*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						    calls[i], 0, 1);
		*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						    SECCOMP_RET_KILL);
	}
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static void live_without_system_calls(void *size)
{
	live((size_t)(uintptr_t)size);
	if (!forbid_memory_calls())
		return;
	for (int i = 0; i < 1000; i++)
		live((size_t)(uintptr_t)size);
}

START_TEST(no_system_call_once_warm)
{
	static const size_t sizes[] = { 1, 16 * KIB, 64 * KIB, MIB, 0 };

	t_expect_ok(live_without_system_calls, (void *)(uintptr_t)sizes[_i]);
}
END_TEST

static void ask_kernel(void *arg)
{
	if (!forbid_memory_calls())
		raise(SIGSYS);
	live((size_t)(uintptr_t)arg);
}

/* The test above would notice. */
START_TEST(system_calls_when_cold)
{
	t_expect_signal(SIGSYS, ask_kernel, (void *)(uintptr_t)(64 * KIB), "");
}
END_TEST

/* A program changes the size of its stacks. */
static void change_size(void *arg)
{
	(void)arg;
	use_and_destroy(2 * DEFAULT_LIMIT / MIB, MIB);
	live(100 * KIB);
	live(100 * KIB);
	if (!forbid_memory_calls())
		return;
	for (int i = 0; i < 1000; i++)
		live(100 * KIB);
}

START_TEST(another_size_pushes_out)
{
	t_expect_ok(change_size, NULL);
}
END_TEST

/* But not when that is for nothing. */
static void too_large(void *arg)
{
	(void)arg;
	aco_share_stack_cache_limit(100 * KIB);
	live(64 * KIB);
	live(100 * KIB);
	if (forbid_memory_calls())
		live(64 * KIB);
}

START_TEST(larger_than_the_limit)
{
	t_expect_ok(too_large, NULL);
}
END_TEST

/* ------------------------------------------------------------- freshness -- */

START_TEST(looks_new)
{
	aco_share_stack_t *sstk = stack(64 * KIB);
	void *ptr = sstk->ptr, *ret = sstk->align_retptr;
	size_t sz = sstk->sz;
	aco_t *co = aco_create(t_main, sstk, 0, yields, NULL);

	aco_resume(co);
	aco_destroy(co);
	memset(ptr, 0xa5, sz);
	aco_share_stack_destroy(sstk);

	sstk = stack(60 * KIB + 5000); /* another size, but the same class */
	ck_assert_ptr_eq(sstk->ptr, ptr);
	ck_assert_ptr_eq(sstk->align_retptr, ret);
	ck_assert_uint_eq(sstk->sz, sz);
	ck_assert_ptr_null(sstk->owner);
	ck_assert_ptr_null(sstk->sole_user);
	ck_assert_uint_eq(sstk->users, 0);
	ck_assert(sstk->guard_page_enabled);
	/* what tells stack walkers whose it is */
	ck_assert_ptr_eq(*(void **)((char *)ret + sizeof(void *)), sstk);

	/* two users, who need the room for the return address */
	co = t_co(sstk, yields, NULL);
	aco_resume(co);
	run_on(sstk);
	aco_resume(co);
	ck_assert_uint_eq(co->save_stack.ct_save, 1);
	ck_assert_uint_eq(co->save_stack.ct_restore, 1);
	t_destroy(co);
	aco_share_stack_destroy(sstk);
}
END_TEST

/* A stack whose cos are still there when it is destroyed waits for them. */
static void keep_with_the_last(void *arg)
{
	aco_share_stack_t *sstk = stack(64 * KIB), *other;
	aco_t *one = aco_create(t_main, sstk, 0, yields, NULL);
	aco_t *two = aco_create(t_main, sstk, 0, yields, NULL);
	void *ptr = sstk->ptr;

	(void)arg;
	aco_resume(one);
	aco_share_stack_destroy(sstk);
	aco_destroy(one);
	other = stack(64 * KIB);
	t_child(other->ptr != ptr);
	aco_destroy(two);
	sstk = stack(64 * KIB);
	t_child(sstk->ptr == ptr);
	t_child(sstk->users == 0 && !sstk->owner && !sstk->sole_user);
	run_on(sstk);
	aco_share_stack_destroy(sstk);
	aco_share_stack_destroy(other);
}

START_TEST(kept_with_the_last_co)
{
	t_expect_ok(keep_with_the_last, NULL);
}
END_TEST

static void overflow(void *arg)
{
	aco_share_stack_t *sstk;

	(void)arg;
	live(64 * KIB);
	sstk = stack(64 * KIB);
	((volatile char *)sstk->ptr)[-1] = 1;
}

START_TEST(still_guarded)
{
	t_expect_signal(SIGSEGV, overflow, NULL, "");
}
END_TEST

/* ----------------------------------------------------------------- limit -- */

static void keep_at_most(size_t limit, size_t sz)
{
	struct t_memory before = t_memory();

	use_and_destroy(4 * limit / sz, sz);
	t_child(t_memory().resident < before.resident + limit + MIB);
	/* and it is made use of */
	t_child(t_memory().resident > before.resident + limit * 3 / 4);
}

static void keep_default(void *size)
{
	keep_at_most(DEFAULT_LIMIT, (size_t)(uintptr_t)size);
}

static void keep_less(void *size)
{
	aco_share_stack_cache_limit(6 * MIB);
	keep_at_most(6 * MIB, (size_t)(uintptr_t)size);
}

static const size_t kept_sizes[] = { 64 * KIB, 200 * KIB, MIB };

START_TEST(default_limit)
{
	t_expect_ok(keep_default, (void *)(uintptr_t)kept_sizes[_i]);
}
END_TEST

START_TEST(lower_limit)
{
	t_expect_ok(keep_less, (void *)(uintptr_t)kept_sizes[_i]);
}
END_TEST

static void lower_to(void *limit)
{
	struct t_memory before, after;

	live(64 * KIB); /* the memory of cos is there */
	aco_share_stack_cache_limit(DEFAULT_LIMIT);
	before = t_memory();
	use_and_destroy(DEFAULT_LIMIT / (80 * KIB), 64 * KIB);
	t_child(t_memory().resident > before.resident + DEFAULT_LIMIT / 2);
	aco_share_stack_cache_limit((size_t)(uintptr_t)limit);
	after = t_memory();
	t_child(after.resident < before.resident + MIB / 2);
	t_child(after.total < before.total + MIB / 2);
	if (limit)
		return;
	for (int i = 0; i < 100; i++)
		live(64 * KIB);
	after = t_memory();
	t_child(after.resident < before.resident + MIB / 2);
	t_child(after.total < before.total + MIB / 2);
}

START_TEST(limit_gives_back)
{
	t_expect_ok(lower_to, (void *)(uintptr_t)_i);
}
END_TEST

static void set_and_set(void *arg)
{
	struct t_memory before;
	uint32_t state = 5;

	(void)arg;
	for (int i = 0; i < 300; i++) {
		aco_share_stack_cache_limit(t_random(&state) % (4 * MIB));
		for (int k = 0; k < 10; k++)
			use_and_destroy(t_random(&state) % 5,
					t_random(&state) % (600 * KIB));
	}
	aco_share_stack_cache_limit(4 * MIB);
	/* no credit has got lost, and none was made */
	keep_at_most(4 * MIB, 64 * KIB);
	aco_share_stack_cache_limit(SIZE_MAX);
	before = t_memory();
	use_and_destroy(100, MIB);
	t_child(t_memory().resident > before.resident + 99 * MIB);
}

START_TEST(set_again_and_again)
{
	t_expect_ok(set_and_set, NULL);
}
END_TEST

/* ---------------------------------------------------------------- memory -- */

/* What is kept is given up when it is what is missing. */
static void need_it(void *arg)
{
	struct t_memory now;
	struct rlimit limit;

	(void)arg;
	use_and_destroy(DEFAULT_LIMIT / (3 * MIB), 2 * MIB);
	now = t_memory();
	limit.rlim_cur = limit.rlim_max = now.total + 4 * MIB;
	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	live(16 * MIB);
}

START_TEST(emptied_when_memory_is_short)
{
	t_expect_ok(need_it, NULL);
}
END_TEST

/* --------------------------------------------------------------- threads -- */

#define THREADS 4

static void in_threads(void *(*fn)(void *), int n)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < n; i++)
		t_child(!pthread_create(&threads[i], NULL, fn, NULL));
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static pthread_barrier_t barrier;

/* They meet after all have made theirs, so that each destroys many. */
static void *use_in_thread(void *arg)
{
	enum { N = 100 };
	aco_share_stack_t *stacks[N];

	(void)arg;
	for (int turn = 0; turn < 5; turn++) {
		for (size_t i = 0; i < N; i++) {
			stacks[i] = stack((i % 10 + 1) * 20 * KIB);
			memset(stacks[i]->ptr, 1, stacks[i]->sz - 64);
		}
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < N; i++)
			aco_share_stack_destroy(stacks[i]);
	}
	return NULL;
}

static void threads_together(void *then)
{
	struct t_memory before, after;

	pthread_barrier_init(&barrier, NULL, THREADS);
	aco_share_stack_cache_limit(4 * MIB);
	before = t_memory();
	in_threads(use_in_thread, THREADS);
	after = t_memory();
	t_child(after.resident < before.resident + 6 * MIB);
	if (then) {
		/* those that ended leave the room to others */
		live_without_system_calls((void *)(uintptr_t)(2 * MIB));
		return;
	}
	aco_share_stack_cache_limit(0);
	after = t_memory();
	t_child(after.resident < before.resident + 2 * MIB);
}

START_TEST(limit_for_all_threads)
{
	t_expect_ok(threads_together, (void *)(uintptr_t)_i);
}
END_TEST

static aco_share_stack_t *handed_over;

static void *destroy_handed_over(void *arg)
{
	(void)arg;
	aco_share_stack_destroy(handed_over);
	return NULL;
}

/* One thread makes stacks, others destroy them. */
static void hand_over(void *arg)
{
	void *ptr;

	(void)arg;
	handed_over = stack(64 * KIB);
	ptr = handed_over->ptr;
	in_threads(destroy_handed_over, 1);
	for (int i = 0; i < 100; i++) {
		handed_over = stack(64 * KIB);
		t_child(handed_over->ptr == ptr);
		in_threads(destroy_handed_over, 1);
	}
}

START_TEST(handed_over_between_threads)
{
	t_expect_ok(hand_over, NULL);
}
END_TEST

/* ------------------------------------------------------------------ fork -- */

static int stop;

static void *churn(void *arg)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	uint32_t state = 1 + (uint32_t)(uintptr_t)arg;
	aco_share_stack_t *sstk;
	aco_t *co;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		sstk = stack(t_random(&state) % 3 * 100 * KIB);
		co = aco_create(main_co, sstk, 0, exits, NULL);
		aco_resume(co);
		aco_destroy(co);
		aco_share_stack_destroy(sstk);
		if (arg && t_random(&state) % 64 == 0)
			aco_share_stack_cache_limit(t_random(&state) % MIB);
	}
	aco_destroy(main_co);
	return NULL;
}

/* All that a program can do with stacks; the lock of a thread that is not there
   any more would hold it up. */
static void be_child(void)
{
	alarm(60);
	for (int i = 0; i < 3; i++) {
		live(64 * KIB);
		live(200 * KIB);
		live(0);
		use_and_destroy(20, 5000);
	}
	aco_share_stack_cache_limit(0);
	live(64 * KIB);
	_exit(0);
}

static void fork_again_and_again(void *arg)
{
	pthread_t threads[THREADS];

	(void)arg;
	for (uintptr_t i = 0; i < THREADS; i++)
		t_child(!pthread_create(&threads[i], NULL, churn,
					(void *)(i / 2)));
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		int status;

		t_child(pid >= 0);
		if (pid == 0)
			be_child();
		t_child(waitpid(pid, &status, 0) == pid);
		t_child(status == 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(fork_among_threads)
{
	t_expect_ok(fork_again_and_again, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("stack-cache");
	TCase *tc = t_case(s, "system calls");

	tcase_add_loop_test(tc, no_system_call_once_warm, 0, 5);
	tcase_add_test(tc, system_calls_when_cold);
	tcase_add_test(tc, another_size_pushes_out);
	tcase_add_test(tc, larger_than_the_limit);

	tc = t_case(s, "freshness");
	tcase_add_test(tc, looks_new);
	tcase_add_test(tc, kept_with_the_last_co);
	tcase_add_test(tc, still_guarded);

	tc = t_case(s, "limit");
	tcase_add_loop_test(tc, default_limit, 0, T_LEN(kept_sizes));
	tcase_add_loop_test(tc, lower_limit, 0, T_LEN(kept_sizes));
	tcase_add_loop_test(tc, limit_gives_back, 0, 2);
	tcase_add_test(tc, set_again_and_again);
	tcase_add_test(tc, emptied_when_memory_is_short);

	tc = t_case(s, "threads");
	tcase_add_loop_test(tc, limit_for_all_threads, 0, 2);
	tcase_add_test(tc, handed_over_between_threads);
	tcase_add_test(tc, fork_among_threads);
	return s;
}
