/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-stack-usage.c - aco_stack_usage()
 *
 * Each test has a stack that no other test has used, which is why it wants an
 * unusual size.
 */
#include "testutil.h"

static aco_share_stack_t *fresh_stack(void)
{
	static size_t sz = 200 << 10;

	return t_stack(sz += 40 << 10);
}

static size_t room(const aco_share_stack_t *sstk)
{
	return (size_t)((char *)sstk->align_retptr - (char *)sstk->ptr) +
	       sizeof(void *);
}

static void yields(void)
{
	for (;;)
		aco_yield();
}

/* As many bytes as arg says, none of them 0. */
__attribute__((__noinline__)) static void use(size_t sz)
{
	char *p = __builtin_alloca(sz);

	memset(p, 0x5a, sz);
	t_opaque(p);
}

static void uses_its_arg(void)
{
	for (;;) {
		use((size_t)(uintptr_t)aco_get_arg());
		aco_yield();
	}
}

/* What a call may need beside, of which the dynamic linker takes most. */
#define SOME ((size_t)4500)

static void check_about(size_t usage, size_t want)
{
	ck_assert_uint_ge(usage, want);
	ck_assert_uint_le(usage, want + SOME);
}

START_TEST(main_co_has_none)
{
	ck_assert_uint_eq(aco_stack_usage(t_main), 0);
	aco_resume(t_co(t_sstk, yields, NULL));
	ck_assert_uint_eq(aco_stack_usage(t_main), 0);
}
END_TEST

START_TEST(none_before_the_start)
{
	aco_t *co = t_co(fresh_stack(), yields, NULL);

	ck_assert_uint_eq(aco_stack_usage(co), 0);
	aco_resume(co);
	ck_assert_uint_gt(aco_stack_usage(co), 0);
	ck_assert_uint_lt(aco_stack_usage(co), SOME);
}
END_TEST

START_TEST(deepest_so_far)
{
	aco_t *co = t_co(fresh_stack(), uses_its_arg, (void *)10000);
	size_t usage;

	aco_resume(co);
	usage = aco_stack_usage(co);
	check_about(usage, 10000);
	co->arg = (void *)500;
	aco_resume(co);
	ck_assert_uint_eq(aco_stack_usage(co), usage);
	co->arg = (void *)50001;
	aco_resume(co);
	check_about(aco_stack_usage(co), 50001);
}
END_TEST

/* A word more or less. */
START_TEST(to_the_word)
{
	aco_t *co = t_co(fresh_stack(), yields, NULL);
	uintptr_t *base = (void *)((char *)co->share_stack->align_retptr +
				   sizeof(void *));

	base[-1000] = 1;
	ck_assert_uint_eq(aco_stack_usage(co), 1000 * sizeof(void *));
	base[-1002] = (uintptr_t)1 << (8 * sizeof(void *) - 1);
	ck_assert_uint_eq(aco_stack_usage(co), 1002 * sizeof(void *));
}
END_TEST

static size_t usage_inside;

static void asks_for_itself(void)
{
	use(3000);
	usage_inside = aco_stack_usage(aco_co());
	aco_exit();
}

START_TEST(of_the_running_co)
{
	aco_t *co = t_co(fresh_stack(), asks_for_itself, NULL);

	aco_resume(co);
	check_about(usage_inside, 3000);
	/* when it has ended */
	check_about(aco_stack_usage(co), 3000);
}
END_TEST

START_TEST(of_all_users)
{
	aco_share_stack_t *sstk = fresh_stack();
	aco_t *deep = t_co(sstk, uses_its_arg, (void *)20000);
	aco_t *flat = t_co(sstk, uses_its_arg, (void *)100);

	aco_resume(flat);
	check_about(aco_stack_usage(flat), 100);
	aco_resume(deep);
	aco_resume(flat);
	check_about(aco_stack_usage(flat), 20000);
	ck_assert_uint_eq(aco_stack_usage(flat), aco_stack_usage(deep));
}
END_TEST

__attribute__((__noinline__)) static void yields_deep(void)
{
	char *p = __builtin_alloca(150000);

	memset(p, 0x5a, 150000);
	t_opaque(p);
	aco_yield();
	t_opaque(p);
}

static void has_been_deep(void)
{
	yields_deep();
	yields();
}

/* The library gives the memory back. */
START_TEST(deep_once_and_copied)
{
	aco_share_stack_t *sstk = t_stack(300 << 10);
	aco_t *co = t_co(sstk, has_been_deep, NULL);
	aco_t *other = t_co(sstk, yields, NULL);

	for (int i = 0; i < 4; i++) {
		aco_resume(co);
		aco_resume(other);
	}
	check_about(aco_stack_usage(co), 150000);
}
END_TEST

START_TEST(up_to_all)
{
	aco_t *co = t_co(fresh_stack(), yields, NULL);
	aco_share_stack_t *sstk = co->share_stack;

	*(char *)sstk->ptr = 1;
	ck_assert_uint_eq(aco_stack_usage(co), room(sstk));
}
END_TEST

/* A stack of the size that was found has that much room, guard or not. */
START_TEST(good_as_a_size)
{
	for (size_t sz = 4096; sz < 20000; sz += 8) {
		aco_share_stack_t *sstk = aco_share_stack_new2(sz, sz & 8);

		ck_assert_ptr_nonnull(sstk);
		if (room(sstk) < sz)
			ck_abort_msg("%zu bytes: room for %zu", sz, room(sstk));
		aco_share_stack_destroy(sstk);
	}
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("stack usage");
	TCase *tc = t_case(s, "stack usage");

	tcase_add_test(tc, main_co_has_none);
	tcase_add_test(tc, none_before_the_start);
	tcase_add_test(tc, deepest_so_far);
	tcase_add_test(tc, to_the_word);
	tcase_add_test(tc, of_the_running_co);
	tcase_add_test(tc, of_all_users);
	tcase_add_test(tc, deep_once_and_copied);
	tcase_add_test(tc, up_to_all);
	tcase_add_test(tc, good_as_a_size);
	return s;
}
