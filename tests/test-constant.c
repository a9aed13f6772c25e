/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-constant.c - constants by their names
 */
#include "testutil.h"

#include <errno.h>

#define CHECK_CONSTANT(name) ck_assert_int_eq(aco_constant(#name), (int)(name))

START_TEST(known)
{
	CHECK_CONSTANT(ACO_RETURN_EXITS);
	CHECK_CONSTANT(ACO_SHARE_FPENV);
	CHECK_CONSTANT(ACO_STATE_END);
	CHECK_CONSTANT(ACO_STATE_INIT);
	CHECK_CONSTANT(ACO_STATE_RESUMING);
	CHECK_CONSTANT(ACO_STATE_RUNNING);
	CHECK_CONSTANT(ACO_STATE_SUSPENDED);
}
END_TEST

START_TEST(unknown)
{
	static const char *const names[] = { NULL, "", "ACO_STATE",
					     "ACO_STATE_END ",
					     "aco_state_end" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		errno = 0;
		ck_assert_int_eq(aco_constant(names[i]), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("constant");
	TCase *tc = tcase_create("constant");

	tcase_add_test(tc, known);
	tcase_add_test(tc, unknown);
	suite_add_tcase(s, tc);
	return s;
}
