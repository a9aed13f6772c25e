#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A plugin that contains the static library can be closed: what threads,
# signals and fork(2) call in the end is not its code any more.  And exit(3)
# does no harm when it is still there.
. "${top_srcdir:-.}/tests/common.sh"

# shellcheck disable=SC2086 # CC has words
arch=$(arch_of $CC)

# shellcheck disable=SC2086 # CC has words
case $(target $CC) in
*__GLIBC__) skip "only of glibc it is known that dlclose() unloads" ;;
esac

# An archive for plugins is position-independent; the one of this build may not.
build() {
	# shellcheck disable=SC2086 # CC has words
	$CC -O1 -g -std=gnu11 -fPIC -I"$include" "$@" || fail "does not compile: $*"
}

run() {
	timeout 300 "$scratch/host" "$scratch/plugin.so" "$1" >"$scratch/log" 2>&1 && return
	status=$?
	cat "$scratch/log"
	echo "FAIL: $1: ends with $status"
	bad=1
}

build -o "$scratch/host" "$top_srcdir/tests/unload-host.c" -lpthread -ldl
build -o "$scratch/plugin.o" -c "$top_srcdir/tests/unload-plugin.c"
# An archive, as the static library is: the linker takes what is asked for.
mkdir "$scratch/objects"
for file in "$top_srcdir"/lib/*.c "$top_srcdir"/lib/arch/*.c \
		"$top_srcdir/lib/arch/$arch"/*.S; do
	build -DACO_BUILDING_ -I"$top_srcdir/lib/arch/$arch" -c "$file" \
		-o "$scratch/objects/${file##*/}.o"
done
ar rcs "$scratch/libaco.a" "$scratch"/objects/*
build -o "$scratch/plugin.so" -shared "$scratch/plugin.o" "$scratch/libaco.a" \
	-lpthread -ldl

bad=0
for test in $("$scratch/host"); do
	run "$test"
done
[ $bad = 0 ] || exit 1
echo "$("$scratch/host" | wc -l) tests"
