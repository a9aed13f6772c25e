/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-version.c - the version, at compile time and at run time
 */
#include "testutil.h"

START_TEST(numbers)
{
	ck_assert_int_eq(ACO_VERSION_MAJOR, 2);
	ck_assert_int_ge(ACO_VERSION_MINOR, 0);
	ck_assert_int_ge(ACO_VERSION_PATCH, 0);
#if ACO_VERSION_MAJOR < 2
	ck_abort_msg("the preprocessor has another opinion");
#endif
}
END_TEST

/* Header and library are of one tree here. */
START_TEST(text)
{
	char expected[64];

	sprintf(expected, "%d.%d.%d", ACO_VERSION_MAJOR, ACO_VERSION_MINOR,
		ACO_VERSION_PATCH);
	ck_assert_str_eq(aco_version(), expected);
	ck_assert_ptr_eq(aco_version(), aco_version());
}
END_TEST

/* configure names the package and this program knows it. */
START_TEST(same_as_the_package)
{
	ck_assert_str_eq(aco_version(), PACKAGE_VERSION);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("version");
	TCase *tc = tcase_create("version");

	tcase_add_test(tc, numbers);
	tcase_add_test(tc, text);
	tcase_add_test(tc, same_as_the_package);
	suite_add_tcase(s, tc);
	return s;
}
