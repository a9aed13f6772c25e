/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_cxx20.cc - the coroutines of C++20, which have no stack
 *
 * A function that suspends must be written as a coroutine, and so must all its
 * callers.  So there is no row that suspends in a called function.
 */
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <vector>

#include "machine.h"
#include "protocol.h"
#include "row.h"

#define NOINLINE __attribute__((__noinline__))

struct task {
	struct promise_type {
		task get_return_object()
		{
			return { handle::from_promise(*this) };
		}
		std::suspend_always initial_suspend() noexcept { return {}; }
		std::suspend_always final_suspend() noexcept { return {}; }
		void return_void() {}
		void unhandled_exception() { std::terminate(); }
	};
	using handle = std::coroutine_handle<promise_type>;
	handle h;
};

static std::vector<task> tasks;
static size_t next_task;

/* Where the compiler inlines the body, it leaves out the allocation of the
   frame, which real programs pay for. */
static NOINLINE task body_loop()
{
	for (;;)
		co_await std::suspend_always{};
}

static NOINLINE task body_short()
{
	co_return;
}

static void make_tasks(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tasks.push_back(body_loop());
		tasks[i].h.resume();
	}
}

static void setup(const struct row *row)
{
	make_tasks(row->arg);
}

static void setup_random(const struct row *row)
{
	std::vector<void *> order;

	make_tasks(row->arg);
	for (task t : tasks)
		order.push_back(t.h.address());
	bench_shuffle(order.data(), order.size());
	for (size_t i = 0; i < order.size(); i++)
		tasks[i].h = task::handle::from_address(order[i]);
}

static void setup_memory(const struct row *)
{
	size_t n = bench_cos < 10000 ? bench_cos : 10000;
	size_t before = bench_resident();

	make_tasks(n);
	bench_value = (double)(bench_resident() - before) / (double)n;
	bench_unit = "bytes";
	bench_note("cos", n);
}

static void run_one(long n)
{
	task t = tasks[0];

	while (n-- > 0)
		t.h.resume();
}

static void run_turn(long n)
{
	size_t i = next_task;

	while (n-- > 0) {
		tasks[i].h.resume();
		if (++i == tasks.size())
			i = 0;
	}
	next_task = i;
}

static void run_create(long n)
{
	while (n-- > 0) {
		task t = body_short();

		t.h.resume();
		t.h.destroy();
	}
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	{ "switch", "c++20", setup, run_one, 1, 0 },
	{ "turn-1000", "c++20", setup, run_turn, 1000, 0 },
	{ "turn-100000", "c++20", setup, run_turn, 100000, 0 },
	{ "random-own-10000", "c++20", setup_random, run_turn, 10000, 0 },
	{ "random-own-100000", "c++20", setup_random, run_turn, 100000, 0 },
	{ "random-own-1000000", "c++20", setup_random, run_turn, 1000000, 0 },
	{ "memory-own", "c++20", setup_memory, NULL, 0, 0 },
	{ "create-reuse", "c++20", setup, run_create, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 }
};
/* clang-format on */
