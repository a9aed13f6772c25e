#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A plugin that contains the static library can be closed: what threads,
# signals and fork(2) call in the end is not its code any more.  And exit(3)
# does no harm when it is still there.  A plugin with libaco-io can be closed, too:
# the shared library stays, and the static one has started no thread.
. "${top_srcdir:-.}/tests/common.sh"

# shellcheck disable=SC2086 # CC has words
case $(target $CC) in
*__GLIBC__) skip "only of glibc it is known that dlclose() unloads" ;;
esac

# An archive for plugins is position-independent; the one of this build may not.
build() {
	# shellcheck disable=SC2086 # CC has words
	$CC -O1 -g -std=gnu11 -fPIC -I"$include" "$@" || fail "does not compile: $*"
}

# run PLUGIN TEST
run() {
	timeout 300 "$scratch/host" "$scratch/$1.so" "$2" >"$scratch/log" 2>&1 && return
	status=$?
	cat "$scratch/log"
	echo "FAIL: $1: $2: ends with $status"
	bad=1
}

# archive lib|io NAME: as the static library is: the linker takes what is asked for.
archive() {
	# shellcheck disable=SC2086 # CC has words
	compile_library $1 "$scratch/$1" $CC -O1 -g -fPIC || fail "$file does not compile"
	ar rcs "$scratch/$2.a" "$scratch/$1"/*
}

build -o "$scratch/host" "$top_srcdir/tests/unload-host.c" -lpthread -ldl
build -o "$scratch/plugin.o" -c "$top_srcdir/tests/unload-plugin.c"
archive lib libaco
build -o "$scratch/plugin.so" -shared "$scratch/plugin.o" "$scratch/libaco.a" \
	-lpthread -ldl

bad=0
for test in $("$scratch/host"); do
	run plugin "$test"
done
count=$("$scratch/host" | wc -l)

if [ -e "$libdir/libaco.so" ]; then
	ACO_SHARED=$libdir/libaco.so
	export ACO_SHARED
	run plugin shared_library_goes_on
	count=$((count + 1))
fi

if [ -e "$io_libdir" ]; then
	build -o "$scratch/io.o" -c "$top_srcdir/tests/unload-io-plugin.c"
	archive io libaco-io
	build -o "$scratch/io-static.so" -shared "$scratch/io.o" \
		"$scratch/libaco-io.a" "$scratch/libaco.a" -lpthread -ldl
	run io-static io_without_threads
	count=$((count + 1))
fi
if [ -e "$io_libdir/libaco-io.so" ]; then
	# shellcheck disable=SC2046 # words
	build -o "$scratch/io-shared.so" -shared "$scratch/io.o" $(io_library)
	for test in $("$scratch/host" io); do
		run io-shared "$test"
		count=$((count + 1))
	done
fi
[ $bad = 0 ] || exit 1
echo "$count tests"
