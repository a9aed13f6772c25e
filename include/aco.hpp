/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco.hpp - coroutines for C++17 and later, on top of aco.h; see aco.hpp(3)
 *
 * Objects can be moved and not copied.  A moved-from object can be assigned to
 * and destroyed.  Threads need no preparation: the header makes one main co for
 * the process and never destroys it.
 *
 * Callable objects and the values of generators lie in the heap, where they
 * stay.  While coroutines that share a stack take turns, the bytes of a
 * suspended one move: no other code may use pointers to its local variables.
 *
 * Errors: std::bad_alloc if there is no memory, std::invalid_argument and
 * std::system_error as said below.  After any other misuse the library writes
 * one line and calls abort(3), as in C.
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

/* All shared objects of a process have to find the same address of run(). */
#pragma GCC visibility push(default)

namespace aco
{
namespace detail
{
/* Ends a suspended body.  It has no base class: only "..." catches it. */
struct unwind {
};

/* A coroutine; this object never moves. */
struct state {
	std::shared_ptr<aco_share_stack_t> stack;
	aco_t *co = nullptr;
	std::exception_ptr error; /* from the body, for the resumer */
	bool waits = false;	  /* in aco::yield() */
	bool unwinds = false;

	virtual ~state() = default;
	virtual void call() = 0;
};

template <class F> struct state_of final : state {
	F body;
	explicit state_of(F f) : body(std::move(f))
	{
	}
	void call() override
	{
		body();
	}
};

template <class P> P *check(P *made, const char *what)
{
	if (made)
		return made;
	if (errno == ENOMEM)
		throw std::bad_alloc();
	throw std::invalid_argument(what);
}

/* Threads that have not made it get main cos of the library's own. */
inline aco_t *main_co()
{
	static aco_t *const co = check(
		aco_create2(nullptr, nullptr, 0, nullptr, nullptr, 0), "");
	return co;
}

/* The function of each co. */
inline void run()
{
	state *self = static_cast<state *>(aco_get_arg());

	try {
		self->call();
	} catch (const unwind &) {
	} catch (...) {
		self->error = std::current_exception();
		if (!self->error)
			throw; /* not of C++: the thread ends */
	}
}

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

/* An execution stack.  It lives as long as this object, or a coroutine on it;
   aco.hpp(3) tells how large. */
struct stack {
	/* See aco_share_stack_new2(); std::invalid_argument: too large. */
	explicit stack(std::size_t size = 0, bool guard = true)
	    : ptr(detail::check(aco_share_stack_new2(size, guard),
				"aco::stack: size"),
		  aco_share_stack_destroy)
	{
	}
	/* In memory of the caller, which must outlive the coroutines; see
	   aco_share_stack_from().  std::invalid_argument for its EINVAL. */
	stack(void *mem, std::size_t size)
	    : ptr(detail::check(aco_share_stack_from(mem, size),
				"aco::stack: memory"),
		  aco_share_stack_destroy)
	{
	}
	stack(stack &&) noexcept = default;
	stack &operator=(stack &&) noexcept = default;
	/* For calls of aco.h; NULL after a move. */
	aco_share_stack_t *get() const noexcept
	{
		return ptr.get();
	}

      private:
	friend struct coroutine;
	std::shared_ptr<aco_share_stack_t> ptr;
};

/*
 * Suspend the running coroutine, at any depth of calls; returns when it is
 * resumed.  A co made by aco_create() may call it, too.  std::system_error
 * (operation_not_permitted) outside a co.
 *
 * If the coroutine is destroyed instead of resumed, yield() throws an exception
 * of a private type, so that the destructors of local variables run.  A
 * catch (...) should rethrow it: if the body goes on, each further yield()
 * throws it again.  A yield() in a destructor that an exception has called
 * returns at once then.
 */
[[gnu::always_inline]] inline void yield()
{
	aco_t *co = aco_get_co();

	if (!co || !co->main_co)
		throw std::system_error(EPERM, std::generic_category(),
					"aco::yield: no coroutine runs");
	if (co->fp != detail::run)
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

/*
 * A callable object that runs on a stack.  Destroying a suspended coroutine
 * ends it as yield() tells, and discards what the body throws then.  That is a
 * resume: the library aborts if a running coroutine uses the same stack, or if
 * there is no memory to make room on it.  If the body has called aco_exit(), or
 * has suspended itself by another call than yield(), no destructors run.
 */
struct coroutine {
	coroutine() noexcept = default; /* as after a move */
	/* The first resume() calls body.  flags: 0 or ACO_SHARE_FPENV.
	   std::invalid_argument if the stack is moved from. */
	template <class F, class = std::enable_if_t<std::is_invocable_v<F &>>>
	explicit coroutine(F body, const stack &on = stack(),
			   unsigned flags = 0)
	    : self(new detail::state_of<F>(std::move(body)))
	{
		self->stack = on.ptr;
		self->co = detail::check(
			aco_create2(detail::main_co(), on.get(), 0, detail::run,
				    self.get(), flags | ACO_RETURN_EXITS),
			"aco::coroutine: stack or flags");
	}
	/* Start or continue the body until it yields or ends; throws what it
	   throws.  std::invalid_argument if done(). */
	void resume()
	{
		if (done())
			throw std::invalid_argument("aco::coroutine: done");
		detail::state *s = self.get();
		if (s->co->share_stack->owner == s->co)
			aco_resume(s->co); /* inline; no room to make */
		else if (aco_try_resume(s->co) < 0)
			throw std::bad_alloc();
		if (s->error)
			std::rethrow_exception(std::move(s->error));
	}
	/* The body has ended, or the object was moved from. */
	bool done() const noexcept
	{
		return !self || self->co->is_end;
	}
	/* For calls of aco.h other than aco_reset(); NULL after a move. */
	aco_t *get() const noexcept
	{
		return self ? self->co : nullptr;
	}

      private:
	std::unique_ptr<detail::state, detail::destroy> self;
};

/*
 * An input range of the values that a coroutine produces:
 *
 *	aco::generator<int> g([](auto yield) { yield(1); yield(2); });
 *	for (int i : g)
 *
 * What body throws comes out of the begin() or ++ that has resumed it.
 */
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
		/* std::invalid_argument if the generator does not run. */
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

		/* The value lives until the next ++. */
		T &operator*() const
		{
			return *from->value;
		}
		T *operator->() const
		{
			return &*from->value;
		}
		iterator &operator++()
		{
			from->next();
			return *this;
		}
		void operator++(int)
		{
			from->next();
		}
		/* Are both at the end, or both not? */
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
	explicit generator(F body, const stack &on = stack(),
			   unsigned flags = 0)
	    : to(new slot)
	{
		to->co =
			coroutine([yield = yielder{ to.get() },
				   f = std::move(body)]() mutable { f(yield); },
				  on, flags);
		to->self = to->co.get();
	}
	/* Starts body if it has not started. */
	iterator begin()
	{
		if (to && !to->value)
			to->next();
		return iterator{ to.get() };
	}
	iterator end() const noexcept
	{
		return {};
	}

      private:
	std::unique_ptr<slot> to;
};
} // namespace aco

#pragma GCC visibility pop

#endif /* ACO_HPP */
