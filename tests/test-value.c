/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-value.c - aco_resume_value(), aco_yield_value(), aco_exit_value()
 */
#include "testutil.h"

#include <pthread.h>

/* Distinct pointers. */
static char cell[32];
#define V(i) ((void *)&cell[i])

/* Sends back what it gets, and ends when that is NULL. */
static void echoes(void)
{
	void *v = aco_get_arg();

	while (v)
		v = aco_yield_value(v);
	aco_exit_value(V(31));
}

START_TEST(both_ways)
{
	aco_t *co = t_co(t_sstk, echoes, V(1));
	aco_t *other = _i ? t_co(t_sstk, echoes, V(2)) : NULL;

	ck_assert_ptr_eq(aco_resume_value(co, V(30)), V(1));
	if (other)
		ck_assert_ptr_eq(aco_resume_value(other, V(30)), V(2));
	for (int i = 3; i < 20; i++) {
		ck_assert_ptr_eq(aco_resume_value(co, V(i)), V(i));
		if (other)
			ck_assert_ptr_eq(aco_resume_value(other, V(i + 1)),
					 V(i + 1));
	}
	ck_assert_ptr_eq(aco_resume_value(co, NULL), V(31));
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

/* What the first resume sends is lost, also for the first yield. */
static void yields_at_once(void)
{
	*(void **)aco_get_arg() = aco_yield_value(V(2));
	aco_exit();
}

START_TEST(the_first_one_is_lost)
{
	void *got = V(9);
	aco_t *co = t_co(t_sstk, yields_at_once, &got);

	ck_assert_ptr_eq(aco_resume_value(co, V(1)), V(2));
	ck_assert_ptr_null(aco_resume_value(co, V(3)));
	ck_assert_ptr_eq(got, V(3));
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

static void returns(void)
{
}

START_TEST(return_sends_nothing)
{
	aco_t *co = t_co2(t_sstk, returns, NULL, 0, ACO_RETURN_EXITS);

	ck_assert_ptr_null(aco_resume_value(co, V(1)));
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

/* -------------------------------------------------------- with the plain -- */

static void *last_got;

/* One of each kind, in turn. */
static void mixes(void)
{
	for (;;) {
		last_got = aco_yield_value(V(1));
		aco_yield();
		last_got = V(9);
	}
}

START_TEST(with_plain_calls)
{
	aco_t *co = t_co(t_sstk, mixes, NULL);

	aco_resume(co); /* it sends to one who does not listen */
	ck_assert_ptr_null(aco_resume_value(co, V(2)));
	ck_assert_ptr_eq(last_got, V(2));

	/* lost: the other one is in a plain yield */
	ck_assert_ptr_eq(aco_resume_value(co, V(3)), V(1));
	aco_resume(co);
	ck_assert_ptr_null(last_got);

	aco_resume(co);
	ck_assert_ptr_null(aco_resume_value(co, V(4)));
	ck_assert_ptr_eq(last_got, V(4));
}
END_TEST

/* Any mixture: a model says what each side gets. */
static int co_takes;
static void *sent_to_co, *sent_to_main;

static void random_side(void)
{
	uint32_t seed = 4711;

	for (;;) {
		void *v = V(t_random(&seed) % 30);

		sent_to_main = NULL;
		co_takes = 0;
		if (t_random(&seed) % 2) {
			aco_yield();
			continue;
		}
		co_takes = 1;
		sent_to_main = v;
		ck_assert_ptr_eq(aco_yield_value(v), sent_to_co);
	}
}

START_TEST(any_mixture)
{
	aco_t *co = t_co(t_sstk, random_side, NULL);
	aco_t *other = _i ? t_co(t_sstk, mixes, NULL) : NULL;
	uint32_t seed = 42;

	for (int i = 0; i < 10000; i++) {
		void *v = V(t_random(&seed) % 30);

		if (other && t_random(&seed) % 2)
			aco_resume_value(other, v);
		sent_to_co = NULL;
		if (t_random(&seed) % 2) {
			aco_resume(co);
			continue;
		}
		if (co_takes)
			sent_to_co = v;
		v = aco_resume_value(co, v);
		if (v != sent_to_main)
			ck_abort_msg("step %d", i);
	}
}
END_TEST

/* --------------------------------------------------------------- nesting -- */

/* Sends on what its inner one sends back. */
static void relays(void)
{
	aco_t *inner = aco_get_arg();
	void *v = aco_yield_value(NULL);

	while (v)
		v = aco_yield_value(aco_resume_value(inner, v));
	aco_exit();
}

START_TEST(nested)
{
	aco_t *inner = t_co(t_sstk, echoes, V(1));
	aco_t *mid = t_co(t_stack(T_STACK_SIZE), relays, inner);
	aco_t *top = t_co(t_stack(T_STACK_SIZE), relays, mid);

	aco_resume(inner);
	aco_resume(mid);
	ck_assert_ptr_null(aco_resume_value(top, V(5)));
	for (int i = 1; i < 20; i++)
		ck_assert_ptr_eq(aco_resume_value(top, V(i)), V(i));
}
END_TEST

/* The one in the middle doesn't listen: nothing waits there for it. */
static void resumes_plainly(void)
{
	for (;;) {
		aco_resume(aco_get_arg());
		last_got = aco_yield_value(V(7));
	}
}

START_TEST(plain_in_the_middle)
{
	aco_t *inner = t_co(t_sstk, echoes, V(1));
	aco_t *outer = t_co(t_stack(T_STACK_SIZE), resumes_plainly, inner);

	ck_assert_ptr_eq(aco_resume_value(outer, V(2)), V(7));
	/* inner waits for a value and gets none */
	aco_resume(outer);
	ck_assert_ptr_null(last_got);
	ck_assert_int_eq(inner->is_end, 1);
}
END_TEST

/* ----------------------------------------------------------------- reset -- */

static void yields_plainly(void)
{
	for (;;)
		aco_yield();
}

/* It waited for a value; the new life doesn't. */
START_TEST(reset_while_it_waits)
{
	aco_t *co = t_co(t_sstk, echoes, V(1));

	aco_resume(co);
	ck_assert_int_eq(aco_reset(co, yields_plainly, NULL), 0);
	ck_assert_ptr_null(aco_resume_value(co, V(3)));
}
END_TEST

/* --------------------------------------------------------------- threads -- */

struct step {
	aco_t *co;
	void *sent, *got;
};

static void *resume_there(void *arg)
{
	struct step *step = arg;

	step->got = aco_resume_value(step->co, step->sent);
	return NULL;
}

START_TEST(over_threads)
{
	aco_t *co = t_co(t_sstk, echoes, V(1));
	pthread_t thread;

	ck_assert_ptr_eq(aco_resume_value(co, NULL), V(1));
	for (int i = 2; i < 20; i += 2) {
		struct step step = { co, V(i), NULL };

		ck_assert_int_eq(
			pthread_create(&thread, NULL, resume_there, &step), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		ck_assert_ptr_eq(step.got, V(i));
		ck_assert_ptr_eq(aco_resume_value(co, V(i + 1)), V(i + 1));
	}
}
END_TEST

/*
 * Something is sent here to one who does not listen, who listens elsewhere
 * then, and comes back without: what was sent must be gone.
 */
static aco_t *deaf;

static void sends_to_deaf(void)
{
	for (;;)
		aco_yield_value(V(9));
}

static void is_deaf(void)
{
	aco_resume(aco_get_arg());
	aco_yield();
	last_got = aco_yield_value(NULL);
	aco_exit();
}

static void *resume_deaf(void *arg)
{
	aco_resume(deaf);
	return arg;
}

START_TEST(nothing_is_left_behind_in_a_thread)
{
	aco_t *sender = t_co(t_sstk, sends_to_deaf, NULL);
	pthread_t thread;

	deaf = t_co(t_stack(T_STACK_SIZE), is_deaf, sender);
	aco_resume(deaf);
	ck_assert_int_eq(pthread_create(&thread, NULL, resume_deaf, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	last_got = V(8);
	aco_resume(deaf);
	ck_assert_ptr_null(last_got);
}
END_TEST

void t_reset(void)
{
	last_got = NULL;
	co_takes = 0;
	sent_to_main = NULL;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("value");
	TCase *tc = t_case(s, "value");

	tcase_add_loop_test(tc, both_ways, 0, 2);
	tcase_add_test(tc, the_first_one_is_lost);
	tcase_add_test(tc, return_sends_nothing);
	tcase_add_test(tc, with_plain_calls);
	tcase_add_loop_test(tc, any_mixture, 0, 2);
	tcase_add_test(tc, nested);
	tcase_add_test(tc, plain_in_the_middle);
	tcase_add_test(tc, reset_while_it_waits);
	tcase_add_test(tc, over_threads);
	tcase_add_test(tc, nothing_is_left_behind_in_a_thread);
	return s;
}
