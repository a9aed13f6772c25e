#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library as its users meet it: installed, found by pkg-config, shared and
# static, with a program written for 1.2.4 and the one of the README.
. "${top_srcdir:-.}/tests/common.sh"

command -v pkg-config >/dev/null || skip "no pkg-config here"
root=$scratch/root
make -C "$top_builddir" install DESTDIR="$root" >"$scratch/install.log" 2>&1 || {
	cat "$scratch/install.log"
	fail "make install"
}
pc=$(find "$root" -name aco.pc)
[ -n "$pc" ] || fail "aco.pc is not installed"
PKG_CONFIG_LIBDIR=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
installed=$(dirname "$PKG_CONFIG_LIBDIR")

# shellcheck disable=SC2016 # backquotes as they are
sed -n '/^```c$/,/^```$/p' "$top_srcdir/README.md" | sed '1d;$d' >"$scratch/readme.c"
grep -q main "$scratch/readme.c" || fail "no program in README.md"

# run NAME EXPECTED: compiles with what pkg-config says, and runs.
run() {
	# shellcheck disable=SC2046,SC2086 # words
	$CC -Wall -Wextra -Werror -o "$scratch/$1" "$scratch/$1.c" \
		$(pkg-config --cflags --libs aco) || fail "$1 does not compile"
	out=$(LD_LIBRARY_PATH=$installed "$scratch/$1") || fail "$1 ends with $?"
	[ "$out" = "$2" ] || fail "$1 prints: $out"
}

cp "$top_srcdir/tests/compat.c" "$scratch/compat.c"
run readme "1
2
3"
run compat ok

# The Makefile for those who have the installed library and the examples.  The
# servers are left out: for a second architecture their libraries have other names.
cp -R "$top_srcdir/examples" "$scratch/examples"
chmod -R u+w "$scratch/examples"
{
	make -C "$scratch/examples" CC="$CC" clean &&
		make -C "$scratch/examples" CC="$CC" generator pipeline worker-pool
} >"$scratch/make.log" 2>&1 || {
	cat "$scratch/make.log"
	fail "examples/Makefile does not build the examples"
}
LD_LIBRARY_PATH=$installed "$scratch/examples/generator" >/dev/null ||
	fail "the generator that examples/Makefile has built ends with $?"

if [ -e "$installed/libaco.a" ]; then
	mkdir "$scratch/static"
	cp "$installed/libaco.a" "$scratch/static"
	# shellcheck disable=SC2046,SC2086 # words
	$CC -static -Wl,--fatal-warnings -o "$scratch/compat" "$scratch/compat.c" \
		-L"$scratch/static" $(pkg-config --static --cflags --libs aco) ||
		fail "does not compile as a static program"
	[ "$("$scratch/compat")" = ok ] || fail "the static program fails"
fi
