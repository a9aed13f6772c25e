/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_st.c - State Threads, threads of one process for network servers
 *
 * Threads hand over by condition variables: st_cond_signal() makes the other
 * thread ready, and st_cond_wait() goes on in it.
 */
#include <st.h>

#include "protocol.h"
#include "row.h"

/* The library makes the stacks, without guards, and keeps them for reuse. */
typedef struct {
	size_t sz;
} stk_t;

typedef struct task task_t;
typedef void (*body_t)(task_t *self);

struct task {
	st_thread_t thread;
	st_cond_t resumed;
	body_t body;
};

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

static st_cond_t yielded;

static inline void task_resume(task_t *task)
{
	st_cond_signal(task->resumed);
	st_cond_wait(yielded);
}

static inline void task_yield(task_t *self)
{
	st_cond_signal(yielded);
	st_cond_wait(self->resumed);
}

/* A thread ends by returning. */
static inline void task_exit(task_t *self)
{
	(void)self;
	st_cond_signal(yielded);
}

static stk_t *stk_new(size_t sz, int guarded);
static task_t *task_new(stk_t *stk, body_t body);
static void task_free(task_t *task);
static void stk_free(stk_t *stk);

#include "workload.h"

static stk_t *stk_new(size_t sz, int guarded)
{
	stk_t *stk = bench_need(malloc(sizeof(*stk)));

	(void)guarded;
	stk->sz = sz;
	return stk;
}

static void stk_free(stk_t *stk)
{
	free(stk);
}

static void *entry(void *arg)
{
	task_t *self = arg;

	self->body(self);
	return NULL;
}

/* The new thread is ready, and runs when the main thread first waits. */
static task_t *task_new(stk_t *stk, body_t body)
{
	task_t *task = bench_need(malloc(sizeof(*task)));

	if (!yielded) {
		if (st_init() < 0)
			bench_skip("State Threads can't begin");
		yielded = bench_need(st_cond_new());
	}
	task->body = body;
	task->resumed = bench_need(st_cond_new());
	task->thread =
		bench_need(st_thread_create(entry, task, 1, (int)stk->sz));
	return task;
}

static void task_free(task_t *task)
{
	st_thread_join(task->thread, NULL);
	st_cond_destroy(task->resumed);
	free(task);
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("st", 0),
	ROWS_TURN_MANY("st", 0),
	ROWS_MEMORY_OWN("st", 0),
	ROWS_CREATE_REUSE("st", 0),
	ROWS_END
};
/* clang-format on */
