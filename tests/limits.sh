#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the section Limits of aco(7) says of compilers: the ways out work.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

# build NAME FLAG...: with gcc.
build() {
	source=$top_srcdir/tests/$1.c
	shift
	# shellcheck disable=SC2046 # words
	gcc $(arch_flags) -g -Wall -Wextra "$@" -I"$include" "$source" \
		-o "$scratch/prog" $(library) >"$scratch/log" 2>&1
}

# how_it_ends ARGUMENT...: the status, 128 and more for signals.
how_it_ends() {
	status=0
	# a shell of its own, which keeps to itself how the program ended
	sh -c 'ulimit -c 0; "$@"; exit' sh "$scratch/prog" "$@" \
		>"$scratch/out" 2>&1 || status=$?
}

# can_split: the compiler, the linker and the C library do.
can_split() {
	echo 'int main(int argc, char **argv) { return argc > 1 && main(argc - 1, argv); }' \
		>"$scratch/probe.c"
	# shellcheck disable=SC2046 # words
	gcc $(arch_flags) -fsplit-stack "$scratch/probe.c" \
		-o "$scratch/probe" 2>/dev/null && "$scratch/probe"
}

compiler gcc || skip "no gcc here"

if can_split; then
	for flags in -O0 -O2 "-O2 -DACO_NO_INLINE"; do
		# shellcheck disable=SC2086 # words
		build split-stack -fsplit-stack $flags || {
			cat "$scratch/log"
			fail "split-stack.c $flags does not compile"
		}
		how_it_ends
		[ $status = 0 ] || fail "split-stack.c $flags ends with $status"
		ran=$((ran + 1))
	done
fi

for flags in -O0 -O2 "-O2 -DACO_NO_INLINE"; do
	# shellcheck disable=SC2086 # words
	build nested-function $flags || {
		cat "$scratch/log"
		fail "nested-function.c $flags does not compile"
	}
	how_it_ends
	[ $status != 77 ] || break
	[ $status = 0 ] || fail "nested-function.c $flags ends with $status"
	# each amd64 processor can tell code from data
	how_it_ends elsewhere
	# shellcheck disable=SC2046 # words
	case $(target gcc $(arch_flags)) in
	1*) [ $status = 139 ] || fail "a stack is executable: $status" ;;
	esac
	ran=$((ran + 1))
done
echo "$ran programs"
