/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco.hpp - coroutines for C++17 and later, on top of aco.h; see aco.hpp(3)
 * Objects can be moved, not copied.  Without memory std::bad_alloc is thrown, for
 * bad arguments std::invalid_argument.  Other misuse is a line and abort(3), as in C.
 */
#ifndef ACO_HPP
#define ACO_HPP
#if !defined(__cplusplus) || __cplusplus < 201703L
#error "aco.hpp needs C++17 or later"
#elif !defined(__cpp_exceptions)
#error "aco.hpp needs exceptions: one of them ends a suspended coroutine"
#endif
#include <aco.h>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>
#pragma GCC visibility push(default)
namespace aco
{
namespace detail
{
/* Ends a suspended body.  It has no base class: only "..." catches it. */
struct unwind {
};

/* A coroutine; it never moves. */
struct state {
	std::shared_ptr<aco_share_stack_t> stack;
	aco_t *co = nullptr;
	std::exception_ptr error; /* for the resumer */
	bool waits = false /* in aco::yield() */, unwinds = false;
	virtual ~state() = default;
	virtual void call() = 0;
};

template <class F> struct state_of final : state {
	F body;
	explicit state_of(F f) : body(std::move(f)) {}
	void call() override { body(); }
};

template <class P> P *check(P *made, const char *what)
{
	if (!made && errno == ENOMEM)
		throw std::bad_alloc();
	return made ? made : throw std::invalid_argument(what);
}

/* One for the process, never destroyed; the library makes those of other threads. */
inline aco_t *main_co()
{
	static aco_t *const co = check(
		aco_create2(nullptr, nullptr, 0, nullptr, nullptr, 0), "");
	return co;
}

inline void run()
{
	state *self = static_cast<state *>(aco_get_arg());

	try {
		self->call();
	} catch (const unwind &) {
	} catch (...) {
		if (!(self->error = std::current_exception()))
			throw; /* not of C++: the thread ends */
	}
}
inline aco_cofuncp_t fp = run; /* to gcc one for all plugins, see yield() */

struct destroy {
	void operator()(state *s) const
	{
		if (s->co) {
			s->unwinds = true;
			if (s->waits && aco_state(s->co) == ACO_STATE_SUSPENDED)
				aco_resume(s->co);
			aco_destroy(s->co);
		}
		delete s;
	}
};
} // namespace detail

/* An execution stack: lives as long as this object, or a coroutine on it; mem must
   live as long.  Here and below, get() returns NULL after a move. */
struct stack {
	explicit stack(std::size_t size = 0, bool guard = true)
	    : ptr(detail::check(aco_share_stack_new2(size, guard),
				"aco::stack"),
		  aco_share_stack_destroy)
	{
	}
	stack(void *mem, std::size_t size)
	    : ptr(detail::check(aco_share_stack_from(mem, size), "aco::stack"),
		  aco_share_stack_destroy)
	{
	}
	stack(stack &&) noexcept = default;
	stack &operator=(stack &&) noexcept = default;
	aco_share_stack_t *get() const noexcept { return ptr.get(); }

      private:
	friend struct coroutine;
	std::shared_ptr<aco_share_stack_t> ptr;
};

/* Suspend the running coroutine, or another co, until it is resumed; outside throws
   std::system_error.  If it is destroyed instead, throws what only "catch (...)"
   catches, which should rethrow it; or in a destructor, called by that, returns. */
[[gnu::always_inline]] inline void yield()
{
	aco_t *co = aco_get_co();

	if (!co || !co->main_co)
		throw std::system_error(EPERM, std::generic_category(),
					"aco::yield: no coroutine runs");
	if (co->fp != detail::fp)
		return aco_yield();
	detail::state *self = static_cast<detail::state *>(co->arg);
	if (!self->unwinds) {
		self->waits = true;
		aco_yield();
		self->waits = false;
	}
	if (self->unwinds && std::uncaught_exceptions() == 0)
		throw detail::unwind();
}

/* A callable object that runs on a stack.  flags: 0 or ACO_SHARE_FPENV.  Destroying
   one that yield() has suspended resumes it: no running coroutine may use the stack
   then.  Also a coroutine that was moved from is done(). */
struct coroutine {
	coroutine() noexcept = default; /* as after a move */
	template <class F, class = std::enable_if_t<std::is_invocable_v<F &>>>
	explicit coroutine(F f, const stack &on = stack(), unsigned flags = 0)
	    : self(new detail::state_of<F>(std::move(f)))
	{
		self->stack = on.ptr;
		self->co = detail::check(
			aco_create2(detail::main_co(), on.get(), 0, detail::fp,
				    self.get(), flags | ACO_RETURN_EXITS),
			"aco::coroutine: stack or flags");
	}
	/* Until the body yields, ends or throws, as this does then. */
	void resume()
	{
		if (done())
			throw std::invalid_argument("aco::coroutine: done");
		detail::state *s = self.get();
		if (s->co->resumer == aco_get_co() &&
		    s->co->share_stack->owner == s->co)
			aco_resume(s->co); /* inline; takes no memory */
		else if (aco_try_resume(s->co) < 0)
			throw std::bad_alloc();
		if (s->error)
			std::rethrow_exception(std::move(s->error));
	}
	bool done() const noexcept { return !self || self->co->is_end; }
	aco_t *get() const noexcept { return self ? self->co : nullptr; }

      private:
	std::unique_ptr<detail::state, detail::destroy> self;
};

/* An input range: for (int i : aco::generator<int>([](auto yield) { yield(1); })).
   begin() and ++ throw what the body throws; a value lives until the next ++. */
template <class T> class generator
{
	static_assert(std::is_object_v<T>, "references may lead into stacks");
	struct slot {
		std::optional<T> value;
		const aco_t *self;
		coroutine co; /* ends first: body may use the others */
		void next()
		{
			value.reset();
			while (!value && !co.done())
				co.resume();
		}
	};

      public:
	struct yielder {
		void operator()(T value) const
		{
			if (aco_get_co() != to->self)
				throw std::invalid_argument("aco::generator");
			to->value.emplace(std::move(value));
			yield();
		}
		slot *to;
	};
	struct iterator {
		using iterator_category = std::input_iterator_tag;
		using value_type = T;
		using difference_type = std::ptrdiff_t;
		using pointer = T *;
		using reference = T &;
		T &operator*() const { return *from->value; }
		T *operator->() const { return &*from->value; }
		iterator &operator++() { return from->next(), *this; }
		void operator++(int) { from->next(); }
		friend bool operator==(iterator a, iterator b) noexcept
		{
			return (a.from && a.from->value) ==
			       (b.from && b.from->value);
		}
		friend bool operator!=(iterator a, iterator b) noexcept
		{
			return !(a == b);
		}
		slot *from = nullptr;
	};

	template <class F,
		  class = std::enable_if_t<std::is_invocable_v<F &, yielder>>>
	explicit generator(F fn, const stack &on = stack(), unsigned flags = 0)
	    : to(new slot)
	{
		to->co = coroutine([yield = yielder{ to.get() },
				    f = std::move(fn)]() mutable { f(yield); },
				   on, flags);
		to->self = to->co.get();
	}
	iterator begin()
	{
		if (to && !to->value)
			to->next();
		return iterator{ to.get() };
	}
	iterator end() const noexcept { return {}; }

      private:
	std::unique_ptr<slot> to;
};
} // namespace aco
#pragma GCC visibility pop

#endif /* ACO_HPP */
