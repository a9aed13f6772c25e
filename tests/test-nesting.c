/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-nesting.c - cos that resume cos, and several main cos in a thread
 */
#include "testutil.h"

#include <pthread.h>

static char order[256];

static void note(const char *s)
{
	ck_assert_uint_lt(strlen(order) + strlen(s), sizeof(order));
	strcat(order, s);
}

/* ------------------------------------------------------------ three deep -- */

static aco_t *inner, *middle, *outer;

static void inner_fn(void)
{
	ck_assert_ptr_eq(aco_get_co(), inner);
	note("i1 ");
	aco_yield();
	ck_assert_ptr_eq(aco_get_co(), inner);
	note("i2 ");
	aco_exit();
}

static void middle_fn(void)
{
	note("m1 ");
	aco_resume(inner);
	ck_assert_ptr_eq(aco_get_co(), middle);
	note("m2 ");
	aco_yield();
	note("m3 ");
	aco_resume(inner);
	ck_assert_int_eq(inner->is_end, 1);
	ck_assert_ptr_eq(aco_get_co(), middle);
	note("m4 ");
	aco_exit();
}

static void outer_fn(void)
{
	note("o1 ");
	aco_resume(middle);
	ck_assert_ptr_eq(aco_get_co(), outer);
	note("o2 ");
	aco_yield();
	note("o3 ");
	aco_resume(middle);
	ck_assert_ptr_eq(aco_get_co(), outer);
	note("o4 ");
	aco_exit();
}

START_TEST(yield_returns_to_the_resumer)
{
	inner = t_co(t_sstk, inner_fn, NULL);
	middle = t_co(t_stack(T_STACK_SIZE), middle_fn, NULL);
	outer = t_co(t_stack(T_STACK_SIZE), outer_fn, NULL);
	aco_resume(outer);
	ck_assert_str_eq(order, "o1 m1 i1 m2 o2 ");
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_resume(outer);
	ck_assert_str_eq(order, "o1 m1 i1 m2 o2 o3 m3 i2 m4 o4 ");
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert(inner->is_end && middle->is_end && outer->is_end);
}
END_TEST

/* ----------------------------------------------------- changing resumers -- */

static void says_who_runs(void)
{
	for (;;) {
		note("x");
		aco_yield();
	}
}

static void resumes_arg(void)
{
	for (;;) {
		note("[");
		aco_resume(aco_get_arg());
		note("]");
		aco_yield();
	}
}

static void alternate(aco_share_stack_t *a, aco_share_stack_t *b)
{
	aco_t *co = t_co(a, says_who_runs, NULL);
	aco_t *nest = t_co(b, resumes_arg, co);

	for (int i = 0; i < 3; i++) {
		aco_resume(co);
		ck_assert_ptr_eq(aco_get_co(), t_main);
		aco_resume(nest);
		ck_assert_ptr_eq(aco_get_co(), t_main);
	}
	ck_assert_str_eq(order, "x[x]x[x]x[x]");
}

START_TEST(resumed_from_main_and_from_a_co)
{
	alternate(t_sstk, t_stack(T_STACK_SIZE));
}
END_TEST

/* As above, but both must be copied in and out each time. */
START_TEST(resumed_from_main_and_from_a_co_sharing)
{
	aco_share_stack_t *a = t_stack(T_STACK_SIZE);
	aco_share_stack_t *b = t_stack(T_STACK_SIZE);
	aco_t *on_a = t_co(a, says_who_runs, NULL);
	aco_t *on_b = t_co(b, says_who_runs, NULL);
	aco_t *co = t_co(a, says_who_runs, NULL);
	aco_t *nest = t_co(b, resumes_arg, co);

	for (int i = 0; i < 3; i++) {
		aco_resume(nest);
		aco_resume(on_a);
		aco_resume(on_b);
		aco_resume(co);
	}
	ck_assert_str_eq(order, "[x]xxx[x]xxx[x]xxx");
	ck_assert_uint_eq(nest->save_stack.ct_restore, 2);
}
END_TEST

/* A waiting co's stack has other users: they can move on and off only when it
   does not wait, so they run from another resumer. */
static void resumes_two(void)
{
	aco_t **pair = aco_get_arg();

	for (;;) {
		aco_resume(pair[0]);
		aco_resume(pair[1]);
		aco_yield();
	}
}

START_TEST(a_co_resumes_two_that_share)
{
	aco_t *pair[2] = { t_co(t_sstk, says_who_runs, NULL),
			   t_co(t_sstk, says_who_runs, NULL) };
	aco_t *co = t_co(t_stack(T_STACK_SIZE), resumes_two, pair);

	for (int i = 0; i < 4; i++)
		aco_resume(co);
	ck_assert_str_eq(order, "xxxxxxxx");
	ck_assert_uint_eq(pair[0]->save_stack.ct_save, 4);
	ck_assert_uint_eq(pair[1]->save_stack.ct_save, 3);
	ck_assert_uint_eq(co->save_stack.ct_save, 0);
}
END_TEST

/* ----------------------------------------------------------------- chain -- */

#define CHAIN 100

static aco_t *chain[CHAIN];
static int reached;

static void links(void)
{
	int i = (int)(intptr_t)aco_get_arg();

	for (;;) {
		reached += i;
		if (i + 1 < CHAIN)
			aco_resume(chain[i + 1]);
		ck_assert_ptr_eq(aco_get_co(), chain[i]);
		aco_yield();
	}
}

START_TEST(a_long_chain)
{
	for (int i = 0; i < CHAIN; i++)
		chain[i] = t_co(t_stack(32 << 10), links, (void *)(intptr_t)i);
	for (int i = 1; i <= 10; i++) {
		aco_resume(chain[0]);
		ck_assert_int_eq(reached, i * CHAIN * (CHAIN - 1) / 2);
	}
	/* a link of the chain can be resumed from outside, too */
	reached = 0;
	aco_resume(chain[CHAIN - 1]);
	ck_assert_int_eq(reached, CHAIN - 1);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_resume(chain[CHAIN / 2]);
	ck_assert_ptr_eq(aco_get_co(), t_main);
}
END_TEST

/* Cos made, used up and destroyed by a co. */
static void ends_at_once(void)
{
	note("x");
	aco_exit();
}

static void makes_cos(void)
{
	for (int i = 0; i < 5; i++) {
		aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);
		aco_t *co = aco_create(t_main, sstk, 0, ends_at_once, NULL);

		aco_resume(co);
		ck_assert_int_eq(co->is_end, 1);
		aco_destroy(co);
		aco_share_stack_destroy(sstk);
	}
	aco_exit();
}

START_TEST(cos_made_by_a_co)
{
	aco_t *co = t_co(t_sstk, makes_cos, NULL);

	aco_resume(co);
	ck_assert_str_eq(order, "xxxxx");
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

static void resumes_then_exits(void)
{
	aco_resume(aco_get_arg());
	aco_exit();
}

/* The resumer ends; the co that it had resumed goes on for another one. */
START_TEST(the_resumer_ends_first)
{
	aco_t *co = t_co(t_sstk, says_who_runs, NULL);
	aco_t *nest = t_co(t_stack(T_STACK_SIZE), resumes_then_exits, co);

	aco_resume(nest);
	ck_assert_int_eq(nest->is_end, 1);
	t_destroy(nest);
	aco_resume(co);
	ck_assert_str_eq(order, "xx");
	ck_assert_ptr_eq(aco_get_co(), t_main);
}
END_TEST

/* ------------------------------------------------------ several main cos -- */

START_TEST(two_main_cos)
{
	aco_t *other = t_main_co();
	aco_t *one = t_co(t_sstk, says_who_runs, NULL);
	aco_t *two = aco_create(other, t_stack(T_STACK_SIZE), 0, says_who_runs,
				NULL);

	for (int i = 0; i < 3; i++) {
		aco_resume(one);
		ck_assert_ptr_eq(aco_get_co(), t_main);
		aco_resume(two);
		ck_assert_ptr_eq(aco_get_co(), other);
	}
	ck_assert_str_eq(order, "xxxxxx");
	aco_destroy(two);
}
END_TEST

/* Under one main co, resume a co that was made for another. */
START_TEST(nested_across_main_cos)
{
	aco_t *other = t_main_co();
	aco_t *co = aco_create(other, t_sstk, 0, says_who_runs, NULL);
	aco_t *nest = t_co(t_stack(T_STACK_SIZE), resumes_arg, co);

	aco_resume(nest);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), other);
	aco_resume(nest);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_str_eq(order, "[x]x[x]");
	aco_destroy(co);
}
END_TEST

/* Both on one stack, so that each resume copies, across two main cos. */
START_TEST(two_main_cos_sharing)
{
	aco_t *other = t_main_co();
	aco_t *one = t_co(t_sstk, says_who_runs, NULL);
	aco_t *two = aco_create(other, t_sstk, 0, says_who_runs, NULL);

	for (int i = 0; i < 3; i++) {
		aco_resume(one);
		ck_assert_ptr_eq(aco_get_co(), t_main);
		aco_resume(two);
		ck_assert_ptr_eq(aco_get_co(), other);
	}
	ck_assert_uint_eq(one->save_stack.ct_save, 3);
	ck_assert_uint_eq(two->save_stack.ct_save, 2);
	aco_destroy(two);
}
END_TEST

/* ------------------------------------ a main co that is another thread's -- */

struct handover {
	aco_t *co;
	aco_t *before, *first, *second;
	int is_main;
};

static void *resume_it(void *arg)
{
	struct handover *h = arg;

	h->before = aco_get_co();
	aco_resume(h->co);
	h->first = aco_get_co();
	aco_resume(h->co);
	h->second = aco_get_co();
	h->is_main = h->first && aco_is_main_co(h->first);
	return NULL;
}

static void run_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(main_co_of_another_thread)
{
	struct handover h = { .co = t_co(t_sstk, says_who_runs, NULL) };

	aco_resume(h.co);
	run_thread(resume_it, &h);
	ck_assert_ptr_null(h.before);
	ck_assert_ptr_nonnull(h.first);
	ck_assert_ptr_ne(h.first, t_main);
	ck_assert_ptr_eq(h.second, h.first);
	ck_assert(h.is_main);
	aco_resume(h.co);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_str_eq(order, "xxxx");
}
END_TEST

void t_reset(void)
{
	order[0] = '\0';
	reached = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("nesting");
	TCase *tc = t_case(s, "nesting");

	tcase_add_test(tc, yield_returns_to_the_resumer);
	tcase_add_test(tc, resumed_from_main_and_from_a_co);
	tcase_add_test(tc, resumed_from_main_and_from_a_co_sharing);
	tcase_add_test(tc, a_co_resumes_two_that_share);
	tcase_add_test(tc, a_long_chain);
	tcase_add_test(tc, cos_made_by_a_co);
	tcase_add_test(tc, the_resumer_ends_first);

	tc = t_case(s, "main cos");
	tcase_add_test(tc, two_main_cos);
	tcase_add_test(tc, nested_across_main_cos);
	tcase_add_test(tc, two_main_cos_sharing);
	tcase_add_test(tc, main_co_of_another_thread);
	return s;
}
