#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the scripts take from CC: the compiler, and the flags that other compilers get,
# too.  A program may stand before it that starts it, as ccache(1) does.
. "${top_srcdir:-.}/tests/common.sh"

# gives CC NAME FLAGS
gives() {
	CC=$1
	[ "$(cc_name)" = "$2" ] || fail "CC='$1': the compiler is $(cc_name)"
	[ "$(arch_flags)" = "$3" ] || fail "CC='$1': the flags are $(arch_flags)"
}

# Those of this build.
configured=$(cc_name)
command -v "$configured" >/dev/null || fail "CC='$CC': there is no $configured"
compiler "$configured" || fail "CC='$CC': $configured makes other programs"

gives gcc gcc ''
gives 'gcc -m32 -idirafter /usr/include' gcc '-m32 -idirafter /usr/include'
gives 'ccache gcc' gcc ''
gives 'ccache /usr/bin/clang-14 -m32' /usr/bin/clang-14 -m32
