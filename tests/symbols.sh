#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One set of exported names: what the headers declare is what lib/libaco.map
# lists, what the shared library exports and what the static one defines; and
# the properties of the binaries that linkers and kernels look at.
. "${top_srcdir:-.}/tests/common.sh"

same() {
	diff "$scratch/$1" "$scratch/$2" ||
		fail "the names of $1 (<) and $2 (>) differ"
}

sed -n 's/^\t\([a-z_0-9]*\);$/\1/p' "$top_srcdir/lib/libaco.map" |
	sort >"$scratch/map"
[ -s "$scratch/map" ] || fail "no names in lib/libaco.map"

# What the headers are, with and without the functions that they inline.
preprocessed() {
	for header in aco.h aco_assert_override.h aco/switch.h; do
		echo "#include <aco.h>
#include <$header>" | $CC -E -P -I"$include" "$@" -x c -
	done | tr '\n' ' ' | sed 's/[;{}]/\n/g'
}

# A declaration starts a line and is not a definition; words before "(".  Two
# functions have a second symbol where they are inlined.
{
	preprocessed -DACO_BUILDING_ | grep -v __inline__ |
		sed -n 's/.*[ *]\(aco_[a-z_0-9]*\) *(.*/\1/p
			s/^.*extern __thread.*[ *]\(aco_[a-z_0-9]*\).*/\1/p' |
		grep -v '_t$'
	preprocessed | sed -n 's/.*) __asm__("\(aco_[a-z_]*\)").*/\1/p'
} | sort -u >"$scratch/headers"
same map headers

if [ -e "$libdir/libaco.so" ]; then
	nm -D --defined-only "$libdir/libaco.so" |
		awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort \
		>"$scratch/shared"
	same map shared
	readelf -dW "$libdir/libaco.so" >"$scratch/dynamic"
	grep -q 'SONAME.*\[libaco\.so\.2\]' "$scratch/dynamic" ||
		fail "the SONAME is not libaco.so.2"
	! grep -q TEXTREL "$scratch/dynamic" || fail "text relocations"
	readelf -lW "$libdir/libaco.so" | grep GNU_STACK | grep -q 'RW ' ||
		fail "the shared library wants an executable stack"
	! nm -D "$libdir/libaco.so" | grep -q tls_get_addr ||
		fail "thread-locals are not initial-exec"
fi

if [ -e "$libdir/libaco.a" ]; then
	nm --defined-only "$libdir/libaco.a" | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ {
		print $3 }' | grep -v '^__x86.get_pc_thunk' | sort >"$scratch/globals"
	! grep -v '^aco_' "$scratch/globals" || fail "names that may clash"
	grep -xF -f "$scratch/map" "$scratch/globals" >"$scratch/static"
	same map static
fi

find "$top_builddir/lib" -name '*.o' >"$scratch/objects"
while read -r object; do
	readelf -SW "$object" | grep -q 'note.GNU-stack' ||
		fail "$object has no GNU-stack note: the stack becomes executable"
	! readelf -SW "$object" | grep 'note.GNU-stack' | grep -q ' X ' ||
		fail "$object wants an executable stack"
	case $object in */arch/*) ;; *) continue ;; esac
	readelf -nW "$object" | grep -q 'x86 feature: IBT$' ||
		fail "$object has no note for IBT alone"
done <"$scratch/objects"
echo "$(wc -l <"$scratch/map") names"
