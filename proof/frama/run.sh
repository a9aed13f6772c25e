#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh [amd64] [i386]: both, if none is named.
# What the contracts in lib/ say of sizes, bounds and overflows, proved by Frama-C's
# WP and cvc4, with a check of each operation that could go wrong at run time.
# unproved.txt lists the goals that are not proved, and why; it has to be complete,
# and no goal in it may be proved.
set -eu
cd "$(dirname "$0")/../.."

archs=${*:-amd64 i386}
list=proof/frama/unproved.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# prove SECONDS FUNCTION...: of lib/$file.c.  Calls of what $inline names are inlined:
# functions that are shorter than their contract would be.
prove() {
	seconds=$1
	shift
	nice -n 10 frama-c -machdep "$machdep" -c11 -cpp-extra-args="$cpp" \
		-kernel-warn-key typing:implicit-function-declaration=inactive \
		${inline:+-inline-calls "$inline"} -warn-unsigned-overflow \
		-warn-signed-downcast -wp -wp-rte -wp-model Typed+Cast \
		-wp-prover cvc4 -wp-timeout "$seconds" -wp-par 1 \
		-wp-fct "$(echo "$*" | tr ' ' ,)" "lib/$file.c" >"$work/log" 2>&1 ||
		fail "$file"
	grep -q '^\[wp\] Proved goals:' "$work/log" || fail "$file"
	sed -n "s/.*Goal typed_cast_\([a-z0-9_]*\) : \(Unknown\|Timeout\|Failed\).*/$file \1/p" \
		"$work/log" >"$work/left"
}

# All that is left is listed.
is_listed() {
	awk -v arch="$arch" '$1 == arch || $1 == "-" { print $2, $3 }' "$list" \
		>"$work/may"
	! grep -vxF -f "$work/may" "$work/left"
}

# wp FILE FUNCTION...: what can be proved takes parts of a second, and what can't, all
# that it is given.  The seconds are those of a clock: on a busy machine more are needed.
wp() {
	file=$1
	shift
	for seconds in 2 5 30; do
		prove $seconds "$@"
		if is_listed >/dev/null; then break; fi
	done
	sed "s/^/$arch /" "$work/left" >>"$work/unproved"
	sed -n 's/.*Proved goals: *\([0-9]*\) .*/\1/p' "$work/log" >>"$work/proved"
	sed -n 's/.*Proved goals: .*\/ *\([0-9]*\).*/\1/p' "$work/log" >>"$work/goals"
}

fail() {
	cat "$work/log"
	echo "frama-c: $arch $1: not run" >&2
	exit 1
}

sum() {
	awk '{ n += $1 } END { print n }' "$1"
}

# What WP takes for granted of two functions of stacks.h.
${CC:-cc} -O2 -DACO_BUILDING_ -Iinclude -Ilib -Ilib/arch/amd64 \
	proof/frama/classes.c -o "$work/classes"
"$work/classes"

# As an old gcc without named address spaces, which Frama-C does not know.
old='-U__GNUC__ -D__GNUC__=8 -U__SEG_FS -U__SSE2__'

WHY3CONFIG=$work/why3.conf
export WHY3CONFIG
why3 config detect >"$work/log" 2>&1

for arch in $archs; do
	case $arch in
	amd64) machdep=gcc_x86_64 vector=aco_copy_16 ;;
	*) machdep=gcc_x86_32 vector= ;; # through pointers to float
	esac
	include=proof/frama/include
	cpp="$old -include $include/stubs.h -I$include -Iinclude"
	cpp="$cpp -Ilib/arch/$arch -DACO_BUILDING_"

	inline=aco_is_running,aco_tools_before_copy_in,aco_tools_before_copy_out
	# shellcheck disable=SC2086 # a name, or none
	wp save_stack block_size ptr_new aco_save_stack_free new_size has_room \
		red_zone unused_end resize copy zeros copy_out bytes_of copy_in \
		aco_copy_in_later aco_copy_small aco_live_bytes \
		aco_has_zeros_below aco_put_zeros_below aco_keep_small \
		aco_swap_small $vector
	inline=aco_stack_base
	wp share_stack beside pages_for class_for new_guarded make stagger \
		write_top lay_out_top made new_slow at_hand aco_share_stack_new2 \
		aco_share_stack_from
	inline=
	wp stack_memory mapping_get aco_stack_get aco_signal_frame
	wp mapping aco_map_trim
	wp arena slot_size max_slots aco_arena_has head_size arena_size \
		slot_at use_fresh_slot
done

sort "$work/unproved" >"$work/is"
for arch in $archs; do
	awk -v arch="$arch" '$1 == arch || $1 == "-" { print arch, $2, $3 }' "$list"
done | sort >"$work/listed"
diff "$work/listed" "$work/is" >"$work/diff" && differs=0 || differs=1
sed -n 's/^</proved or gone, but listed:/p; s/^>/not proved, and not listed:/p' \
	"$work/diff"
echo "frama-c: $(sum "$work/goals") goals, $(sum "$work/proved") proved," \
	"$(wc -l <"$work/listed") listed as unproved"
exit "$differs"
