#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# configure, asked for another processor than that of the compiler, says so, and makes
# no library for the wrong one.
. "${top_srcdir:-.}/tests/common.sh"

[ -x "$top_srcdir/configure" ] || skip "no configure here"
[ ! -e "$top_srcdir/config.status" ] || skip "the source is configured itself"
configure=$(cd "$top_srcdir" && pwd)/configure

# Autoconf takes the compiler for this machine if none has the name of the other.
# shellcheck disable=SC2086 # words
has=$(arch_of $CC)
want="makes programs for $has, and not for aarch64-linux-gnu"
if (cd "$scratch" && "$configure" --quiet --host=aarch64-linux-gnu CC="$CC") \
	>"$scratch/log" 2>&1; then
	fail "--host=aarch64-linux-gnu: the library would be for $has"
fi
grep -F "$want" "$scratch/log" || {
	cat "$scratch/log"
	fail "--host=aarch64-linux-gnu: does not say that this compiler $want"
}
