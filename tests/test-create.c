/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-create.c - aco_create() and aco_create2()
 */
#include "testutil.h"

#include <errno.h>
#include <sys/resource.h>

static void ends(void)
{
	aco_exit();
}

static void yields_once(void)
{
	aco_yield();
	aco_exit();
}

/* ----------------------------------------------------------- its main co -- */

static void creates_with_itself(void)
{
	aco_t **inner = aco_get_arg();

	*inner = aco_create(aco_get_co(), t_stack(T_STACK_SIZE), 0, ends, NULL);
	aco_resume(*inner);
	aco_exit();
}

/* Programs for 1.2.4 nest that way. */
START_TEST(any_co_stands_for_its_main_co)
{
	aco_t *inner = NULL;
	aco_t *outer = t_co(t_sstk, creates_with_itself, &inner);
	aco_t *last;

	aco_resume(outer);
	ck_assert_ptr_nonnull(inner);
	ck_assert_int_eq(inner->is_end, 1);
	ck_assert_ptr_eq(inner->main_co, t_main);
	last = aco_create(inner, t_sstk, 0, ends, NULL);
	ck_assert_ptr_eq(last->main_co, t_main);
	aco_resume(last);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_destroy(last);
	aco_destroy(inner);
}
END_TEST

/* ----------------------------------------------------- invalid arguments -- */

static void check_einval(aco_t *main_co, aco_share_stack_t *sstk, size_t sz,
			 aco_cofuncp_t fp, unsigned flags)
{
	if (!flags) {
		errno = 0;
		ck_assert_ptr_null(aco_create(main_co, sstk, sz, fp, NULL));
		ck_assert_int_eq(errno, EINVAL);
	}
	errno = 0;
	ck_assert_ptr_null(aco_create2(main_co, sstk, sz, fp, NULL, flags));
	ck_assert_int_eq(errno, EINVAL);
}

START_TEST(no_share_stack)
{
	check_einval(t_main, NULL, 0, ends, 0);
}
END_TEST

START_TEST(no_function)
{
	check_einval(t_main, t_sstk, 0, NULL, 0);
}
END_TEST

START_TEST(misaligned)
{
	for (size_t i = 1; i < sizeof(void *); i++) {
		check_einval((aco_t *)((uintptr_t)t_main + i), t_sstk, 0, ends,
			     0);
		check_einval(t_main,
			     (aco_share_stack_t *)((uintptr_t)t_sstk + i), 0,
			     ends, 0);
	}
}
END_TEST

START_TEST(save_stack_overflows)
{
	check_einval(t_main, t_sstk, SIZE_MAX, ends, 0);
	check_einval(t_main, t_sstk, SIZE_MAX - sizeof(aco_t), ends, 0);
	check_einval(t_main, t_sstk, SIZE_MAX - 7, ends, 0);
}
END_TEST

START_TEST(unknown_flags)
{
	const unsigned known = ACO_SHARE_FPENV | ACO_RETURN_EXITS;

	for (unsigned bit = 1; bit; bit <<= 1) {
		if (bit & known)
			continue;
		check_einval(t_main, t_sstk, 0, ends, bit);
		check_einval(t_main, t_sstk, 0, ends, bit | known);
		check_einval(NULL, NULL, 0, NULL, bit);
	}
}
END_TEST

/* A failure counts as no user of the stack: it can be destroyed. */
START_TEST(failure_changes_nothing)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);

	check_einval(t_main, sstk, 0, NULL, 0);
	check_einval(t_main, sstk, SIZE_MAX, ends, 0);
	check_einval(t_main, sstk, 0, ends, 1u << 31);
	ck_assert_ptr_null(sstk->owner);
	aco_share_stack_destroy(sstk);
}
END_TEST

/* A 32-bit process may well have so much, unless it is kept from it. */
static void ask_too_much(void *arg)
{
	const struct rlimit limit = { 1 << 28, 1 << 28 };

	(void)arg;
	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	errno = 0;
	t_child(!aco_create(t_main, t_sstk, SIZE_MAX / 2 - 4096, ends, NULL));
	t_child(errno == ENOMEM);
}

START_TEST(no_memory_for_the_save_stack)
{
	t_expect_ok(ask_too_much, NULL);
}
END_TEST

/* --------------------------------------------------------------- main co -- */

START_TEST(main_co_uses_arg_and_fp_only)
{
	int arg;
	aco_t *co = aco_create(NULL, (void *)1, SIZE_MAX, ends, &arg);

	ck_assert_ptr_nonnull(co);
	ck_assert(aco_is_main_co(co));
	ck_assert_ptr_eq(co->arg, &arg);
	ck_assert(co->fp == ends);
	ck_assert_ptr_null(co->main_co);
	ck_assert_int_eq(co->is_end, 0);
	aco_destroy(co);
}
END_TEST

/* A recycled piece of memory has the bytes of other cos. */
START_TEST(main_co_in_used_memory)
{
	aco_t *cos[100], *co;
	size_t i, sz;

	for (sz = 0; sz < 100; sz += sizeof(void *)) {
		for (i = 0; i < T_LEN(cos); i++) {
			cos[i] = aco_create(t_main, t_sstk, sz, ends, cos);
			if (sz)
				memset(cos[i]->save_stack.ptr, 0x55, sz);
		}
		for (i = 0; i < T_LEN(cos); i++)
			aco_destroy(cos[i]);
		co = aco_create(NULL, NULL, 0, NULL, NULL);
		ck_assert_ptr_null(co->main_co);
		ck_assert_ptr_null(co->share_stack);
		ck_assert_ptr_null(co->save_stack.ptr);
		ck_assert_int_eq(co->is_end, 0);
		aco_destroy(co);
	}
}
END_TEST

START_TEST(main_co_with_flags)
{
	aco_t *co = aco_create2(NULL, NULL, 0, NULL, NULL,
				ACO_SHARE_FPENV | ACO_RETURN_EXITS);
	aco_t *user;

	ck_assert_ptr_nonnull(co);
	user = aco_create(co, t_sstk, 0, yields_once, NULL);
	ck_assert_ptr_nonnull(user);
	t_finish(user, 2);
	aco_destroy(user);
	aco_destroy(co);
}
END_TEST

/* ---------------------------------------------------------------- fields -- */

static const size_t hints[] = { 0, 1, 7, 8, 63, 64, 65, 4096, 1 << 20 };

START_TEST(fields_of_a_new_co)
{
	int arg;
	aco_t *co = aco_create(t_main, t_sstk, hints[_i], ends, &arg);

	ck_assert_ptr_nonnull(co);
	ck_assert(!aco_is_main_co(co));
	ck_assert_ptr_eq(co->arg, &arg);
	ck_assert(co->fp == ends);
	ck_assert_ptr_eq(co->main_co, t_main);
	ck_assert_ptr_eq(co->share_stack, t_sstk);
	ck_assert_int_eq(co->is_end, 0);
	ck_assert_uint_ge(co->save_stack.sz, hints[_i]);
	ck_assert(!co->save_stack.sz == !co->save_stack.ptr);
	ck_assert_uint_eq(co->save_stack.valid_sz, 0);
	ck_assert_uint_eq(co->save_stack.max_cpsz, 0);
	ck_assert_uint_eq(co->save_stack.ct_save, 0);
	ck_assert_uint_eq(co->save_stack.ct_restore, 0);
	aco_destroy(co);
}
END_TEST

START_TEST(the_hint_is_room_to_write)
{
	aco_t *co = aco_create(t_main, t_sstk, 3000, ends, NULL);

	ck_assert_ptr_nonnull(co);
	memset(co->save_stack.ptr, 0xff, co->save_stack.sz);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	aco_destroy(co);
}
END_TEST

/* ------------------------------------------ it never writes to the stack -- */

static char *copy_of(const aco_share_stack_t *sstk)
{
	char *bytes = malloc(sstk->sz);

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, sstk->ptr, sstk->sz);
	return bytes;
}

static void create_some(aco_share_stack_t *sstk)
{
	for (size_t i = 0; i < T_LEN(hints); i++)
		for (unsigned flags = 0; flags < 4; flags++)
			t_co2(sstk, ends, NULL, hints[i], flags);
}

START_TEST(never_writes_to_a_suspended_owner)
{
	aco_t *co = t_co(t_sstk, yields_once, NULL);
	char *before;

	aco_resume(co);
	before = copy_of(t_sstk);
	create_some(t_sstk);
	ck_assert_mem_eq(before, t_sstk->ptr, t_sstk->sz);
	ck_assert_ptr_eq(t_sstk->owner, co);
	free(before);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
}
END_TEST

START_TEST(never_writes_to_an_empty_stack)
{
	char *before = copy_of(t_sstk);

	create_some(t_sstk);
	ck_assert_mem_eq(before, t_sstk->ptr, t_sstk->sz);
	ck_assert_ptr_null(t_sstk->owner);
	free(before);
}
END_TEST

static void creates_on_own_stack(void)
{
	aco_share_stack_t *sstk = aco_co()->share_stack;
	char *frame = __builtin_frame_address(0);
	size_t sz = (size_t)((char *)sstk->ptr + sstk->sz - frame);
	char before[2048]; /* the first frame may begin 15 cache lines lower */

	ck_assert_uint_le(sz, sizeof(before));
	memcpy(before, frame, sz);
	create_some(sstk);
	ck_assert_mem_eq(before, frame, sz);
	ck_assert_ptr_eq(sstk->owner, aco_co());
	aco_yield();
	aco_exit();
}

START_TEST(never_writes_to_a_running_owner)
{
	aco_t *co = t_co(t_sstk, creates_on_own_stack, NULL);

	t_finish(co, 2);
}
END_TEST

/* ----------------------------------------------------------------- flags -- */

static int returned;

static void returns(void)
{
	aco_yield();
	returned = 1;
}

START_TEST(return_exits)
{
	aco_t *co = t_co2(t_sstk, returns, NULL, 0, ACO_RETURN_EXITS);

	aco_resume(co);
	ck_assert_int_eq(co->is_end, 0);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(returned, 1);
	ck_assert_ptr_null(t_sstk->owner);
	ck_assert_ptr_eq(aco_get_co(), t_main);
}
END_TEST

START_TEST(exit_with_return_exits)
{
	t_finish(t_co2(t_sstk, yields_once, NULL, 0, ACO_RETURN_EXITS), 2);
	t_finish(t_co2(t_sstk, yields_once, NULL, 0,
		       ACO_RETURN_EXITS | ACO_SHARE_FPENV),
		 2);
}
END_TEST

/* Nested: the co that returns goes back to the co that resumed it. */
static void resumes_arg(void)
{
	aco_t *co = aco_get_arg();

	while (!co->is_end)
		aco_resume(co);
	ck_assert_ptr_ne(aco_get_co(), t_main);
	aco_exit();
}

START_TEST(return_exits_to_the_resumer)
{
	aco_t *co = t_co2(t_sstk, returns, NULL, 0,
			  ACO_RETURN_EXITS | ACO_SHARE_FPENV);
	aco_t *nest = t_co(t_stack(T_STACK_SIZE), resumes_arg, co);

	aco_resume(nest);
	ck_assert_int_eq(co->is_end && nest->is_end, 1);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("create");
	TCase *tc = t_case(s, "invalid arguments");

	tcase_add_test(tc, no_share_stack);
	tcase_add_test(tc, no_function);
	tcase_add_test(tc, any_co_stands_for_its_main_co);
	tcase_add_test(tc, misaligned);
	tcase_add_test(tc, save_stack_overflows);
	tcase_add_test(tc, unknown_flags);
	tcase_add_test(tc, failure_changes_nothing);
	tcase_add_test(tc, no_memory_for_the_save_stack);

	tc = t_case(s, "fields");
	tcase_add_test(tc, main_co_uses_arg_and_fp_only);
	tcase_add_test(tc, main_co_in_used_memory);
	tcase_add_test(tc, main_co_with_flags);
	tcase_add_loop_test(tc, fields_of_a_new_co, 0, T_LEN(hints));
	tcase_add_test(tc, the_hint_is_room_to_write);

	tc = t_case(s, "share stack");
	tcase_set_tags(tc, T_UNINITIALISED);
	tcase_add_test(tc, never_writes_to_a_suspended_owner);
	tcase_add_test(tc, never_writes_to_an_empty_stack);
	tcase_add_test(tc, never_writes_to_a_running_owner);

	tc = t_case(s, "flags");
	tcase_add_test(tc, return_exits);
	tcase_add_test(tc, exit_with_return_exits);
	tcase_add_test(tc, return_exits_to_the_resumer);
	return s;
}
