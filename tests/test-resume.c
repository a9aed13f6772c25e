/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-resume.c - resume, yield, exit, and who is asked about in between
 */
#include "testutil.h"

/* Each context writes its letter when it runs. */
static char order[64];

static void note(char c)
{
	size_t len = strlen(order);

	ck_assert_uint_lt(len, sizeof(order) - 1);
	order[len] = c;
}

/* ----------------------------------------------------------------- order -- */

static void yields_twice(void)
{
	note('1');
	aco_yield();
	note('2');
	aco_yield();
	note('3');
	aco_exit();
}

START_TEST(order_of_execution)
{
	aco_t *co = t_co(t_sstk, yields_twice, NULL);

	note('a');
	aco_resume(co);
	note('b');
	aco_resume(co);
	note('c');
	ck_assert_int_eq(co->is_end, 0);
	aco_resume(co);
	note('d');
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_str_eq(order, "a1b2c3d");
}
END_TEST

static void notes_arg(void)
{
	const char *s = aco_get_arg();

	for (; *s; s++) {
		note(*s);
		aco_yield();
	}
	aco_exit();
}

static void interleave(aco_share_stack_t *a, aco_share_stack_t *b)
{
	static char abc[] = "abc";
	static char xyz[] = "xyz";
	aco_t *one = t_co(a, notes_arg, abc);
	aco_t *two = t_co(b, notes_arg, xyz);

	for (int i = 0; i < 4; i++) {
		aco_resume(one);
		aco_resume(two);
	}
	ck_assert_str_eq(order, "axbycz");
	ck_assert_int_eq(one->is_end, 1);
	ck_assert_int_eq(two->is_end, 1);
}

START_TEST(two_standalone_cos)
{
	interleave(t_sstk, t_stack(T_STACK_SIZE));
}
END_TEST

START_TEST(two_sharing_cos)
{
	interleave(t_sstk, t_sstk);
}
END_TEST

static void exits_at_once(void)
{
	note('1');
	aco_exit();
}

START_TEST(exit_without_yield)
{
	aco_t *co = t_co(t_sstk, exits_at_once, NULL);

	ck_assert_int_eq(co->is_end, 0);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_str_eq(order, "1");
	ck_assert_ptr_null(t_sstk->owner);
}
END_TEST

static void exits_deep_down(void)
{
	t_deep(50, exits_at_once);
}

START_TEST(exit_from_a_nested_call)
{
	aco_t *co = t_co(t_sstk, exits_deep_down, NULL);

	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_str_eq(order, "1");
}
END_TEST

static int deep_yields;

static void yields_deep(void)
{
	for (int i = 0; i < 3; i++) {
		deep_yields++;
		aco_yield();
	}
}

static void calls_deep(void)
{
	t_deep(100, yields_deep);
	deep_yields += 10;
	aco_exit();
}

START_TEST(yield_from_a_nested_call)
{
	aco_t *co = t_co(t_sstk, calls_deep, NULL);

	for (int i = 1; i <= 3; i++) {
		aco_resume(co);
		ck_assert_int_eq(deep_yields, i);
		ck_assert_int_eq(co->is_end, 0);
	}
	aco_resume(co);
	ck_assert_int_eq(deep_yields, 13);
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

/* ------------------------------------------------------------- arguments -- */

static void adds_to_arg(void)
{
	for (;;) {
		aco_t *co = aco_get_co();

		*(int *)aco_get_arg() += 1;
		ck_assert_ptr_eq(co->arg, aco_get_arg());
		aco_yield();
	}
}

START_TEST(arg_can_be_replaced_between_resumes)
{
	int first = 10;
	int second = 20;
	aco_t *co = t_co(t_sstk, adds_to_arg, &first);

	ck_assert_ptr_eq(co->arg, &first);
	aco_resume(co);
	ck_assert_int_eq(first, 11);
	co->arg = &second;
	aco_resume(co);
	ck_assert_int_eq(first, 11);
	ck_assert_int_eq(second, 21);
}
END_TEST

static void sends_back(void)
{
	aco_get_co()->arg = order;
	aco_yield();
	aco_get_co()->arg = NULL;
	aco_exit();
}

START_TEST(arg_can_be_written_by_the_co)
{
	aco_t *co = t_co(t_sstk, sends_back, NULL);

	aco_resume(co);
	ck_assert_ptr_eq(co->arg, order);
	aco_resume(co);
	ck_assert_ptr_null(co->arg);
}
END_TEST

/* ------------------------------------------------------------- questions -- */

static aco_t *seen[4];

static void looks_around(void)
{
	seen[0] = aco_get_co();
	seen[1] = aco_co();
	ck_assert_ptr_eq(aco_gtls_co, seen[0]);
	seen[2] = aco_get_arg();
	aco_yield();
	seen[3] = aco_get_co();
	aco_exit();
}

START_TEST(no_co_runs_before_the_first_resume)
{
	ck_assert_ptr_null(aco_get_co());
	ck_assert_ptr_null(aco_co());
	t_co(t_sstk, looks_around, NULL);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

START_TEST(the_running_co)
{
	aco_t *co = t_co(t_sstk, looks_around, order);

	aco_resume(co);
	ck_assert_ptr_eq(seen[0], co);
	ck_assert_ptr_eq(seen[1], co);
	ck_assert_ptr_eq(seen[2], (void *)order);
	aco_resume(co);
	ck_assert_ptr_eq(seen[3], co);
}
END_TEST

START_TEST(the_main_co_after_a_resume)
{
	aco_t *co = t_co(t_sstk, looks_around, NULL);

	t_main->arg = order;
	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_ptr_eq(aco_co(), t_main);
	ck_assert_ptr_eq(aco_get_arg(), order);
	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), t_main);
}
END_TEST

START_TEST(no_co_after_its_main_co_is_destroyed)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_t *co = aco_create(main_co, t_sstk, 0, exits_at_once, NULL);

	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), main_co);
	aco_destroy(co);
	aco_destroy(main_co);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

START_TEST(which_is_a_main_co)
{
	aco_t *co = t_co(t_sstk, looks_around, NULL);

	ck_assert_int_eq(!!aco_is_main_co(t_main), 1);
	ck_assert_int_eq(!!aco_is_main_co(co), 0);
	aco_resume(co);
	ck_assert_int_eq(!!aco_is_main_co(co), 0);
	aco_resume(co);
	ck_assert_int_eq(!!aco_is_main_co(co), 0);
	ck_assert_int_eq(!!aco_is_main_co(t_main), 1);
}
END_TEST

/* ------------------------------------------------ other ways to the same -- */

static void yields1(void)
{
	note('1');
	aco_yield1(aco_get_co());
	note('2');
	aco_exit1(aco_co());
}

START_TEST(yield1_and_exit1)
{
	aco_t *co = t_co(t_sstk, yields1, NULL);

	aco_resume(co);
	ck_assert_int_eq(co->is_end, 0);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_str_eq(order, "12");
}
END_TEST

/* No macro may hide the functions: other languages call them by address. */
static const struct {
	aco_t *(*create)(aco_t *, aco_share_stack_t *, size_t, aco_cofuncp_t,
			 void *);
	aco_t *(*create2)(aco_t *, aco_share_stack_t *, size_t, aco_cofuncp_t,
			  void *, unsigned);
	void (*resume)(aco_t *);
	int (*try_resume)(aco_t *);
	void (*yield)(void);
	void (*yield1)(aco_t *);
	void (*exit)(void);
	void (*exit1)(aco_t *);
	aco_t *(*get_co)(void);
	aco_t *(*co)(void);
	void *(*get_arg)(void);
	int (*is_main_co)(const aco_t *);
	void (*destroy)(aco_t *);
	void (*thread_init)(aco_cofuncp_t);
	aco_share_stack_t *(*share_stack_new)(size_t);
	aco_share_stack_t *(*share_stack_new2)(size_t, char);
	void (*share_stack_destroy)(aco_share_stack_t *);
	const char *(*version)(void);
} volatile call = {
	aco_create,
	aco_create2,
	aco_resume,
	aco_try_resume,
	aco_yield,
	aco_yield1,
	aco_exit,
	aco_exit1,
	aco_get_co,
	aco_co,
	aco_get_arg,
	aco_is_main_co,
	aco_destroy,
	aco_thread_init,
	aco_share_stack_new,
	aco_share_stack_new2,
	aco_share_stack_destroy,
	aco_version,
};

static void by_pointer(void)
{
	ck_assert_ptr_eq(call.get_co(), call.co());
	ck_assert_ptr_eq(call.get_arg(), order);
	note('1');
	call.yield();
	note('2');
	call.yield1(call.get_co());
	note('3');
	call.exit();
}

static void by_pointer1(void)
{
	call.exit1(call.co());
}

START_TEST(every_call_through_a_pointer)
{
	aco_share_stack_t *one = call.share_stack_new(0);
	aco_share_stack_t *two = call.share_stack_new2(0, 0);
	aco_t *main_co = call.create(NULL, NULL, 0, NULL, NULL);
	aco_t *co = call.create(main_co, one, 0, by_pointer, order);
	aco_t *co1 = call.create2(main_co, two, 0, by_pointer1, NULL, 0);

	call.thread_init(NULL);
	call.resume(co);
	ck_assert_int_eq(call.try_resume(co), 0);
	call.resume(co);
	call.resume(co1);
	ck_assert_str_eq(order, "123");
	ck_assert_int_eq(co->is_end && co1->is_end, 1);
	ck_assert(call.is_main_co(main_co));
	ck_assert_ptr_nonnull(call.version());
	call.destroy(co);
	call.destroy(co1);
	call.share_stack_destroy(one);
	call.share_stack_destroy(two);
	call.destroy(main_co);
}
END_TEST

/* A struct member may have the name of a call. */
START_TEST(no_macro_eats_a_member_name)
{
	struct {
		int aco_resume, aco_yield, aco_exit, aco_get_co, aco_co,
			aco_get_arg, aco_create, aco_yield1, aco_exit1;
	} s = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	ck_assert_int_eq(s.aco_resume + s.aco_yield + s.aco_exit +
				 s.aco_get_co + s.aco_co + s.aco_get_arg +
				 s.aco_create + s.aco_yield1 + s.aco_exit1,
			 45);
}
END_TEST

/* ------------------------------------------------------------------ many -- */

#define MANY 10000

static void counts(void)
{
	for (int i = 0; i < 5; i++) {
		++*(int *)aco_get_arg();
		aco_yield();
	}
	aco_exit();
}

START_TEST(many_sharing_cos)
{
	static aco_t *co[MANY];
	static int count[MANY];

	for (int i = 0; i < MANY; i++)
		co[i] = t_co(t_sstk, counts, &count[i]);
	for (int round = 0; round < 6; round++)
		for (int i = 0; i < MANY; i++)
			aco_resume(co[i]);
	for (int i = 0; i < MANY; i++)
		if (count[i] != 5 || !co[i]->is_end)
			ck_abort_msg("co %d: %d", i, count[i]);
}
END_TEST

/* Where a suspended co goes on is for stack walkers to see. */
START_TEST(registers_of_a_suspended_co)
{
	aco_t *co = t_co(t_sstk, adds_to_arg, &(int){ 0 });
	char *low = t_sstk->ptr;
	char *sp;

	aco_resume(co);
	sp = co->reg[ACO_REG_IDX_SP];
	ck_assert_ptr_nonnull(co->reg[ACO_REG_IDX_RETADDR]);
	ck_assert(sp >= low && sp < low + t_sstk->sz);
	ck_assert(sp < (char *)t_sstk->align_retptr);
	aco_resume(co);
	ck_assert_ptr_eq(co->reg[ACO_REG_IDX_SP], sp);
}
END_TEST

START_TEST(fields_of_a_co)
{
	aco_t *co = t_co(t_sstk, yields_twice, order);

	ck_assert_ptr_eq(co->main_co, t_main);
	ck_assert_ptr_eq(co->share_stack, t_sstk);
	ck_assert(co->fp == yields_twice);
	ck_assert_ptr_eq(co->arg, order);
	ck_assert_int_eq(co->is_end, 0);
	aco_resume(co);
	ck_assert_ptr_eq(t_sstk->owner, co);
	ck_assert_ptr_eq(co->main_co, t_main);
	ck_assert(co->fp == yields_twice);
}
END_TEST

/* A result that lies on the stack of the one and is written by the other. */
static void doubles(void)
{
	for (;;) {
		int *n = aco_get_arg();

		*n *= 2;
		aco_yield();
	}
}

START_TEST(locals_of_the_resumer_stay)
{
	volatile int a = 1;
	double d = 1.5;
	int n = 3;
	aco_t *co = t_co(t_sstk, doubles, &n);

	for (int i = 0; i < 10; i++) {
		aco_resume(co);
		a++;
		d += 0.5;
	}
	ck_assert_int_eq(n, 3 << 10);
	ck_assert_int_eq(a, 11);
	ck_assert(d == 6.5);
}
END_TEST

/* Whatever address it is given: it changes nothing, and does not fault. */
START_TEST(prefetch)
{
	void (*through_a_pointer)(const aco_t *) = aco_prefetch;
	aco_t *co = t_co(t_sstk, yields_twice, NULL);
	aco_t before;

	aco_resume(co);
	before = *co;
	aco_prefetch(co);
	through_a_pointer(co);
	ck_assert_mem_eq(co, &before, sizeof(before));
	aco_prefetch(NULL);
	through_a_pointer(NULL);
	aco_prefetch((aco_t *)(uintptr_t)(SIZE_MAX - 7));
	through_a_pointer((aco_t *)(uintptr_t)(SIZE_MAX - 7));
}
END_TEST

void t_reset(void)
{
	memset(order, 0, sizeof(order));
	deep_yields = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("resume");
	TCase *tc = t_case(s, "order");

	tcase_add_test(tc, order_of_execution);
	tcase_add_test(tc, two_standalone_cos);
	tcase_add_test(tc, two_sharing_cos);
	tcase_add_test(tc, exit_without_yield);
	tcase_add_test(tc, exit_from_a_nested_call);
	tcase_add_test(tc, yield_from_a_nested_call);
	tcase_add_test(tc, many_sharing_cos);

	tc = t_case(s, "arguments");
	tcase_add_test(tc, arg_can_be_replaced_between_resumes);
	tcase_add_test(tc, arg_can_be_written_by_the_co);
	tcase_add_test(tc, locals_of_the_resumer_stay);

	tc = t_case(s, "questions");
	tcase_add_test(tc, no_co_runs_before_the_first_resume);
	tcase_add_test(tc, the_running_co);
	tcase_add_test(tc, the_main_co_after_a_resume);
	tcase_add_test(tc, no_co_after_its_main_co_is_destroyed);
	tcase_add_test(tc, which_is_a_main_co);
	tcase_add_test(tc, registers_of_a_suspended_co);
	tcase_add_test(tc, fields_of_a_co);

	tc = t_case(s, "other ways");
	tcase_add_test(tc, yield1_and_exit1);
	tcase_add_test(tc, every_call_through_a_pointer);
	tcase_add_test(tc, no_macro_eats_a_member_name);
	tcase_add_test(tc, prefetch);
	return s;
}
