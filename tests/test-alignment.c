/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-alignment.c - the stack pointer where functions are called
 *
 * Both ABIs want it 16-byte aligned before the call pushes its return address.
 */
#include "testutil.h"

#include <emmintrin.h>

#include "regs.h"

static uintptr_t entry_sp;
static int in_last_word;

REGS_ENTRY_ARG void regs_entered(uintptr_t sp)
{
	entry_sp = sp;
	if (in_last_word)
		_exit(sp % 16 == 16 - sizeof(void *) ? 0 : 1);
	aco_exit();
}

static void check_entry(aco_share_stack_t *sstk, unsigned flags)
{
	aco_t *co;

	if (!sstk)
		ck_abort_msg("no share stack");
	entry_sp = 0;
	co = t_co2(sstk, regs_entry, NULL, 0, flags);
	aco_resume(co);
	if ((entry_sp + sizeof(void *)) % 16 || !entry_sp)
		ck_abort_msg("at entry: %#lx", (unsigned long)entry_sp);
	t_destroy(co);
}

static void check_size(size_t sz)
{
	for (int guard = 0; guard < 2; guard++) {
		aco_share_stack_t *sstk = aco_share_stack_new2(sz, (char)guard);

		check_entry(sstk, 0);
		check_entry(sstk, ACO_SHARE_FPENV | ACO_RETURN_EXITS);
		aco_share_stack_destroy(sstk);
	}
}

START_TEST(at_entry_for_every_size)
{
	check_size(0);
	check_size(1);
	for (size_t sz = 4096; sz < 4096 + 130; sz++)
		check_size(sz);
	for (size_t sz = 60000; sz < 60000 + 70; sz++)
		check_size(sz);
}
END_TEST

/* A second co on the stack begins where the first did. */
static void yields_once(void)
{
	aco_yield();
	aco_exit();
}

START_TEST(at_entry_of_a_sharing_co)
{
	aco_t *co = t_co(t_sstk, yields_once, NULL);

	aco_resume(co);
	check_entry(t_sstk, 0);
	t_finish(co, 1);
	check_entry(t_sstk, 0);
}
END_TEST

static void resumes_arg(void)
{
	aco_resume(aco_get_arg());
	aco_exit();
}

START_TEST(at_entry_when_resumed_by_a_co)
{
	aco_t *co = t_co(t_stack(T_STACK_SIZE), regs_entry, NULL);

	aco_resume(t_co(t_sstk, resumes_arg, co));
	ck_assert_uint_eq((entry_sp + sizeof(void *)) % 16, 0);
}
END_TEST

/* The compiler uses movaps for these, and does not align the stack itself. */
static float sums[4];

__attribute__((__target__("sse2"))) static void stores_vectors(void)
{
	__m128 v = _mm_set_ps(4, 3, 2, 1);
	volatile __m128 local;

	for (int i = 0; i < 3; i++) {
		local = v;
		aco_yield();
		v = _mm_add_ps(local, local);
	}
	_mm_storeu_ps(sums, v);
	aco_exit();
}

START_TEST(aligned_stores)
{
	aco_t *one = t_co(t_sstk, stores_vectors, NULL);
	aco_t *two = t_co(t_sstk, stores_vectors, NULL);

	for (int i = 0; i < 4; i++) {
		aco_resume(one);
		aco_resume(two);
	}
	ck_assert(one->is_end && two->is_end);
	for (int i = 0; i < 4; i++)
		ck_assert(sums[i] == 8.0f * (float)(i + 1));
}
END_TEST

/* The callback of the protector is called by C code on the co's stack. */
static void returns(void)
{
}

static void return_to_last_word(void *arg)
{
	(void)arg;
	in_last_word = 1;
	aco_thread_init(regs_entry);
	aco_resume(t_co(t_sstk, returns, NULL));
}

START_TEST(at_entry_of_last_word)
{
	t_expect_ok(return_to_last_word, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("alignment");
	TCase *tc = t_case(s, "alignment");

	tcase_add_test(tc, at_entry_for_every_size);
	tcase_add_test(tc, at_entry_of_a_sharing_co);
	tcase_add_test(tc, at_entry_when_resumed_by_a_co);
	tcase_add_test(tc, aligned_stores);
	tcase_add_test(tc, at_entry_of_last_word);
	return s;
}
