#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# aco.hpp with each C++ compiler here: its tests, in each standard, under
# sanitizers; what it refuses; what ends in a line of the library.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

# Short enough to be read in one go; aco.hpp(3) documents it.
[ "$(wc -l <"$include/aco.hpp")" -lt 250 ] || fail "aco.hpp has 250 lines or more"

# build FLAG...: the tests as $scratch/hpp, without a warning.
build() {
	# shellcheck disable=SC2046,SC2154 # words; cxx: the loop below
	$cxx $(arch_flags) -g -Wall -Wextra -Wpedantic -Wshadow "$@" \
		-I"$include" "$top_srcdir/tests/hpp.cc" -o "$scratch/hpp" \
		$(library) -pthread >"$scratch/log" 2>&1 &&
		[ ! -s "$scratch/log" ]
}

# runs FLAG...: a program with $scratch/probe.cc.
runs() {
	# shellcheck disable=SC2046 # words
	$cxx $(arch_flags) "$@" "$scratch/probe.cc" -o "$scratch/probe" \
		$(library) -pthread 2>/dev/null && "$scratch/probe" 2>/dev/null
}

# has STANDARD: clang 17 cannot compile the threads of libstdc++ 14 in C++23.  As these
# headers take long, once for each $cxx.
asked=
has() {
	case $asked in
	*" $cxx $1: yes "*) return 0 ;;
	*" $cxx $1: no "*) return 1 ;;
	esac
	echo '#include <optional>
#include <thread>
int main() { std::thread([] {}).join(); }' >"$scratch/probe.cc"
	answer=no
	if runs "$1"; then answer=yes; fi
	asked="$asked $cxx $1: $answer "
	[ $answer = yes ]
}

# works STANDARD FLAG...: the compiler takes the flags and makes programs for the library
# here that run.
works() {
	has "$1" || return 1
	echo 'extern "C" const char *aco_version(void);
int main() { try { throw aco_version(); } catch (const char *) { } }' \
		>"$scratch/probe.cc"
	runs "$@"
}

# try FLAG...
try() {
	works "$@" || return 0
	build "$@" || {
		cat "$scratch/log"
		fail "$cxx $*"
	}
	"$scratch/hpp" || fail "$cxx $*: exit status $?"
	ran=$((ran + 1))
}

# aborts WHAT LINE: the library says why.
aborts() {
	status=0
	# shellcheck disable=SC3045 # every sh of a Linux system knows -c
	(ulimit -c 0 && exec "$scratch/hpp" "$1") >"$scratch/err" 2>&1 || status=$?
	[ $status = 134 ] || fail "$cxx: hpp $1: exit status $status"
	grep -q "^libaco: $2: co 0x" "$scratch/err" || {
		cat "$scratch/err"
		fail "$cxx: hpp $1 should say: $2"
	}
}

# refused MESSAGE FLAG...
refused() {
	message=$1
	shift
	# shellcheck disable=SC2046 # words
	! echo '#include <aco.hpp>' | $cxx $(arch_flags) "$@" -I"$include" \
		-x c++ -fsyntax-only - 2>"$scratch/log" ||
		fail "$cxx $* takes aco.hpp"
	grep -q "error: .*$message" "$scratch/log" || {
		cat "$scratch/log"
		fail "$cxx $* does not say: $message"
	}
}

# Two files with the header make one program.
twice() {
	echo '#include <aco.hpp>
#include <aco.hpp>
int one();
int one()
{
	for (int i : aco::generator<int>([](auto yield) { yield(1); }))
		return i;
	return 0;
}' >"$scratch/one.cc"
	sed 's/int one()$/int main()/; /^int one();/d; s/yield(1)/yield(0)/' \
		"$scratch/one.cc" >"$scratch/main.cc"
	# shellcheck disable=SC2046 # words
	$cxx $(arch_flags) -std=c++17 -Wall -Wextra -Wpedantic -Wconversion \
		-Wmissing-declarations -Werror -I"$include" "$scratch/one.cc" \
		"$scratch/main.cc" -o "$scratch/twice" $(library) -pthread ||
		fail "$cxx: two files with aco.hpp"
	"$scratch/twice" || fail "$cxx: a program of two files fails"
}

# Two plugins with the header, neither of which sees the symbols of the other: one
# waits in a coroutine of the other, and is unwound.  gcc makes what is to be one for
# the process a symbol of its own kind; clang has none such.
plugins() {
	[ -e "$libdir/libaco.so" ] || return 0
	case $cxx in
	*clang*) return 0 ;;
	esac
	echo '#include <aco.hpp>
extern "C" void wait_here() { aco::yield(); }' >"$scratch/waits.cc"
	echo '#include <aco.hpp>
extern "C" bool is_unwound(void (*wait_here)())
{
	struct seen {
		bool &unwound;
		~seen() { unwound = true; }
	};
	bool unwound = false;
	{
		aco::coroutine c([&] { seen s{ unwound }; wait_here(); });
		c.resume();
	}
	return unwound;
}' >"$scratch/makes.cc"
	echo '#include <dlfcn.h>
int main(int, char **argv)
{
	void *makes = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	void *waits = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);

	if (!makes || !waits)
		return 2;
	return !((bool (*)(void *))dlsym(makes, "is_unwound"))(
		dlsym(waits, "wait_here"));
}' >"$scratch/host.cc"
	for plugin in makes waits; do
		# shellcheck disable=SC2046 # words
		$cxx $(arch_flags) -std=c++17 -O2 -fPIC -shared -I"$include" 			"$scratch/$plugin.cc" -o "$scratch/$plugin.so" $(library) ||
			fail "$cxx: a plugin with aco.hpp"
	done
	# shellcheck disable=SC2046 # words
	$cxx $(arch_flags) -std=c++17 "$scratch/host.cc" -o "$scratch/host" -ldl ||
		fail "$cxx: a program with plugins"
	"$scratch/host" "$scratch/makes.so" "$scratch/waits.so" ||
		fail "$cxx: a coroutine that waits in another plugin is not unwound"
}

# How much of it for $cc: "standards" for other versions than those that most have, and
# for a second architecture, for which the first compiler has all.
extent() {
	if is_sample; then
		echo one
	elif is_second && [ $ran -gt 0 ]; then
		echo standards
	else
		case " gcc clang $(cc_name) " in
		*" $cc "*) echo all ;;
		*) echo standards ;;
		esac
	fi
}

for cc in $(compilers); do
	cxx=$(cxx_of "$cc")
	works -std=c++17 || continue
	echo "$cxx"
	case $(extent) in
	one)
		try -std=c++17 -O2
		break
		;;
	standards)
		try -std=c++17 -O2
		try -std=c++2b -O2
		continue
		;;
	esac
	try -std=c++17 -O0
	try -std=c++20 -O0
	try -std=c++17 -O2
	try -std=c++2b -O2
	"$scratch/hpp" end-thread || fail "$cxx: a thread that ends in a coroutine"
	"$scratch/hpp" no-memory || fail "$cxx: no memory to resume"
	"$scratch/hpp" no-memory-in-thread ||
		fail "$cxx: no memory to resume in another thread"
	aborts resume "aco_try_resume: the co is running"
	aborts destroy "aco_destroy: the co is running"
	aborts stack "aco_resume: a running co uses its share stack"
	try -std=c++20 -O2 -DACO_NO_INLINE
	try -std=c++17 -O2 -fvisibility=hidden -fvisibility-inlines-hidden -fno-rtti
	try -std=c++20 -O1 -fsanitize=address,undefined
	try -std=c++20 -O1 -fsanitize=thread
	twice
	plugins
	refused C++17 -std=c++14
	refused exceptions -std=c++17 -fno-exceptions
done
[ $ran -gt 0 ] || skip "no C++ compiler works here"
echo "$ran programs"
