#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random programs of all calls, for some seconds; and the command itself.
. "${top_srcdir:-.}/tests/common.sh"

dir=${top_builddir:-.}/tests/torture
n=10000 # operations, for each program times a factor
if is_sample; then n=3000; fi

for program in "$dir/torture" "$dir/torture-cxx"; do
	[ -x "$program" ] || continue
	"$program" --seed 1 --operations $((n * 30)) || fail "$program"
	"$program" --seed 1000 --operations $((n * 10)) --signals 10000 ||
		fail "$program with signals"
	for file in "$top_srcdir/tests/torture/corpus"/*; do
		"$program" --quiet --replay "$file" || fail "$program: $file"
	done
done

"$dir/exchange" --seed 1 --operations $((n * 20)) || fail exchange
"$dir/exchange" --seed 1000 --operations $((n * 5)) --signals 10000 ||
	fail "exchange with signals"

# bad usage
for arguments in --nothing "--seconds" "--seconds x" "--seed -1" "--length 0" \
	"--replay $scratch/missing"; do
	status=0
	# shellcheck disable=SC2086 # words
	"$dir/torture" $arguments >"$scratch/out" 2>"$scratch/err" || status=$?
	if [ $status -ne 2 ] || [ ! -s "$scratch/err" ] || [ -s "$scratch/out" ]; then
		fail "torture $arguments: status $status"
	fi
done
for arguments in --nothing "--seconds" "--threads x" "--seed -1"; do
	status=0
	# shellcheck disable=SC2086 # words
	"$dir/exchange" $arguments >"$scratch/out" 2>"$scratch/err" || status=$?
	if [ $status -ne 2 ] || [ ! -s "$scratch/err" ] || [ -s "$scratch/out" ]; then
		fail "exchange $arguments: status $status"
	fi
done

# Each wrong change of the library that the tests are to notice can still be made.
"$top_srcdir/scripts/mutants" --places || fail "mutants.txt"
