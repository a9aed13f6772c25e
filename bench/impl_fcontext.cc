/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_fcontext.cc - the switch below Boost.Context, used directly
 *
 * The reference that others are compared with.  It switches the control words.
 */
#include <boost/context/detail/fcontext.hpp>

#include <cstdint>

#include "worker.h"

namespace fctx = boost::context::detail;

struct stk {
	char *mem;
	size_t sz;
	int guarded;
};

struct task;
typedef void (*body_t)(task *self);

/* Lives at the top of its stack, as the record of a boost::context::fiber. */
struct task {
	fctx::fcontext_t ctx;	 /* where it goes on */
	fctx::fcontext_t caller; /* where its resumer goes on */
	body_t body;
};

typedef stk stk_t;
typedef task task_t;

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

static stk_t *stk_new(size_t sz, int guarded)
{
	stk_t *stk = new stk_t;

	stk->mem = (char *)bench_stack_new(sz, guarded);
	stk->sz = sz;
	stk->guarded = guarded;
	return stk;
}

static void stk_free(stk_t *stk)
{
	bench_stack_free(stk->mem, stk->sz, stk->guarded);
	delete stk;
}

static inline void task_resume(task_t *task)
{
	task->ctx = fctx::jump_fcontext(task->ctx, task).fctx;
}

static inline void task_yield(task_t *self)
{
	self->caller = fctx::jump_fcontext(self->caller, nullptr).fctx;
}

static inline void task_exit(task_t *self)
{
	fctx::jump_fcontext(self->caller, nullptr);
	__builtin_unreachable();
}

static void entry(fctx::transfer_t from)
{
	task_t *self = (task_t *)from.data;

	self->caller = from.fctx;
	self->body(self);
}

static task_t *task_new(stk_t *stk, body_t body)
{
	uintptr_t top = (uintptr_t)stk->mem + stk->sz - sizeof(task_t);
	task_t *task = (task_t *)(top & ~(uintptr_t)15);

	task->body = body;
	task->ctx = fctx::make_fcontext(task, stk->sz - 64, entry);
	return task;
}

static void task_free(task_t *)
{
}

#include "workload.h"

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("boost-fcontext", 0),
	ROWS_TURN_MANY("boost-fcontext", 0),
	ROWS_SHARE("boost-fcontext", 0),
	ROWS_CREATE_NEW("boost-fcontext", 0),
	ROWS_CREATE_REUSE("boost-fcontext", 0),
	ROWS_END
};
/* clang-format on */
