#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program with sharing, standalone and nested cos under Valgrind: no error, no
# leak, and no question about switched stacks.  Nor under Helgrind, which aco(7)
# names in place of DRD.
. "${top_srcdir:-.}/tests/common.sh"

command -v valgrind >/dev/null || skip "no valgrind here"
# shellcheck disable=SC2086 # words
echo '#include <valgrind/memcheck.h>' | $CC -E -x c - >/dev/null 2>&1 ||
	skip "$CC has no header of Valgrind, so the library tells it nothing"
# DWARF 4: Valgrind 3.19 does not read all that clang writes of DWARF 5.
# shellcheck disable=SC2046,SC2086 # words
$CC -gdwarf-4 -O1 -DWITH_VALGRIND -I"$include" "$top_srcdir/tests/toolprog.c" -o "$scratch/prog" $(library)

run() {
	valgrind -q --leak-check=full --show-leak-kinds=all \
		--errors-for-leak-kinds=all --error-exitcode=9 \
		"$scratch/prog" "$@" >"$scratch/out" 2>&1
}

run || {
	cat "$scratch/out"
	! grep -q 'libc6-dbg' "$scratch/out" || skip "valgrind needs the C library's symbols"
	fail "valgrind finds errors"
}
[ ! -s "$scratch/out" ] || {
	cat "$scratch/out"
	fail "valgrind says something"
}
# Valgrind 3.27 has room for the pages of 31 guards that are no mapping.
run guards || {
	cat "$scratch/out"
	fail "guards that Valgrind may have no room for"
}
! run leak || fail "valgrind does not find a leak"
! run uninitialised ||
	fail "valgrind does not find an uninitialised value"
! run in-place || fail "valgrind does not find it where a co was yielded to"
! run destroyed || fail "valgrind does not find the use of a destroyed stack"

valgrind -q --tool=helgrind --error-exitcode=9 "$scratch/prog" \
	>"$scratch/out" 2>&1 || {
	cat "$scratch/out"
	fail "helgrind finds errors"
}
[ ! -s "$scratch/out" ] || {
	cat "$scratch/out"
	fail "helgrind says something"
}
