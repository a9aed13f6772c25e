#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The small examples print what the comment at their top says, and fail where they can't.
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
	io-*)
		[ -x "$program" ] || {
			echo "$name: built without libaco-io"
			continue
		}
		;;
	esac
	status=0
	"$program" >"$scratch/got" 2>&1 || status=$?
	if [ $status -ne 0 ]; then cat "$scratch/got"; fi
	case $name:$status in
	*:0) ;;
	*.cc:127)
		# a cross compiler's libstdc++ is not where programs look for it
		echo "$name: can't be started"
		continue
		;;
	*) fail "$name: exit status $status" ;;
	esac
	diff "$scratch/want" "$scratch/got" ||
		fail "$name should print what is marked <, and prints what is marked >"
	if [ -c /dev/full ] && "$program" >/dev/full 2>"$scratch/err"; then
		fail "$name says nothing of a full disk"
	fi
	ran=$((ran + 1))
done
[ $ran -gt 0 ] || fail "no example says what it prints"
echo "$ran programs"
