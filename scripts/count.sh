# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by the scripts whose last line counts what passed and what failed.
# They say "trap finish EXIT".  After deps.sh: end_children is there, and find_work,
# which sets $work for the logs.

passed=0 failed=0 skipped=0
temporary= # a file or directory that finish removes
undo=:     # a command that finish runs first
began=     # when the stage began, in seconds

# stage NAME: what follows belongs to it, until the next; it gets its time.
stage() {
	end_stage
	began=$(date +%s)
	echo "== $1"
}

end_stage() {
	if [ -n "$began" ]; then
		took=$(($(date +%s) - began))
		echo "   $((took / 60)) min $((took % 60)) s"
	fi
	began=
}

# However the script ends, the last line counts; what stopped it is a failure,
# too.  A script that called this one adds the counts to its own instead.
finish() {
	status=$?
	trap - EXIT
	end_children $$
	end_stage
	cd /
	$undo || failed=$((failed + 1))
	[ -z "$temporary" ] || rm -rf "$temporary"
	if [ $status -ne 0 ] && [ $failed -eq 0 ]; then failed=1; fi
	if [ -n "${ACO_COUNTS-}" ]; then
		echo "$passed $failed $skipped" >"$ACO_COUNTS"
	else
		if [ $skipped -gt 0 ]; then echo "$skipped skipped"; fi
		echo "$passed passed, $failed failed"
	fi
	[ $failed -eq 0 ]
	exit
}

# failure LOG WHAT: counts it and shows how it ended.
failure() {
	failed=$((failed + 1))
	tail -n 60 "$1"
	echo "FAIL $2"
}

# success WHAT
success() {
	passed=$((passed + 1))
	echo "PASS $1"
}

# skip WHAT WHY
skip() {
	skipped=$((skipped + 1))
	echo "SKIP $1: $2"
}

# tell_step NAME LOG: once a minute, the last line that the step has written.
tell_step() {
	minutes=0
	while sleep 60; do
		minutes=$((minutes + 1))
		echo "   $1, $minutes min: $(tail -n 1 "$2" | cut -c 1-60)"
	done
}

# step NAME COMMAND...: counts as one test.  In the background, because "set -e"
# does nothing in a command whose result is asked for.
step() {
	name=$1
	shift
	# shellcheck disable=SC2154 # set by find_work
	log=$work/$(echo "$name" | tr -c 'a-z0-9\n' -).log
	: >"$log"
	tell_step "$name" "$log" 2>/dev/null &
	teller=$!
	result=0
	"$@" >"$log" 2>&1 &
	wait $! || result=$?
	end_children $teller
	kill $teller 2>/dev/null || :
	if [ $result -ne 0 ]; then
		failure "$log" "$name"
		return 1
	fi
	success "$name"
}

# step_with TOOL NAME COMMAND...: a step, unless the tool is missing.
step_with() {
	tool=$1
	shift
	if command -v "$tool" >/dev/null; then
		step "$@"
	else
		skip "$1" "$tool is missing"
	fi
}

# count_tests DIR: adds up what automake's test driver says of a build tree.
count_tests() {
	find "$1" -name '*.trs' | sort >"$1/results"
	while read -r trs; do
		name=${trs#"$work"/}
		name=${name%.trs}
		case $(sed -n 's/^:global-test-result: *//p' "$trs") in
		PASS) passed=$((passed + 1)) ;;
		SKIP) skip "$name" "$(grep -v '^SKIP' "${trs%.trs}.log" | tail -n 1)" ;;
		*) failure "${trs%.trs}.log" "$name" ;;
		esac
	done <"$1/results"
}

# part SCRIPT ARGUMENT...: a script that counts; its counts are added to these.
# A script that dies before it counts is a failure.
part() {
	temporary=$(mktemp)
	result=0
	ACO_COUNTS=$temporary "$@" &
	wait $! || result=$?
	read -r p f s <"$temporary" || {
		p=0 f=1 s=0
		echo "FAIL $1 ended with $result and counted nothing"
	}
	rm -f "$temporary"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
