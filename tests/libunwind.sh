#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libunwind walks from inside a co to main, and from the reg[] of a suspended
# co to where that begins.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

# shellcheck disable=SC2154 # include, scratch: common.sh
for cc in gcc clang; do
	compiler $cc || continue
	for flags in "-O0" "-O2" "-O2 -DACO_NO_INLINE"; do
		# shellcheck disable=SC2046,SC2086 # words
		"$cc" $(arch_flags) $flags -g -Wall -Wextra -Werror \
			-I"$include" -DHAVE_LIBUNWIND \
			"$top_srcdir/tests/backtrace.c" \
			-o "$scratch/backtrace" $(library) -pthread -lunwind \
			>"$scratch/log" 2>&1 || {
			grep -Eq 'libunwind.*\.h|lunwind' "$scratch/log" &&
				skip "no libunwind for this architecture here"
			fail "$cc $flags: $(cat "$scratch/log")"
		}
		for mode in walk suspended; do
			"$scratch/backtrace" $mode >"$scratch/out" 2>&1 || {
				cat "$scratch/out"
				fail "$cc $flags: backtrace $mode"
			}
		done
		ran=$((ran + 1))
	done
done
[ $ran -gt 0 ] || skip "no compiler works here"
echo "$ran programs"
