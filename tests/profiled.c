/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profiled.c - work in nested cos, for the profilers of profilers.sh
 *
 *	main -> outer -> left    -> work_left(), keep_left()
 *	              '-> right  -> work_right(), keep_right()
 *
 * outer has a stack for itself; left and right share one.
 *
 *	profiled        works until it has had 0.4 s of the processor, for what
 *	                samples by time
 *	profiled ROUNDS
 */
#include <aco.h>

#define NOINLINE __attribute__((__noinline__))
#define WORDS 200

static aco_t *outer_co;
static aco_t *left_co;
static aco_t *right_co;
static volatile unsigned sum;
void *kept[2]; /* never freed */

NOINLINE void work_left(void)
{
	for (unsigned i = 0; i < 20000; i++)
		sum += i * i;
}

NOINLINE void work_right(void)
{
	for (unsigned i = 0; i < 20000; i++)
		sum ^= i * i;
}

NOINLINE void keep_left(void)
{
	kept[0] = malloc(300000);
	aco_assertptr(kept[0]);
	memset(kept[0], 1, 300000);
}

NOINLINE void keep_right(void)
{
	kept[1] = malloc(700000);
	aco_assertptr(kept[1]);
	memset(kept[1], 1, 700000);
}

NOINLINE void left(void)
{
	volatile unsigned frame[WORDS] = { 0 };

	keep_left();
	for (;;) {
		work_left();
		frame[0]++;
		aco_yield();
	}
}

NOINLINE void right(void)
{
	volatile unsigned frame[2 * WORDS] = { 0 };

	keep_right();
	for (;;) {
		work_right();
		frame[0]++;
		aco_yield();
	}
}

NOINLINE void outer(void)
{
	for (;;) {
		aco_resume(left_co);
		aco_resume(right_co);
		aco_yield();
	}
}

static int goes_on(int round, int rounds)
{
	if (rounds)
		return round < rounds;
	return clock() < CLOCKS_PER_SEC * 2 / 5;
}

int main(int argc, char **argv)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *own = aco_share_stack_new(0);
	aco_share_stack_t *both = aco_share_stack_new(0);
	int rounds = argc > 1 ? atoi(argv[1]) : 0;

	outer_co = aco_create(main_co, own, 0, outer, NULL);
	left_co = aco_create(main_co, both, 0, left, NULL);
	right_co = aco_create(main_co, both, 0, right, NULL);
	aco_assertptr(right_co);
	for (int i = 0; goes_on(i, rounds); i++)
		aco_resume(outer_co);
	return 0;
}
