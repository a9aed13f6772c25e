#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# C++ exceptions in cos, with each C++ compiler here.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

# The C++ runtime comes with a library that a C program loads.
# try_library COMPILER FLAG...
try_library() {
	with=$1
	shift
	if [ -e "$libdir/libaco.so" ]; then
		# shellcheck disable=SC2046 # words
		set -- "$@" $(library)
		host=$(library)
	else
		# the program has all of it, for the library
		host="-Wl,--whole-archive $libdir/libaco.a -Wl,--no-whole-archive -rdynamic"
	fi
	# shellcheck disable=SC2046,SC2086 # words
	{
		$with $(arch_flags) -g -fPIC -shared -I"$include" \
			"$top_srcdir/tests/cxx.cc" -o "$scratch/cxx.so" \
			-pthread "$@" &&
			$CC -g -I"$include" "$top_srcdir/tests/cxx-host.c" \
				-o "$scratch/cxx-host" $host -ldl -pthread
	} >"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		fail "$with $*: a C++ library"
	}
	! readelf -dW "$scratch/cxx-host" | grep -q 'stdc++' ||
		fail "the C program has the C++ runtime from the start"
	"$scratch/cxx-host" "$scratch/cxx.so" ||
		fail "$with $*: a C++ library: exit status $?"
	"$scratch/cxx-host" "$scratch/cxx.so" late ||
		fail "$with $*: a C++ library, late: exit status $?"
}

for cxx in g++ clang++; do
	command -v $cxx >/dev/null || continue
	for flags in -O0 -O2 "-O2 -fPIE -pie" "-O2 -DACO_NO_INLINE"; do
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
	try_library $cxx -O2
	try_library $cxx -O2 -DACO_NO_INLINE
done
[ $ran -gt 0 ] || skip "no C++ compiler works here"
echo "$ran programs"
