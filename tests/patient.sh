#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/patient ends a test that hangs, with the processes that it has started; so
# does a signal.  That all have ended is known by a pipe, which is open until then.
. "${top_srcdir:-.}/tests/common.sh"

patient=$top_srcdir/scripts/patient
command -v setsid >/dev/null || skip "setsid is missing"
# shellcheck disable=SC2154 # scratch: common.sh
mkfifo "$scratch/all" "$scratch/begun"
cat >"$scratch/hang" <<'HANG'
[ $# -eq 0 ] || exec 3>"$1/all"
sleep 100000 &
[ $# -eq 0 ] || : >"$1/begun"
sleep 100000
HANG

# is WHAT WANTED GOT
is() {
	[ "$2" = "$3" ] || fail "$1: is $3, should be $2"
}

# hangs PATIENT: a test that hangs, under it.  All have the pipe from the start, as the
# time may be over before the test begins.
hangs() {
	cat "$scratch/all" &
	reader=$!
	status=0
	"$1" 1 sh "$scratch/hang" >"$scratch/out" 2>&1 3>"$scratch/all" || status=$?
	is "the status of what hangs" 124 $status
	grep -q '^timed out: no output for 1 seconds$' "$scratch/out" ||
		fail "what hangs: $(cat "$scratch/out")"
	wait $reader
}

# is_told PATIENT: a signal, as soon as the test has begun.
is_told() {
	cat "$scratch/all" &
	reader=$!
	"$1" 1000 sh "$scratch/hang" "$scratch" >"$scratch/out" 2>&1 &
	pid=$!
	cat "$scratch/begun"
	kill -s TERM $pid
	status=0
	wait $pid || status=$?
	is "the status after a signal" 143 $status
	wait $reader
}

# slower NAME EXPRESSION: scripts/patient as it is where something takes its time.
slower() {
	sed "$2" "$patient" >"$scratch/$1"
	! cmp -s "$patient" "$scratch/$1" || fail "scripts/patient has changed"
	chmod +x "$scratch/$1"
}

status=0
"$patient" 1000 sh -c 'exit 3' >"$scratch/out" || status=$?
is "the status of a command" 3 $status
status=0
# shellcheck disable=SC2016 # the shell's own number
"$patient" 1000 sh -c 'kill -s KILL $$' >"$scratch/out" || status=$?
is "the status of a command that another has killed" 137 $status
grep . "$scratch/out" && fail "a command that another has killed has timed out"

hangs "$patient"
# What kills the test comes to its own end later than the test.
# shellcheck disable=SC2016 # the script has it so
slower late 's/^\tend_test$/&; sleep 1/'
hangs "$scratch/late"
# The test has no group yet when its time is over.
# shellcheck disable=SC2016
slower groupless 's/^setsid "$@" &$/(sleep 2; exec setsid "$@") \&/'
hangs "$scratch/groupless"

is_told "$patient"
# The test has begun before the script goes on.
# shellcheck disable=SC2016
slower behind 's/^setsid "$@" &$/&\nsleep 1/'
is_told "$scratch/behind"
