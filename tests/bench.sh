#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmark lists every row, measures what is asked for and refuses the rest.
# Nothing here depends on how long something takes.
. "${top_srcdir:-.}/tests/common.sh"

python3 -c 'from statistics import quantiles' 2>/dev/null ||
	skip "no python3 (3.8 or later) here"
bench=$top_builddir/bench
# shellcheck disable=SC2154 # scratch: common.sh
err=$scratch/err

for name in aco aco-call pthread; do
	[ -x "$bench/run-$name" ] || fail "run-$name is not built"
done

# run COMMAND...: its output in $scratch/out, what it says on stderr in $err.
run() {
	status=0
	"$@" >"$scratch/out" 2>"$err" || status=$?
}

# refuses WHAT COMMAND...: a line on stderr that matches WHAT, and a failure.
refuses() {
	what=$1
	shift
	run "$@"
	[ $status -ne 0 ] || fail "$* ends with 0"
	[ ! -s "$scratch/out" ] || fail "$* prints something on stdout"
	grep -q "$what" "$err" || {
		cat "$err"
		fail "$* does not say: $what"
	}
}

# ------------------------------------------------------------ what there is --

# A program that can't be started (the libraries of a cross compiler are not
# where programs look for them) has no rows.
: >"$scratch/programs"
for program in "$bench"/run-*; do
	run "$program" list
	case $status in
	0) ;;
	127)
		echo "${program##*/}: can't be started"
		continue
		;;
	*) fail "$program list: ends with $status" ;;
	esac
	[ -s "$scratch/out" ] || fail "$program lists no row"
	sed "s|^|${program##*/} |" "$scratch/out" >>"$scratch/programs"
done
cut -d' ' -f2 "$scratch/programs" | sort >"$scratch/want"
run "$bench/aco-bench" --list --cos 10000000
[ $status -eq 0 ] || fail "--list ends with $status: $(cat "$err")"
sort "$scratch/out" >"$scratch/listed"
diff "$scratch/want" "$scratch/listed" ||
	fail "rows of programs (<) and of --list (>) differ"

# All programs have the same random order of all numbers.
seq 0 999 >"$scratch/numbers"
"$bench/run-aco" order 1000 >"$scratch/order"
sort -n "$scratch/order" | cmp -s - "$scratch/numbers" ||
	fail "a random order that is not one of the numbers below 1000"
cmp -s "$scratch/order" "$scratch/numbers" && fail "a random order that is none"
for program in $(cut -d' ' -f1 "$scratch/programs" | uniq); do
	"$bench/$program" order 1000 | cmp -s - "$scratch/order" ||
		fail "$program has a random order of its own"
done

# ---------------------------------------------------------- what is measured --

# All programs have the first of these rows; the others have numbers of cos,
# bytes and guards.
measure() {
	run "$bench/aco-bench" --rounds 1 --ms 1 --cos 100 --format json \
		--rows switch --rows 'share-120/*' --rows memory-deep/aco-shared \
		--rows wake-8/aco-shared --rows guarded-memory/aco-own \
		--rows memory-own --rows memory-back/aco-shared "$@"
}

instructions=yes
measure --instructions
# where one process must not trace another
if [ $status -ne 0 ] && grep -q 'single steps\|can be stepped' "$err"; then
	echo "instructions are not counted: $(tail -n 1 "$err")"
	instructions=no
	measure
fi
[ $status -eq 0 ] || fail "aco-bench ends with $status: $(cat "$err")"
cp "$scratch/out" "$scratch/result.json"
measure --list
[ $status -eq 0 ] || fail "--list ends with $status: $(cat "$err")"
python3 -B "$top_srcdir/tests/bench-result.py" "$scratch/result.json" \
	"$scratch/out" "$scratch/programs" $instructions ||
	fail "the result is not what was asked for"

run "$bench/aco-bench" --rounds 1 --ms 1 --cos 10000 --rows 'random-*' --format csv
[ $status -eq 0 ] || fail "random rows: $(cat "$err")"
for row in random-10000,aco-shared random-own-10000,aco-shared; do
	grep -q "^$row," "$scratch/out" || fail "$row is not measured"
done

for format in text csv; do
	run "$bench/aco-bench" --rounds 1 --ms 1 --rows switch/aco-own \
		--format $format
	[ $status -eq 0 ] || fail "--format $format: $(cat "$err")"
	grep -q '^switch[:,]' "$scratch/out" || fail "--format $format: no row"
	head -n 1 "$scratch/out" | grep -q 'clock wall, load .* before, .* after$' ||
		fail "--format $format: the first line does not tell clock and load"
done

# One sample says nothing about its spread.
grep -q '^switch,aco-own,.*,1,,no,wall,' "$scratch/out" ||
	fail "csv: one sample passes for a good figure"
run "$bench/aco-bench" --rounds 1 --ms 1 --rows switch/aco-own
grep -q '[0-9]? ' "$scratch/out" || fail "text: one sample passes for a good figure"
grep -q '^? not good (1 of 1 rows)' "$scratch/out" || fail "text: ? is not explained"

# clock WORKLOAD/IMPLEMENTATION NAME: which clock measures a row by CPU time.
clock() {
	run "$bench/aco-bench" --rounds 1 --ms 1 --clock cpu --rows "$1" --format csv
	[ $status -eq 0 ] || fail "--clock cpu: $(cat "$err")"
	grep -q "^${1%/*},${1#*/},.*,$2," "$scratch/out" ||
		fail "--clock cpu: $1 is not measured by the clock of the $2"
}

clock switch/aco-own thread
clock switch/pthread process
clock create-new-4/aco-own process

# Without --rows, what is drawn is measured, and nothing else.
run "$bench/aco-bench" --rounds 1 --ms 1 --cos 100 --format csv \
	--overview "$scratch/overview.svg"
[ $status -eq 0 ] || fail "--overview: $(cat "$err")"
grep -q '>libaco</text>' "$scratch/overview.svg" || fail "the overview shows no libaco"
grep -q '^memory-given,aco-shared,' "$scratch/out" || fail "memory is not measured"
grep -q '^nested,' "$scratch/out" && fail "more is measured than drawn"

# ----------------------------------------------------------- what is refused --

for bad in --rows=no-such-row --rounds=0 --ms=x --cos=-1 --pin=-1 --pin=99999 \
	--format=xml --clock=sun --spread=0 --no-such-option no-argument; do
	refuses '^usage: aco-bench' "$bench/aco-bench" "$bad"
done
refuses 'no row is called no-such-row' \
	"$bench/aco-bench" --list --rows switch --rows no-such-row
refuses 'no row is left' "$bench/aco-bench" --cos 10 --rows scale-1000
refuses 'no row is left' "$bench/aco-bench" --programs "$scratch"
refuses "can't be written" "$bench/aco-bench" --overview "$scratch/none/o.svg"
refuses "^aco-bench: --plot: .* can't be written" \
	"$bench/aco-bench" --rows switch --plot "$scratch/none/p.svg"
refuses 'switch/go: not here: run-go needs golang-go' \
	"$bench/aco-bench" --programs "$scratch" --rows switch/go
refuses 'share-8/pthread: no program has such a row' \
	"$bench/aco-bench" --list --rows switch --rows share-8/pthread

program=$bench/run-aco
refuses '^usage:' "$program"
refuses '^usage:' "$program" list switch/aco-own
refuses '^usage:' "$program" time switch/aco-own 1 100
refuses '^usage:' "$program" time switch/aco-own 0 100 wall
refuses '^usage:' "$program" time switch/aco-own 1ms 100 wall
refuses '^usage:' "$program" time switch/aco-own 1 -1 wall
refuses '^usage:' "$program" time switch/aco-own 1 100 sun
refuses '^no such row: switch$' "$program" time switch 1 100 wall
refuses '^no such row: switch/aco$' "$program" time switch/aco 1 100 wall
