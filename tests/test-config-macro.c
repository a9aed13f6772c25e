/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-config-macro.c - objects compiled with and without
 * ACO_CONFIG_SHARE_FPU_MXCSR_ENV in one program, with one library
 */
#include "testutil.h"

#include <fenv.h>

#include "config-macro.h"

static int rounding_inside;

static void round_up(void)
{
	fesetround(FE_UPWARD);
	aco_yield();
	rounding_inside = fegetround();
	aco_exit();
}

/* What the main context sees after a co that was made by create rounds up. */
static int rounding_after(aco_t *(*create)(aco_t *, aco_share_stack_t *, size_t,
					   aco_cofuncp_t, void *))
{
	aco_t *co = create(t_main, t_sstk, 0, round_up, NULL);
	int seen;

	ck_assert_ptr_nonnull(co);
	ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
	aco_resume(co);
	seen = fegetround();
	fesetround(FE_TONEAREST);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	aco_destroy(co);
	return seen;
}

START_TEST(each_object_gets_what_it_asks_for)
{
	ck_assert_int_eq(rounding_after(create_plain), FE_TONEAREST);
	ck_assert_int_eq(rounding_inside, FE_UPWARD);
	ck_assert_int_eq(rounding_after(create_shared_env), FE_UPWARD);
	ck_assert_int_eq(rounding_inside, FE_TONEAREST);
}
END_TEST

START_TEST(layouts_are_the_same)
{
	ck_assert_mem_eq(layout_plain, layout_shared_env, sizeof(layout_plain));
	ck_assert_uint_ne(layout_plain[0], 0);
}
END_TEST

START_TEST(the_function_is_the_plain_one)
{
	ck_assert(address_shared_env() == address_plain());
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("config-macro");
	TCase *tc = t_case(s, "config-macro");

	tcase_add_test(tc, each_object_gets_what_it_asks_for);
	tcase_add_test(tc, layouts_are_the_same);
	tcase_add_test(tc, the_function_is_the_plain_one);
	return s;
}
