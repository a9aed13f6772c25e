/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-state.c - aco_state() of every kind of co, asked from everywhere
 */
#include "testutil.h"

#include <pthread.h>

static void yields_then_ends(void)
{
	ck_assert_int_eq(aco_state(aco_co()), ACO_STATE_RUNNING);
	aco_yield();
	ck_assert_int_eq(aco_state(aco_co()), ACO_STATE_RUNNING);
	aco_exit();
}

/* A life, standalone and with a co that shares the stack. */
START_TEST(a_life)
{
	aco_t *co = t_co(t_sstk, yields_then_ends, NULL);
	aco_t *other = _i ? t_co(t_sstk, yields_then_ends, NULL) : NULL;

	ck_assert_int_eq(aco_state(co), ACO_STATE_INIT);
	aco_resume(co);
	ck_assert_int_eq(aco_state(co), ACO_STATE_SUSPENDED);
	if (other)
		aco_resume(other);
	ck_assert_int_eq(aco_state(co), ACO_STATE_SUSPENDED);
	ck_assert_int_eq(aco_is_end(co), 0);
	aco_resume(co);
	ck_assert_int_eq(aco_state(co), ACO_STATE_END);
	ck_assert_int_eq(aco_is_end(co), 1);
	ck_assert_int_eq(aco_is_end(t_main), 0);
	ck_assert_int_eq(aco_reset(co, yields_then_ends, NULL), 0);
	ck_assert_int_eq(aco_state(co), ACO_STATE_INIT);
	ck_assert_int_eq(aco_is_end(co), 0);
}
END_TEST

/* It loses its stack for itself while it is suspended, or runs. */
static void shares_its_stack(void)
{
	t_co(aco_co()->share_stack, yields_then_ends, NULL);
	ck_assert_int_eq(aco_state(aco_co()), ACO_STATE_RUNNING);
	aco_yield();
	aco_exit();
}

START_TEST(another_user_comes)
{
	aco_t *co = t_co(t_sstk, yields_then_ends, NULL);
	aco_t *two = t_co(t_stack(T_STACK_SIZE), shares_its_stack, NULL);

	aco_resume(co);
	t_co(t_sstk, yields_then_ends, NULL);
	ck_assert_int_eq(aco_state(co), ACO_STATE_SUSPENDED);
	aco_resume(two);
	ck_assert_int_eq(aco_state(two), ACO_STATE_SUSPENDED);
}
END_TEST

/* ----------------------------------------------------------------- chain -- */

static aco_t *outer, *middle, *inner;

static void asks_about_the_chain(void)
{
	ck_assert_int_eq(aco_state(inner), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(middle), ACO_STATE_RESUMING);
	ck_assert_int_eq(aco_state(outer), ACO_STATE_RESUMING);
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RESUMING);
	aco_yield();
}

static void resumes_inner(void)
{
	aco_resume(inner);
	ck_assert_int_eq(aco_state(inner), ACO_STATE_SUSPENDED);
	ck_assert_int_eq(aco_state(middle), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(outer), ACO_STATE_RESUMING);
	aco_yield();
}

static void resumes_middle(void)
{
	aco_resume(middle);
	ck_assert_int_eq(aco_state(middle), ACO_STATE_SUSPENDED);
	ck_assert_int_eq(aco_state(outer), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RESUMING);
	aco_exit();
}

START_TEST(in_the_chain)
{
	inner = t_co(t_stack(T_STACK_SIZE), asks_about_the_chain, NULL);
	middle = t_co(t_stack(T_STACK_SIZE), resumes_inner, NULL);
	outer = t_co(t_sstk, resumes_middle, NULL);
	aco_resume(outer);
	ck_assert_int_eq(aco_state(outer), ACO_STATE_END);
	ck_assert_int_eq(aco_state(middle), ACO_STATE_SUSPENDED);
}
END_TEST

/* -------------------------------------------------------------- main cos -- */

static aco_t *other_main;

static void asks_about_mains(void)
{
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RESUMING);
	ck_assert_int_eq(aco_state(other_main), ACO_STATE_RUNNING);
	aco_yield();
}

START_TEST(main_cos)
{
	other_main = t_main_co();
	ck_assert_ptr_null(aco_get_co());
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RUNNING);
	aco_resume(t_co(t_sstk, asks_about_mains, NULL));
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(other_main), ACO_STATE_RUNNING);
}
END_TEST

/* --------------------------------------------------------------- threads -- */

static void *asks_from_elsewhere(void *arg)
{
	ck_assert_int_eq(aco_state(outer), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(inner), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RUNNING);
	return arg;
}

static void asks_in_a_thread(void)
{
	pthread_t thread;

	ck_assert_int_eq(
		pthread_create(&thread, NULL, asks_from_elsewhere, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	aco_exit();
}

static void resumes_and_ends(void)
{
	aco_resume(inner);
	aco_exit();
}

/* Another thread can't tell whether the co waits. */
START_TEST(from_another_thread)
{
	inner = t_co(t_stack(T_STACK_SIZE), asks_in_a_thread, NULL);
	outer = t_co(t_sstk, resumes_and_ends, NULL);
	aco_resume(outer);
	ck_assert_int_eq(outer->is_end, 1);
	ck_assert_int_eq(inner->is_end, 1);
}
END_TEST

/* ------------------------------------------------------------- protector -- */

static void asks_in_last_word(void)
{
	t_child(aco_state(aco_co()) == ACO_STATE_RUNNING);
	_exit(0);
}

static void returns(void)
{
}

static void return_without_exit(void *arg)
{
	(void)arg;
	aco_thread_init(asks_in_last_word);
	aco_resume(t_co(t_sstk, returns, NULL));
}

START_TEST(in_the_protector)
{
	t_expect_ok(return_without_exit, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("state");
	TCase *tc = t_case(s, "state");

	tcase_add_loop_test(tc, a_life, 0, 2);
	tcase_add_test(tc, another_user_comes);
	tcase_add_test(tc, in_the_chain);
	tcase_add_test(tc, main_cos);
	tcase_add_test(tc, from_another_thread);
	tcase_add_test(tc, in_the_protector);
	return s;
}
