/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-share-stack.c - making, using up and destroying share stacks
 */
#include "testutil.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/* ------------------------------------------------------------- arguments -- */

START_TEST(sizes_that_overflow)
{
	static const size_t too_big[] = { SIZE_MAX, SIZE_MAX - 1,
					  SIZE_MAX - 4096, SIZE_MAX - MIB };

	for (size_t i = 0; i < T_LEN(too_big); i++)
		for (int guard = 0; guard < 2; guard++) {
			errno = 0;
			ck_assert_ptr_null(
				aco_share_stack_new2(too_big[i], (char)guard));
			ck_assert_int_eq(errno, EINVAL);
		}
	errno = 0;
	ck_assert_ptr_null(aco_share_stack_new(SIZE_MAX));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(memory_that_is_none)
{
	static char mem[5000];
	const struct {
		void *mem;
		size_t sz;
	} bad[] = {
		{ NULL, 0 },
		{ NULL, 1 << 16 },
		{ mem, 0 },
		{ mem, 4095 },
		{ mem, SIZE_MAX },
		{ mem, UINTPTR_MAX - (uintptr_t)mem + 1 },
		{ (void *)(UINTPTR_MAX - 4096), 8192 },
		{ (void *)(UINTPTR_MAX - 4095), 4096 },
	};

	for (size_t i = 0; i < T_LEN(bad); i++) {
		errno = 0;
		ck_assert_ptr_null(aco_share_stack_from(bad[i].mem, bad[i].sz));
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

/* It does not overflow, but is more than there is. */
static void ask_too_much(void *guard)
{
	const struct rlimit limit = { 512 * MIB, 512 * MIB };

	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	errno = 0;
	t_child(!aco_share_stack_new2(SIZE_MAX / 2 - MIB,
				      (char)(intptr_t)guard));
	t_child(errno == ENOMEM);
}

START_TEST(sizes_beyond_the_address_space)
{
	t_expect_ok(ask_too_much, (void *)(intptr_t)_i);
}
END_TEST

/* ----------------------------------------------------------------- sizes -- */

static const struct {
	size_t asked, at_least;
} sizes[] = {
	{ 0, 2 * MIB },
	{ 1, 4096 },
	{ 2, 4096 },
	{ 4095, 4096 },
	{ 4096, 4096 },
	{ 4097, 4097 },
	{ 8191, 8191 },
	{ 12345, 12345 },
	{ 65536, 65536 },
	{ 65537, 65537 },
	{ 2 * MIB - 1, 2 * MIB - 1 },
	{ 2 * MIB, 2 * MIB },
	{ 16 * MIB + 3, 16 * MIB + 3 },
};

static void check_fields(const aco_share_stack_t *sstk, size_t at_least,
			 int guard)
{
	uintptr_t low = (uintptr_t)sstk->ptr;
	uintptr_t ret = (uintptr_t)sstk->align_retptr;

	ck_assert_uint_ge(sstk->sz, at_least);
	ck_assert_ptr_null(sstk->owner);
	ck_assert_int_eq(!!sstk->guard_page_enabled, guard);
	ck_assert(low < ret && ret + sizeof(void *) <= low + sstk->sz);
	ck_assert_uint_eq((ret + sizeof(void *)) % 16, 0);
	/* what a co's function has, its return address not counted */
	ck_assert_uint_ge(ret - low, at_least);
	if (guard)
		ck_assert_uint_eq(sstk->sz % (size_t)sysconf(_SC_PAGESIZE), 0);
}

START_TEST(sizes_and_fields)
{
	for (int guard = 0; guard < 2; guard++) {
		aco_share_stack_t *sstk = aco_share_stack_new2(sizes[_i].asked,
							       (char)guard);

		ck_assert_ptr_nonnull(sstk);
		check_fields(sstk, sizes[_i].at_least, guard);
		aco_share_stack_destroy(sstk);
	}
}
END_TEST

START_TEST(new_has_a_guard)
{
	aco_share_stack_t *sstk = aco_share_stack_new(10000);

	ck_assert_ptr_nonnull(sstk);
	check_fields(sstk, 10000, 1);
	aco_share_stack_destroy(sstk);
}
END_TEST

/* Stacks of a size do not all begin at the same place in a page; and none of
   them begins where little is left of the first page. */
START_TEST(beginnings_differ)
{
	size_t sz = (size_t)1 << (12 + _i);
	unsigned char seen[64] = { 0 };
	size_t differ = 0;

	for (int i = 0; i < 100; i++) {
		uintptr_t at = (uintptr_t)t_stack(sz)->align_retptr % 4096;

		ck_assert_uint_ge(at, 2900);
		seen[at / 64] = 1;
	}
	for (size_t i = 0; i < T_LEN(seen); i++)
		differ += seen[i];
	ck_assert_uint_ge(differ, 12);
}
END_TEST

/* ------------------------------------------------------------ use it all -- */

/* What the frames of the helpers below may take besides what they measure. */
#define SLACK ((size_t)1024)

struct use {
	aco_share_stack_t *sstk;
	size_t asked;
	size_t used;
};

/* No call, which would put its return address where this writes, nor one to memset(3)
   below, which takes 2 KiB where a sanitizer has one of its own. */
static void write_down_to(volatile char *low, size_t slack)
{
	volatile char *p = (volatile char *)__builtin_frame_address(0) - slack;

	while (p > low)
		*--p = 'x';
}

__attribute__((__noinline__)) static void dig(struct use *use, char *top)
{
	volatile char frame[100];
	volatile char *p = frame;

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 1;
	t_opaque(p);
	use->used = (size_t)(top - p);
	if (use->used + SLACK < use->asked)
		dig(use, top);
	else
		write_down_to(use->sstk->ptr, 400);
	t_opaque(p);
	if (p[0] != 1 || p[99] != 1)
		use->used = 0;
}

static void uses_it_all(void)
{
	struct use *use = aco_get_arg();

	dig(use, __builtin_frame_address(0));
	aco_yield();
	dig(use, __builtin_frame_address(0));
	aco_exit();
}

START_TEST(usable_from_end_to_end)
{
	for (int guard = 0; guard < 2; guard++) {
		struct use use = { .asked = sizes[_i].at_least };
		aco_t *co;

		use.sstk = aco_share_stack_new2(sizes[_i].asked, (char)guard);
		ck_assert_ptr_nonnull(use.sstk);
		co = t_co(use.sstk, uses_it_all, &use);
		aco_resume(co);
		ck_assert_uint_ge(use.used + SLACK, use.asked);
		aco_resume(co);
		ck_assert_uint_ge(use.used + SLACK, use.asked);
		ck_assert_int_eq(co->is_end, 1);
		t_destroy(co);
		aco_share_stack_destroy(use.sstk);
	}
}
END_TEST

/* --------------------------------------------------- the caller's memory -- */

static void check_from(char *mem, size_t sz)
{
	struct use use = { .asked = sz - 200 };
	aco_t *co;

	use.sstk = aco_share_stack_from(mem, sz);
	ck_assert_ptr_nonnull(use.sstk);
	ck_assert_ptr_eq(use.sstk->ptr, mem);
	ck_assert_uint_eq(use.sstk->sz, sz);
	check_fields(use.sstk, sz - 200, 0);
	co = t_co(use.sstk, uses_it_all, &use);
	aco_resume(co);
	ck_assert_uint_ge(use.used + SLACK, use.asked);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	t_destroy(co);
	aco_share_stack_destroy(use.sstk);
}

/* At any address; what lies beside it is not touched, nor is all of it when the
   stack is destroyed. */
START_TEST(memory_of_the_caller)
{
	enum { BESIDE = 64 };
	static const size_t sizes[] = { 4096, 4097, 10000, 65535 };
	static char mem[65535 + 2 * BESIDE + 16], copy[sizeof(mem)];
	size_t sz = sizes[_i / 16];
	char *at = mem + BESIDE + _i % 16;
	aco_share_stack_t *sstk;

	memset(mem, 0x5a, sizeof(mem));
	check_from(at, sz);
	for (char *p = mem; p < at; p++)
		ck_assert_int_eq(*p, 0x5a);
	for (char *p = at + sz; p < mem + sizeof(mem); p++)
		ck_assert_int_eq(*p, 0x5a);

	sstk = aco_share_stack_from(at, sz);
	memset(at, 0x33, sz);
	memcpy(copy, mem, sizeof(mem));
	aco_share_stack_destroy(sstk);
	ck_assert_mem_eq(copy, mem, sizeof(mem));
}
END_TEST

static void yields_twice(void)
{
	int *n = aco_get_arg();
	int was = *n;

	++*n;
	aco_yield();
	ck_assert_int_eq(*n, was + 1);
	++*n;
	aco_yield();
	ck_assert_int_eq(*n, was + 2);
	aco_exit();
}

/* As others do: several users, and destroyed with none. */
START_TEST(shared_memory_of_the_caller)
{
	static char mem[T_STACK_SIZE];
	aco_share_stack_t *sstk = aco_share_stack_from(mem, sizeof(mem));
	int n[3] = { 0, 10, 20 };
	aco_t *co[3];

	for (int i = 0; i < 3; i++)
		co[i] = t_co(sstk, yields_twice, &n[i]);
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < 3; i++)
			aco_resume(co[i]);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(co[i]->is_end, 1);
		ck_assert_uint_gt(co[i]->save_stack.ct_save, 0);
		t_destroy(co[i]);
	}
	aco_share_stack_destroy(sstk);
}
END_TEST

/* ----------------------------------------------------------------- guard -- */

static void writes_below(void)
{
	volatile char *p = aco_co()->share_stack->ptr;

	p[-(intptr_t)aco_get_arg()] = 'x';
	aco_exit();
}

static void overflow_by(void *bytes)
{
	aco_resume(t_co(t_sstk, writes_below, bytes));
}

START_TEST(guard_below_the_stack)
{
	static const intptr_t far[] = { 1, 8, 4096, 8192, 16384, 65536 };

	t_expect_signal(SIGSEGV, overflow_by, (void *)far[_i], "");
}
END_TEST

static void digs_for_ever(void)
{
	struct use use = { aco_co()->share_stack, SIZE_MAX, 0 };

	dig(&use, __builtin_frame_address(0));
	aco_exit();
}

static void recurse_for_ever(void *arg)
{
	(void)arg;
	aco_resume(t_co(t_sstk, digs_for_ever, NULL));
}

START_TEST(endless_recursion_hits_the_guard)
{
	t_expect_signal(SIGSEGV, recurse_for_ever, NULL, "");
}
END_TEST

/* A buffer of 32 KiB in one frame, as fwprintf() had one before glibc 2.43. */
static void has_large_frame(void)
{
	char frame[32 << 10];
	char *deepest = frame;

	t_opaque(deepest);
	*deepest = 42;
	t_opaque(deepest);
	aco_exit();
}

/* Neighbours above and below. */
static void large_frame_among_others(void *size)
{
	aco_share_stack_t *stacks[64];

	for (size_t i = 0; i < T_LEN(stacks); i++)
		stacks[i] = t_stack((size_t)(uintptr_t)size);
	if (stacks[40]->sz > ((size_t)32 << 10))
		raise(SIGSEGV); /* there is room for it */
	aco_resume(t_co(stacks[40], has_large_frame, NULL));
}

START_TEST(large_frame_hits_the_guard)
{
	t_expect_signal(SIGSEGV, large_frame_among_others,
			(void *)(uintptr_t)(4096 * (_i + 1)), "");
}
END_TEST

/* ----------------------------------------------------------------- owner -- */

static void yields_once(void)
{
	aco_yield();
	aco_exit();
}

START_TEST(owner_is_whose_bytes_lie_there)
{
	aco_t *one = t_co(t_sstk, yields_once, NULL);
	aco_t *two = t_co(t_sstk, yields_once, NULL);

	ck_assert_ptr_null(t_sstk->owner);
	aco_resume(one);
	ck_assert_ptr_eq(t_sstk->owner, one);
	aco_resume(two);
	ck_assert_ptr_eq(t_sstk->owner, two);
	aco_resume(one);
	ck_assert_int_eq(one->is_end, 1);
	ck_assert_ptr_null(t_sstk->owner);
	aco_resume(two);
	ck_assert_ptr_null(t_sstk->owner);
}
END_TEST

START_TEST(owner_leaves_when_destroyed)
{
	aco_t *co = t_co(t_sstk, yields_once, NULL);

	aco_resume(co);
	t_destroy(co);
	ck_assert_ptr_null(t_sstk->owner);
}
END_TEST

/* ---------------------------------------------------------------- memory -- */

/* Far more in turn than could be there at one time. */
static void make_and_destroy(void *guard)
{
	const struct rlimit limit = { 512 * MIB, 512 * MIB };

	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	for (int i = 0; i < 500; i++) {
		aco_share_stack_t *sstk =
			aco_share_stack_new2(32 * MIB, (char)(intptr_t)guard);

		t_child(sstk);
		aco_share_stack_destroy(sstk);
	}
}

START_TEST(destroy_gives_memory_back)
{
	t_expect_ok(make_and_destroy, (void *)(intptr_t)_i);
}
END_TEST

/* The same when the cos go last. */
static void make_and_destroy_first(void *guard)
{
	const struct rlimit limit = { 512 * MIB, 512 * MIB };

	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	for (int i = 0; i < 500; i++) {
		aco_share_stack_t *sstk =
			aco_share_stack_new2(32 * MIB, (char)(intptr_t)guard);
		aco_t *co;

		t_child(sstk);
		co = aco_create(t_main, sstk, 0, yields_once, NULL);
		t_child(co);
		aco_resume(co);
		aco_share_stack_destroy(sstk);
		aco_destroy(co);
	}
}

START_TEST(last_co_gives_memory_back)
{
	t_expect_ok(make_and_destroy_first, (void *)(intptr_t)_i);
}
END_TEST

static void runs_out(void *guard)
{
	const struct rlimit limit = { 512 * MIB, 512 * MIB };
	aco_share_stack_t *sstk[64];
	int n = 0;

	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	for (; n < 64; n++) {
		errno = 0;
		sstk[n] = aco_share_stack_new2(32 * MIB, (char)(intptr_t)guard);
		if (!sstk[n])
			break;
	}
	t_child(n > 4 && n < 64);
	t_child(errno == ENOMEM);
	aco_share_stack_destroy(sstk[--n]);
	sstk[n] = aco_share_stack_new2(32 * MIB, (char)(intptr_t)guard);
	t_child(sstk[n]);
}

START_TEST(no_memory)
{
	t_expect_ok(runs_out, (void *)(intptr_t)_i);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("share-stack");
	TCase *tc = t_case(s, "arguments");

	tcase_add_test(tc, sizes_that_overflow);
	tcase_add_test(tc, memory_that_is_none);
	tcase_add_loop_test(tc, sizes_beyond_the_address_space, 0, 2);

	tc = t_case(s, "sizes");
	tcase_add_loop_test(tc, sizes_and_fields, 0, T_LEN(sizes));
	tcase_add_loop_test(tc, usable_from_end_to_end, 0, T_LEN(sizes));
	tcase_add_test(tc, new_has_a_guard);
	tcase_add_loop_test(tc, beginnings_differ, 0, 9);

	tc = t_case(s, "memory of the caller");
	tcase_add_loop_test(tc, memory_of_the_caller, 0, 4 * 16);
	tcase_add_test(tc, shared_memory_of_the_caller);

	tc = t_case(s, "guard");
	tcase_add_loop_test(tc, guard_below_the_stack, 0, 6);
	tcase_add_test(tc, endless_recursion_hits_the_guard);
	tcase_add_loop_test(tc, large_frame_hits_the_guard, 0, 4);

	tc = t_case(s, "owner");
	tcase_add_test(tc, owner_is_whose_bytes_lie_there);
	tcase_add_test(tc, owner_leaves_when_destroyed);

	tc = t_case(s, "memory");
	tcase_add_loop_test(tc, destroy_gives_memory_back, 0, 2);
	tcase_add_loop_test(tc, last_co_gives_memory_back, 0, 2);
	tcase_add_loop_test(tc, no_memory, 0, 2);
	return s;
}
