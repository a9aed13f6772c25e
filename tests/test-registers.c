/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-registers.c - callee-saved registers and the direction flag
 *
 * The System V ABI says what a function must leave as it was; aco_resume() and
 * aco_yield() are functions to their callers.
 */
#include "testutil.h"

#include "regs.h"

#define ROUNDS 50000
#define SHARING 5

static uint32_t random_state = 88172645u;
static unsigned long switches;

static uintptr_t random_word(void)
{
	uint64_t hi = t_random(&random_state);

	return (uintptr_t)(hi << 32 | t_random(&random_state));
}

/* Call fn(arg) with random registers; fail unless all come back. */
static void checked_call(void (*fn)(void *arg), void *arg)
{
	struct regs regs;

	for (int i = 0; i < REGS_COUNT; i++)
		regs.in[i] = random_word();
	regs_call(&regs, fn, arg);
	switches++;
	for (int i = 0; i < REGS_COUNT; i++)
		if (regs.in[i] != regs.out[i])
			ck_abort_msg("register %d: %#lx is now %#lx", i,
				     (unsigned long)regs.in[i],
				     (unsigned long)regs.out[i]);
	if (regs.flags & REGS_DIRECTION_FLAG)
		ck_abort_msg("the direction flag is set");
}

/* Each twice: the function itself, and what the compiler makes of a call. */
static void call_resume(void *co)
{
	aco_resume(co);
}

static void call_yield(void *arg)
{
	(void)arg;
	aco_yield();
}

static void call_try_resume(void *co)
{
	if (aco_try_resume(co) != 0)
		ck_abort_msg("aco_try_resume");
}

static void call_yield1(void *arg)
{
	(void)arg;
	aco_yield1(aco_co());
}

static void checked_resume(aco_t *co)
{
	void (*const fn[])(void *) = { (void (*)(void *))aco_resume,
				       call_resume, call_try_resume };

	checked_call(fn[t_random(&random_state) % T_LEN(fn)], co);
}

static void checked_yield(void)
{
	void (*const fn[])(void *) = { (void (*)(void *))aco_yield, call_yield,
				       call_yield1 };

	checked_call(fn[t_random(&random_state) % T_LEN(fn)], NULL);
}

static void yields_for_ever(void)
{
	for (;;)
		checked_yield();
}

static unsigned flags_of(int i)
{
	return i ? ACO_SHARE_FPENV : 0;
}

START_TEST(standalone)
{
	aco_t *co = t_co2(t_sstk, yields_for_ever, NULL, 0, flags_of(_i));

	for (int i = 0; i < ROUNDS; i++)
		checked_resume(co);
	ck_assert_uint_eq(switches, 2 * ROUNDS - 1);
}
END_TEST

START_TEST(sharing)
{
	aco_t *co[SHARING];

	for (int i = 0; i < SHARING; i++)
		co[i] = t_co2(t_sstk, yields_for_ever, NULL, 0, flags_of(_i));
	for (int i = 0; i < ROUNDS; i++)
		checked_resume(co[t_random(&random_state) % SHARING]);
	ck_assert_uint_ge(switches, 2 * ROUNDS - SHARING);
}
END_TEST

static void resumes_and_yields(void)
{
	for (;;) {
		checked_resume(aco_get_arg());
		checked_yield();
	}
}

/* Three levels; the lowest two share their stacks with others. */
START_TEST(nested)
{
	aco_share_stack_t *b = t_stack(T_STACK_SIZE);
	aco_share_stack_t *c = t_stack(T_STACK_SIZE);
	unsigned flags = flags_of(_i);
	aco_t *on_b = t_co(b, yields_for_ever, NULL);
	aco_t *on_c = t_co(c, yields_for_ever, NULL);
	aco_t *one = t_co2(c, yields_for_ever, NULL, 0, flags);
	aco_t *two = t_co2(b, resumes_and_yields, one, 0, flags);
	aco_t *three = t_co2(t_sstk, resumes_and_yields, two, 0, flags);
	aco_t *all[] = { on_b, on_c, one, two, three };

	for (int i = 0; i < ROUNDS / 2; i++)
		checked_resume(all[t_random(&random_state) % T_LEN(all)]);
}
END_TEST

/* The end of a co, and its beginning, are switches, too. */
static void ends(void)
{
	aco_exit();
}

static void returns(void)
{
}

START_TEST(start_and_end)
{
	for (int i = 0; i < 20000; i++) {
		aco_t *co = i & 1 ? t_co2(t_sstk, returns, NULL, 0,
					  ACO_RETURN_EXITS | flags_of(_i))
				  : t_co2(t_sstk, ends, NULL, 0, flags_of(_i));

		checked_resume(co);
		if (!co->is_end)
			ck_abort_msg("it has not ended");
		t_destroy(co);
	}
}
END_TEST

/* Not reached: regs_entry is not used here. */
REGS_ENTRY_ARG void regs_entered(uintptr_t sp)
{
	(void)sp;
}

void t_reset(void)
{
	switches = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("registers");
	TCase *tc = t_case(s, "registers");

	tcase_add_loop_test(tc, standalone, 0, 2);
	tcase_add_loop_test(tc, sharing, 0, 2);
	tcase_add_loop_test(tc, nested, 0, 2);
	tcase_add_loop_test(tc, start_and_end, 0, 2);
	return s;
}
