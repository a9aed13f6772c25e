/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-arena.c - guarded stacks by the ten thousands
 *
 * Each test is a child process, because what is looked at belongs to the whole
 * process: memory, mappings, limits, system calls that it doesn't have.
 */
#include "testutil.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* The address space of i386 holds so many of the smallest. */
#define MANY (sizeof(void *) > 4 ? (size_t)200000 : (size_t)25000)

/* More than the default vm.max_map_count allows with two mappings each. */
#define OVER_THE_MAP_LIMIT (sizeof(void *) > 4 ? (size_t)40000 : (size_t)33000)

static aco_share_stack_t **stacks;
static aco_t **users;

/* Nothing is kept of destroyed stacks: test-stack-cache.c is about that. */
static void alloc_arrays(size_t n)
{
	aco_share_stack_cache_limit(0);
	stacks = calloc(n, sizeof(*stacks));
	users = calloc(n, sizeof(*users));
	t_child(stacks && users);
}

/* ------------------------------------------------- what the kernel says -- */

static size_t mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	size_t n = 0;
	int c;

	t_child(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static size_t number_in(const char *path, const char *format)
{
	FILE *f = fopen(path, "r");
	char line[128];
	size_t n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f) && sscanf(line, format, &n) != 1)
		continue;
	fclose(f);
	return n;
}

/* With some room for whatever else runs. */
static int has_memory_for(size_t stacks_with_a_page)
{
	size_t kib = number_in("/proc/meminfo", "MemAvailable: %zu");

	return kib > 3 * stacks_with_a_page * 6;
}

static int kernel_has_guards(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int has = madvise(map, page, MADV_GUARD_INSTALL) == 0;

	munmap(map, page);
	return has;
}

/*
 * What madvise() says from here on to this advice and higher ones.  0 when that
 * can't be arranged.
 */
static int answer_advice(int advice, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)advice, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { T_LEN(code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

/* As kernels before Linux 6.13 do. */
static int forget_guards(void)
{
	return answer_advice(MADV_GUARD_INSTALL, EINVAL) &&
	       !kernel_has_guards();
}

/* --------------------------------------------------------------- faults -- */

static sigjmp_buf after_fault;
static volatile void *fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(after_fault, 1);
}

static int faults(volatile char *p)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO }, saved;

	sa.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &sa, &saved);
	fault_at = NULL;
	if (sigsetjmp(after_fault, 1) == 0)
		*p = 'x';
	sigaction(SIGSEGV, &saved, NULL);
	return fault_at == p;
}

/* From the first byte below the stack to the last that is promised. */
static void check_guard(const aco_share_stack_t *sstk)
{
	char *low = sstk->ptr;

	t_child(sstk->guard_page_enabled);
	t_child(faults(low - 1));
	t_child(faults(low - 4096));
	t_child(faults(low - 64 * KIB));
	t_child(!faults(low));
}

/* ----------------------------------------------------------------- many -- */

static void counts(void)
{
	int *n = aco_get_arg();

	for (;;) {
		++*n;
		aco_yield();
	}
}

/* Each co is resumed and says so. */
static size_t make_cos(size_t n, int *count)
{
	size_t i;

	for (i = 0; i < n; i++) {
		stacks[i] = aco_share_stack_new(4096);
		if (!stacks[i])
			break;
		users[i] = aco_create(t_main, stacks[i], 0, counts, count);
		t_child(users[i]);
		aco_resume(users[i]);
	}
	return i;
}

static void destroy(size_t i)
{
	if (users[i])
		aco_destroy(users[i]);
	aco_share_stack_destroy(stacks[i]);
	users[i] = NULL;
	stacks[i] = NULL;
}

static void beyond_the_map_limit(void *arg)
{
	size_t i, maps = mappings();
	int count = 0;

	(void)arg;
	alloc_arrays(OVER_THE_MAP_LIMIT);
	t_child(make_cos(OVER_THE_MAP_LIMIT, &count) == OVER_THE_MAP_LIMIT);
	t_child(count == (int)OVER_THE_MAP_LIMIT);
	t_child(mappings() < maps + 2000);
	for (i = 0; i < OVER_THE_MAP_LIMIT; i += 97)
		check_guard(stacks[i]);
	for (i = 0; i < OVER_THE_MAP_LIMIT; i++)
		aco_resume(users[i]);
	t_child(count == 2 * (int)OVER_THE_MAP_LIMIT);
	for (i = 0; i < OVER_THE_MAP_LIMIT; i++)
		destroy(i);
}

START_TEST(more_guarded_stacks_than_mappings)
{
	if (kernel_has_guards() && has_memory_for(OVER_THE_MAP_LIMIT))
		t_expect_ok(beyond_the_map_limit, NULL);
}
END_TEST

/* Where every guard is a mapping of its own. */
static void up_to_the_map_limit(void *arg)
{
	size_t limit = number_in("/proc/sys/vm/max_map_count", "%zu");
	size_t i, n, maps = mappings();
	int count = 0;

	(void)arg;
	if (!forget_guards() || limit < 1000 || limit > 100000)
		return;
	alloc_arrays(limit);
	errno = 0;
	n = make_cos(limit, &count);
	t_child(n < limit && n > limit / 2 - 1000);
	t_child(errno == ENOMEM);
	for (i = 0; i < n; i += 97)
		check_guard(stacks[i]);
	for (i = 0; i < n; i++)
		aco_resume(users[i]);
	t_child(count == 2 * (int)n);
	/* one goes, one comes */
	destroy(n / 2);
	stacks[n / 2] = aco_share_stack_new(4096);
	t_child(stacks[n / 2]);
	check_guard(stacks[n / 2]);
	for (i = 0; i < n; i += 2)
		destroy(i);
	for (i = 1; i < n; i += 2)
		destroy(i);
	t_child(mappings() < maps + 50);
}

START_TEST(map_limit_without_guard_advice)
{
	if (has_memory_for(OVER_THE_MAP_LIMIT))
		t_expect_ok(up_to_the_map_limit, NULL);
}
END_TEST

/* Some emulators do nothing, and say that all is well. */
static void ignore_advice(void *arg)
{
	(void)arg;
	if (!answer_advice(MADV_GUARD_INSTALL, 0))
		return;
	alloc_arrays(10);
	for (size_t i = 0; i < 10; i++) {
		stacks[i] = aco_share_stack_new(i * 4096);
		t_child(stacks[i]);
		check_guard(stacks[i]);
	}
}

START_TEST(advice_that_is_ignored)
{
	t_expect_ok(ignore_advice, NULL);
}
END_TEST

/* ------------------------------------------------------------ any order -- */

static void forward(size_t n)
{
	for (size_t i = 0; i < n; i++)
		destroy(i);
}

static void backward(size_t n)
{
	while (n > 0)
		destroy(--n);
}

static void every_second(size_t n)
{
	for (size_t i = 0; i < n; i += 2)
		destroy(i);
	for (size_t i = 1; i < n; i += 2)
		destroy(i);
}

static void at_random(size_t n)
{
	uint32_t state = 4711;

	while (n > 0) {
		size_t i = t_random(&state) % n--;
		aco_share_stack_t *sstk = stacks[i];

		aco_share_stack_destroy(sstk);
		stacks[i] = stacks[n];
	}
}

static void (*const orders[])(size_t n) = { forward, backward, every_second,
					    at_random };

static void make_and_destroy(void *order)
{
	struct t_memory before, between, after;
	size_t i, maps;

	alloc_arrays(MANY);
	memset(stacks, 1, MANY * sizeof(*stacks));
	before = t_memory();
	maps = mappings();
	for (i = 0; i < MANY; i++) {
		stacks[i] = aco_share_stack_new(4096);
		t_child(stacks[i]);
	}
	between = t_memory();
	t_child(between.resident - before.resident < MANY * 4400);
	orders[(intptr_t)order](MANY);
	after = t_memory();
	t_child(after.resident < before.resident + 2 * MIB);
	t_child(after.total < before.total + 2 * MIB);
	t_child(mappings() <= maps + 2);
}

START_TEST(destroyed_in_any_order)
{
	if (kernel_has_guards() && has_memory_for(MANY))
		t_expect_ok(make_and_destroy, (void *)(intptr_t)_i);
}
END_TEST

/* What every 16th leaves behind is given back, and can be had again. */
static void thin_out(void *arg)
{
	const size_t n = MANY / 10;
	size_t i, resident = t_memory().resident;

	(void)arg;
	alloc_arrays(n);
	for (i = 0; i < n; i++)
		t_child((stacks[i] = aco_share_stack_new(4096)));
	for (i = 0; i < n; i++)
		if (i % 16)
			destroy(i);
	t_child(t_memory().resident < resident + n / 16 * 4096 + n * 300);
	for (i = 0; i < n; i++) {
		if (i % 16)
			t_child((stacks[i] = aco_share_stack_new(4096)));
		if (i % 97 == 1)
			check_guard(stacks[i]);
	}
	forward(n);
}

START_TEST(many_destroyed_among_others)
{
	t_expect_ok(thin_out, NULL);
}
END_TEST

/* Some go, others come in their place; none touches another's memory. */
static void come_and_go(void *arg)
{
	enum { ALIVE = 300, TURNS = 20000 };
	uint32_t state = 42;

	(void)arg;
	alloc_arrays(ALIVE);
	for (int turn = 0; turn < TURNS; turn++) {
		size_t i = t_random(&state) % ALIVE;
		size_t sz = t_random(&state) % (100 * KIB);
		char *p;

		if (stacks[i]) {
			p = stacks[i]->ptr;
			t_child(p[0] == (char)i && p[sz % 4096] == (char)i);
			t_child(p[stacks[i]->sz - 64] == (char)i);
			destroy(i);
			continue;
		}
		stacks[i] = aco_share_stack_new(sz);
		t_child(stacks[i] && stacks[i]->sz >= sz);
		t_child(stacks[i]->users == 0 && !stacks[i]->owner);
		memset(stacks[i]->ptr, (int)i, 4096);
		((char *)stacks[i]->ptr)[stacks[i]->sz - 64] = (char)i;
	}
	for (size_t i = 0; i < ALIVE; i++)
		if (stacks[i])
			destroy(i);
}

START_TEST(sizes_come_and_go)
{
	t_expect_ok(come_and_go, NULL);
}
END_TEST

/* -------------------------------------------------------- address space -- */

/* How much is mapped for one stack does not depend on those that were destroyed. */
static void one_after_the_other(void *arg)
{
	size_t with_one = 0;

	(void)arg;
	alloc_arrays(1);
	for (int i = 0; i < 20; i++) {
		stacks[0] = aco_share_stack_new(4096);
		t_child(stacks[0]);
		if (i == 0)
			with_one = t_memory().total;
		t_child(t_memory().total <= with_one);
		destroy(0);
	}
}

START_TEST(address_space_of_one_at_a_time)
{
	t_expect_ok(one_after_the_other, NULL);
}
END_TEST

/* Of one stack, and of many: what is there for others is no more than them. */
static void reserve(void *size)
{
	size_t sz = (size_t)(uintptr_t)size;
	size_t each = (sz ? sz : 2 * MIB) * 5 / 4 + 80 * KIB;
	size_t before = t_memory().total;
	size_t n = sizeof(void *) > 4 ? 500 : 50;

	alloc_arrays(n);
	stacks[0] = aco_share_stack_new(sz);
	t_child(stacks[0]);
	t_child(t_memory().total - before < each + 200 * KIB);
	for (size_t i = 1; i < n; i++) {
		stacks[i] = aco_share_stack_new(sz);
		t_child(stacks[i]);
	}
	t_child(t_memory().total - before < 2 * n * each + 200 * KIB);
	forward(n);
}

START_TEST(address_space)
{
	static const size_t sizes[] = { 1, 16 * KIB, 64 * KIB, MIB,
					0, 3 * MIB,  5 * MIB };

	t_expect_ok(reserve, (void *)(uintptr_t)sizes[_i]);
}
END_TEST

/* What is there is used up to the last stack, not only for whole arenas. */
static void use_up(void *arg)
{
	const struct rlimit limit = { 256 * MIB, 256 * MIB };
	size_t n = 0, again = 0;

	(void)arg;
	alloc_arrays(10000);
	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	while ((stacks[n] = aco_share_stack_new(64 * KIB)))
		n++;
	t_child(errno == ENOMEM);
	t_child(n * 160 * KIB > 180 * MIB);
	for (size_t i = 0; i < n; i += 2)
		aco_share_stack_destroy(stacks[i]);
	for (; again < n; again += 2) {
		stacks[again] = aco_share_stack_new(64 * KIB);
		t_child(stacks[again]);
	}
	forward(n);
	/* and for another size */
	for (n = 0; n < 20; n++)
		t_child((stacks[n] = aco_share_stack_new(8 * MIB)));
	forward(n);
}

START_TEST(address_space_is_used_up)
{
	t_expect_ok(use_up, NULL);
}
END_TEST

/* -------------------------------------------------------- locked memory -- */

static int lock_memory(void)
{
	const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &limit);
	return mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
}

static void with_locked_memory(void *arg)
{
	enum { N = 40 };
	int count = 0;

	(void)arg;
	alloc_arrays(2 * N);
	t_child(make_cos(N, &count) == N); /* before, in the same arenas */
	if (!lock_memory())
		return;
	stacks += N;
	users += N;
	t_child(make_cos(N, &count) == N);
	stacks -= N;
	users -= N;
	for (size_t i = 0; i < 2 * N; i++) {
		aco_resume(users[i]);
		check_guard(stacks[i]);
	}
	t_child(count == 4 * N);
	every_second(2 * N);
	t_child(make_cos(N, &count) == N);
	for (size_t i = 0; i < N; i++)
		check_guard(stacks[i]);
	forward(N);
}

START_TEST(locked_memory)
{
	t_expect_ok(with_locked_memory, NULL);
}
END_TEST

/* What a program does after a failure does not hide it. */
static void destroy_locked(void *arg)
{
	(void)arg;
	alloc_arrays(2);
	if (!lock_memory())
		return;
	for (size_t i = 0; i < 2; i++)
		stacks[i] = aco_share_stack_new(4096);
	errno = ERANGE;
	for (size_t i = 0; i < 2; i++)
		aco_share_stack_destroy(stacks[i]);
	t_child(errno == ERANGE);
}

START_TEST(errno_stays)
{
	t_expect_ok(destroy_locked, NULL);
}
END_TEST

/* ----------------------------------------------------------------- fork -- */

static void guards_in_a_child(void *arg)
{
	int count = 0;

	(void)arg; /* made by the parent */
	for (size_t i = 0; i < 20; i++) {
		check_guard(stacks[i]);
		aco_resume(users[i]);
	}
	every_second(20);
	t_child(make_cos(20, &count) == 20);
	for (size_t i = 0; i < 20; i++)
		check_guard(stacks[i]);
	forward(20);
}

START_TEST(guards_after_fork)
{
	int count = 0;

	alloc_arrays(20);
	ck_assert_uint_eq(make_cos(20, &count), 20);
	t_expect_ok(guards_in_a_child, NULL);
	forward(20);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("first");

	/* before there is any stack */
	tcase_add_test(tc, advice_that_is_ignored);
	suite_add_tcase(s, tc);

	tc = t_case(s, "arena");

	tcase_add_test(tc, more_guarded_stacks_than_mappings);
	tcase_add_test(tc, map_limit_without_guard_advice);
	tcase_add_loop_test(tc, destroyed_in_any_order, 0, T_LEN(orders));
	tcase_add_test(tc, many_destroyed_among_others);
	tcase_add_test(tc, sizes_come_and_go);
	tcase_add_test(tc, address_space_of_one_at_a_time);
	tcase_add_loop_test(tc, address_space, 0, 7);
	tcase_add_test(tc, address_space_is_used_up);
	tcase_add_test(tc, locked_memory);
	tcase_add_test(tc, errno_stays);
	tcase_add_test(tc, guards_after_fork);
	return s;
}
