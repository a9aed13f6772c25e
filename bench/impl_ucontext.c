/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_ucontext.c - swapcontext() of the C library
 *
 * swapcontext() saves and restores the signal mask, so a round trip takes two
 * system calls.
 */
#include <stdint.h>
#include <ucontext.h>

#include "machine.h"
#include "protocol.h"
#include "row.h"

typedef struct {
	char *mem;
	size_t sz;
	int guarded;
} stk_t;

typedef struct {
	ucontext_t ctx;
	ucontext_t caller;
} task_t;

typedef void (*body_t)(task_t *self);

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

static inline void task_resume(task_t *task)
{
	swapcontext(&task->caller, &task->ctx);
}

static inline void task_yield(task_t *self)
{
	swapcontext(&self->ctx, &self->caller);
}

static inline void task_exit(task_t *self)
{
	setcontext(&self->caller);
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

/* makecontext() passes arguments of type int only. */
static void entry(unsigned body_hi, unsigned body_lo, unsigned self_hi,
		  unsigned self_lo)
{
	uint64_t body = (uint64_t)body_hi << 32 | body_lo;
	uint64_t self = (uint64_t)self_hi << 32 | self_lo;

	((body_t)(uintptr_t)body)((task_t *)(uintptr_t)self);
}

static task_t *task_new(stk_t *stk, body_t body)
{
	task_t *task = bench_need(malloc(sizeof(*task)));
	uint64_t fn = (uintptr_t)body, self = (uintptr_t)task;

	getcontext(&task->ctx);
	task->ctx.uc_stack.ss_sp = stk->mem;
	task->ctx.uc_stack.ss_size = stk->sz;
	task->ctx.uc_link = NULL;
	makecontext(&task->ctx, (void (*)(void))entry, 4, (unsigned)(fn >> 32),
		    (unsigned)fn, (unsigned)(self >> 32), (unsigned)self);
	return task;
}

static void task_free(task_t *task)
{
	free(task);
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("swapcontext", 0),
	ROWS_TURN_MANY("swapcontext", 0),
	ROWS_RANDOM_OWN("swapcontext", 0),
	ROWS_MEMORY_OWN("swapcontext", 0),
	ROWS_SHARE("swapcontext", 0),
	ROWS_CREATE_NEW("swapcontext", 0),
	ROWS_CREATE_REUSE("swapcontext", 0),
	ROWS_END
};
/* clang-format on */
