/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-try-resume.c - the resume that reports instead of aborting
 */
#include "testutil.h"

#include <errno.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

static int steps;

static void counts(void)
{
	for (;;) {
		steps++;
		aco_yield();
	}
}

static void ends(void)
{
	aco_exit();
}

START_TEST(invalid_arguments)
{
	aco_t *co = t_co(t_sstk, counts, NULL);

	errno = 0;
	ck_assert_int_eq(aco_try_resume(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	for (size_t i = 1; i < sizeof(void *); i++) {
		errno = 0;
		ck_assert_int_eq(aco_try_resume((aco_t *)((uintptr_t)co + i)),
				 -1);
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert_int_eq(steps, 0);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

START_TEST(success_is_a_resume)
{
	aco_t *one = t_co(t_sstk, counts, NULL);
	aco_t *two = t_co(t_sstk, counts, NULL);

	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(aco_try_resume(one), 0);
		ck_assert_ptr_eq(aco_get_co(), t_main);
		ck_assert_int_eq(aco_try_resume(two), 0);
	}
	ck_assert_int_eq(steps, 20);
	ck_assert_uint_eq(one->save_stack.ct_save, 10);
}
END_TEST

START_TEST(it_ends)
{
	aco_t *co = t_co(t_sstk, ends, NULL);

	ck_assert_int_eq(aco_try_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

static void tries_arg(void)
{
	ck_assert_int_eq(aco_try_resume(aco_get_arg()), 0);
	steps += 100;
	aco_exit();
}

START_TEST(nested)
{
	aco_t *co = t_co(t_stack(T_STACK_SIZE), counts, NULL);
	aco_t *nest = t_co(t_sstk, tries_arg, co);

	ck_assert_int_eq(aco_try_resume(nest), 0);
	ck_assert_int_eq(steps, 101);
	ck_assert_int_eq(nest->is_end, 1);
}
END_TEST

/* ---------------------------------------------------------------- ENOMEM -- */

#define BIG (8 * MIB)

/* Holds more than the save stack will have room for. */
static void holds_much(void)
{
	char *p = __builtin_alloca(BIG);

	t_opaque(p);
	for (char c = 1;; c++) {
		p[0] = p[BIG / 2] = p[BIG - 1] = c;
		steps++;
		aco_yield();
		if (p[0] != c || p[BIG / 2] != c || p[BIG - 1] != c)
			steps = -1000;
	}
}

static void limit_memory(rlim_t sz)
{
	const struct rlimit limit = { sz, RLIM_INFINITY };

	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void check_refused(aco_t *co)
{
	aco_t *current = aco_get_co();
	int before = steps;

	errno = 0;
	t_child(aco_try_resume(co) == -1);
	t_child(errno == ENOMEM);
	t_child(steps == before);
	t_child(aco_get_co() == current);
}

static void run_out_of_memory(void *arg)
{
	aco_share_stack_t *sstk = t_stack(BIG + MIB);
	aco_t *big = t_co(sstk, holds_much, NULL);
	aco_t *co = t_co(sstk, counts, NULL);
	aco_save_stack_t before;

	(void)arg;
	aco_resume(big);
	before = big->save_stack;
	limit_memory(MIB);
	for (int i = 0; i < 3; i++) {
		check_refused(co);
		t_child(sstk->owner == big);
		t_child(!memcmp(&big->save_stack, &before, sizeof(before)));
	}
	/* the owner itself needs no room */
	t_child(aco_try_resume(big) == 0);
	t_child(steps == 2);
	limit_memory(RLIM_INFINITY);
	t_child(aco_try_resume(co) == 0);
	t_child(aco_try_resume(big) == 0);
	t_child(big->save_stack.ct_save == 1 && steps == 4);
}

START_TEST(no_memory)
{
	t_expect_ok(run_out_of_memory, NULL);
}
END_TEST

/* The one that fails is nested in a co, which goes on. */
static void is_refused(void)
{
	check_refused(aco_get_arg());
	aco_yield();
	t_child(aco_try_resume(aco_get_arg()) == 0);
	aco_exit();
}

static void run_out_of_memory_in_a_co(void *arg)
{
	aco_share_stack_t *sstk = t_stack(BIG + MIB);
	aco_t *big = t_co(sstk, holds_much, NULL);
	aco_t *co = t_co(sstk, counts, NULL);
	aco_t *nest = t_co(t_sstk, is_refused, co);

	(void)arg;
	aco_resume(big);
	limit_memory(MIB);
	aco_resume(nest);
	t_child(aco_get_co() == t_main);
	limit_memory(RLIM_INFINITY);
	aco_resume(nest);
	t_child(nest->is_end && steps == 2);
}

START_TEST(no_memory_in_a_co)
{
	t_expect_ok(run_out_of_memory_in_a_co, NULL);
}
END_TEST

void t_reset(void)
{
	steps = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("try-resume");
	TCase *tc = t_case(s, "try-resume");

	tcase_add_test(tc, invalid_arguments);
	tcase_add_test(tc, success_is_a_resume);
	tcase_add_test(tc, it_ends);
	tcase_add_test(tc, nested);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, no_memory_in_a_co);
	return s;
}
