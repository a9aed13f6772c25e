#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# C++ exceptions in cos, with each C++ compiler here.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

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
done
[ $ran -gt 0 ] || skip "no C++ compiler works here"
echo "$ran programs"
