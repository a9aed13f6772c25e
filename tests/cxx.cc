/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx.cc - exceptions in cos; cxx.sh compiles and runs it
 *
 * The C++ runtime keeps per thread which exceptions are caught and how many
 * are in flight: with a yield in a catch block, or in a destructor that runs
 * while the stack unwinds, each co needs that for itself.
 */
#include <aco.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include <cerrno>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

static void check(bool ok, const char *what, int line)
{
	if (ok)
		return;
	std::fprintf(stderr, "cxx.cc:%d: not true: %s\n", line, what);
	std::_Exit(1);
}
#define CHECK(expr) check(expr, #expr, __LINE__)

/* Each thread has a world of its own. */
static __thread aco_t *main_co;
static __thread aco_share_stack_t *stack_a;
static __thread aco_share_stack_t *stack_b;

struct task {
	int id;
	int rounds;
};

/* Where the next pause leads, if not to the resumer. */
static __thread aco_t *next_co;
static __thread unsigned pauses;

static void pause_co()
{
	aco_t *to = next_co;

	next_co = NULL;
	if (to && !to->is_end && to != aco_co())
		CHECK(aco_yield_to(to) == 0);
	else if (++pauses % 3)
		aco_yield();
	else
		aco_yield_value(NULL);
}

/* How many exceptions are; where that can't be asked, only whether. */
static int flying()
{
#if defined(__cpp_lib_uncaught_exceptions)
	return std::uncaught_exceptions();
#else
	return std::uncaught_exception();
#endif
}

static bool in_flight()
{
	return flying() > 0;
}

static int at_least_one(int n)
{
#if defined(__cpp_lib_uncaught_exceptions)
	return n;
#else
	return n > 0;
#endif
}

/* Yields while an exception passes. */
struct yielder {
	~yielder()
	{
		CHECK(in_flight());
		pause_co();
		CHECK(in_flight());
	}
};

static void throw_deep(int id, int depth)
{
	std::string text("from " + std::to_string(id));

	if (depth > 0) {
		throw_deep(id, depth - 1);
		return;
	}
	yielder y;
	throw std::runtime_error(text);
}

static void catch_one(const task *t, const std::string &expected)
{
	try {
		throw_deep(t->id, t->id % 5);
	} catch (const std::exception &e) {
		CHECK(expected == e.what());
		CHECK(!in_flight());
		pause_co();
		CHECK(expected == e.what());
		try {
			pause_co();
			throw; /* the one that this co has caught */
		} catch (const std::runtime_error &again) {
			pause_co();
			CHECK(expected == again.what());
		}
	}
}

static void throws_and_catches()
{
	task *t = static_cast<task *>(aco_get_arg());
	const std::string expected("from " + std::to_string(t->id));

	for (t->rounds = 0; t->rounds < 20; t->rounds++) {
		CHECK(!std::current_exception());
		catch_one(t, expected);
	}
	/* frees the string: aco_exit() does not return */
	std::string().swap(const_cast<std::string &>(expected));
	aco_exit();
}

/* --------------------------------------- more than one exception at once -- */

/* Pauses while so many pass. */
struct pauser {
	int count;
	explicit pauser(int n) : count(n) {}
	~pauser()
	{
		CHECK(flying() == at_least_one(count));
		pause_co();
		CHECK(flying() == at_least_one(count));
	}
};

/* While one exception passes, another one is thrown and caught. */
struct thrower {
	~thrower()
	{
		try {
			pauser p(2);
			throw std::string("second");
		} catch (const std::string &s) {
			CHECK(flying() == 1);
			pause_co();
			CHECK(flying() == 1);
			CHECK(s == "second");
		}
		CHECK(flying() == 1);
	}
};

/* Each level catches the exception of the next one, and throws it again. */
static void rethrows(int id, int depth)
{
	if (depth == 0) {
		thrower t;
		pauser p(1);
		throw id;
	}
	try {
		rethrows(id, depth - 1);
	} catch (int n) {
		const std::exception_ptr now = std::current_exception();

		CHECK(n == id);
		pause_co();
		CHECK(now == std::current_exception());
		CHECK(!in_flight());
		throw;
	}
}

static void throws_many()
{
	task *t = static_cast<task *>(aco_get_arg());

	for (t->rounds = 0; t->rounds < 20; t->rounds++)
		try {
			rethrows(t->id, 1 + t->id % 4);
		} catch (int n) {
			try {
				pause_co();
				rethrows(-n - 1, 1 + t->id % 3);
			} catch (int again) {
				pause_co();
				CHECK(again == -n - 1);
			}
			CHECK(n == t->id);
			CHECK(!in_flight());
		}
	CHECK(!std::current_exception());
	aco_exit();
}

static int ended(aco_t *const *co, int count)
{
	int n = 0;

	while (count-- > 0)
		n += co[count]->is_end;
	return n;
}

/* With ring, each yields to the next one every second time. */
static void run(aco_share_stack_t *const *stacks, bool ring)
{
	const int count = 7;
	task tasks[count];
	aco_t *co[count];
	const std::exception_ptr caught = std::current_exception();

	for (int i = 0; i < count; i++) {
		tasks[i].id = i;
		co[i] = aco_create(main_co, stacks[i % 2], 0,
				   i < 4 ? throws_and_catches : throws_many,
				   &tasks[i]);
	}
	while (ended(co, count) < count)
		for (int i = 0; i < count; i++) {
			if (co[i]->is_end)
				continue;
			next_co = ring ? co[(i + 1) % count] : NULL;
			if (i % 2)
				aco_resume(co[i]);
			else
				aco_resume_value(co[i], NULL);
			next_co = NULL; /* if it has not paused */
			CHECK(!in_flight());
			CHECK(caught == std::current_exception());
		}
	for (int i = 0; i < count; i++) {
		CHECK(tasks[i].rounds == 20);
		aco_destroy(co[i]);
	}
}

static void sharing()
{
	aco_share_stack_t *const one[] = { stack_a, stack_a };

	run(one, false);
	run(one, true);
}

static void two_stacks()
{
	aco_share_stack_t *const two[] = { stack_a, stack_b };

	run(two, false);
	run(two, true);
}

/* Two that have their stacks for themselves. */
static void standalone()
{
	task tasks[2] = { { 1, 0 }, { 2, 0 } };
	aco_t *a = aco_create(main_co, stack_a, 0, throws_and_catches,
			      &tasks[0]);
	aco_t *b = aco_create(main_co, stack_b, 0, throws_and_catches,
			      &tasks[1]);

	while (!a->is_end || !b->is_end) {
		next_co = b;
		aco_resume(a->is_end ? b : a);
		CHECK(!std::current_exception());
	}
	CHECK(tasks[0].rounds == 20 && tasks[1].rounds == 20);
	aco_destroy(a);
	aco_destroy(b);
}

/* Its stack gets another user while it runs, and a third while it waits. */
struct sharers {
	aco_t *co[2];
	task tasks[2];
};

static void shares_from_a_catch_block()
{
	sharers *other = static_cast<sharers *>(aco_get_arg());
	volatile char bytes[500];

	std::memset(const_cast<char *>(bytes), 77, sizeof(bytes));
	try {
		throw std::string("shared");
	} catch (const std::string &s) {
		for (int i = 0; i < 2; i++) {
			other->co[i] = aco_create(
				main_co, aco_co()->share_stack, 0,
				throws_and_catches, &other->tasks[i]);
			aco_yield();
			CHECK(s == "shared");
			CHECK(bytes[0] == 77 && bytes[sizeof(bytes) - 1] == 77);
		}
		try {
			throw;
		} catch (const std::string &again) {
			CHECK(again == "shared");
		}
	}
	aco_exit();
}

static void loses_its_stack_while_it_runs()
{
	sharers other = { { NULL, NULL }, { { 3, 0 }, { 4, 0 } } };
	aco_t *first = aco_create(main_co, stack_a, 0,
				  shares_from_a_catch_block, &other);

	for (int i = 0; i < 2; i++) {
		aco_resume(first);
		for (int j = 0; j < 3; j++)
			aco_resume(other.co[i]);
	}
	aco_resume(first);
	CHECK(first->is_end);
	aco_destroy(first);
	for (int i = 0; i < 2; i++) {
		while (!other.co[i]->is_end)
			aco_resume(other.co[i]);
		CHECK(other.tasks[i].rounds == 20);
		aco_destroy(other.co[i]);
	}
}

/* ------------------------------------------------ no memory to make room -- */

static bool allow_memory(bool allowed)
{
	rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = allowed ? limit.rlim_max : 1 << 20;
	return setrlimit(RLIMIT_AS, &limit) == 0;
}

/* It fills its stack, and what it yields to is another user of that. */
static void yields_in_vain()
{
	const size_t sz = 8 << 20;
	char *bytes = static_cast<char *>(__builtin_alloca(sz));
	aco_t *to = static_cast<aco_t *>(aco_get_arg());

	__asm__ volatile("" : "+r"(bytes) : : "memory"); /* all are used */
	bytes[0] = bytes[sz - 1] = 77;
	try {
		throw std::string("no memory");
	} catch (const std::string &s) {
		CHECK(allow_memory(false));
		for (int i = 0; i < 2; i++) {
			errno = 0;
			CHECK(aco_yield_to(to) == -1);
			CHECK(errno == ENOMEM);
			CHECK(aco_state(to) == ACO_STATE_INIT);
			CHECK(aco_state(aco_co()) == ACO_STATE_RUNNING);
			CHECK(std::current_exception() != nullptr);
		}
		CHECK(allow_memory(true));
		CHECK(aco_yield_to(to) == 0);
		CHECK(s == "no memory");
		CHECK(bytes[0] == 77 && bytes[sz - 1] == 77);
	}
	aco_exit();
}

static void yield_to_without_memory()
{
	task t = { 3, 0 };
	aco_share_stack_t *sstk = aco_share_stack_new(9 << 20);
	aco_t *to = aco_create(main_co, sstk, 0, throws_and_catches, &t);
	aco_t *co = aco_create(main_co, sstk, 0, yields_in_vain, to);

	aco_resume(co);
	CHECK(!std::current_exception());
	while (!to->is_end)
		aco_resume(to);
	aco_resume(co);
	CHECK(co->is_end);
	aco_destroy(co);
	aco_destroy(to);
	aco_share_stack_destroy(sstk);
}

/* A co is resumed in the catch block of its resumer. */
static void resumed_in_a_catch_block()
{
	try {
		throw 42;
	} catch (int n) {
		sharing();
		/* they see nothing of this one */
		CHECK(n == 42);
		try {
			throw;
		} catch (int again) {
			CHECK(again == 42);
		}
	}
}

static void nests_in_a_catch_block()
{
	try {
		throw std::string("outer");
	} catch (const std::string &s) {
		aco_t *co = static_cast<aco_t *>(aco_get_arg());

		while (!co->is_end) {
			aco_resume(co);
			aco_yield();
		}
		CHECK(s == "outer");
	}
	aco_exit();
}

static void catches_and_suspends()
{
	CHECK(!std::current_exception());
	CHECK(!in_flight());
	try {
		throw 1; // small, and never freed: nobody goes on here
	} catch (int) {
		aco_yield();
	}
}

/* A new life knows nothing of the exceptions of the old one. */
static void reset_in_a_catch_block()
{
	aco_t *co = aco_create(main_co, stack_a, 0, catches_and_suspends, NULL);

	for (int i = 0; i < 3; i++) {
		aco_resume(co);
		CHECK(!std::current_exception());
		CHECK(aco_reset(co, catches_and_suspends, NULL) == 0);
	}
	aco_destroy(co);
}

static void nested()
{
	task t = { 3, 0 };
	aco_t *co = aco_create(main_co, stack_a, 0, throws_and_catches, &t);
	aco_t *nest = aco_create(main_co, stack_b, 0, nests_in_a_catch_block,
				 co);

	while (!nest->is_end) {
		aco_resume(nest);
		CHECK(!std::current_exception());
	}
	CHECK(t.rounds == 20);
	aco_destroy(nest);
	aco_destroy(co);
}

static void says_terminate()
{
	std::fputs("terminate\n", stderr);
	std::exit(3); // not _Exit(), which would keep coverage from counting
}

static void lets_one_out()
{
	aco_yield();
	throw 1;
}

static void resumes_its_arg()
{
	try {
		aco_resume(static_cast<aco_t *>(aco_get_arg()));
	} catch (...) {
		std::fputs("caught\n", stderr);
	}
	aco_exit();
}

/* Here the first of them is a co. */
static void leaves_a_nested_co()
{
	aco_t *co = aco_create(main_co, stack_a, 0, lets_one_out, NULL);
	aco_t *nest = aco_create(main_co, stack_b, 0, resumes_its_arg, co);

	aco_resume(co);
	try {
		aco_resume(nest);
	} catch (...) {
		std::fputs("caught\n", stderr);
	}
}

/* It must not reach the catch block of the resumer. */
static void leaves_a_co()
{
	aco_t *co = aco_create(main_co, stack_a, 0, lets_one_out, NULL);

	std::set_terminate(says_terminate);
	aco_resume(co);
	try {
		aco_resume(co);
	} catch (...) {
		CHECK(!"caught in the resumer");
	}
	CHECK(!"went on in the resumer");
}

/* ----------------------------------------- threads that end inside a co -- */

/* The order in which things are destroyed. */
static std::string destroyed;

struct named {
	const char *name;
	explicit named(const char *n) : name(n) {}
	~named() { destroyed += name; }
};

struct doomed {
	aco_t *inner;
	aco_t *outer;
	bool cancelled;
	int yields;
};

static void ends_the_thread()
{
	doomed *d = static_cast<doomed *>(aco_get_arg());
	named n("i");

	try {
		throw std::string("inner");
	} catch (const std::string &) {
		while (d->yields-- > 0)
			aco_yield();
		if (!d->cancelled)
			pthread_exit(NULL);
		pthread_cancel(pthread_self());
		for (;;)
			pthread_testcancel();
	}
}

/* Its stack is good for the next user. */
static void destroy_after(aco_t *dead)
{
	task t = { 3, 0 };
	aco_t *co = aco_create(main_co, dead->share_stack, 0,
			       throws_and_catches, &t);

	CHECK(dead->is_end);
	while (!co->is_end)
		aco_resume(co);
	aco_destroy(co);
	aco_destroy(dead);
}

/* What a resumer may do while its frames are unwound. */
struct destroyer {
	aco_t *co;
	aco_t *self;
	explicit destroyer(aco_t *c) : co(c), self(aco_get_co()) {}
	~destroyer()
	{
		CHECK(co->is_end);
		CHECK(aco_get_co() == self);
		CHECK(std::current_exception() != nullptr);
		try {
			throw;
		} catch (const std::string &s) {
			CHECK(s == "outer");
		}
		aco_destroy(co);
		destroyed += "D";
	}
};

static void resumes_in_a_catch_block()
{
	doomed *d = static_cast<doomed *>(aco_get_arg());
	named n("o");

	try {
		throw std::string("outer");
	} catch (const std::string &) {
		destroyer destroy(d->inner);

		for (;;) {
			aco_resume(d->inner);
			aco_yield();
		}
	}
}

static void *is_doomed(void *arg)
{
	doomed *d = static_cast<doomed *>(arg);
	named n("t");

	for (int yields = d->yields; yields >= 0; yields--)
		aco_resume(d->outer);
	CHECK(!"went on in the thread");
	return NULL;
}

static void run_doomed(doomed *d, aco_t *first)
{
	pthread_t thread;

	destroyed.clear();
	d->outer = first;
	CHECK(!pthread_create(&thread, NULL, is_doomed, d));
	CHECK(!pthread_join(thread, NULL));
}

static void end_thread(bool cancelled, int yields)
{
	doomed d = { NULL, NULL, cancelled, yields };

	d.inner = aco_create(main_co, stack_a, 0, ends_the_thread, &d);
	run_doomed(&d, aco_create(main_co, stack_b, 0, resumes_in_a_catch_block,
				  &d));
	CHECK(destroyed == "iDot");
	destroy_after(d.outer);

	d.yields = yields;
	run_doomed(&d, aco_create(main_co, stack_a, 0, ends_the_thread, &d));
	CHECK(destroyed == "it");
	destroy_after(d.outer);
}

/*
 * What the compiler does not expect to throw may not be unwound, and such is
 * the inline switch; the first resume of a co is none.
 */
static void end_threads()
{
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		end_thread(cancelled, 0);
#if defined(ACO_NO_INLINE)
		end_thread(cancelled, 1);
		end_thread(cancelled, 3);
#endif
	}
}

/* ------------------------------------------------------------------ main -- */

static void *run_all(void *)
{
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	stack_a = aco_share_stack_new(128 << 10);
	stack_b = aco_share_stack_new(128 << 10);
	sharing();
	two_stacks();
	standalone();
	resumed_in_a_catch_block();
	nested();
	reset_in_a_catch_block();
	loses_its_stack_while_it_runs();
	return NULL;
}

static void end_world()
{
	aco_share_stack_destroy(stack_a);
	aco_share_stack_destroy(stack_b);
	aco_destroy(main_co);
}

static void *run_all_and_end(void *)
{
	for (int i = 0; i < 5; i++) {
		run_all(NULL);
		end_world();
	}
	return NULL;
}

/* At the same time. */
static void two_threads()
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, run_all_and_end, NULL));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
}

/* A name of its own, so that it can be called in a library, too. */
extern "C" int cxx_main(int argc, char **argv);

int cxx_main(int argc, char **argv)
{
	/* yields_in_vain() wants no memory from what was freed or reserved */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 1);
	const char *what = argc > 1 ? argv[1] : "";

	run_all(NULL);
	yield_to_without_memory();
	if (!std::strcmp(what, "leave"))
		leaves_a_co();
	if (!std::strcmp(what, "leave-nested"))
		leaves_a_nested_co();
	end_threads();
	two_threads();
	end_world();
	return 0;
}

/* Needs no exception state of its own. */
extern "C" void cxx_throw_and_catch();

static void throw_unless(int flies)
{
	if (!flies)
		throw std::string("none");
}

void cxx_throw_and_catch()
{
	try {
		throw_unless(flying());
	} catch (const std::string &s) {
		CHECK(s == "none");
	}
}

int main(int argc, char **argv)
{
	return cxx_main(argc, argv);
}
