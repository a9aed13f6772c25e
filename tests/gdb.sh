#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gdb lists all cos and share stacks, and looks from suspended cos: in a process and in
# a core, of a program with the shared and with the static library, stripped, and with
# a hundred thousand cos.  gdb-check.py has the checks.
. "${top_srcdir:-.}/tests/common.sh"

command -v gdb >/dev/null || skip "no gdb here"
here=$(cd "$top_srcdir" && pwd)
program=$scratch/gdb-program
blanks="$scratch/with blanks"
mkdir "$blanks"
ran=

# build FLAG...
build() {
	# shellcheck disable=SC2046 # words
	$CC -g -O2 -Wall -Wextra -Werror -I"$include" \
		"$top_srcdir/tests/gdb-program.c" -o "$program" -pthread "$@" \
		>"$scratch/log" 2>&1
}

# debug COMMAND...: in gdb, which loads the script of the library as it does where the
# library is installed, or is told to.
debug() {
	set -- "$@" end
	while [ "$1" != end ]; do
		set -- "$@" -ex "$1"
		shift
	done
	shift
	HOME=$scratch TMPDIR=$blanks gdb -nx -q -batch \
		-ex "set width 0" -ex "set height 0" \
		-iex "set debuginfod enabled off" -iex "set auto-load safe-path /" \
		-iex "set auto-load scripts-directory $scratch/auto-load" \
		"$@" >"$scratch/out" 2>&1 </dev/null
}

# checked NAME: that is what gdb has said.
checked() {
	grep -q '^all checked$' "$scratch/out" || {
		cat "$scratch/out"
		fail "$1"
	}
	ran="$ran, $1"
}

# check MODE NAME COMMAND...: in the process, or in the core.
check() {
	mode=$1 name=$2
	shift 2
	debug "file $program" "$@" "set \$mode = \"$mode\"" \
		"source $here/tests/gdb-check.py"
	checked "$name"
}

stop() {
	name=$1
	shift
	check "$1" "$name" "$load" "break ready" "run $2"
}

build_shared() {
	[ -e "$libdir/libaco.so" ] || return 1
	# shellcheck disable=SC2046 # words
	build $(library) || fail "$(cat "$scratch/log")"
	so=$(readlink -f "$libdir/libaco.so")
	mkdir -p "$scratch/auto-load${so%/*}"
	cp "$top_srcdir/gdb/load.py" "$scratch/auto-load$so-gdb.py"
	cp "$top_srcdir/gdb/aco.py" "$scratch/auto-load$so-aco.py"
	load="echo"
}

# shellcheck disable=SC2046 # words
build $([ -e "$libdir/libaco.so" ] && library || echo "$libdir/libaco.a") ||
	fail "$(cat "$scratch/log")"
debug "file $program" "break ready" run
grep -q 'Breakpoint 1, .*ready' "$scratch/out" || skip "gdb can't debug here"
debug "python print('has', 'python')"
grep -q '^has python$' "$scratch/out" || skip "this gdb has no Python"

# What gdb itself writes may lack the memory of all cos: that is no core without cos.
check_plain_core() {
	debug "file $program" "$load" "break ready" run "gcore $scratch/core" kill \
		"core-file $scratch/core" "$load" "info cos" || : # by what it says
	rm -f "$scratch/core"
	! grep '^No cos' "$scratch/out" || fail "cos in a core without their memory"
}

# A second program, with other names.
check_two() {
	cp "$program" "$scratch/first"
	# shellcheck disable=SC2046 # words
	build $(library) -Dsleeper=dreamer -Dwide_sleeper=wide_dreamer \
		-Ddeep=deeq || fail "$(cat "$scratch/log")"
	mv "$program" "$scratch/second"
	mv "$scratch/first" "$program"
	check two "two processes" "$load" "break ready" run \
		"add-inferior -exec $scratch/second" "inferior 2" run "inferior 1"
}

all() {
	stop "$1" live ""
	check core "$1, core" "$load" "break ready" run "$load" \
		"aco-gcore '$blanks/core'" kill "shell mv '$blanks/core' $scratch" \
		"core-file $scratch/core"
	rm -f "$scratch/core"
}

if build_shared; then
	all shared
	check_plain_core
	check_two
	check non-stop "non-stop" "set non-stop on" "$load" "break ready" run
	stop "100000 cos" many 100000
	strip -s "$program"
	check stripped "stripped program" "$load" \
		"set environment ACO_TEST_RAISE 1" "handle SIGUSR1 stop" run
fi
if [ -e "$libdir/libaco.a" ]; then
	load="source $here/gdb/load.py"
	build "$libdir/libaco.a" -O0 -DACO_NO_INLINE ||
		fail "$(cat "$scratch/log")"
	all "static, not optimised"
	if build "$libdir/libaco.a" -static-pie; then
		debug "file $program" "$load" starti "info cos" || : # by what it says
		grep -q '^The library is not relocated yet' "$scratch/out" ||
			fail "$(cat "$scratch/out")"
	fi
fi
echo "passed: ${ran#, }"
