#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# C++ exceptions in cos, with each C++ compiler here.
. "${top_srcdir:-.}/tests/common.sh"

ran=0 own=0

# build_library NAME COMPILER FLAG...: all of cxx.cc in a library, or failure.
build_library() {
	name=$1 with=$2
	shift 2
	# shellcheck disable=SC2046 # words
	[ ! -e "$libdir/libaco.so" ] || set -- "$@" $(library)
	# shellcheck disable=SC2046 # words
	$with $(arch_flags) -g -fPIC -shared -I"$include" \
		"$top_srcdir/tests/cxx.cc" -o "$scratch/$name.so" \
		-pthread "$@" >"$scratch/log" 2>&1
}

# The C++ runtime comes with a library that a C program loads.
build_host() {
	# the program has all of it, for the library
	host="-Wl,--whole-archive $libdir/libaco.a -Wl,--no-whole-archive -rdynamic"
	[ ! -e "$libdir/libaco.so" ] || host=$(library)
	# shellcheck disable=SC2046,SC2086 # words
	$CC -g -I"$include" "$top_srcdir/tests/cxx-host.c" \
		-o "$scratch/cxx-host" $host -ldl -pthread >"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		fail "a C program"
	}
	! readelf -dW "$scratch/cxx-host" | grep -q 'stdc++' ||
		fail "the C program has the C++ runtime from the start"
}

host() {
	"$scratch/cxx-host" "$@" || fail "$cxx: cxx-host $*: exit status $?"
}

try_libraries() {
	set -- -O2
	is_sample || set -- "$@" "-O2 -DACO_NO_INLINE"
	for flags; do
		# shellcheck disable=SC2086 # words
		build_library cxx $cxx $flags || {
			cat "$scratch/log"
			fail "$cxx $flags: a C++ library"
		}
		host "$scratch/cxx.so"
		host late "$scratch/cxx.so"
		# a runtime of its own, and then there are two
		# shellcheck disable=SC2086 # words
		build_library own $cxx $flags -static-libstdc++ || continue
		! readelf -dW "$scratch/own.so" | grep -q 'NEEDED.*stdc++' ||
			fail "$cxx: a library with a C++ runtime of its own"
		host "$scratch/own.so"
		host short "$scratch/own.so"
		host "$scratch/own.so" "$scratch/cxx.so"
		host "$scratch/cxx.so" "$scratch/own.so"
		cp "$scratch/own.so" "$scratch/own2.so"
		host "$scratch/own.so" "$scratch/own2.so" "$scratch/cxx.so"
		host late "$scratch/own.so"
		own=$((own + 1))
	done
}

build_host
for cxx in $(sample_of 1 g++ clang++); do
	command -v "$cxx" >/dev/null || continue
	# shellcheck disable=SC2046,SC2086 # words
	[ "$(target $cxx $(arch_flags))" = "$(target $CC)" ] || continue
	set -- -O2 "-O2 -DACO_NO_INLINE"
	is_sample || set -- "$@" -O0 "-O2 -fPIE -pie"
	for flags; do
		# shellcheck disable=SC2046,SC2086 # words
		$cxx $(arch_flags) $flags -g -Wall -Wextra -I"$include" \
			"$top_srcdir/tests/cxx.cc" -o "$scratch/cxx" \
			$(library) -pthread >"$scratch/log" 2>&1 || {
			cat "$scratch/log"
			# a library for another architecture is no mistake of ours
			grep -Eq 'cannot find|file not found|incompatible' \
				"$scratch/log" || fail "$cxx $flags"
			continue 2
		}
		[ ! -s "$scratch/log" ] || {
			cat "$scratch/log"
			fail "$cxx $flags warns"
		}
		"$scratch/cxx" || fail "$cxx $flags: exit status $?"
		status=0
		"$scratch/cxx" leave 2>"$scratch/err" || status=$?
		[ "$status: $(cat "$scratch/err")" = "3: terminate" ] ||
			fail "$cxx $flags: an exception that leaves a co: $status"
		# what the C++ library itself does then
		status=0
		# shellcheck disable=SC3045 # every sh of a Linux system knows -c
		(ulimit -c 0 && exec "$scratch/cxx" leave-nested) \
			>"$scratch/err" 2>&1 || status=$?
		if [ $status != 134 ] || grep -q caught "$scratch/err"; then
			cat "$scratch/err"
			fail "$cxx $flags: an exception that leaves a nested co: $status"
		fi
		ran=$((ran + 1))
	done
	try_libraries
done
[ $ran -gt 0 ] || skip "no C++ compiler works here"
echo "$ran programs, $own libraries with a C++ runtime of their own"
