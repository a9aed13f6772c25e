/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_pth.c - GNU Pth, threads of one process that yield to each other
 *
 * Each yield goes by Pth's scheduler, which also looks for timers and files.
 */
#include <pth.h>

#include "machine.h"
#include "protocol.h"
#include "row.h"

typedef struct {
	char *mem;
	size_t sz;
	int guarded;
} stk_t;

typedef struct task task_t;
typedef void (*body_t)(task_t *self);

struct task {
	pth_t thread;
	body_t body;
};

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

static pth_t main_thread;

/* The named thread goes on before all others that are ready. */
static inline void task_resume(task_t *task)
{
	pth_yield(task->thread);
}

static inline void task_yield(task_t *self)
{
	(void)self;
	pth_yield(main_thread);
}

/* A thread ends by returning. */
static inline void task_exit(task_t *self)
{
	(void)self;
}

static stk_t *stk_new(size_t sz, int guarded);
static task_t *task_new(stk_t *stk, body_t body);
static void task_free(task_t *task);
static void stk_free(stk_t *stk);

#include "workload.h"

static stk_t *stk_new(size_t sz, int guarded)
{
	stk_t *stk = bench_need(malloc(sizeof(*stk)));

	stk->mem = bench_stack_new(sz, guarded);
	stk->sz = sz;
	stk->guarded = guarded;
	return stk;
}

static void stk_free(stk_t *stk)
{
	bench_stack_free(stk->mem, stk->sz, stk->guarded);
	free(stk);
}

static void *entry(void *arg)
{
	task_t *self = arg;

	self->body(self);
	return NULL;
}

static task_t *task_new(stk_t *stk, body_t body)
{
	task_t *task = bench_need(malloc(sizeof(*task)));
	static pth_attr_t attr;

	if (!attr) {
		pth_init();
		main_thread = pth_self();
		attr = bench_need(pth_attr_new());
	}
	pth_attr_set(attr, PTH_ATTR_STACK_ADDR, stk->mem);
	pth_attr_set(attr, PTH_ATTR_STACK_SIZE, (unsigned)stk->sz);
	task->body = body;
	task->thread = bench_need(pth_spawn(attr, entry, task));
	return task;
}

static void task_free(task_t *task)
{
	pth_join(task->thread, NULL);
	free(task);
}

const char bench_compiler[] = BENCH_COMPILER;

/* A yield looks for the named thread among all, so there is no row with very
   many. */
/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("pth", 0),
	ROWS_MEMORY_OWN("pth", 0),
	ROWS_CREATE_NEW("pth", 0),
	ROWS_CREATE_REUSE("pth", 0),
	ROWS_END
};
/* clang-format on */
