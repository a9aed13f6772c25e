/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-destroy.c - aco_destroy() in every state a co can be in
 */
#include "testutil.h"

#include <errno.h>

static int runs;

static void yields_twice(void)
{
	runs++;
	aco_yield();
	runs++;
	aco_yield();
	runs++;
	aco_exit();
}

static aco_t *create(aco_share_stack_t *sstk)
{
	aco_t *co = aco_create(t_main, sstk, 0, yields_twice, NULL);

	ck_assert_ptr_nonnull(co);
	return co;
}

/* The stack has no user left, and can be destroyed. */
static void check_unused(aco_share_stack_t *sstk)
{
	ck_assert_ptr_null(sstk->owner);
	aco_share_stack_destroy(sstk);
}

START_TEST(never_started)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);

	aco_destroy(create(sstk));
	ck_assert_int_eq(runs, 0);
	check_unused(sstk);
}
END_TEST

START_TEST(suspended_owner)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = create(sstk);

	aco_resume(co);
	ck_assert_ptr_eq(sstk->owner, co);
	aco_destroy(co);
	ck_assert_int_eq(runs, 1);
	check_unused(sstk);
}
END_TEST

START_TEST(suspended_and_copied_out)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *one = create(sstk);
	aco_t *two = create(sstk);

	aco_resume(one);
	aco_resume(two);
	ck_assert_uint_eq(one->save_stack.ct_save, 1);
	aco_destroy(one);
	ck_assert_ptr_eq(sstk->owner, two);
	aco_resume(two);
	aco_resume(two);
	ck_assert_int_eq(two->is_end, 1);
	aco_destroy(two);
	check_unused(sstk);
}
END_TEST

/* The one that goes in its place must not copy out what is gone. */
START_TEST(owner_before_another_is_resumed)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *one = create(sstk);
	aco_t *two = create(sstk);

	aco_resume(one);
	aco_resume(two);
	aco_destroy(two);
	aco_resume(one);
	aco_resume(one);
	ck_assert_int_eq(one->is_end, 1);
	ck_assert_uint_eq(one->save_stack.ct_restore, 1);
	aco_destroy(one);
	check_unused(sstk);
}
END_TEST

START_TEST(ended)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = create(sstk);

	t_finish(co, 3);
	aco_destroy(co);
	ck_assert_int_eq(runs, 3);
	check_unused(sstk);
}
END_TEST

/* An ended co is not the owner: destroying it leaves the other one alone. */
START_TEST(ended_while_another_owns_the_stack)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *one = create(sstk);
	aco_t *two = create(sstk);

	t_finish(one, 3);
	aco_resume(two);
	aco_destroy(one);
	ck_assert_ptr_eq(sstk->owner, two);
	t_finish(two, 2);
	aco_destroy(two);
	check_unused(sstk);
}
END_TEST

START_TEST(main_co_without_cos)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	ck_assert_ptr_nonnull(co);
	aco_destroy(co);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

START_TEST(current_main_co)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_t *co = aco_create(main_co, t_sstk, 0, yields_twice, NULL);

	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), main_co);
	aco_destroy(co);
	aco_destroy(main_co);
	ck_assert_ptr_null(aco_get_co());
	/* the thread goes on with another one */
	co = create(t_sstk);
	aco_resume(co);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_destroy(co);
}
END_TEST

START_TEST(a_main_co_that_is_not_current)
{
	aco_t *other = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_t *co = create(t_sstk);

	aco_resume(co);
	aco_destroy(other);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	t_finish(co, 2);
	aco_destroy(co);
}
END_TEST

static void destroys_arg(void)
{
	aco_destroy(aco_get_arg());
	aco_exit();
}

static void check_destroyed_by_a_co(int resumes)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = create(sstk);
	aco_t *killer = t_co(t_sstk, destroys_arg, co);

	for (int i = 0; i < resumes; i++)
		aco_resume(co);
	aco_resume(killer);
	ck_assert_int_eq(killer->is_end, 1);
	check_unused(sstk);
}

START_TEST(by_another_co)
{
	check_destroyed_by_a_co(_i);
}
END_TEST

/* Its bytes wait in a save stack while the killer runs where they belong. */
START_TEST(by_a_co_on_the_same_stack)
{
	aco_t *co = create(t_sstk);
	aco_t *killer = t_co(t_sstk, destroys_arg, co);

	aco_resume(co);
	aco_resume(killer);
	ck_assert_int_eq(killer->is_end, 1);
	ck_assert_int_eq(runs, 1);
}
END_TEST

START_TEST(again_and_again)
{
	for (int i = 0; i < 20000; i++) {
		aco_t *co = aco_create(t_main, t_sstk, (size_t)i % 300,
				       yields_twice, NULL);

		if (!co)
			ck_abort_msg("co %d", i);
		for (int k = 0; k < i % 4; k++)
			aco_resume(co);
		aco_destroy(co);
	}
	ck_assert_ptr_null(t_sstk->owner);
}
END_TEST

/* --------------------------------------- the share stack before its cos -- */

#define MEM_SIZE ((size_t)64 << 10)

static char *mem; /* of the last kind */

static aco_share_stack_t *guarded(void)
{
	return aco_share_stack_new(MEM_SIZE);
}

static aco_share_stack_t *large(void)
{
	return aco_share_stack_new((size_t)5 << 20);
}

static aco_share_stack_t *unguarded(void)
{
	return aco_share_stack_new2(MEM_SIZE, 0);
}

static aco_share_stack_t *of_the_callers(void)
{
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	return aco_share_stack_from(mem, MEM_SIZE);
}

static aco_share_stack_t *(*const kinds[])(void) = { guarded, large, unguarded,
						     of_the_callers };

/* The memory of the caller's is not there any more. */
static void destroy_stack(aco_share_stack_t *sstk)
{
	aco_share_stack_destroy(sstk);
	if (mem)
		ck_assert_int_eq(mprotect(mem, MEM_SIZE, PROT_NONE), 0);
}

static void unmap(void)
{
	if (mem)
		ck_assert_int_eq(munmap(mem, MEM_SIZE), 0);
	mem = NULL;
}

/* All that may be done with a co whose stack is destroyed. */
static void look_at(aco_t *co, aco_state_t state)
{
	ck_assert_int_eq(aco_state(co), state);
	ck_assert_uint_le(aco_stack_usage(co), MEM_SIZE);
	errno = 0;
	ck_assert_int_eq(aco_reset(co, yields_twice, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(aco_state(co), state);
	errno = 0;
	ck_assert_ptr_null(
		aco_create(t_main, co->share_stack, 0, yields_twice, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(co->share_stack->owner);
}

static const aco_state_t state_after[] = { ACO_STATE_INIT, ACO_STATE_SUSPENDED,
					   ACO_STATE_SUSPENDED, ACO_STATE_END };

START_TEST(after_its_stack)
{
	int resumes = _i % 4;
	aco_share_stack_t *sstk = kinds[_i / 4]();
	aco_t *co = create(sstk);

	for (int i = 0; i < resumes; i++)
		aco_resume(co);
	destroy_stack(sstk);
	look_at(co, state_after[resumes]);
	aco_destroy(co);
	ck_assert_int_eq(runs, resumes);
	unmap();
}
END_TEST

/* One in each state, destroyed in an order that _i says. */
START_TEST(several_after_their_stack)
{
	aco_share_stack_t *sstk = kinds[_i / 4]();
	aco_t *cos[4];

	for (int i = 0; i < 4; i++)
		cos[i] = create(sstk);
	for (int i = 3; i >= 0; i--)
		for (int k = 0; k < i; k++)
			aco_resume(cos[i]);
	ck_assert_ptr_eq(sstk->owner, cos[1]);
	destroy_stack(sstk);
	for (int i = 0; i < 4; i++)
		look_at(cos[i], state_after[i]);
	/* what was copied is known */
	ck_assert_uint_gt(aco_stack_usage(cos[2]), 0);
	for (int i = 0; i < 4; i++)
		aco_destroy(cos[(i + _i) % 4]);
	unmap();
}
END_TEST

static void destroys_stack_of_arg(void)
{
	aco_t *co = aco_get_arg();

	destroy_stack(co->share_stack);
	look_at(co, ACO_STATE_SUSPENDED);
	aco_destroy(co);
	aco_exit();
}

/* The running co is on another stack. */
START_TEST(after_its_stack_by_another_co)
{
	aco_t *co = create(kinds[_i]());
	aco_t *killer = t_co(t_sstk, destroys_stack_of_arg, co);

	aco_resume(co);
	aco_resume(killer);
	ck_assert_int_eq(killer->is_end, 1);
	unmap();
}
END_TEST

void t_reset(void)
{
	runs = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("destroy");
	TCase *tc = t_case(s, "states");

	tcase_add_test(tc, never_started);
	tcase_add_test(tc, suspended_owner);
	tcase_add_test(tc, suspended_and_copied_out);
	tcase_add_test(tc, owner_before_another_is_resumed);
	tcase_add_test(tc, ended);
	tcase_add_test(tc, ended_while_another_owns_the_stack);

	tc = t_case(s, "main cos");
	tcase_add_test(tc, main_co_without_cos);
	tcase_add_test(tc, current_main_co);
	tcase_add_test(tc, a_main_co_that_is_not_current);

	tc = t_case(s, "by whom");
	tcase_add_loop_test(tc, by_another_co, 0, 4);
	tcase_add_test(tc, by_a_co_on_the_same_stack);
	tcase_add_test(tc, again_and_again);

	tc = t_case(s, "after the share stack");
	tcase_add_loop_test(tc, after_its_stack, 0, 4 * T_LEN(kinds));
	tcase_add_loop_test(tc, several_after_their_stack, 0, 4 * T_LEN(kinds));
	tcase_add_loop_test(tc, after_its_stack_by_another_co, 0, T_LEN(kinds));
	return s;
}
