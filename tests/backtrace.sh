#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Backtraces go from inside a co through its resumers to main, in the process
# and in gdb, and those of suspended cos end where the co begins.
. "${top_srcdir:-.}/tests/common.sh"

ran=0
missing=

# build COMPILER FLAG...
build() {
	with=$1
	shift
	# shellcheck disable=SC2046,SC2086 # words
	"$with" $(arch_flags) -g -Wall -Wextra -Werror -I"$include" \
		"$top_srcdir/tests/backtrace.c" -o "$scratch/backtrace" \
		$(library) -pthread "$@" >"$scratch/log" 2>&1
}

run() {
	"$scratch/backtrace" "$1" >"$scratch/out" 2>&1 || {
		cat "$scratch/out"
		fail "$name: backtrace $1"
	}
}

# debug COMMAND...: what gdb prints.
debug() {
	set -- "$@" backtrace
	for command; do
		shift
		set -- "$@" -ex "$command"
	done
	gdb -nx -q -batch -ex "set width 0" -ex "set debuginfod enabled off" \
		"$@" --args "$scratch/backtrace" stop >"$scratch/out" 2>&1 </dev/null
}

# shows FUNCTION...: these are in the backtrace, in that order.
shows() {
	sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)*\([a-z_]*\) (.*/\2/p' \
		"$scratch/out" | grep -xE 'look|inner|outer|main|aco_no_resumer' |
		tr '\n' ' ' >"$scratch/shown"
	[ "$(cat "$scratch/shown")" = "$* " ] || {
		cat "$scratch/out"
		fail "$name: gdb does not show: $*"
	}
}

# As aco_debugging(7) says.
# shellcheck disable=SC2154 # include, scratch: common.sh
case $($CC -dM -E -x c /dev/null) in
*__x86_64__*)
	pretend="set \$rsp = \$c->reg[1]|set \$rbp = \$c->reg[2]|set \$rbx = \$c->reg[3]"
	;;
*)
	pretend="set \$esp = \$c->reg[1]|set \$ebp = \$c->reg[2]|set \$esi = \$c->reg[3]"
	;;
esac
pretend="$pretend|set \$pc = \$c->reg[0]"

# Where the backtrace of a suspended co ends.  A library without its symbol table,
# as packages have it, does not say that.
end=aco_no_resumer
has_local_names || end=

# debug_suspended CO
debug_suspended() {
	IFS='|'
	# shellcheck disable=SC2086 # words
	set -- "break all_suspended" run "ignore 1 1" continue "set \$c = $1" \
		$pretend
	unset IFS
	debug "$@"
}

try_gdb() {
	debug "break look" run
	shows look inner outer main
	debug "break look" "ignore 1 2" run
	shows look inner outer main
	debug_suspended inner_co
	# shellcheck disable=SC2086 # maybe none
	shows inner $end
	debug_suspended outer_co
	# shellcheck disable=SC2086 # maybe none
	shows outer $end
}

can_debug() {
	command -v gdb >/dev/null || return 1
	debug "break look" run
	grep -q '^#0 .*look' "$scratch/out"
}

run_all() {
	run walk
	run step
	run calls
	ran=$((ran + 1))
}

# What may be missing: the library that has switches look after exceptions, and
# static libraries.  On i386 those of the C library have functions without rules.
more_flags() {
	echo "-O2 -DACO_NO_INLINE -Wl,--no-as-needed,-l:libstdc++.so.6"
	[ ! -e "$libdir/libaco.a" ] || case $pretend in
	*rsp*) echo "-O2 -static" ;;
	esac
}

can_link() {
	# shellcheck disable=SC2046 # words
	"$cc" $(arch_flags) "$@" "$scratch/probe.c" -o "$scratch/probe" \
		2>/dev/null
}

sample_of 2 "-O2" "-O0" "-O2 -DACO_NO_INLINE" "-O2 -fno-omit-frame-pointer" \
	"-O2 -fomit-frame-pointer" "-O2 -fno-pic -no-pie" "-Os -fPIC" >"$scratch/flags"
for cc in $(sample_of 1 gcc clang); do
	compiler "$cc" || continue
	while read -r flags; do
		name="$cc $flags"
		# shellcheck disable=SC2086 # words
		build "$cc" $flags || fail "$name: $(cat "$scratch/log")"
		run_all
		if ! can_debug; then
			missing=gdb
			continue
		fi
		try_gdb
	done <"$scratch/flags"
	while read -r flags; do
		name="$cc $flags"
		# shellcheck disable=SC2086 # words
		can_link $flags || continue
		# shellcheck disable=SC2086 # words
		build $cc $flags || fail "$name: $(cat "$scratch/log")"
		run_all
	done <<MORE
$(more_flags)
MORE
done
[ $ran -gt 0 ] || skip "no compiler works here"
[ -z "$missing" ] || skip "$missing can't debug here; the rest has passed"
echo "$ran programs"
