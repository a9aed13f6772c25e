/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb-program.c - cos in all states, for tests/gdb.sh
 *
 * gdb-program [N]: and N more, which share stacks.  It is stopped in ready(), where
 * it sends itself a signal if the environment has ACO_TEST_RAISE.
 */
#include "aco.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((__noinline__))

/* What the program knows itself. */
aco_t *main_co, *own, *fresh, *ended, *outer, *inner, *first, *second, *third,
	*large, *away, *away_main, *mask, *over_mask, *gone_first, *gone_last;
aco_share_stack_t *shared, *destroyed;
aco_t **many;
size_t count;
volatile int sink;

static pthread_barrier_t barrier;

void ready(void);
NOINLINE void ready(void)
{
	if (getenv("ACO_TEST_RAISE"))
		raise(SIGUSR1);
	__asm__ volatile("");
}

/* gdb calls it. */
int inc(int n);
NOINLINE int inc(int n)
{
	return n + 1;
}

/* Frames with something to look at. */
NOINLINE static void deep(int level, const int *above)
{
	volatile int number = 1000 * level + *above;
	char text[] = "of this co";

	if (level > 0) {
		deep(level - 1, above);
	} else {
		__asm__ volatile("" : : "r"(text) : "memory");
		aco_yield();
	}
	sink = number + text[0];
}

static void sleeper(void)
{
	int start = *(int *)aco_get_arg();

	deep(2, &start);
	aco_exit();
}

/* More than goes to a save stack that is a piece. */
NOINLINE static void wide(const int *above)
{
	volatile int number = *above;
	char room[3000];

	memset(room, number, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
	aco_yield();
	sink = number + room[7];
}

static void wide_sleeper(void)
{
	wide(aco_get_arg());
	aco_exit();
}

NOINLINE static void other_place(void)
{
	volatile int here = 5;

	aco_yield();
	sink = here;
}

static void waiter(void)
{
	other_place();
	aco_exit();
}

static void inner_function(void)
{
	ready();
	aco_exit();
}

static void outer_function(void)
{
	volatile int wait_for = 77;

	aco_resume(inner);
	sink = wait_for;
	aco_exit();
}

static aco_t *co_on(aco_share_stack_t *sstk, size_t save_sz, aco_cofuncp_t fp,
		    int number)
{
	int *arg = malloc(sizeof(*arg));

	*arg = number;
	return aco_create(main_co, sstk ? sstk : aco_share_stack_new(0),
			  save_sz, fp, arg);
}

static aco_t *resumed(aco_t *co)
{
	aco_resume(co);
	return co;
}

static void *thread(void *arg)
{
	int number = 900;

	away_main = aco_create(NULL, NULL, 0, NULL, NULL);
	away = aco_create(away_main, aco_share_stack_new(0), 0, sleeper,
			  &number);
	aco_set_name(away, "far\naway");
	aco_resume(away);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void make_many(void)
{
	aco_share_stack_t *sstk = NULL;

	many = calloc(count + 1, sizeof(*many));
	for (size_t i = 0; i < count; i++) {
		if (i % 1000 == 0)
			sstk = aco_share_stack_new(0);
		many[i] = resumed(co_on(sstk, 0, i % 10 ? sleeper : waiter, 1));
	}
}

/* It begins on the last page but one of a mapping, and ends on the last. */
static const char *name_over_pages(void)
{
	char *mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memcpy(mem + 4096 - 4, "over pages", 11);
}

/* Of the stack of these cos nothing is left. */
static void make_gone(void)
{
	size_t sz = 1 << 16;
	void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	aco_share_stack_t *sstk = aco_share_stack_from(mem, sz);

	gone_last = co_on(sstk, 0, sleeper, 730);
	gone_first = resumed(co_on(sstk, 0, sleeper, 740));
	aco_resume(gone_last);
	aco_share_stack_destroy(sstk);
	munmap(mem, sz);
}

int main(int argc, char **argv)
{
	aco_share_stack_t *other;
	pthread_t id;

	count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	pthread_barrier_init(&barrier, NULL, 2);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	pthread_create(&id, NULL, thread, NULL);
	pthread_barrier_wait(&barrier);

	make_gone();
	own = resumed(co_on(NULL, 0, sleeper, 100));
	fresh = co_on(NULL, 0, sleeper, 200);
	ended = resumed(resumed(co_on(NULL, 0, waiter, 300)));
	large = resumed(
		co_on(aco_share_stack_new2(8 << 20, 0), 2000, sleeper, 400));
	aco_set_name(large, name_over_pages());

	shared = aco_share_stack_new(0);
	first = resumed(co_on(shared, 0, sleeper, 500));
	second = resumed(co_on(shared, 0, wide_sleeper, 600));
	third = resumed(co_on(shared, 64, sleeper, 700));
	/* a save stack that looks like a co; nothing resumes this one any more */
	other = aco_share_stack_new(0);
	mask = resumed(co_on(other, 0, sleeper, 710));
	over_mask = resumed(co_on(other, 0, sleeper, 720));
	memcpy(mask->save_stack.ptr, own, sizeof(*own));

	destroyed = aco_share_stack_new2(1 << 16, 1);
	aco_share_stack_destroy(destroyed);
	make_many();

	inner = co_on(NULL, 0, inner_function, 800);
	outer = co_on(NULL, 0, outer_function, 801);
	aco_resume(outer);
	__asm__ volatile("in_main: .globl in_main");
	pthread_barrier_wait(&barrier);
	pthread_join(id, NULL);
	puts("went on");
	return 0;
}
