/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-yield-to.c - aco_yield_to(): from one co to another
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>

#define MAX_TRACE 64

/* Who ran, in which order: a letter each. */
static char trace[MAX_TRACE + 1];

static void step(char who)
{
	size_t len = strlen(trace);

	if (len < MAX_TRACE)
		trace[len] = who;
}

/* ------------------------------------------------------- bad arguments -- */

static void passes_nonsense(void)
{
	aco_t *self = aco_co();
	aco_t *other = aco_get_arg();
	aco_t before = *other;

	errno = 0;
	ck_assert_int_eq(aco_yield_to(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(aco_yield_to((aco_t *)((char *)other + 1)), -1);
	ck_assert_int_eq(errno, EINVAL);
	/* nothing has changed */
	ck_assert_ptr_eq(aco_co(), self);
	ck_assert_int_eq(aco_state(self), ACO_STATE_RUNNING);
	ck_assert_mem_eq(&before, other, sizeof(before));
	step('a');
	aco_yield();
	aco_exit();
}

START_TEST(bad_arguments)
{
	aco_t *other = t_co(t_sstk, passes_nonsense, NULL);

	aco_resume(t_co(t_stack(T_STACK_SIZE), passes_nonsense, other));
	ck_assert_str_eq(trace, "a");
	ck_assert_int_eq(aco_yield_to(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---------------------------------------------------------- two and main -- */

static aco_t *a, *b, *c;

static void goes_to_b(void)
{
	step('a');
	ck_assert_int_eq(aco_yield_to(b), 0);
	ck_assert_ptr_eq(aco_co(), a);
	step('A');
	aco_yield();
	step('x');
	aco_exit();
}

static void yields(void)
{
	step('b');
	ck_assert_ptr_eq(aco_co(), b);
	ck_assert_ptr_eq(b->resumer, t_main);
	ck_assert_int_eq(aco_state(b), ACO_STATE_RUNNING);
	ck_assert_int_eq(aco_state(t_main), ACO_STATE_RESUMING);
	aco_yield();
	step('B');
	aco_exit();
}

static void two(aco_share_stack_t *of_a, aco_share_stack_t *of_b)
{
	a = t_co(of_a, goes_to_b, NULL);
	b = t_co(of_b, yields, NULL);
}

/* On one stack, or on two. */
static void two_cos(int shared)
{
	two(t_sstk, shared ? t_sstk : t_stack(T_STACK_SIZE));
}

START_TEST(to_one_that_begins)
{
	two_cos(_i);
	aco_resume(a);
	ck_assert_str_eq(trace, "ab");
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_int_eq(aco_state(a), ACO_STATE_SUSPENDED);
	ck_assert_int_eq(aco_state(b), ACO_STATE_SUSPENDED);
	aco_resume(a);
	ck_assert_str_eq(trace, "abA");
	aco_resume(b);
	ck_assert_int_eq(b->is_end, 1);
	aco_resume(a);
	ck_assert_int_eq(a->is_end, 1);
	ck_assert_str_eq(trace, "abABx");
}
END_TEST

START_TEST(to_one_that_ends)
{
	two_cos(_i);
	aco_resume(b);
	aco_resume(a);
	ck_assert_str_eq(trace, "baB");
	ck_assert_int_eq(b->is_end, 1);
	ck_assert_int_eq(aco_state(a), ACO_STATE_SUSPENDED);
	t_finish(a, 2);
	ck_assert_str_eq(trace, "baBAx");
}
END_TEST

/* Both never started, suspended, reset while the other runs. */
START_TEST(to_one_that_was_reset)
{
	two_cos(_i);
	aco_resume(a);
	ck_assert_int_eq(aco_reset(a, goes_to_b, NULL), 0);
	ck_assert_int_eq(aco_reset(b, yields, NULL), 0);
	aco_resume(a);
	ck_assert_str_eq(trace, "abab");
	t_finish(b, 1);
	t_finish(a, 2);
}
END_TEST

/* Another co was its last resumer. */
static void resumes_b(void)
{
	step('c');
	aco_resume(b);
	step('C');
	aco_yield();
	step('C');
	aco_exit();
}

static void checks_resumer(void)
{
	ck_assert_ptr_eq(aco_co()->resumer, c);
	aco_yield();
	ck_assert_ptr_eq(aco_co()->resumer, t_main);
	step('b');
	aco_yield();
	aco_exit();
}

START_TEST(the_resumer_is_inherited)
{
	two_cos(_i);
	c = t_co(t_stack(T_STACK_SIZE), resumes_b, NULL);
	ck_assert_int_eq(aco_reset(b, checks_resumer, NULL), 0);
	aco_resume(c);
	ck_assert_str_eq(trace, "cC");
	aco_resume(a);
	ck_assert_str_eq(trace, "cCab");
}
END_TEST

/* ... but once only: what resumes b from the main context is its main co. */
static void keeps_going_to_b(void)
{
	for (;;)
		aco_yield_to(b);
}

static void keeps_yielding(void)
{
	for (;;)
		aco_yield();
}

START_TEST(main_co_after_another_was_inherited)
{
	aco_t *other = aco_create(NULL, NULL, 0, NULL, NULL);

	a = t_co(t_sstk, keeps_going_to_b, NULL);
	b = aco_create(other, _i ? t_sstk : t_stack(T_STACK_SIZE), 0,
		       keeps_yielding, NULL);
	for (int i = 0; i < 4; i++) {
		aco_resume(b);
		ck_assert_ptr_eq(aco_get_co(), other);
		if (i == 2) /* twice in a row */
			continue;
		aco_resume(a);
		ck_assert_ptr_eq(aco_get_co(), t_main);
	}
	aco_resume_value(b, NULL);
	ck_assert_ptr_eq(aco_get_co(), other);
	aco_destroy(b);
	aco_destroy(other);
}
END_TEST

static void goes_to_b_and_again(void)
{
	aco_yield_to(b);
	aco_yield_to(b);
	for (;;)
		aco_yield();
}

/* ... also when it has inherited that more than once. */
START_TEST(main_co_after_another_was_inherited_twice)
{
	aco_t *other = aco_create(NULL, NULL, 0, NULL, NULL);

	a = t_co(t_sstk, goes_to_b_and_again, NULL);
	b = aco_create(other, _i ? t_sstk : t_stack(T_STACK_SIZE), 0,
		       keeps_yielding, NULL);
	for (int i = 0; i < 3; i++) {
		aco_resume(a);
		ck_assert_ptr_eq(aco_get_co(), t_main);
	}
	aco_resume(b);
	ck_assert_ptr_eq(aco_get_co(), other);
	aco_destroy(b);
	aco_destroy(other);
}
END_TEST

/* ---------------------------------------------------------------- chain -- */

static void resumes_a(void)
{
	step('c');
	aco_resume(a);
	step('C');
	ck_assert_ptr_eq(aco_co(), c);
	aco_resume(a);
	step('C');
	aco_exit();
}

static void yields_to_c_by_yield(void)
{
	step('b');
	ck_assert_ptr_eq(b->resumer, c);
	ck_assert_int_eq(aco_state(c), ACO_STATE_RESUMING);
	aco_yield();
}

START_TEST(in_the_middle_of_a_chain)
{
	two_cos(_i);
	ck_assert_int_eq(aco_reset(b, yields_to_c_by_yield, NULL), 0);
	c = t_co(t_stack(T_STACK_SIZE), resumes_a, NULL);
	aco_resume(c);
	ck_assert_str_eq(trace, "cabCAC");
	ck_assert_int_eq(c->is_end, 1);
}
END_TEST

/* The one that leaves the chain can be resumed by those who come after it. */
static void resumes_who_left(void)
{
	step('b');
	aco_resume(a);
	step('B');
	aco_yield();
}

START_TEST(who_leaves_the_chain_can_be_resumed)
{
	two(t_sstk, t_stack(T_STACK_SIZE));
	ck_assert_int_eq(aco_reset(b, resumes_who_left, NULL), 0);
	aco_resume(a);
	ck_assert_str_eq(trace, "abAB");
	ck_assert_ptr_eq(a->resumer, b);
}
END_TEST

/* -------------------------------------------------------------- copying -- */

START_TEST(what_is_counted)
{
	two_cos(1);
	aco_resume(a);
	/* a went out, b began */
	ck_assert_ptr_eq(t_sstk->owner, b);
	ck_assert_uint_eq(a->save_stack.ct_save, 1);
	ck_assert_uint_eq(a->save_stack.ct_restore, 0);
	ck_assert_uint_gt(a->save_stack.max_cpsz, 0);
	ck_assert_uint_eq(a->save_stack.valid_sz, a->save_stack.max_cpsz);
	ck_assert_uint_eq(b->save_stack.ct_save, 0);
	aco_resume(a);
	ck_assert_uint_eq(a->save_stack.ct_restore, 1);
	ck_assert_uint_eq(a->save_stack.valid_sz, 0);
	ck_assert_uint_eq(b->save_stack.ct_save, 1);
	/* the copy in that aco_yield_to() makes */
	ck_assert_uint_eq(b->save_stack.ct_restore, 0);
	ck_assert_int_eq(aco_reset(a, goes_to_b, NULL), 0);
	aco_resume(a);
	ck_assert_uint_eq(b->save_stack.ct_restore, 1);
	ck_assert_uint_eq(b->save_stack.valid_sz, 0);
	ck_assert_uint_eq(a->save_stack.ct_save, 2);
}
END_TEST

START_TEST(standalone_cos_are_not_copied)
{
	two_cos(0);
	for (int i = 0; i < 10; i++) {
		aco_resume(a);
		t_finish(a, 2);
		ck_assert_int_eq(aco_reset(a, goes_to_b, NULL), 0);
		ck_assert_int_eq(aco_reset(b, yields, NULL), 0);
	}
	ck_assert_uint_eq(a->save_stack.ct_save, 0);
	ck_assert_uint_eq(b->save_stack.ct_save, 0);
	ck_assert_uint_eq(b->save_stack.ct_restore, 0);
	ck_assert_ptr_null(a->save_stack.ptr);
}
END_TEST

/* The stack of b belongs to a third one, which is copied out. */
START_TEST(a_third_one_makes_room)
{
	two_cos(0);
	c = t_co(b->share_stack, yields, NULL);
	aco_resume(b);
	trace[0] = '\0';
	b = c; /* yields() checks who it is */
	aco_resume(c);
	ck_assert_uint_eq(b->share_stack->users, 2);
	ck_assert_ptr_eq(b->share_stack->owner, c);
	aco_resume(a);
	ck_assert_str_eq(trace, "baB");
}
END_TEST

/*
 * Cos at changing depths: each holds bytes, goes on to any other, and finds
 * them again.  Now and then one goes back to main.
 */
#define RING 7

static aco_t *ring[RING];
static uint32_t ring_seed;
static unsigned long ring_steps;

static aco_t *any_other(void)
{
	aco_t *co;

	do
		co = ring[t_random(&ring_seed) % RING];
	while (co == aco_co());
	return co;
}

static void pass_on(void)
{
	uint32_t mine = t_random(&ring_seed);
	char bytes[1 + mine % 700];
	char *p = bytes;

	memset(bytes, (int)mine, sizeof(bytes));
	t_opaque(p);
	ring_steps++;
	if (mine % 16 == 0)
		aco_yield();
	else if (aco_yield_to(any_other()) != 0)
		ck_abort_msg("step %lu", ring_steps);
	t_opaque(p);
	for (size_t i = 0; i < sizeof(bytes); i++)
		if (p[i] != (char)mine)
			ck_abort_msg("step %lu: byte %zu", ring_steps, i);
}

static void runs_in_ring(void)
{
	for (;;)
		t_deep((int)(t_random(&ring_seed) % 9), pass_on);
}

/* All on one stack, some on one, each on its own. */
static aco_share_stack_t *stack_in_ring(int kind, int i)
{
	if (kind == 0 || (kind == 1 && i % 3 == 0))
		return t_sstk;
	return t_stack(T_STACK_SIZE);
}

START_TEST(live_bytes_stay)
{
	ring_seed = 99;
	ring_steps = 0;
	for (int i = 0; i < RING; i++)
		ring[i] = t_co2(stack_in_ring(_i, i), runs_in_ring, NULL, 0,
				i % 2 ? ACO_SHARE_FPENV : 0);
	while (ring_steps < 100000)
		aco_resume(ring[t_random(&ring_seed) % RING]);
}
END_TEST

/* ------------------------------------------------------- at the very end -- */

/*
 * A co that has used up its share stack to the last few bytes when it suspends
 * itself: to bring it back takes no more room than it had.
 */
static size_t to_use_up;
static int rounds;

static void fills_the_stack(void)
{
	char *p = __builtin_alloca(to_use_up + 1);

	t_opaque(p);
	for (;;) {
		memset(p, ++rounds, to_use_up);
		aco_yield();
		t_opaque(p);
		for (size_t i = 0; i < to_use_up; i++)
			if (p[i] != (char)rounds)
				ck_abort_msg("byte %zu", i);
	}
}

static size_t unused_bytes(const aco_t *co)
{
	return (size_t)((char *)co->reg[ACO_REG_IDX_SP] -
			(char *)co->share_stack->ptr);
}

static void goes_to_b_for_ever(void)
{
	for (;;)
		aco_yield_to(b);
}

static void use_up(aco_share_stack_t *sstk)
{
	b = t_co(sstk, fills_the_stack, NULL);
	to_use_up = 1000;
	aco_resume(b);
	to_use_up += unused_bytes(b) - 128;
	for (;;) {
		ck_assert_int_eq(aco_reset(b, fills_the_stack, NULL), 0);
		aco_resume(b);
		if (unused_bytes(b) < 64)
			break;
		to_use_up += 16;
	}
}

START_TEST(no_room_is_needed)
{
	a = t_co(t_sstk, goes_to_b_for_ever, NULL);
	use_up(t_sstk);
	for (int i = 0; i < 100; i++)
		aco_resume(a);
	ck_assert_uint_lt(unused_bytes(b), 64);
	ck_assert_int_gt(rounds, 100);
}
END_TEST

/* It was alone and may have a red zone, of which not all has room. */
START_TEST(no_room_for_a_red_zone)
{
	/* not at its begin: Valgrind thinks that the red zone is the stack's */
	static char mem[16384 + 256];
	aco_share_stack_t *sstk = aco_share_stack_from(mem + 128 + _i, 16384);

	ck_assert_ptr_nonnull(sstk);
	use_up(sstk);
	a = t_co(sstk, goes_to_b_for_ever, NULL);
	for (int i = 0; i < 10; i++)
		aco_resume(a);
	ck_assert_int_gt(rounds, 10);
	t_destroy(a);
	t_destroy(b);
	aco_share_stack_destroy(sstk);
}
END_TEST

/* ---------------------------------------------------------- zeros on top -- */

/*
 * Words of zero at the top are not kept in save stacks, but have to come back.
 * aco_switch_in_place() writes them itself; test-save-stack.c tests
 * aco_put_zeros_below(), which writes them in all other cases.  The highest frame
 * holds saved registers and zeros.  A function below it switches and never
 * returns, so the tests can write to the highest frame.
 */
enum { TOP = 12 };

static uintptr_t *top_of(const aco_share_stack_t *sstk)
{
	return (uintptr_t *)sstk->align_retptr - TOP;
}

__attribute__((__noinline__)) static void switches_below(volatile char *frame)
{
	aco_t *next = aco_get_arg();

	for (;;) {
		t_opaque(frame);
		if (!next) {
			aco_yield();
			continue;
		}
		memset(top_of(t_sstk), 0xff, TOP * sizeof(uintptr_t));
		aco_yield_to(next);
	}
}

static void holds_idle_frame(void)
{
	volatile char idle[300] = { 0 };

	switches_below(idle);
}

START_TEST(zeros_at_the_top_come_back)
{
	uintptr_t *top = top_of(t_sstk);

	b = t_co(t_sstk, holds_idle_frame, NULL);
	a = t_co(t_sstk, holds_idle_frame, b);
	aco_resume(b);
	for (int i = 0; i <= TOP; i++) {
		uintptr_t want[TOP] = { 0 };

		if (i < TOP)
			want[i] = (uintptr_t)1 << i;
		memcpy(top, want, sizeof(want));
		aco_resume(a);
		ck_assert_ptr_eq(t_sstk->owner, b);
		ck_assert(!memcmp(top, want, sizeof(want)));
	}
}
END_TEST

/* ----------------------------------------------------- after a deep call -- */

#define DEEP ((size_t)300 << 10)

static void goes_to_b_with(size_t sz)
{
	char *p = __builtin_alloca(sz);

	t_opaque(p);
	memset(p, 1, sz);
	aco_yield_to(b);
	t_opaque(p);
}

/* Deep and not so deep, by every share of a page. */
static void is_deep_now_and_then(void)
{
	for (size_t sz = 1;; sz += 64) {
		goes_to_b_with(DEEP);
		goes_to_b_with(sz);
	}
}

/* What the stack needs no longer is given back, but not from under the call
   that does so. */
START_TEST(a_deep_call_is_left)
{
	aco_share_stack_t *sstk = t_stack((size_t)1 << 20);

	a = t_co(sstk, is_deep_now_and_then, NULL);
	b = t_co(sstk, fills_the_stack, NULL);
	to_use_up = 0;
	for (int i = 0; i < 128; i++) {
		aco_resume(a);
		ck_assert_uint_gt(a->save_stack.sz, DEEP);
		aco_resume(a);
		ck_assert_uint_lt(a->save_stack.sz, DEEP);
	}
	ck_assert_int_eq(rounds, 256);
}
END_TEST

/* --------------------------------------------- alone on a stack, and not -- */

static void makes_another_user(void)
{
	/* from here on a is not alone, and b has lost nothing */
	c = t_co(aco_co()->share_stack, yields, NULL);
	for (;;)
		aco_yield_to(b);
}

START_TEST(another_user_comes)
{
	two_cos(0);
	ck_assert_int_eq(aco_reset(a, makes_another_user, NULL), 0);
	aco_resume(a);
	ck_assert_int_eq(aco_reset(c, resumes_b, NULL), 0);
	aco_resume(c);
	ck_assert_uint_eq(a->save_stack.ct_save, 1);
	ck_assert_int_eq(b->is_end, 1);
	ck_assert_int_eq(aco_reset(b, goes_to_b, NULL), 0);
}
END_TEST

/* ---------------------------------------------------------------- values -- */

static void *got;
static char cell[4];

static void waits_for_value(void)
{
	got = &cell[0];
	got = aco_yield_value(&cell[1]);
	aco_yield_value(&cell[2]);
}

/* Who is continued past its resumer gets nothing; the resumer gets what the
   one sends that has come in the place of whom it has resumed. */
START_TEST(values)
{
	two_cos(_i);
	ck_assert_int_eq(aco_reset(b, waits_for_value, NULL), 0);
	aco_resume(b);
	ck_assert_ptr_eq(got, &cell[0]);
	ck_assert_ptr_eq(aco_resume_value(a, &cell[3]), &cell[2]);
	ck_assert_ptr_null(got);
	ck_assert_ptr_null(aco_resume_value(a, &cell[3]));
}
END_TEST

/* --------------------------------------------------------------- threads -- */

static void *resume_there(void *arg)
{
	aco_resume(arg);
	step('t');
	return NULL;
}

/* Suspended here by aco_yield_to(), continued there, and back. */
static void goes_to_b_twice(void)
{
	pthread_t before = pthread_self();

	step('a');
	aco_yield_to(b);
	t_opaque(before);
	step('A');
	aco_yield_to(b);
	step('x');
	aco_exit();
}

START_TEST(over_threads)
{
	pthread_t thread;

	two_cos(_i);
	ck_assert_int_eq(aco_reset(a, goes_to_b_twice, NULL), 0);
	ck_assert_int_eq(aco_reset(b, waits_for_value, NULL), 0);
	aco_resume(a);
	ck_assert_int_eq(pthread_create(&thread, NULL, resume_there, a), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_str_eq(trace, "aAt");
	aco_resume(a);
	ck_assert_str_eq(trace, "aAtx");
}
END_TEST

void t_reset(void)
{
	memset(trace, 0, sizeof(trace));
	rounds = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("yield_to");
	TCase *tc = t_case(s, "arguments");

	tcase_add_test(tc, bad_arguments);

	tc = t_case(s, "two");
	tcase_add_loop_test(tc, to_one_that_begins, 0, 2);
	tcase_add_loop_test(tc, to_one_that_ends, 0, 2);
	tcase_add_loop_test(tc, to_one_that_was_reset, 0, 2);
	tcase_add_loop_test(tc, the_resumer_is_inherited, 0, 2);
	tcase_add_loop_test(tc, main_co_after_another_was_inherited, 0, 2);
	tcase_add_loop_test(tc, main_co_after_another_was_inherited_twice, 0,
			    2);

	tc = t_case(s, "chain");
	tcase_add_loop_test(tc, in_the_middle_of_a_chain, 0, 2);
	tcase_add_test(tc, who_leaves_the_chain_can_be_resumed);

	tc = t_case(s, "copying");
	tcase_add_test(tc, what_is_counted);
	tcase_add_test(tc, standalone_cos_are_not_copied);
	tcase_add_test(tc, a_third_one_makes_room);
	tcase_add_loop_test(tc, live_bytes_stay, 0, 3);
	tcase_add_test(tc, no_room_is_needed);
	tcase_add_loop_test(tc, no_room_for_a_red_zone, 0, 2);
	tcase_add_test(tc, a_deep_call_is_left);
	tcase_add_test(tc, another_user_comes);

	tc = t_case(s, "bytes");
	tcase_set_tags(tc, T_UNINITIALISED);
	tcase_add_test(tc, zeros_at_the_top_come_back);

	tc = t_case(s, "more");
	tcase_add_loop_test(tc, values, 0, 2);
	tcase_add_loop_test(tc, over_threads, 0, 2);
	return s;
}
