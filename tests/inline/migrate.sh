#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# migrate.sh - migrate.c with each compiler and what decides how it finds a
# thread-local variable: optimisation, code model, the segment register
#
# ACO_TEST_SAMPLE: take one line of the table in so many (1).

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

# language, options; "func" means -DACO_NO_INLINE
cat >"$tmp/table" <<'TABLE'
c99 -O2
c11 -O1 -mno-tls-direct-seg-refs
c11 -O2 -mno-tls-direct-seg-refs
c11 -O3 -fPIC -mno-tls-direct-seg-refs
c11 -O1
c11 -O3 -fPIC
c11 -Os -fomit-frame-pointer
c11 -O2 -flto
c11 -O2 -fno-pic -no-pie
c11 -O0
c++20 -O2
c++20 -O2 -mno-tls-direct-seg-refs
c11 -O2 func
TABLE

every_compiler >"$tmp/compilers"
rows_for_library <"$tmp/table" |
	awk -v n="${ACO_TEST_SAMPLE:-1}" '(NR - 1) % n == 0' >"$tmp/sample"

# One line of the table with $cc.
one()
{
	std=$1
	shift
	case $std in
	c++*) lang=c++ libs=-lstdc++ ;;
	*) lang=c libs= ;;
	esac
	for arg; do
		shift
		case $arg in
		func) arg=-DACO_NO_INLINE ;;
		esac
		set -- "$@" "$arg"
	done
	what="$cc $arch_flags -std=$std $*"
	# shellcheck disable=SC2086
	if ! knows "$cc" $arch_flags "$@" $libs; then
		echo "skip: $what"
		return
	fi
	# shellcheck disable=SC2086
	if ! "$cc" $arch_flags "-std=$std" "$@" -Wall -Wextra -Werror \
		$lib_cflags -x "$lang" "$here/migrate.c" \
		-o "$tmp/migrate" $lib_ldflags -lpthread $libs \
		>"$tmp/log" 2>&1; then
		echo "FAIL: $what: does not compile"
		grep -E 'error|warning|undefined' "$tmp/log" | head -n 2
		return
	fi
	timeout 60 "$tmp/migrate" >"$tmp/log" 2>&1
	case $? in
	0) echo "ok: $what" ;;
	*)
		echo "FAIL: $what: does not run"
		head -n 5 "$tmp/log"
		;;
	esac
}

while read -r cc; do
	while read -r line; do
		# shellcheck disable=SC2086
		one $line
	done <"$tmp/sample"
done <"$tmp/compilers" | tee "$tmp/results"

echo "----"
grep -v '^ok' "$tmp/results"
echo "migrate: $(grep -c '^ok' "$tmp/results") of" \
	"$(grep -cE '^(ok|skip|FAIL)' "$tmp/results") run," \
	"$(grep -c '^FAIL' "$tmp/results") failed"
grep -q '^ok' "$tmp/results" || exit 77
! grep -q '^FAIL' "$tmp/results"
