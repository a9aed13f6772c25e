#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each call that the library makes is refused, for some seconds; and the command
# itself.
. "${top_srcdir:-.}/tests/common.sh"

faults=${top_builddir:-.}/tests/torture/faults
[ -x "$faults" ] || skip "it stands in for functions of glibc"

"$faults" --quick || fail "faults"
"$faults" --quick --kernel || fail "faults --kernel"

# bad usage, or nothing that is called so
for arguments in --nothing --scenario "--scenario x"; do
	# shellcheck disable=SC2086 # words
	if "$faults" $arguments >"$scratch/out" 2>"$scratch/err"; then
		fail "faults $arguments"
	fi
done
