#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Test programs under Valgrind: no error, and nothing is leaked.
. "${top_srcdir:-.}/tests/common.sh"

# Those without long loops, and whose tests clean up after themselves.  Those that a
# sample has come first.
programs="nesting resume threads yield-to create destroy longjmp reset save-stack state value version"
# Those of libaco-io, where it and a static library are built.
io_programs="lookup park sched chan fd fork group local resume"

command -v valgrind >/dev/null || skip "no valgrind here"
[ -x "$top_builddir/tests/test-resume" ] || skip "the tests are not built"

# shellcheck disable=SC2046,SC2086 # words
for program in $(printf 'test-%s ' $(sample_of 4 $programs)) \
	$(printf 'io/test-%s ' $(sample_of 3 $io_programs)); do
	case $program in io/*) [ -x "$top_builddir/tests/$program" ] || continue ;; esac
	options=
	# glibc 2.42 no longer makes the guard of a thread a mapping of its own.
	# Valgrind (3.27) takes all memory down to the next mapping for the stack of
	# a thread, which may hold stacks of cos and of other threads.  A switch
	# between two of those looks like a large frame then, and its end makes what
	# lies between them inaccessible.  No frame of these is that large, and 64 KiB of
	# guard lie below each stack of a co.
	case $program in
	test-threads) options=--max-stackframe=65535 ;;
	io/*)
		options="--max-stackframe=65535
			--suppressions=${top_srcdir:-.}/tests/threads.supp"
		;;
	esac
	# shellcheck disable=SC2086 # words
	CK_FORK=no CK_EXCLUDE_TAGS='uninitialised kernel' \
		"$top_builddir/libtool" --mode=execute \
		valgrind -q $options --leak-check=full --show-leak-kinds=all \
		--errors-for-leak-kinds=definite,indirect,possible \
		--child-silent-after-fork=yes --error-exitcode=9 \
		"$top_builddir/tests/$program" >"$scratch/out" 2>&1 || {
		cat "$scratch/out"
		! grep -q 'libc6-dbg' "$scratch/out" ||
			skip "valgrind needs the C library's symbols"
		fail "$program"
	}
done
