/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-longjmp.c - setjmp() and longjmp() within a co
 */
#include "testutil.h"

#include <setjmp.h>

static jmp_buf *target;

static void yield_then_jump(void)
{
	jmp_buf *env = target;

	aco_yield();
	longjmp(*env, 7);
}

static void jumps(void)
{
	volatile int *jumped = aco_get_arg();

	for (;;) {
		jmp_buf env;
		volatile long local = *jumped * 3L;
		int value = setjmp(env);

		if (value == 0) {
			target = &env;
			t_deep(5 + *jumped % 20, yield_then_jump);
		}
		if (value != 7 || local != *jumped * 3L)
			ck_abort_msg("value %d", value);
		++*jumped;
		if (*jumped == 100)
			break;
		aco_yield();
	}
	aco_exit();
}

static void check_jumps(aco_share_stack_t *a, aco_share_stack_t *b)
{
	int first = 0;
	int second = 0;
	aco_t *one = t_co(a, jumps, &first);
	aco_t *two = t_co(b, jumps, &second);

	while (!one->is_end) {
		aco_resume(one);
		aco_resume(two);
	}
	ck_assert_int_eq(two->is_end, 1);
	ck_assert_int_eq(first, 100);
	ck_assert_int_eq(second, 100);
}

START_TEST(standalone)
{
	check_jumps(t_sstk, t_stack(T_STACK_SIZE));
}
END_TEST

/* The jump buffer is on the stack that is copied out and in. */
START_TEST(sharing)
{
	check_jumps(t_sstk, t_sstk);
}
END_TEST

/* The main context jumps past resumes that have come back. */
static void yields_for_ever(void)
{
	for (;;)
		aco_yield();
}

START_TEST(in_the_main_context)
{
	aco_t *co = t_co(t_sstk, yields_for_ever, NULL);
	volatile int jumped = 0;
	jmp_buf env;

	setjmp(env);
	aco_resume(co);
	if (++jumped < 100)
		longjmp(env, 1);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_int_eq(jumped, 100);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("longjmp");
	TCase *tc = t_case(s, "longjmp");

	tcase_add_test(tc, standalone);
	tcase_add_test(tc, sharing);
	tcase_add_test(tc, in_the_main_context);
	return s;
}
