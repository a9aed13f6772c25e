#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# examples/httpd under clients that break off, for ACO_REAL_SECONDS (default: 4, in a
# sample 2): it goes on answering right, leaves nothing open, does not grow, and ends well.
. "${top_srcdir:-.}/tests/common.sh"

httpd=${ACO_REAL_HTTPD:-$top_builddir/examples/httpd}
seconds=4
if is_sample; then seconds=2; fi
seconds=${ACO_REAL_SECONDS:-$seconds}
seed=${ACO_REAL_SEED:-1}
[ -x "$httpd" ] || skip "httpd is not built"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null ||
	skip "no python3 (3.8 or later) here"

pid=
# shellcheck disable=SC2154 # scratch: common.sh
trap 'if [ -n "$pid" ]; then kill -KILL "$pid" || :; fi; rm -rf "$scratch"' EXIT

# torment STACK THREADS
torment() {
	rm -f "$scratch/out"
	mkfifo "$scratch/out"
	# shellcheck disable=SC2086 # words
	${ACO_REAL_UNDER-} "$httpd" "--stack=$1" "--threads=$2" --port=0 \
		--root "$scratch/root" >"$scratch/out" 2>"$scratch/err" &
	pid=$!
	exec 3<"$scratch/out"
	read -r line <&3 || {
		cat "$scratch/err"
		fail "httpd does not start"
	}
	figures=$(python3 "$top_srcdir/tests/real/load.py" $pid "${line##*[!0-9]}" \
		"$scratch/root" "$seconds" "$seed" 2>&1) || {
		cat "$scratch/err"
		fail "httpd ($1, threads $2): $figures"
	}
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	pid=
	[ $status -eq 0 ] || {
		cat "$scratch/err"
		fail "httpd ($1, threads $2) ends with $status"
	}
	echo "httpd ($1, threads $2): $figures"
}

mkdir "$scratch/root"
echo Hello >"$scratch/root/small"
head -c 20000 /dev/urandom >"$scratch/root/middle"
head -c 2000000 /dev/urandom >"$scratch/root/large"
# Half of the time for each.
seconds=$(((seconds + 1) / 2))
torment standalone 1
torment shared 2
