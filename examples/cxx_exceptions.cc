/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx_exceptions.cc - C++ exceptions in cos, and from a co to its resumer
 *
 * In a co exceptions are thrown and caught as anywhere, and it may suspend in a
 * catch block: what another co throws meanwhile is not mixed up with that.  But
 * none may leave the function of a co, where nobody has called it; that would
 * end in std::terminate.  So the class below catches what is left, and throws
 * it again in the resumer.
 *
 * It prints:
 *
 *	a: handles "bad number: x1", to be continued
 *	b: handles "bad number: x2", to be continued
 *	a: still "bad number: x1"
 *	main: "no more" from a
 *	b: still "bad number: x2"
 */
#include <aco.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

/* A function that runs on a stack of its own. */
struct task {
	std::function<void()> body;
	std::exception_ptr failure;
	aco_share_stack_t *stack;
	aco_t *co;

	task(aco_t *main_co, std::function<void()> f)
	    : body(std::move(f)), stack(aco_share_stack_new(256 << 10))
	{
		if (!stack)
			throw std::bad_alloc();
		co = aco_create2(main_co, stack, 0, run, this,
				 ACO_RETURN_EXITS);
		if (!co) {
			aco_share_stack_destroy(stack);
			throw std::bad_alloc();
		}
	}

	/* What a suspended function holds would be lost: let it end first. */
	~task()
	{
		aco_destroy(co);
		aco_share_stack_destroy(stack);
	}

	task(const task &) = delete;

	void resume()
	{
		aco_resume(co);
		if (failure)
			std::rethrow_exception(std::exchange(failure, nullptr));
	}

	static void run()
	{
		task *self = static_cast<task *>(aco_get_arg());

		try {
			self->body();
		} catch (...) {
			self->failure = std::current_exception();
		}
	}
};

static void parse(const std::string &text)
{
	if (text[0] == 'x')
		throw std::invalid_argument("bad number: " + text);
}

static void work(const char *name, const char *text, bool patient)
{
	try {
		parse(text);
	} catch (const std::invalid_argument &e) {
		std::printf("%s: handles \"%s\", to be continued\n", name,
			    e.what());
		aco_yield(); /* others throw and catch now */
		std::printf("%s: still \"%s\"\n", name, e.what());
		if (!patient)
			throw std::runtime_error("no more");
	}
}

static void run_both(aco_t *main_co)
{
	task a(main_co, [] { work("a", "x1", false); });
	task b(main_co, [] { work("b", "x2", true); });

	while (!b.co->is_end) {
		try {
			a.resume();
		} catch (const std::runtime_error &e) {
			std::printf("main: \"%s\" from a\n", e.what());
		}
		b.resume();
	}
}

int main()
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	run_both(main_co);
	aco_destroy(main_co);
	return std::fflush(stdout) != 0;
}
