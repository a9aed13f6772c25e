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
cat >"$scratch/table" <<'TABLE'
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

compilers >"$scratch/compilers"
rows_for_library <"$scratch/table" |
	awk -v n="${ACO_TEST_SAMPLE:-1}" '(NR - 1) % n == 0' >"$scratch/sample"

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
		-o "$scratch/migrate" $lib_ldflags -lpthread $libs \
		>"$scratch/log" 2>&1; then
		echo "FAIL: $what: does not compile"
		grep -E 'error|warning|undefined' "$scratch/log" | head -n 2
		return
	fi
	timeout 300 "$scratch/migrate" >"$scratch/log" 2>&1
	case $? in
	0) echo "ok: $what" ;;
	*)
		echo "FAIL: $what: does not run"
		head -n 5 "$scratch/log"
		;;
	esac
}

while read -r cc; do
	while read -r line; do
		# shellcheck disable=SC2086
		one $line
	done <"$scratch/sample"
done <"$scratch/compilers" | tee "$scratch/results"

end_with_results migrate
