#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One set of exported names for each line of abi/libraries: what the headers
# declare is what the symbol map lists, what the shared library exports and what
# the static one defines; and the properties of the binaries that linkers and
# kernels look at.
. "${top_srcdir:-.}/tests/common.sh"

same() {
	diff "$scratch/$1" "$scratch/$2" ||
		fail "$library: the names of $1 (<) and $2 (>) differ"
}

# preprocessed OPTION...: what the headers themselves say, a declaration a line.
# What they include is another library's, or a system's.
preprocessed() {
	for header in $headers; do
		echo "#include <aco.h>
#include <$header>"
	done | $CC -E -I"$include" "$@" -x c - | awk -v headers="$headers" \
		-v include="$include/" '
		BEGIN {
			count = split(headers, names, " ")
			for (i = 1; i <= count; i++)
				own["\"" include names[i] "\""] = 1
		}
		/^# [0-9]+ "/ { inside = $3 in own; next }
		inside' | tr '\n' ' ' | sed 's/[;{}]/\n/g'
}

# A declaration starts a line and is not a definition; words before "(".  Some
# functions have a second symbol where they are inlined.  With and without the
# functions that the headers inline.
declared() {
	preprocessed -DACO_BUILDING_ | grep -v __inline__ |
		sed -n 's/.*[ *]\(aco_[a-z_0-9]*\) *(.*/\1/p
			s/^.*extern __thread.*[ *]\(aco_[a-z_0-9]*\).*/\1/p
			s/^ *extern struct [a-z_]* \(aco_[a-z_0-9]*\) *$/\1/p' |
		grep -v '_t$'
	preprocessed | sed -n 's/.*) __asm__("\(aco_[a-z_]*\)").*/\1/p'
}

check_shared() {
	nm -D --defined-only "$1" |
		awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort \
		>"$scratch/shared"
	same map shared
	readelf -dW "$1" >"$scratch/dynamic"
	grep -q "SONAME.*\[$name\.so\.$version\]" "$scratch/dynamic" ||
		fail "$1: the SONAME is not $name.so.$version"
	! grep -q TEXTREL "$scratch/dynamic" || fail "$1: text relocations"
	readelf -lW "$1" | grep GNU_STACK | grep -q 'RW ' ||
		fail "$1 wants an executable stack"
	! nm -D "$1" | grep -q tls_get_addr ||
		fail "$1: thread-locals are not initial-exec"
}

# All objects with USDT probes, of whatever library, have the same weak base.
check_static() {
	nm --defined-only "$1" | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ {
		print $3 }' | grep -v '^__x86.get_pc_thunk' |
		grep -vx '_\.stapsdt\.base' | sort >"$scratch/globals"
	! grep -v '^aco_' "$scratch/globals" || fail "$1: names that may clash"
	cat "$scratch/globals" >>"$scratch/all"
	grep -xF -f "$scratch/map" "$scratch/globals" >"$scratch/static"
	same map static
}

# check_library PATH VERSION HEADER...: a line of abi/libraries.
check_library() {
	library=$1 name=${1##*/} version=$2
	shift 2
	headers=$*
	map=$top_srcdir/$library.map
	sed -n 's/^\t\([a-z_0-9]*\);$/\1/p' "$map" | sort >"$scratch/map"
	[ -s "$scratch/map" ] || fail "no names in $map"
	declared | sort -u >"$scratch/headers"
	same map headers
	built=$top_builddir/${library%/*}/.libs/$name
	[ ! -e "$built.so" ] || check_shared "$built.so"
	[ ! -e "$built.a" ] || check_static "$built.a"
	echo "$name: $(wc -l <"$scratch/map") names"
	[ ! -e "${built%/*}" ] ||
		find "${built%/.libs/*}" -name '*.o' >>"$scratch/objects"
}

# The C files are left to the compiler; the assembly has to say itself what it is.
check_object() {
	# With -flto clang makes bitcode, of which the linker makes sections.
	case $(head -c 2 "$1") in BC) return 0 ;; esac
	readelf -SW "$1" | grep -q 'note.GNU-stack' ||
		fail "$1 has no GNU-stack note: the stack becomes executable"
	! readelf -SW "$1" | grep 'note.GNU-stack' | grep -q ' X ' ||
		fail "$1 wants an executable stack"
	case $1 in "$top_builddir"/lib/arch/[!.]*/*) ;; *) return 0 ;; esac
	readelf -nW "$1" | grep -q 'x86 feature: IBT$' ||
		fail "$1 has no note for IBT alone"
}

grep -v '^#' "$top_srcdir/abi/libraries" >"$scratch/libraries"
[ -s "$scratch/libraries" ] || fail "no libraries in abi/libraries"
while read -r line; do
	# shellcheck disable=SC2086 # a list of words
	check_library $line
done <"$scratch/libraries"
[ ! -e "$scratch/all" ] || [ -z "$(sort "$scratch/all" | uniq -d)" ] ||
	fail "in two static libraries: $(sort "$scratch/all" | uniq -d)"
while read -r object; do
	check_object "$object"
done <"$scratch/objects"
