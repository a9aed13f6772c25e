/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-reset.c - aco_reset(): another life for a co
 */
#include "testutil.h"

#include <errno.h>

static int first_steps;
static int second_steps;

static void first(void)
{
	for (;;) {
		first_steps++;
		aco_yield();
	}
}

static void second(void)
{
	int *steps = aco_get_arg();

	for (int i = 0; i < 3; i++) {
		++*steps;
		aco_yield();
	}
	aco_exit();
}

/* --------------------------------------------------------- bad arguments -- */

START_TEST(bad_arguments)
{
	aco_t *co = t_co(t_sstk, first, &first_steps);
	aco_t before;

	aco_resume(co);
	before = *co;
	errno = 0;
	ck_assert_int_eq(aco_reset(NULL, second, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(aco_reset((aco_t *)((char *)co + 1), second, NULL),
			 -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(aco_reset(t_main, second, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(aco_reset(co, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	/* nothing has changed */
	ck_assert_mem_eq(&before, co, sizeof(before));
	aco_resume(co);
	ck_assert_int_eq(first_steps, 2);
}
END_TEST

/* ---------------------------------------------------------------- states -- */

/* co is as new, and runs second() to its end. */
static void check_new_life(aco_t *co)
{
	ck_assert_int_eq(aco_reset(co, second, &second_steps), 0);
	ck_assert_ptr_eq(co->arg, &second_steps);
	ck_assert(co->fp == second);
	ck_assert_int_eq(co->is_end, 0);
	ck_assert_uint_eq(co->save_stack.valid_sz, 0);
	ck_assert_ptr_null(co->reg[ACO_REG_IDX_BP]);
	ck_assert_ptr_ne(co->share_stack->owner, co);
	ck_assert_int_eq(aco_state(co), ACO_STATE_INIT);

	second_steps = 0;
	t_finish(co, 4);
	ck_assert_int_eq(second_steps, 3);
}

START_TEST(never_started)
{
	check_new_life(t_co(t_sstk, first, NULL));
	ck_assert_int_eq(first_steps, 0);
}
END_TEST

START_TEST(suspended)
{
	aco_t *co = t_co(t_sstk, first, NULL);

	aco_resume(co);
	aco_resume(co);
	ck_assert_ptr_eq(t_sstk->owner, co);
	check_new_life(co);
	ck_assert_int_eq(first_steps, 2);
}
END_TEST

START_TEST(ended)
{
	aco_t *co = t_co(t_sstk, second, &second_steps);

	t_finish(co, 4);
	for (int i = 0; i < 100; i++)
		check_new_life(co);
}
END_TEST

/* The other one's bytes stay, and those of the old life are not copied. */
START_TEST(suspended_owner_of_a_shared_stack)
{
	aco_t *co = t_co(t_sstk, first, NULL);
	aco_t *other = t_co(t_sstk, first, NULL);

	aco_resume(other);
	aco_resume(co);
	ck_assert_int_eq(aco_reset(co, second, &second_steps), 0);
	ck_assert_ptr_null(t_sstk->owner);
	aco_resume(other);
	ck_assert_uint_eq(co->save_stack.ct_save, 0);
	aco_resume(co);
	aco_resume(other);
	ck_assert_int_eq(first_steps, 4);
	ck_assert_int_eq(second_steps, 1);
	check_new_life(co);
}
END_TEST

START_TEST(suspended_and_copied_out)
{
	aco_t *co = t_co(t_sstk, first, NULL);
	aco_t *other = t_co(t_sstk, first, NULL);

	aco_resume(co);
	aco_resume(other);
	ck_assert_uint_gt(co->save_stack.valid_sz, 0);
	check_new_life(co);
	aco_resume(other);
	ck_assert_int_eq(first_steps, 3);
}
END_TEST

static void resets_another(void)
{
	aco_t *co = aco_get_arg();

	ck_assert_int_eq(aco_reset(co, second, &second_steps), 0);
	aco_yield();
	aco_exit();
}

/* Where the stack of co is the one that the caller runs on, too. */
START_TEST(by_another_co)
{
	aco_t *co = t_co(t_sstk, first, NULL);
	aco_t *other = t_co(_i ? t_sstk : t_stack(T_STACK_SIZE), resets_another,
			    co);

	aco_resume(co);
	aco_resume(other);
	t_finish(co, 4);
	t_finish(other, 2);
	ck_assert_int_eq(second_steps, 3);
	ck_assert_int_eq(first_steps, 1);
}
END_TEST

/* ------------------------------------------------------------ what stays -- */

START_TEST(memory_and_statistics_stay)
{
	aco_t *co = t_co2(t_sstk, first, NULL, 4096, ACO_RETURN_EXITS);
	aco_t *other = t_co(t_sstk, first, NULL);
	aco_save_stack_t before;

	for (int i = 0; i < 5; i++) {
		aco_resume(co);
		aco_resume(other);
	}
	before = co->save_stack;
	ck_assert_uint_eq(before.ct_save, 5);
	ck_assert_uint_eq(before.ct_restore, 4);
	ck_assert_int_eq(aco_reset(co, t_reset, NULL), 0);
	before.valid_sz = 0;
	ck_assert_mem_eq(&before, &co->save_stack, sizeof(before));
	ck_assert_ptr_eq(co->main_co, t_main);
	ck_assert_ptr_eq(co->share_stack, t_sstk);
	/* and its flags: t_reset() returns */
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

/* Alone on its stack it is as fast as before; another user changes that. */
START_TEST(alone_and_then_not)
{
	aco_t *co = t_co(t_sstk, first, NULL);
	aco_t *other;

	for (int i = 0; i < 10; i++) {
		aco_resume(co);
		aco_resume(co);
		other = t_co(t_sstk, first, NULL);
		ck_assert_int_eq(aco_reset(co, second, &second_steps), 0);
		aco_resume(other);
		aco_resume(co);
		aco_resume(other);
		aco_resume(co);
		t_destroy(other);
		ck_assert_int_eq(aco_reset(co, first, NULL), 0);
	}
	ck_assert_int_eq(second_steps, 20);
	ck_assert_int_eq(first_steps, 40);
}
END_TEST

void t_reset(void)
{
	first_steps = 0;
	second_steps = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("reset");
	TCase *tc = t_case(s, "arguments");

	tcase_add_test(tc, bad_arguments);

	tc = t_case(s, "states");
	tcase_add_test(tc, never_started);
	tcase_add_test(tc, suspended);
	tcase_add_test(tc, ended);
	tcase_add_test(tc, suspended_owner_of_a_shared_stack);
	tcase_add_test(tc, suspended_and_copied_out);
	tcase_add_loop_test(tc, by_another_co, 0, 2);

	tc = t_case(s, "what stays");
	tcase_add_test(tc, memory_and_statistics_stay);
	tcase_add_test(tc, alone_and_then_not);
	return s;
}
