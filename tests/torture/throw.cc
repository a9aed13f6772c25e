// SPDX-License-Identifier: Apache-2.0
//
// throw.cc - exceptions in flight while cos switch
//
#include "torture.h"

#include <exception>

namespace
{

struct thing {
	uintptr_t id;
};

// Ends with the exception that began before it.
struct guard {
	void (*fn)(void *);
	void *arg;
	int flying;

	~guard()
	{
		CHECK_EQ("exceptions in flight", std::uncaught_exceptions(),
			 flying + 1);
		fn(arg);
		CHECK_EQ("exceptions in flight after a switch",
			 std::uncaught_exceptions(), flying + 1);
	}
};

void check_current(uintptr_t id)
{
	try {
		throw;
	} catch (const thing &t) {
		CHECK_EQ("the exception that is handled", t.id, id);
	}
}

} // namespace

void torture_catch(void (*fn)(void *), void *arg, uintptr_t id)
{
	int flying = std::uncaught_exceptions();

	try {
		throw thing{ id };
	} catch (const thing &t) {
		fn(arg);
		CHECK_EQ("a caught exception", t.id, id);
		CHECK_EQ("exceptions in flight in a handler",
			 std::uncaught_exceptions(), flying);
		check_current(id);
	}
}

void torture_unwind(void (*fn)(void *), void *arg, uintptr_t id)
{
	try {
		guard g{ fn, arg, std::uncaught_exceptions() };

		throw thing{ id };
	} catch (const thing &t) {
		CHECK_EQ("an exception that passed a frame", t.id, id);
	}
}
