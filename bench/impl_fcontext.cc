/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_fcontext.cc - the switch below Boost.Context, used directly
 *
 * The other implementations are compared with this one.  Its switch includes
 * the control words.
 */
#include <boost/context/detail/fcontext.hpp>

#include <cstdint>

#include "machine.h"
#include "row.h"

namespace fctx = boost::context::detail;

struct stk {
	char *mem;
	size_t sz;
	int guarded;
};

struct task;
typedef void (*body_t)(task *self);

/* A task lies at the top of its stack, as the record of a boost::context::fiber
   does. */
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

/* The task that goes on stores the context of the suspended one at the address
   that comes with the switch. */
static inline void pass(fctx::fcontext_t to, fctx::fcontext_t *from)
{
	fctx::transfer_t t = fctx::jump_fcontext(to, from);

	*(fctx::fcontext_t *)t.data = t.fctx;
}

static fctx::fcontext_t main_ctx;

#define pass_resume(task) pass((task)->ctx, &main_ctx)
#define pass_yield(self) pass(main_ctx, &(self)->ctx)
#define pass_to(self, task) pass((task)->ctx, &(self)->ctx)

static inline void task_exit(task_t *self)
{
	fctx::jump_fcontext(self->caller, nullptr);
	__builtin_unreachable();
}

static void entry(fctx::transfer_t from)
{
	task_t *self = (task_t *)from.data;

	main_ctx = self->caller = from.fctx;
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

static void body_value(task_t *self)
{
	fctx::transfer_t t = { self->caller, nullptr };

	for (;;)
		t = fctx::jump_fcontext(t.fctx, t.data);
}

static void run_value(long n)
{
	fctx::transfer_t t = { tasks[0]->ctx, tasks[0] };

	while (n-- > 0)
		t = fctx::jump_fcontext(t.fctx, t.data);
	tasks[0]->ctx = t.fctx;
}

static void setup_value(const struct row *row)
{
	the_row = row;
	make_tasks(1, body_value);
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("boost-fcontext", 0),
	ROWS_PASS("boost-fcontext", 0),
	{ "value", "boost-fcontext", setup_value, run_value, 0, 0 },
	ROWS_TURN_MANY("boost-fcontext", 0),
	ROWS_RANDOM_OWN("boost-fcontext", 0),
	ROWS_MEMORY_OWN("boost-fcontext", 0),
	ROWS_SHARE("boost-fcontext", 0),
	ROWS_CREATE_NEW("boost-fcontext", 0),
	ROWS_CREATE_REUSE("boost-fcontext", 0),
	ROWS_END
};
/* clang-format on */
