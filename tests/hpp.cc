/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hpp.cc - aco.hpp; hpp.sh compiles and runs it
 */
#include <aco.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <alloca.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#if __cplusplus > 202000L
#include <ranges>

static_assert(std::ranges::input_range<aco::generator<int>>);
static_assert(std::ranges::input_range<aco::generator<std::unique_ptr<int>>>);
static_assert(!std::ranges::forward_range<aco::generator<int>>);
#endif

static void check(bool ok, const char *what, int line)
{
	if (ok)
		return;
	std::fprintf(stderr, "hpp.cc:%d: not true: %s\n", line, what);
	std::_Exit(1);
}
#define CHECK(expr) check(expr, #expr, __LINE__)

/* The expression throws an exception of this type. */
#define THROWS(type, ...)                                                \
	do {                                                             \
		bool thrown_ = false;                                    \
		try {                                                    \
			__VA_ARGS__;                                     \
		} catch (const type &) {                                 \
			thrown_ = true;                                  \
		}                                                        \
		check(thrown_, #__VA_ARGS__ " throws " #type, __LINE__); \
	} while (0)

template <class T> constexpr bool only_moves()
{
	return std::is_nothrow_move_constructible_v<T> &&
	       std::is_nothrow_move_assignable_v<T> &&
	       !std::is_copy_constructible_v<T> &&
	       !std::is_copy_assignable_v<T> &&
	       !std::is_constructible_v<T, T &>;
}
static_assert(only_moves<aco::stack>());
static_assert(only_moves<aco::coroutine>());
static_assert(only_moves<aco::generator<int>>());

/* Counts the objects that live. */
static int live;

struct counted {
	int id;
	explicit counted(int n = 0) : id(n) { live++; }
	counted(const counted &other) : id(other.id) { live++; }
	counted &operator=(const counted &) = default;
	~counted() { live--; }
};

/* ---- coroutines ----------------------------------------------------------- */

static void runs_on(const aco::stack &stack)
{
	int steps = 0;
	aco::coroutine co(
		[&steps, text = std::string(100, 'x')] {
			std::string copy(text);

			for (; steps < 3; steps++) {
				aco::yield();
				CHECK(copy == text && text.size() == 100);
			}
		},
		stack);

	CHECK(!co.done() && steps == 0 && co.get());
	for (int i = 0; i < 4; i++) {
		CHECK(!co.done() && steps == (i ? i - 1 : 0));
		co.resume();
	}
	CHECK(co.done() && steps == 3);
	THROWS(std::invalid_argument, co.resume());
	CHECK(co.done());
}

static void runs()
{
	runs_on(aco::stack());
	runs_on(aco::stack(16384));
	runs_on(aco::stack(65536, false));

	std::vector<char> mem(65536);
	runs_on(aco::stack(mem.data(), mem.size()));

	aco::coroutine co([] { CHECK(aco_get_co()->main_co); });
	co.resume();
	CHECK(co.done());
}

/* Bodies are kept as they are: moved in, and destroyed with the coroutine. */
static void keeps_the_body()
{
	auto only = std::make_unique<counted>(7);
	{
		aco::coroutine co([p = std::move(only)] {
			CHECK(p->id == 7);
			aco::yield();
			CHECK(p->id == 7);
		});
		co.resume();
		co.resume();
		CHECK(co.done() && live == 1);
	}
	CHECK(live == 0);

	static int called;
	aco::coroutine function(+[] { called++; });
	function.resume();
	CHECK(called == 1 && function.done());
}

static void keeps_the_stack()
{
	aco::coroutine co;
	{
		aco::stack stack(65536);
		co = aco::coroutine(
			[] {
				counted c;
				aco::yield();
			},
			stack);
		co.resume();
	}
	CHECK(live == 1);
	co = aco::coroutine();
	CHECK(live == 0);
}

static void moves()
{
	int steps = 0;
	aco::coroutine a([&steps] {
		counted c;

		for (;;) {
			steps++;
			aco::yield();
		}
	});

	a.resume();
	aco::coroutine b(std::move(a));
	CHECK(a.done() && !a.get() && !b.done());
	THROWS(std::invalid_argument, a.resume());
	b.resume();
	CHECK(steps == 2);
	a = std::move(b);
	a.resume();
	CHECK(steps == 3 && b.done() && live == 1);
	a = aco::coroutine([] {}); /* ends the old one */
	CHECK(live == 0 && steps == 3);
	aco::coroutine &self = a;
	a = std::move(self);

	aco::stack s(65536), t(std::move(s));
	CHECK(!s.get() && t.get());
	THROWS(std::invalid_argument, aco::coroutine([] {}, s));
	s = std::move(t);
	CHECK(s.get() && !t.get());
	THROWS(std::invalid_argument, aco::coroutine([] {}, s, 1u << 30));
}

/* The object may move while its body runs. */
static void moves_while_it_runs()
{
	aco::coroutine a, b;

	a = aco::coroutine([&a, &b] {
		b = std::move(a);
		throw std::string("moved");
	});
	THROWS(std::string, a.resume());
	CHECK(!a.get() && b.done());
}

static void shares_a_stack()
{
	const int count = 1000;
	aco::stack stack(65536);
	std::vector<aco::coroutine> all;
	long sum = 0;

	for (int i = 0; i < count; i++)
		all.emplace_back(
			[&sum, i] {
				counted c(i);
				char bytes[300];

				std::memset(bytes, i & 127, sizeof(bytes));
				for (int round = 0; round < 3; round++) {
					aco::yield();
					CHECK(bytes[round * 99] == (i & 127));
					sum += c.id;
				}
				if (i % 3 == 0)
					throw i;
			},
			stack, i % 2 ? ACO_SHARE_FPENV : 0);
	for (int round = 0; round < 3; round++)
		for (aco::coroutine &co : all)
			co.resume();
	CHECK(live == count && sum == 2l * count * (count - 1) / 2);
	/* some end, and the others are ended */
	for (int i = 0; i < count / 2; i++) {
		int caught = -1;

		try {
			all[i].resume();
		} catch (int n) {
			caught = n;
		}
		CHECK(caught == (i % 3 == 0 ? i : -1) && all[i].done());
	}
	CHECK(live == count / 2);
	all.clear();
	CHECK(live == 0);
}

/* ---- exceptions ----------------------------------------------------------- */

static void throws_to_the_resumer()
{
	aco::coroutine co([] {
		counted c;

		aco::yield();
		throw std::runtime_error("from the body");
	});
	std::string text;

	co.resume();
	try {
		co.resume();
	} catch (const std::runtime_error &e) {
		text = e.what();
	}
	CHECK(text == "from the body" && co.done() && live == 0);
	THROWS(std::invalid_argument, co.resume());
}

/* From one coroutine through another one. */
static void throws_through_two()
{
	aco::coroutine outer([] {
		counted c;
		aco::coroutine inner([] { throw std::string("inner"); });

		aco::yield();
		inner.resume();
	});

	outer.resume();
	THROWS(std::string, outer.resume());
	CHECK(outer.done() && live == 0);
}

static void refuses()
{
	const std::size_t huge = static_cast<std::size_t>(-1);

	try {
		aco::yield();
		CHECK(!"yields outside a coroutine");
	} catch (const std::system_error &e) {
		CHECK(e.code() == std::errc::operation_not_permitted);
	}
	THROWS(std::invalid_argument, aco::stack{ huge });
	THROWS(std::invalid_argument, aco::stack{ nullptr, 65536 });

	std::vector<aco::stack> all;
	THROWS(std::bad_alloc, for (;;) all.emplace_back(huge / 4));
}

/* A co of the C interface may call it, too. */
static void yields_in_a_co_of_c()
{
	aco::stack stack(65536);
	aco_t *main_co = aco_create(nullptr, nullptr, 0, nullptr, nullptr);
	aco_t *co = aco_create2(
		main_co, stack.get(), 0, [] { aco::yield(); }, nullptr,
		ACO_RETURN_EXITS);

	aco_resume(co);
	CHECK(!co->is_end);
	aco_resume(co);
	CHECK(co->is_end);
	aco_destroy(co);
	aco_destroy(main_co);
}

/* ---- destroyed while suspended -------------------------------------------- */

static void is_never_started()
{
	bool started = false;
	{
		aco::coroutine co(
			[&started, c = counted()] { started = true; });
		CHECK(live == 1);
	}
	CHECK(!started && live == 0);
}

static void yields_deep(int depth)
{
	counted c(depth);

	if (depth == 0)
		aco::yield();
	else
		yields_deep(depth - 1);
	CHECK(!"goes on after it was destroyed");
}

static void is_suspended()
{
	bool passed = false;
	{
		aco::coroutine co([&passed] {
			counted c;

			try {
				yields_deep(10);
			} catch (const std::exception &) {
				CHECK(!"the exception is one of std");
			} catch (...) {
				passed = true;
				throw;
			}
		});
		co.resume();
		CHECK(live == 12);
	}
	CHECK(passed && live == 0);
}

/* In a catch block, and by an exception that passes in the resumer. */
static void is_suspended_in_a_catch_block()
{
	int caught = 0;

	try {
		aco::coroutine co([&caught] {
			try {
				throw std::string("caught");
			} catch (const std::string &s) {
				counted c;

				aco::yield();
				caught += 2; /* not reached */
			}
		});
		co.resume();
		CHECK(live == 1);
		throw 1;
	} catch (int n) {
		caught += n;
	}
	CHECK(caught == 1 && live == 0 && !std::current_exception());
}

/* What the body does with the exception. */
static void is_swallowed()
{
	int yields = 0;
	{
		aco::coroutine co([&yields] {
			counted c;

			for (int i = 0; i < 3; i++)
				try {
					aco::yield();
					CHECK(yields == 0);
				} catch (...) {
					yields++;
				}
		});
		co.resume();
	}
	CHECK(yields == 3 && live == 0);
}

static void is_replaced()
{
	bool thrown = false;
	{
		aco::coroutine co([&thrown] {
			counted c;

			try {
				aco::yield();
			} catch (...) {
				thrown = true;
				throw std::runtime_error("discarded");
			}
		});
		co.resume();
	}
	CHECK(thrown && live == 0);
}

/* Yields in a destructor. */
struct yielder {
	int *count;
	~yielder()
	{
		aco::yield();
		++*count;
	}
};

static void yields_in_a_destructor()
{
	int count = 0;
	{
		aco::coroutine co([&count] {
			yielder first{ &count };

			aco::yield();
		});
		co.resume();
	}
	CHECK(count == 1);
	{
		/* the exception that passes stays the one of the body */
		aco::coroutine co([&count] {
			try {
				yielder second{ &count };
				throw std::string("passes");
			} catch (const std::string &) {
				count++;
			}
			aco::yield();
			CHECK(!"not thrown here");
		});
		co.resume();
	}
	CHECK(count == 3);
}

/* A body that C code has suspended is not unwound. */
static void is_suspended_by_c()
{
	static bool went_on;
	{
		aco::coroutine co([] {
			aco::yield();
			aco_yield();
			went_on = true;
		});
		co.resume();
		co.resume();
	}
	CHECK(!went_on);
	{
		aco::coroutine co([] { aco_exit(); });
		co.resume();
		CHECK(co.done());
	}
}

/* A suspended coroutine that holds another one. */
static void holds_another()
{
	{
		aco::coroutine outer([] {
			aco::coroutine inner([] {
				counted c;
				aco::yield();
			});

			counted c;
			inner.resume();
			aco::yield();
		});
		outer.resume();
		CHECK(live == 2);
	}
	CHECK(live == 0);
}

/* ---- generators ----------------------------------------------------------- */

static aco::generator<int> count_to(int last)
{
	return aco::generator<int>([last](auto yield) {
		counted c;

		for (int i = 1; i <= last; i++)
			yield(i);
	});
}

static void generates()
{
	std::string text;

	for (int i : count_to(5))
		text += std::to_string(i);
	CHECK(text == "12345" && live == 0);
	for (int i : count_to(0))
		CHECK(!i);

	aco::generator<int> some = count_to(5);
	for (int i : some)
		if (i == 2)
			break;
	/* where it was left */
	CHECK(*some.begin() == 2 && live == 1);
	aco::generator<int> rest(std::move(some));
	CHECK(some.begin() == some.end());
	auto it = rest.begin();
	CHECK(*++it == 3);
	it++;
	CHECK(*it == 4 && it != rest.end());
	++it;
	++it;
	CHECK(it == rest.end() && rest.begin() == rest.end() && live == 0);

	aco::generator<int> left = count_to(3);
	CHECK(*left.begin() == 1 && live == 1);
	left = count_to(2);
	CHECK(live == 0);

	aco::generator<int> sum = count_to(4);
	std::vector<int> copy(sum.begin(), sum.end());
	CHECK(copy == std::vector<int>({ 1, 2, 3, 4 }));
/* views of ranges that only move are in libstdc++ since 12; clang before 16 cannot
   compile the views of libstdc++ */
#if __cplusplus > 202000L && __cpp_lib_ranges >= 202110L && \
	(!defined(__clang__) || __clang_major__ >= 16)
	text.clear();
	for (int i : count_to(9) | std::views::drop(2) | std::views::take(3))
		text += std::to_string(i);
	CHECK(text == "345");
#endif
}

/* Values that only move, and such without a default constructor. */
static void generates_objects()
{
	int sum = 0;
	aco::generator<std::unique_ptr<counted>> g([](auto yield) {
		for (int i = 1; i <= 3; i++)
			yield(std::make_unique<counted>(i));
	});

	for (std::unique_ptr<counted> &p : g) {
		std::unique_ptr<counted> mine(std::move(p));
		sum += mine->id;
	}
	CHECK(sum == 6 && live == 0);

	aco::generator<std::string> strings([](auto yield) {
		const std::string s(50, 's');
		yield(s);
	});
	CHECK(strings.begin()->size() == 50);
}

static void generates_on_one_stack()
{
	aco::stack stack(65536);
	std::vector<aco::generator<int>> all;
	int sum = 0;

	for (int i = 0; i < 100; i++)
		all.emplace_back(
			[i](auto yield) {
				int local = i; /* in a stack that moves */

				for (;; local++)
					yield(local);
			},
			stack);
	for (int round = 0; round < 3; round++)
		for (aco::generator<int> &g : all) {
			auto it = g.begin();
			sum += *it;
			++it;
		}
	CHECK(sum == 3 * 4950 + 300);
}

struct tree {
	int value;
	const tree *left, *right;
};

/* Each has one for each branch, on a stack of its own. */
static aco::generator<int> walk(const tree *t)
{
	return aco::generator<int>([t](auto yield) {
		counted c;

		if (!t)
			return;
		for (int v : walk(t->left))
			yield(v);
		yield(t->value);
		for (int v : walk(t->right))
			yield(v);
	});
}

static void nests_generators()
{
	const tree one = { 1, nullptr, nullptr },
		   three = { 3, nullptr, nullptr };
	const tree two = { 2, &one, &three }, four = { 4, &two, nullptr };
	std::string text;

	for (int i : walk(&four))
		text += std::to_string(i);
	CHECK(text == "1234" && live == 0);
	for (int i : walk(&four))
		if (i == 3)
			break;
	CHECK(live == 0);
}

static void throws_out_of_a_generator()
{
	std::string text;
	aco::generator<int> g([](auto yield) {
		counted c;

		yield(1);
		throw std::runtime_error("after 1");
	});

	try {
		for (int i : g)
			text += std::to_string(i) + " ";
	} catch (const std::runtime_error &e) {
		text += e.what();
	}
	CHECK(text == "1 after 1" && g.begin() == g.end() && live == 0);

	aco::generator<int> at_once([](auto) { throw 7; });
	THROWS(int, at_once.begin());
	CHECK(at_once.begin() == at_once.end());
}

static void yields_for_another()
{
	aco::generator<int> outer([](auto yield) {
		aco::generator<int> inner([yield](auto) { yield(1); });

		THROWS(std::invalid_argument, inner.begin());
		yield(2);
	});

	CHECK(*outer.begin() == 2);
	/* without a value it is only resumed again */
	aco::generator<int> waits([](auto yield) {
		aco::yield();
		yield(3);
		aco::yield();
	});
	auto it = waits.begin();
	CHECK(*it == 3);
	CHECK(++it == waits.end());
}

/* ---- threads -------------------------------------------------------------- */

/* Made on one thread that ends, resumed on the next, destroyed here. */
static void changes_threads()
{
	int steps = 0;
	aco::coroutine co;

	for (int i = 0; i < 3; i++)
		std::thread([&co, &steps] {
			if (!co.get())
				co = aco::coroutine([&steps] {
					counted c;

					for (;;) {
						steps++;
						aco::yield();
					}
				});
			co.resume();
		}).join();
	CHECK(steps == 3 && live == 1);
	co = aco::coroutine();
	CHECK(live == 0);
}

static void *ends_inside(void *)
{
	aco::coroutine co([] {
		counted c;
		pthread_exit(nullptr);
	});

	co.resume();
	CHECK(!"the thread goes on");
	return nullptr;
}

/* Not under sanitizers: they take pthread_exit() inside a co for an error. */
static void ends_a_thread()
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, nullptr, ends_inside, nullptr));
	CHECK(!pthread_join(thread, nullptr));
	CHECK(live == 0);
}

/* ---- no memory ------------------------------------------------------------ */

static void allow_memory(bool allowed)
{
	rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = allowed ? limit.rlim_max : 1 << 20;
	CHECK(!setrlimit(RLIMIT_AS, &limit));
}

/* To resume the second one, the bytes of the first one would have to move. */
static void has_no_memory()
{
	aco::stack stack(9 << 20);
	bool ran = false;
	aco::coroutine first(
		[] {
			const int sz = 8 << 20;
			char *bytes = static_cast<char *>(alloca(sz));

			/* all are used */
			__asm__ volatile("" : "+r"(bytes) : : "memory");
			bytes[0] = bytes[sz - 1] = 7;
			aco::yield();
			CHECK(bytes[0] == 7 && bytes[sz - 1] == 7);
		},
		stack);
	aco::coroutine second([&ran] { ran = true; }, stack);

	aco::generator<int> third(
		[](auto yield) {
			yield(1);
			yield(2);
		},
		stack);
	auto it = third.begin();

	CHECK(*it == 1);
	first.resume();
	allow_memory(false);
	THROWS(std::bad_alloc, second.resume());
	THROWS(std::bad_alloc, ++it);
	/* the value is gone, and the next one still to come */
	CHECK(it == third.end());
	THROWS(std::bad_alloc, ++it);
	allow_memory(true);
	CHECK(!ran && !second.done());
	++it;
	CHECK(it != third.end() && *it == 2 && ++it == third.end());
	second.resume();
	first.resume();
	CHECK(ran && second.done() && first.done());
}

static bool gives_memory = true;

static void *gives(std::size_t sz, void *)
{
	return gives_memory ? std::malloc(sz) : nullptr;
}

static void takes(void *ptr, std::size_t, void *)
{
	std::free(ptr);
}

/* The library makes the main co of another thread. */
static void has_no_memory_for_a_main_co()
{
	const aco_allocator_t allocator = { gives, takes, nullptr };

	CHECK(aco_set_allocator(&allocator) == 0);
	aco::coroutine co([] { aco::yield(); });
	co.resume();
	std::thread([&co] {
		gives_memory = false;
		THROWS(std::bad_alloc, co.resume());
		gives_memory = true;
		CHECK(!co.done());
		co.resume();
		CHECK(co.done());
	}).join();
}

/* ---- misuse --------------------------------------------------------------- */

static void resumes_itself()
{
	aco::coroutine co;

	co = aco::coroutine([&co] { co.resume(); });
	co.resume();
}

static void destroys_itself()
{
	aco::coroutine co;

	co = aco::coroutine([&co] { co = aco::coroutine(); });
	co.resume();
}

/* The other one would have to run on the stack that is in use. */
static void destroys_on_its_own_stack()
{
	aco::stack stack(65536);
	aco::coroutine other([] { aco::yield(); }, stack);
	aco::coroutine co([&other] { other = aco::coroutine(); }, stack);

	other.resume();
	co.resume();
}

static void run_one(const char *what)
{
	if (!std::strcmp(what, "end-thread"))
		ends_a_thread();
	if (!std::strcmp(what, "no-memory"))
		has_no_memory();
	if (!std::strcmp(what, "no-memory-in-thread"))
		has_no_memory_for_a_main_co();
	if (!std::strcmp(what, "resume"))
		resumes_itself();
	if (!std::strcmp(what, "destroy"))
		destroys_itself();
	if (!std::strcmp(what, "stack"))
		destroys_on_its_own_stack();
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		mallopt(M_MMAP_THRESHOLD, 1 << 20); /* none in reserve */
		run_one(argv[1]);
		return 0;
	}
	refuses(); /* before the first co */
	runs();
	refuses();
	keeps_the_body();
	keeps_the_stack();
	moves();
	moves_while_it_runs();
	shares_a_stack();
	throws_to_the_resumer();
	throws_through_two();
	yields_in_a_co_of_c();
	is_never_started();
	is_suspended();
	is_suspended_in_a_catch_block();
	is_swallowed();
	is_replaced();
	yields_in_a_destructor();
	is_suspended_by_c();
	holds_another();
	generates();
	generates_objects();
	generates_on_one_stack();
	nests_generators();
	throws_out_of_a_generator();
	yields_for_another();
	changes_threads();
	CHECK(live == 0);
}
