#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# lto.sh - lto.c, linked with -flto, in both orders
#
# 77 where no compiler at hand can do that.

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

# what for, then options
object()
{
	obj=$1
	shift
	# shellcheck disable=SC2086
	"$cc" $arch_flags -O2 -flto $lib_cflags "$@" \
		-c "$here/lto.c" -o "$scratch/$obj.o"
}

# The function of the program, with nothing of the inline switch in it.
is_plain()
{
	objdump -d --no-show-raw-insn "$scratch/lto" |
		sed -n "/<$1>:\$/,/^\$/p" >"$scratch/$1"
	test -s "$scratch/$1" && ! grep -q 'jmp *\*' "$scratch/$1"
}

try()
{
	# shellcheck disable=SC2086
	"$cc" $arch_flags -O2 -flto -o "$scratch/lto" "$@" $lib_ldflags &&
		timeout 300 "$scratch/lto" && is_plain plain_yield &&
		is_plain plain_resume && return
	echo "FAIL: lto: $cc $arch_flags: $*"
	status=1
}

status=77
gcc_and_clang >"$scratch/compilers"
while read -r cc; do
	# shellcheck disable=SC2086
	knows "$cc" $arch_flags -flto || continue
	test $status -ne 77 || status=0
	object main -DLTO_MAIN -DACO_NO_INLINE
	object takes -DLTO_TAKES -DACO_CONFIG_SHARE_FPU_MXCSR_ENV
	object wants -DACO_NO_INLINE
	try "$scratch/main.o" "$scratch/takes.o" "$scratch/wants.o"
	try "$scratch/main.o" "$scratch/wants.o" "$scratch/takes.o"
done <"$scratch/compilers"
exit $status
