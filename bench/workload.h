/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.h - the workloads, compiled once more for each implementation
 *
 * An implementation includes this header after it has defined:
 *
 *	stk_t, task_t            an execution stack, a coroutine
 *	BODY(name)               head of a coroutine's function
 *	SELF                     in a body: its task_t *, or NULL if not needed
 *	stk_new(sz, guarded)     stk_free(stk)
 *	task_new(stk, body)      task_free(task)
 *	task_resume(task)        task_yield(SELF)
 *	task_exit(SELF)          last act of a body
 *	SHARES_STACKS            1 if several tasks can use one stack
 *
 * Where one task can continue another one directly, the implementation also
 * defines how tasks that do so are resumed, yield and continue each other:
 * pass_resume(task), pass_yield(SELF), pass_to(SELF, task).
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <alloca.h>
#include <stdlib.h>

#include "machine.h"
#include "protocol.h"
#include "row.h"

#define KB ((size_t)1024)
#define BIG_STACK (64 * KB)
#define SMALL_STACK (8 * KB)

/* A million of them fit into memory. */
#define TINY_STACK (4 * KB)

/* With many more guarded stacks a process runs out of mappings. */
#define MAX_GUARDED 10000

#define NOINLINE __attribute__((__noinline__))

/* Not every implementation has every row. */
#define UNUSED __attribute__((__unused__))

/* The compiler believes that *ptr is read and written here. */
#define KEEP(ptr) __asm__ volatile("" : : "r"(ptr) : "memory")

/* The compiler makes no tail call of a call that stands before it. */
#define BARRIER() __asm__ volatile("" : : : "memory")

static const struct row *the_row;
static task_t **tasks;
static size_t n_tasks, next_task;
static size_t frame_size;
static stk_t *the_stack;

BODY(body_loop)
{
	for (;;)
		task_yield(SELF);
}

/* The frame of a task that is suspended here has frame_size bytes and a few. */
BODY(body_frame)
{
	char *frame = (char *)alloca(frame_size);

	for (;;) {
		KEEP(frame);
		task_yield(SELF);
	}
}

static NOINLINE void yield_1(task_t *self)
{
	(void)self;
	task_yield(self);
	BARRIER();
}

static NOINLINE void yield_2(task_t *self)
{
	yield_1(self);
	BARRIER();
}

static NOINLINE void yield_3(task_t *self)
{
	yield_2(self);
	BARRIER();
}

static NOINLINE void yield_4(task_t *self)
{
	yield_3(self);
	BARRIER();
}

BODY(body_deep)
{
	for (;;)
		yield_4(SELF);
}

BODY(body_short)
{
	task_exit(SELF);
}

static void alloc_tasks(size_t n)
{
	n_tasks = n;
	next_task = 0;
	tasks = (task_t **)bench_need(calloc(n, sizeof(*tasks)));
}

#ifdef pass_to
static long passes_left;

/* Two tasks run this body.  next_task has the number of the one that begins. */
BODY(body_pass)
{
	size_t other = 1 - next_task;

	for (;;) {
		if (passes_left > 0) {
			passes_left--;
			pass_to(SELF, tasks[other]);
		} else {
			pass_yield(SELF);
		}
	}
}

static void run_pass(long n)
{
	passes_left = n;
	pass_resume(tasks[0]);
}

static void setup_pass_on(stk_t *one, stk_t *other)
{
	alloc_tasks(2);
	tasks[0] = task_new(one, body_pass);
	tasks[1] = task_new(other, body_pass);
	task_resume(tasks[0]);
	next_task = 1;
	task_resume(tasks[1]);
}

static void setup_pass(const struct row *row)
{
	the_row = row;
	setup_pass_on(stk_new(BIG_STACK, 1), stk_new(BIG_STACK, 1));
}
#endif

static NOINLINE void resume_1(task_t *task)
{
	task_resume(task);
	BARRIER();
}

static NOINLINE void resume_2(task_t *task)
{
	resume_1(task);
	BARRIER();
}

static NOINLINE void resume_3(task_t *task)
{
	resume_2(task);
	BARRIER();
}

static NOINLINE void resume_4(task_t *task)
{
	resume_3(task);
	BARRIER();
}

static void run_one(long n)
{
	task_t *task = tasks[0];

	while (n-- > 0)
		task_resume(task);
}

static void run_nested(long n)
{
	task_t *task = tasks[0];

	while (n-- > 0)
		resume_1(task);
}

static void run_nested_both(long n)
{
	task_t *task = tasks[0];

	while (n-- > 0)
		resume_4(task);
}

static void run_turn(long n)
{
	size_t i = next_task;

	while (n-- > 0) {
		task_resume(tasks[i]);
		if (++i == n_tasks)
			i = 0;
	}
	next_task = i;
}

static UNUSED void run_create_new(long n)
{
	stk_t *stk;
	task_t *task;

	while (n-- > 0) {
		stk = stk_new(BIG_STACK, 1);
		task = task_new(stk, body_short);
		task_resume(task);
		task_free(task);
		stk_free(stk);
	}
}

static UNUSED void run_create_reuse(long n)
{
	stk_t *stk = the_stack;
	task_t *task;

	while (n-- > 0) {
		task = task_new(stk, body_short);
		task_resume(task);
		task_free(task);
	}
}

/* Each task has a stack of its own, and is started, so that it waits in its
   loop. */
static void make_tasks_on(size_t n, body_t body, size_t sz, int guarded)
{
	size_t i;

	alloc_tasks(n);
	for (i = 0; i < n; i++) {
		tasks[i] = task_new(stk_new(sz, guarded), body);
		task_resume(tasks[i]);
	}
}

static void make_tasks(size_t n, body_t body)
{
	int guarded = n <= MAX_GUARDED;

	make_tasks_on(n, body, guarded ? BIG_STACK : SMALL_STACK, guarded);
}

static void setup_one(const struct row *row)
{
	the_row = row;
	make_tasks(1, body_loop);
}

static void setup_nested(const struct row *row)
{
	the_row = row;
	make_tasks(1, body_deep);
}

static void setup_turn(const struct row *row)
{
	the_row = row;
	make_tasks(row->arg, body_loop);
}

/* As the clients of a server wake their tasks. */
static UNUSED void setup_random_own(const struct row *row)
{
	the_row = row;
	if (row->arg > bench_available() / (2 * TINY_STACK))
		bench_skip("there is not enough memory for so many");
	make_tasks_on(row->arg, body_loop, TINY_STACK, 0);
	bench_shuffle((void **)tasks, n_tasks);
}

/* The kernel's own memory for a task is not counted. */
static void setup_memory_own(const struct row *row)
{
	size_t n = bench_cos < MAX_GUARDED ? bench_cos : MAX_GUARDED;
	size_t before = bench_resident();

	the_row = row;
	make_tasks(n, body_loop);
	bench_value = (double)(bench_resident() - before) / (double)n;
	bench_unit = "bytes";
	bench_note("cos", n);
}

static UNUSED void setup_create_new(const struct row *row)
{
	the_row = row;
}

static UNUSED void setup_create_reuse(const struct row *row)
{
	the_row = row;
	the_stack = stk_new(BIG_STACK, 1);
}

#if !SHARES_STACKS
/* The frames of the two tasks have row->arg bytes, and are not copied. */
static UNUSED void setup_share(const struct row *row)
{
	the_row = row;
	frame_size = row->arg;
	make_tasks(2, body_frame);
}
#endif

/* clang-format off */
#define ROWS_SWITCH(impl, opt)                                               \
	{ "switch", impl, setup_one, run_one, 0, opt },                      \
	{ "nested", impl, setup_nested, run_nested, 0, opt },                \
	{ "nested-both", impl, setup_nested, run_nested_both, 0, opt },      \
	{ "turn-2", impl, setup_turn, run_turn, 2, opt },                    \
	{ "turn-1000", impl, setup_turn, run_turn, 1000, opt }

#define ROWS_PASS(impl, opt)                                                 \
	{ "yield-to", impl, setup_pass, run_pass, 0, opt }

#define ROWS_TURN_MANY(impl, opt)                                            \
	{ "turn-100000", impl, setup_turn, run_turn, 100000, opt }

#define ROWS_RANDOM_OWN(impl, opt)                                           \
	{ "random-own-10000", impl, setup_random_own, run_turn, 10000, opt },\
	{ "random-own-100000", impl, setup_random_own, run_turn, 100000,     \
	  opt },                                                             \
	{ "random-own-1000000", impl, setup_random_own, run_turn, 1000000, opt }

#define ROWS_MEMORY_OWN(impl, opt)                                           \
	{ "memory-own", impl, setup_memory_own, NULL, 0, opt }

#define ROWS_SHARE(impl, opt)                                                \
	{ "share-8", impl, setup_share, run_turn, 8, opt },                  \
	{ "share-24", impl, setup_share, run_turn, 24, opt },                \
	{ "share-56", impl, setup_share, run_turn, 56, opt },                \
	{ "share-120", impl, setup_share, run_turn, 120, opt },              \
	{ "share-136", impl, setup_share, run_turn, 136, opt },              \
	{ "share-488", impl, setup_share, run_turn, 488, opt },              \
	{ "share-1000", impl, setup_share, run_turn, 1000, opt },            \
	{ "share-2000", impl, setup_share, run_turn, 2000, opt },            \
	{ "share-8000", impl, setup_share, run_turn, 8000, opt }

#define ROWS_CREATE_NEW(impl, opt)                                           \
	{ "create-new", impl, setup_create_new, run_create_new, 0, opt }

#define ROWS_CREATE_REUSE(impl, opt)                                         \
	{ "create-reuse", impl, setup_create_reuse, run_create_reuse, 0, opt }

#define ROWS_END { NULL, NULL, NULL, NULL, 0, 0 }
/* clang-format on */

#endif /* BENCH_WORKLOAD_H */
