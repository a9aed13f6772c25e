/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_fiber.cc - boost::context::fiber
 *
 * The allocators of Boost make its stacks: with a guard, from malloc(), or from
 * a pool.
 */
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>

#include <memory>
#include <utility>

#include "row.h"

namespace ctx = boost::context;

/* The constructor of a fiber makes the stack that this describes. */
struct stk {
	size_t sz;
	int guarded;
};

struct task {
	ctx::fiber fiber;
	ctx::fiber caller;
};

typedef stk stk_t;
typedef task task_t;
typedef void (*body_t)(task_t *self);

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

static stk_t *stk_new(size_t sz, int guarded)
{
	return new stk_t{ sz, guarded };
}

static void stk_free(stk_t *stk)
{
	delete stk;
}

static inline void task_resume(task_t *task)
{
	task->fiber = std::move(task->fiber).resume();
}

static inline void task_yield(task_t *self)
{
	self->caller = std::move(self->caller).resume();
}

/* A fiber ends by returning. */
static inline void task_exit(task_t *)
{
}

static task_t *task_new(stk_t *stk, body_t body);

static void task_free(task_t *task)
{
	delete task;
}

#include "workload.h"

enum { AS_ASKED, POOLED };

static task_t *task_new(stk_t *stk, body_t body)
{
	static ctx::pooled_fixedsize_stack pool(BIG_STACK);
	task_t *task = new task_t;
	auto fn = [task, body](ctx::fiber &&caller) {
		task->caller = std::move(caller);
		body(task);
		return std::move(task->caller);
	};

	if (the_row->opt == POOLED)
		task->fiber = ctx::fiber(std::allocator_arg, pool, fn);
	else if (stk->guarded)
		task->fiber =
			ctx::fiber(std::allocator_arg,
				   ctx::protected_fixedsize_stack(stk->sz), fn);
	else
		task->fiber = ctx::fiber(std::allocator_arg,
					 ctx::fixedsize_stack(stk->sz), fn);
	return task;
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("boost-fiber", AS_ASKED),
	ROWS_TURN_MANY("boost-fiber", AS_ASKED),
	ROWS_MEMORY_OWN("boost-fiber", AS_ASKED),
	ROWS_CREATE_NEW("boost-fiber", AS_ASKED),
	ROWS_CREATE_NEW("boost-fiber-pooled", POOLED),
	ROWS_CREATE_REUSE("boost-fiber-pooled", POOLED),
	ROWS_END
};
/* clang-format on */
