#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# mixed.sh - mixed.c with objects of two compilers in one program
#
# 77 where there is only one compiler: then tests/inline/mixed is enough.

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

gcc_and_clang >"$scratch/compilers"
test "$(wc -l <"$scratch/compilers")" -ge 2 || exit 77
one=$(sed -n 1p "$scratch/compilers")
two=$(sed -n 2p "$scratch/compilers")

# compiler, source, object, options
object()
{
	cc=$1
	src=$2
	obj=$3
	shift 3
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" $lib_cflags -c "$here/$src" -o "$scratch/$obj"
}

status=0
for flags in "-O2" "-O2 -fPIC" "-Os -fomit-frame-pointer" "-O0" \
	"-O1 -mtune=k8" "-O2 -fcf-protection=full"; do
	# shellcheck disable=SC2086
	object "$one" mixed.c main.o $flags -DMIXED_OTHER &&
		object "$one" mixed-inline.c i1.o $flags &&
		object "$one" mixed-func.c f1.o $flags &&
		object "$two" mixed-inline.c i2.o $flags -DMIXED_OTHER &&
		object "$two" mixed-func.c f2.o $flags -DMIXED_OTHER &&
		"$one" $arch_flags -o "$scratch/mixed" "$scratch"/*.o $lib_ldflags &&
		ACO_TEST_SWITCHES=${ACO_TEST_SWITCHES:-2000000} \
			timeout 300 "$scratch/mixed" >"$scratch/log" && continue
	echo "FAIL: mixed: $one and $two $arch_flags $flags"
	status=1
done
exit $status
