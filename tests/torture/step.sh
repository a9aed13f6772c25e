#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A signal at each instruction of each kind of switch: step.c traces step-target.c.
#
# ACO_TEST_SAMPLE: take one window in so many of those that are taken (1).
# scripts/torture builds it in more ways, and takes more.
. "${top_srcdir:-.}/tests/common.sh"

dir=$top_srcdir/tests/torture
# shellcheck disable=SC2086 # CC may have flags
arch=$(arch_of $CC)
regs=$top_srcdir/tests/regs-$arch.S
number=0
: >"$scratch/totals"

# build c|c++ COMPILER FLAGS
build() {
	case $1 in
	c++) compiler=$(cxx_of "$2") standard=c++17 ;;
	*) compiler=$2 standard=gnu11 ;;
	esac
	# shellcheck disable=SC2046,SC2086 # words
	"$2" $(arch_flags) -c "$regs" -o "$scratch/regs.o" &&
		"$compiler" $(arch_flags) $3 -g -Wall -Wextra -Werror -I"$include" \
			-x "$1" -std=$standard "$dir/step-target.c" -x none \
			"$scratch/regs.o" $(library) -lpthread -lrt -o "$scratch/target"
}

# trace NAME OPTION...
trace() {
	name=$1
	shift
	set -- "$@" --first $number
	echo "$name: $*"
	status=0
	"$scratch/step" "$@" "$scratch/target" >"$scratch/out" 2>&1 || status=$?
	[ $status -ne 77 ] || skip "ptrace is not permitted here"
	cat "$scratch/out"
	[ $status -eq 0 ] || fail "$name: step $*"
	grep '^total: ' "$scratch/out" >>"$scratch/totals"
}

# both c|c++ COMPILER FLAGS: signals at each instruction; then, in fewer windows,
# apart from each other.
both() {
	number=$((number + 1))
	build "$@" >"$scratch/log" 2>&1 || fail "$*: $(cat "$scratch/log")"
	trace "$arch: $2 $3 ($1)" --every $often
	trace "$arch: $2 $3 ($1)" --every $((often * 6 + 1)) --apart 6
}

has_cxx() {
	# shellcheck disable=SC2046 # words
	echo "int main() { return 0; }" |
		"$(cxx_of "$1")" $(arch_flags) -x c++ - -o "$scratch/probe" 2>/dev/null
}

echo '#include <execinfo.h>' | $CC -E -x c - >/dev/null 2>&1 ||
	skip "no backtrace(3) in this C library"
# shellcheck disable=SC2086 # CC may have flags
$CC -O2 -Wall -Wextra -Werror "$dir/step.c" -o "$scratch/step"

# Not a factor of the number of all windows.
often=$((223 * ${ACO_TEST_SAMPLE:-1}))
for cc in gcc clang; do
	compiler $cc || continue
	both c $cc -O2
	both c $cc "-O2 -DACO_NO_INLINE"
	if has_cxx $cc; then both c++ $cc -O2; fi
	break
done
[ -s "$scratch/totals" ] || skip "no compiler works here"

# The sums; and no kind of switch has been left out.
awk -v sample="${ACO_TEST_SAMPLE:-1}" '
	{
		for (i = 2; i < NF; i += 2) {
			if (!($i in sum))
				names[++n] = $i
			sum[$i] += $(i + 1)
		}
	}
	END {
		text = "in all: builds " NR / 2
		for (i = 1; i <= n; i++) {
			text = text sprintf(", %s %.0f", names[i], sum[names[i]])
			missing += sum[names[i]] == 0 && names[i] != "failures"
		}
		print text
		exit sample == 1 && missing > 0
	}' "$scratch/totals" || fail "a kind of switch was left out"
