#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The libraries as their users meet them: installed, found by pkg-config, shared and
# static, with a program written for 1.2.4, the one of the README and one with tasks;
# and removed again.
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
sed -n '/^```c$/,/^```$/p' "$top_srcdir/README.md" | sed '1d; /^```$/,$d' >"$scratch/readme.c"
grep -q main "$scratch/readme.c" || fail "no program in README.md"

# run MODULE NAME EXPECTED: compiles with what pkg-config says, and runs.
run() {
	# shellcheck disable=SC2046,SC2086 # words
	$CC -Wall -Wextra -Werror -o "$scratch/$2" "$scratch/$2.c" \
		$(pkg-config --cflags --libs "$1") || fail "$2 does not compile"
	out=$(LD_LIBRARY_PATH=$installed "$scratch/$2") || fail "$2 ends with $?"
	[ "$out" = "$3" ] || fail "$2 prints: $out"
}

# run_static MODULE NAME EXPECTED
run_static() {
	[ -e "$installed/lib$1.a" ] || return 0
	mkdir -p "$scratch/static"
	cp "$installed"/lib*.a "$scratch/static"
	# shellcheck disable=SC2046,SC2086 # words
	$CC -static -Wl,--fatal-warnings -o "$scratch/$2" "$scratch/$2.c" \
		-L"$scratch/static" $(pkg-config --static --cflags --libs "$1") ||
		fail "$2 does not compile as a static program"
	[ "$("$scratch/$2")" = "$3" ] || fail "$2 fails as a static program"
}

cp "$top_srcdir/tests/compat.c" "$scratch/compat.c"
run aco readme "1
2
3"
run aco compat ok
run_static aco compat ok

cat >"$scratch/tasks.c" <<'C'
#include <aco_io.h>
#include <stdio.h>

static void task(void *arg)
{
	if (aco_io_sleep(aco_io_after(1)) == 0)
		puts(arg);
}

int main(void)
{
	static char words[] = "has slept";
	aco_io_t *io = aco_io_new(NULL);

	return !io || !aco_io_go(NULL, task, words, 0) || aco_io_run(io) ||
	       aco_io_destroy(io);
}
C
if [ -e "$io_libdir" ]; then
	run aco-io tasks "has slept"
	run_static aco-io tasks "has slept"
else
	parts=$(find "$root" -name '*aco[-_]io*')
	[ -z "$parts" ] || fail "there is no libaco-io, but $parts"
fi

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
# A compiler that finds no headers of the system stands for libraries that are missing.
make -n -C "$scratch/examples" CC="$CC -nostdinc" generator >"$scratch/make.log" 2>&1
for name in httpd-threads $(if [ -e "$io_libdir" ]; then echo embed-libev; fi); do
	grep -q "$name .*left out" "$scratch/make.log" ||
		fail "examples/Makefile builds $name without its library"
done

make -C "$top_builddir" uninstall DESTDIR="$root" >"$scratch/uninstall.log" 2>&1 || {
	cat "$scratch/uninstall.log"
	fail "make uninstall"
}
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves $left"
