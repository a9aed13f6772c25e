/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-assert.c - assertions that are never compiled out
 */
#ifndef NDEBUG
#define NDEBUG 1
#endif
#include "testutil.h"

#include <assert.h>
#include <signal.h>

#include <aco_assert_override.h>

static void assert_false(void *arg)
{
	assert(arg);
}

static void assertptr_null(void *arg)
{
	assertptr(arg);
}

static void aco_assert_false(void *arg)
{
	aco_assert(arg);
}

static void aco_assertptr_null(void *arg)
{
	aco_assertptr(arg);
}

static int alloc_line;

static void alloc_bool(void *arg)
{
	alloc_line = __LINE__ + 1;
	assertalloc_bool(arg != NULL);
}

static void alloc_ptr(void *arg)
{
	alloc_line = __LINE__ + 1;
	aco_assertalloc_ptr(arg);
}

START_TEST(what_is_true_goes_on)
{
	int x = 1, evaluated = 0;

	assert(++evaluated);
	aco_assert(++evaluated);
	assertptr((++evaluated, &x));
	assertalloc_bool(++evaluated);
	assertalloc_ptr((++evaluated, &x));
	ck_assert_int_eq(evaluated, 5);
}
END_TEST

START_TEST(what_is_false_aborts)
{
	t_expect_abort(assert_false, NULL, "");
	t_expect_abort(assertptr_null, NULL, "");
	t_expect_abort(aco_assert_false, NULL, "");
	t_expect_abort(aco_assertptr_null, NULL, "");
}
END_TEST

static void expect_place(void (*fn)(void *), const char *name, int line)
{
	char text[512];

	snprintf(text, sizeof(text), "libaco: out of memory: %s:%d: %s\n",
		 __FILE__, line, name);
	t_expect_abort(fn, NULL, text);
}

START_TEST(failed_allocations_name_the_place)
{
	int x;

	alloc_bool(&x);
	expect_place(alloc_bool, "alloc_bool", alloc_line);
	alloc_ptr(&x);
	expect_place(alloc_ptr, "alloc_ptr", alloc_line);
}
END_TEST

START_TEST(likely_is_its_argument)
{
	ck_assert_int_eq(likely(7), 1);
	ck_assert_int_eq(unlikely(7), 1);
	ck_assert_int_eq(aco_likely(0), 0);
	ck_assert_int_eq(aco_unlikely(0), 0);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("assert");
	TCase *tc = t_case(s, "assert");

	tcase_add_test(tc, what_is_true_goes_on);
	tcase_add_test(tc, what_is_false_aborts);
	tcase_add_test(tc, failed_allocations_name_the_place);
	tcase_add_test(tc, likely_is_its_argument);
	return s;
}
