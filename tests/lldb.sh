#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lldb goes from inside a co through its resumers to main, and shows a suspended co
# from the registers in its reg[].
. "${top_srcdir:-.}/tests/common.sh"

command -v lldb >/dev/null || skip "no lldb here"
ran=0

# debug COMMAND...: into $scratch/out, which tells whether it went well.  lldb itself ends
# with an error where it can't start the program, as in a chroot without pseudo terminals.
debug() {
	for command; do
		shift
		set -- "$@" -o "$command"
	done
	lldb -b "$@" -- "$scratch/backtrace" stop >"$scratch/out" 2>&1 || :
}

# shows FUNCTION...: these are in the backtrace, in that order.
shows() {
	# shellcheck disable=SC2016 # a character of lldb
	sed -n 's/^ *\*\{0,1\} *frame #[0-9]*: 0x[0-9a-f]* [^`]*`\([a-z_]*\).*/\1/p' \
		"$scratch/out" | grep -xE 'look|inner|outer|main|all_suspended' |
		uniq | tr '\n' ' ' >"$scratch/shown"
	[ "$(cat "$scratch/shown")" = "$* " ] || {
		cat "$scratch/out"
		fail "$name: lldb shows $(cat "$scratch/shown"), not $*"
	}
}

# As aco_debugging(7) says.
# shellcheck disable=SC2154 # include, scratch: common.sh
case $($CC -dM -E -x c /dev/null) in
*__x86_64__*) registers="rbx rbp rsp rip" ;;
*) registers="esi ebp esp eip" ;;
esac

# debug_suspended CO: the stop in all_suspended is shown first.
debug_suspended() {
	set -- "breakpoint set -n all_suspended -i 1" run \
		"expression -- void **\$r = $1->reg"
	index=3
	for register in $registers; do
		set -- "$@" "register write $register \`\$r[$index]\`"
		index=$((index - 1))
	done
	debug "$@" bt
}

for cc in gcc clang; do
	compiler $cc || continue
	for flags in "-O0" "-O2" "-O2 -DACO_NO_INLINE"; do
		name="$cc $flags"
		# shellcheck disable=SC2046,SC2086 # words
		$cc $(arch_flags) -g $flags -Wall -Wextra -Werror -I"$include" \
			"$top_srcdir/tests/backtrace.c" -o "$scratch/backtrace" \
			$(library) -pthread || fail "$name: backtrace.c"
		debug "breakpoint set -n look" run bt
		grep -q 'stop reason = breakpoint' "$scratch/out" ||
			skip "lldb can't debug here"
		sed -i '1,/(lldb) bt/d' "$scratch/out"
		shows look inner outer main
		debug_suspended inner_co
		sed -i '1,/(lldb) bt/d' "$scratch/out"
		shows inner
		debug_suspended outer_co
		sed -i '1,/(lldb) bt/d' "$scratch/out"
		shows outer
		ran=$((ran + 1))
	done
done
[ $ran -gt 0 ] || skip "no compiler works here"
echo "$ran programs"
