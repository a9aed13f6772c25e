/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-compat.c - small programs in the style of 1.2.4
 *
 * Each uses nothing that 1.2.4 did not have, fields of the structures
 * included.
 */
#include "testutil.h"

#include <errno.h>
#include <stddef.h>

/* ----------------------------------------------------- a counter, a main -- */

static void last_word(void)
{
	fprintf(stderr, "co %p\n", (void *)aco_get_co());
}

static void counts_down(void)
{
	aco_t *this_co = aco_get_co();
	int *ip = aco_get_arg();

	aco_assert(!aco_is_main_co(this_co));
	aco_assert(this_co->fp == counts_down);
	aco_assert(this_co->is_end == 0);
	while (*ip > 0) {
		--*ip;
		aco_yield();
		aco_assert(aco_get_co() == this_co);
	}
	aco_yield1(this_co);
	aco_exit1(this_co);
}

START_TEST(one_co_and_its_counter)
{
	int n = 10;
	int resumes = 0;
	aco_t *main_co;
	aco_t *co;
	aco_share_stack_t *sstk;

	aco_thread_init(last_word);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	sstk = aco_share_stack_new(0);
	co = aco_create(main_co, sstk, 0, counts_down, &n);
	aco_assertptr(main_co);
	aco_assertptr(sstk);
	aco_assertalloc_ptr(co);
	while (!co->is_end) {
		ck_assert_int_eq(n, resumes < 10 ? 10 - resumes : 0);
		aco_resume(co);
		ck_assert(aco_co() == main_co);
		resumes++;
	}
	ck_assert_int_eq(resumes, 12);
	aco_destroy(co);
	co = NULL;
	aco_share_stack_destroy(sstk);
	sstk = NULL;
	aco_destroy(main_co);
	main_co = NULL;
}
END_TEST

/* -------------------------------------------- producer, filter, consumer -- */

struct pipe_end {
	int value;
	int is_over;
};

/* In 1.2.4 only main resumes: it hands each value on. */
static void produces(void)
{
	struct pipe_end *out = aco_get_arg();

	for (int i = 1; i <= 100; i++) {
		out->value = i;
		aco_yield();
	}
	out->is_over = 1;
	aco_exit();
}

static void sums_up(void)
{
	struct pipe_end *in = aco_get_arg();
	int sum = 0;

	while (!in->is_over) {
		sum += in->value;
		aco_yield();
	}
	in->value = sum;
	aco_exit();
}

static int run_pipe(aco_share_stack_t *a, aco_share_stack_t *b)
{
	struct pipe_end end = { 0, 0 };
	aco_t *producer = aco_create(t_main, a, 0, produces, &end);
	aco_t *consumer = aco_create(t_main, b, 0, sums_up, &end);

	while (!consumer->is_end) {
		if (!producer->is_end)
			aco_resume(producer);
		aco_resume(consumer);
	}
	aco_destroy(producer);
	aco_destroy(consumer);
	return end.value;
}

START_TEST(producer_and_consumer)
{
	ck_assert_int_eq(run_pipe(t_sstk, t_stack(0)), 5050);
	ck_assert_int_eq(run_pipe(t_sstk, t_sstk), 5050);
}
END_TEST

/* ----------------------------------------------------------- a scheduler -- */

/* Tasks of different lengths on two shared stacks and one of their own each;
   ended ones are replaced by new ones on the same stack. */
#define SLOTS 30
#define TASKS 300

struct task {
	aco_t *co;
	int left;
};

static int tasks_done;

static void works(void)
{
	struct task *task = aco_get_arg();
	int work[32];
	int *p = work;

	t_opaque(p); /* else a compiler finds out that it needs none of it */
	while (task->left > 0) {
		for (int i = 0; i < 32; i++)
			p[i] = task->left + i;
		aco_yield();
		for (int i = 0; i < 32; i++)
			aco_assert(p[i] == task->left + i);
		task->left--;
	}
	tasks_done++;
	aco_exit();
}

static void check_statistics(const aco_t *co, int is_standalone)
{
	const aco_save_stack_t *s = &co->save_stack;

	if (is_standalone)
		ck_assert(!s->ct_save && !s->ct_restore && !s->max_cpsz);
	else
		ck_assert(s->ct_save == s->ct_restore && s->max_cpsz >= 128);
}

START_TEST(a_scheduler)
{
	struct task slot[SLOTS] = { { NULL, 0 } };
	aco_share_stack_t *stack[SLOTS];
	int started = 0;

	tasks_done = 0;
	for (int i = 0; i < SLOTS; i++)
		stack[i] = i < 10 ? t_stack(0) : stack[i % 2 * 5];
	/* the stacks of slots 0 and 5 are shared with slots 10 and up */
	while (tasks_done < TASKS) {
		for (int i = 0; i < SLOTS; i++) {
			struct task *t = &slot[i];

			if (!t->co && started < TASKS) {
				t->left = 3 + started++ % 7;
				t->co = aco_create(t_main, stack[i],
						   (size_t)i * 16, works, t);
			}
			if (!t->co)
				continue;
			aco_resume(t->co);
			if (!t->co->is_end)
				continue;
			if (i < 10 && i % 5)
				check_statistics(t->co, 1);
			else if (started < TASKS)
				check_statistics(t->co, 0);
			aco_destroy(t->co);
			t->co = NULL;
		}
	}
	ck_assert_int_eq(started, TASKS);
}
END_TEST

/* --------------------------------------- fields are what their types say -- */

static void ends(void)
{
	aco_exit();
}

START_TEST(is_end_is_an_ordinary_member)
{
	aco_t *co = t_co(t_sstk, ends, NULL);
	const unsigned char *is_end = &co->is_end;

	ck_assert_uint_eq(sizeof(co->is_end), 1);
	ck_assert_ptr_eq(is_end, (char *)co + offsetof(aco_t, is_end));
	ck_assert_uint_eq(*is_end, 0);
	aco_resume(co);
	ck_assert_uint_eq(*is_end, 1);
	ck_assert_int_eq(aco_reset(co, ends, NULL), 0);
	ck_assert_uint_eq(*is_end, 0);
	aco_resume(co);
	ck_assert_uint_eq(*is_end, 1);
}
END_TEST

/* ----------------------------------------------------- what is different -- */

static void sets_to_one(void)
{
	*(int *)aco_get_arg() = 1;
	aco_exit();
}

static void sets_to_two(void)
{
	*(int *)aco_get_arg() = 2;
	aco_exit();
}

/* Fields are no way to use an ended co again. */
static void writes_fields(void *arg)
{
	aco_t *co = t_co(t_sstk, sets_to_one, arg);

	t_says(co);
	aco_resume(co);
	co->is_end = 0;
	co->fp = sets_to_two;
	aco_resume(co);
}

START_TEST(ended_co_used_again)
{
	int n = 0;
	aco_t *co = t_co(t_sstk, sets_to_one, &n);

	t_expect_abort(writes_fields, &n,
		       "libaco: aco_resume: the co has ended: co %p\n");
	aco_resume(co);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(aco_reset(co, sets_to_two, &n), 0);
	ck_assert(!co->is_end);
	aco_resume(co);
	ck_assert_int_eq(n, 2);
	ck_assert(co->is_end);
}
END_TEST

/* No co without a function; aco_reset() gives it the right one. */
START_TEST(function_set_later)
{
	int n = 0;
	aco_t *co;

	errno = 0;
	ck_assert_ptr_null(aco_create(t_main, t_sstk, 0, NULL, &n));
	ck_assert_int_eq(errno, EINVAL);
	co = t_co(t_sstk, sets_to_one, &n);
	ck_assert_int_eq(aco_reset(co, sets_to_two, &n), 0);
	aco_resume(co);
	ck_assert_int_eq(n, 2);
}
END_TEST

/* In place of what is gone. */
static void sets_own_arg(void)
{
	aco_get_co()->arg = &tasks_done;
	ck_assert_ptr_eq(aco_get_arg(), &tasks_done);
	aco_yield();
	aco_exit();
}

START_TEST(arg_and_top_of_the_stack)
{
	aco_t *co = t_co(t_sstk, sets_own_arg, NULL);

	ck_assert_ptr_eq(co->reg[ACO_REG_IDX_SP],
			 (char *)t_sstk->align_retptr + sizeof(void *));
	ck_assert((char *)t_sstk->align_retptr <
		  (char *)t_sstk->ptr + t_sstk->sz);
	aco_resume(co);
	ck_assert_ptr_eq(co->arg, &tasks_done);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("compat");
	TCase *tc = t_case(s, "compat");

	tcase_add_test(tc, one_co_and_its_counter);
	tcase_add_test(tc, producer_and_consumer);
	tcase_add_test(tc, a_scheduler);

	tc = t_case(s, "fields");
	tcase_add_test(tc, is_end_is_an_ordinary_member);
	tc = t_case(s, "differences");
	tcase_add_test(tc, ended_co_used_again);
	tcase_add_test(tc, function_set_later);
	tcase_add_test(tc, arg_and_top_of_the_stack);
	return s;
}
