#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# matrix.sh - survive.c with many compilers, options and languages
#
# A covering selection, not the product: every option with at least one level
# of optimisation that does something, every level and every language several
# times.  Each program is built without warnings, and run.
#
# The compiler configured, gcc and clang take all lines of the table.  Every other
# version takes one in six, and each version takes others.
#
# ACO_TEST_JOBS: how many at a time (2).
# ACO_TEST_SAMPLE: take one line of the table in so many (1), for builds that
# differ from one that has been tested with all of them.

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

# language -O others; "func" means -DACO_NO_INLINE
cat >"$scratch/table" <<'TABLE'
c99 -O0
c11 -O1
gnu2x -O2 -g
c99 -O2
c17 -O3
c99 -Os
c11 -O0 func
c99 -O2 func
c2x -O3 func
c99 -O2 -fPIC
c17 -Os -fPIC
c11 -O2 func -fPIC
c11 -O2 -flto
c99 -O3 -flto -fPIC
c11 -O2 -fno-pic -no-pie
c11 -O0 -fno-pic -no-pie
c99 -O3 func -fno-pic -no-pie
c11 -O0 -fPIC
c11 -O2 -mavx512f
c11 -O1 -mavx512f
c11 -O3 -march=native
c11 -O2 -fcf-protection=full
c11 -O2 -masm=intel
c99 -O0 -masm=intel -fno-pic -no-pie
c11 -O2 -fno-omit-frame-pointer
c11 -O1 -fno-omit-frame-pointer -fPIC
c99 -Os -fomit-frame-pointer
c11 -O0 -fomit-frame-pointer
c11 -O2 -fno-asynchronous-unwind-tables
c11 -O2 -g -flto -fno-asynchronous-unwind-tables
c99 -O1 -fno-asynchronous-unwind-tables -fno-pic -no-pie
c11 -Os -g -fno-dwarf2-cfi-asm
c11 -O2 -fstack-protector-all
c11 -O1 -fstack-protector-all -fPIC -mavx512f
c99 -O2 -mno-red-zone
c11 -O2 -mtune=k8
c11 -Os -mtune=k8 -fPIC
c11 -O2 -D_FORTIFY_SOURCE=2 -fstack-clash-protection
c11 -O2 -mno-tls-direct-seg-refs
c11 -O2 -fsanitize=address,undefined
c11 -O1 func -fsanitize=address
c11 -O2 -fsanitize=undefined
c++98 -O2
c++98 -O0
c++20 -O2
c++20 -O3 -fPIC
c++20 -O2 func
c++20 -O1 -mavx512f
c++20 -Os -flto
c++20 -O2 -fno-asynchronous-unwind-tables
c++98 -O2 -fno-asynchronous-unwind-tables
c++20 -O1 -fsanitize=address
c2y -O1
gnu2y -O2 -g
c++11 -O2
c++14 -Os
c++17 -O3 func
c++2b -O1 -fPIC
c++26 -O2
c11 -O2 -fhardened
c++20 -O2 -fhardened
c11 -O2 -fzero-call-used-regs=all
c11 -O2 func -fzero-call-used-regs=all -fPIC
c11 -O2 -fzero-call-used-regs=all-gpr
c11 -O2 -fzero-call-used-regs=all-arg
c11 -O2 -ftrivial-auto-var-init=pattern
c11 -O0 -ftrivial-auto-var-init=pattern
c11 -O2 -fPIC -mtls-dialect=gnu2
c11 -O2 -fuse-ld=lld
c11 -O2 -fuse-ld=mold
c11 -O2 -flto -fuse-ld=lld
c11 -O2 -flto -fuse-ld=mold
TABLE
# amd64: other memory models; i386: SSE is an option there.
case $(echo __x86_64__ | $CC -E -P -x c -) in
1) cat >>"$scratch/table" <<'TABLE' ;;
c11 -O2 -mcmodel=medium
c11 -O2 -mcmodel=large -fno-pic -no-pie
c11 -O2 -fsanitize=thread
TABLE
*) cat >>"$scratch/table" <<'TABLE' ;;
c11 -O2 -msse2
c99 -O2 -msse2 -mfpmath=sse -fPIC
c11 -O2 -msse -mno-mmx
c++20 -O2 -msse2
c11 -O2 -mavx
TABLE
esac

# "static-pie" wants objects of the static library that are made for it.
# shellcheck disable=SC2086
if test -e "$libdir/libaco.a" &&
	test "$(echo __PIE__ | $CC ${CFLAGS-} -E -P -x c -)" != __PIE__; then
	cat >>"$scratch/table" <<'TABLE'
c11 -O2 -static-pie
c11 -O0 func -static-pie
c++20 -O2 -static-pie
c11 -O2 -static-pie -Wl,-rpath,/nowhere
TABLE
fi

# lines N K: each Nth line of standard input; K picks others.
lines()
{
	awk -v n="$1" -v k="$2" 'NR % n == k % n'
}

# The lines of the table, each with a compiler before it.
gcc_and_clang >"$scratch/compilers"
rows_for_library <"$scratch/table" | lines "${ACO_TEST_SAMPLE:-1}" 0 >"$scratch/sample"
{
	while read -r cc; do
		sed "s|^|$cc |" "$scratch/sample"
	done <"$scratch/compilers"
	compilers | grep -vxF -f "$scratch/compilers" >"$scratch/others"
	n=0
	while read -r cc; do
		n=$((n + 1))
		lines 6 "$n" <"$scratch/sample" | sed "s|^|$cc |"
	done <"$scratch/others"
} >"$scratch/cases"

# Whether a program without the library runs.  The library of a sanitizer may be
# missing, and one of C++.  A "static-pie" program with an rpath ends before main()
# with glibc 2.36 to 2.43, which wants no such entry (_dl_relocate_static_pie), so
# only one row of "static-pie" has one.  With -fzero-call-used-regs=all, clang 16 to
# 23 for amd64 clears the register of a long double that a function returns.
runs()
{
	"$cc" "$@" -o "$out" >/dev/null 2>&1 <<-SOURCE && "$out" >/dev/null 2>&1
		__attribute__((__noinline__)) static long double same(int x)
		{
			return x;
		}
		int main(int argc, char **argv)
		{
			return !argv || same(argc) != argc;
		}
	SOURCE
}

# One line of the table with one compiler; $1 is the name to use for files.
one()
{
	out=$1
	cc=$2
	std=$3
	shift 3
	path=
	cflags=$lib_cflags
	ldflags=$lib_ldflags
	for arg; do
		shift
		case $arg in
		func) path=-DACO_NO_INLINE ;;
		-static-pie) cflags=$static_cflags ldflags=$static_ldflags ;;
		esac
		test "$arg" = func || set -- "$@" "$arg"
	done
	case $std in
	c++*) lang=c++ libs=-lstdc++ ;;
	*) lang=c libs= ;;
	esac
	what="$cc $arch_flags -std=$std $* $path"
	# shellcheck disable=SC2086
	if ! knows "$cc" $arch_flags "-std=$std" "$@"; then
		echo "skip: $what"
		return
	fi
	# shellcheck disable=SC2086
	if ! "$cc" $arch_flags "-std=$std" "$@" $path -Wall -Wextra -Wpedantic \
		-Werror $cflags -x "$lang" "$here/survive.c" -o "$out" \
		$ldflags $libs >"$out.log" 2>&1; then
		echo "FAIL: $what: does not compile"
		grep -E 'error|warning|undefined' "$out.log" | head -n 5
		return
	fi
	timeout 300 "$out" >"$out.log" 2>&1
	case $? in
	0) echo "ok: $what" ;;
	77) echo "skip: not on this processor: $what" ;;
	*)
		# shellcheck disable=SC2086
		if ! runs $arch_flags "-std=$std" "$@" -x "$lang" - $libs; then
			echo "skip: no program runs with $what"
		else
			echo "FAIL: $what: does not run"
			head -n 10 "$out.log"
		fi
		;;
	esac
	rm -f "$out"
}

# Worker $1 of $jobs takes every so manieth line.
worker()
{
	while read -r cc line; do
		# shellcheck disable=SC2086
		one "$scratch/p$1" "$cc" $line
	done <<-CASES
		$(lines "$jobs" "$1" <"$scratch/cases")
	CASES
}

jobs=${ACO_TEST_JOBS:-2}
i=0
while test "$i" -lt "$jobs"; do
	worker "$i" | tee "$scratch/result.$i" &
	i=$((i + 1))
done
wait

# What was printed as it came, without what is well.
cat "$scratch"/result.* >"$scratch/results"
end_with_results matrix
