#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The I/O benchmark starts every server that was built, measures what is asked for,
# refuses the rest, and leaves no process.  Nothing here depends on how long
# something takes.
. "${top_srcdir:-.}/tests/common.sh"

python3 -c 'from statistics import quantiles' 2>/dev/null ||
	skip "no python3 (3.8 or later) here"
bench=$top_builddir/bench/io
# shellcheck disable=SC2154 # scratch: common.sh
err=$scratch/err

# measure ARGUMENT...: its output in $scratch/out, what it says on stderr in $err.
measure() {
	status=0
	TMPDIR=$scratch "$bench/aco-io-bench" --segments 1 --requests 20 --connections 1,20 \
		--sleepers 20 --handovers 20 --pings 3 "$@" >"$scratch/out" 2>"$err" ||
		status=$?
}

# refuses WHAT ARGUMENT...: a line on stderr that matches WHAT, and a failure.
refuses() {
	what=$1
	shift
	measure "$@"
	[ $status -ne 0 ] || fail "$* ends with 0"
	[ ! -s "$scratch/out" ] || fail "$* prints something on stdout"
	grep -q -- "$what" "$err" || {
		cat "$err"
		fail "$* does not say: $what"
	}
}

# processes: those of the benchmark.
processes() {
	for exe in /proc/[0-9]*/exe; do
		readlink "$exe" 2>/dev/null || :
	done | grep -F "$(cd "$bench" && pwd)/" || :
}

# A program that can't be started (the libraries of a cross compiler are not
# where programs look for them) can't be measured.
status=0
"$bench/serve-raw" 2>"$err" || status=$?
[ $status -ne 127 ] || skip "programs can't be started: $(cat "$err")"

# ---------------------------------------------------------- what it measures --

measure --format csv all
[ $status -eq 0 ] || fail "ends with $status: $(cat "$err")"
for program in "$bench"/serve-*; do
	case ${program##*/serve-} in
	*.o | *.*) continue ;;
	aco) names="aco-shared aco-own" ;;
	ev) names=libev ;;
	uv) names="libuv libuv-timers" ;;
	*) names=${program##*/serve-} ;;
	esac
	for name in $names; do
		for count in 1 20; do
			grep -q "^hello,$name,$count,[0-9]" "$scratch/out" ||
				fail "$name is not measured with $count connections"
		done
		grep -q "^idle,$name,20," "$scratch/out" || fail "idle: no $name"
	done
done
for name in aco-shared aco-own; do
	for row in sleepers memory channel fairness; do
		grep -q "^$row,$name,[0-9]" "$scratch/out" || fail "$row: no $name"
	done
done

# One sample says nothing about its spread.
grep -q '^hello,raw,1,.*,1,no,1.000$' "$scratch/out" ||
	fail "csv: one sample passes for a good figure"

measure --format csv --servers aco-own --handovers 1 channel
[ $status -eq 0 ] || fail "one handover: ends with $status: $(cat "$err")"

measure --servers raw,aco-own hello
[ $status -eq 0 ] || fail "text: ends with $status: $(cat "$err")"
grep -q '^libaco-io, own .*[0-9]?' "$scratch/out" || fail "text: no row, or no mark"
grep -q '^? not good' "$scratch/out" || fail "text: ? is not explained"

# ----------------------------------------------------------- what is refused --

refuses '^usage: aco-io-bench'
for bad in no-such-row --no-such-option --segments=0 --connections=1,x \
	--servers=raw,none --pin=99999 --format=xml --spread=0; do
	refuses '^usage: aco-io-bench' "$bad" hello
done
refuses 'no server is left' --programs "$scratch" hello
refuses 'none of these servers' --servers raw channel

# A server that fails is told of, with what it said.
mkdir "$scratch/bin"
cp "$bench/load" "$scratch/bin"
printf '#!/bin/sh\necho it is broken >&2\nexit 3\n' >"$scratch/bin/serve-raw"
chmod +x "$scratch/bin/serve-raw"
refuses 'raw epoll callbacks, hello: .*it is broken' \
	--programs "$scratch/bin" --servers raw hello
grep -q 'the server ended with 3' "$err" || fail "the status of a server is not told"

status=0
"$bench/load" 2>"$err" || status=$?
[ $status -eq 2 ] || fail "load without arguments ends with $status"
grep -q '^usage: load' "$err" || fail "load has no usage line"

# -------------------------------------------------------------- what it leaves --

[ -z "$(processes)" ] || fail "processes are left: $(processes)"
ls -d "$scratch"/aco-io-bench.* 2>/dev/null && fail "a directory is left"
exit 0
