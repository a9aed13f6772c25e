#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The small examples print what the comment at their top says.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

for source in "$top_srcdir"/examples/*.c "$top_srcdir"/examples/*.cc; do
	# shellcheck disable=SC2154 # scratch: common.sh
	sed -n '/^ \* It prints:$/,/^ \*\//s/^ \*\t//p' "$source" >"$scratch/want"
	[ -s "$scratch/want" ] || continue
	name=${source##*/}
	program=$top_builddir/examples/${name%.*}
	case $name in
	*.cc)
		[ -x "$program" ] || {
			echo "$name: no C++ compiler"
			continue
		}
		;;
	esac
	"$program" >"$scratch/got" 2>&1 || fail "$name: exit status $?"
	diff "$scratch/want" "$scratch/got" ||
		fail "$name should print what is marked <, and prints what is marked >"
	ran=$((ran + 1))
done
[ $ran -gt 0 ] || fail "no example says what it prints"
echo "$ran programs"
