#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# For each library of abi/libraries: its package names the same symbols in the same
# nodes as its symbol map, and its interface is committed for both architectures.
. "${top_srcdir:-.}/tests/common.sh"
LC_ALL=C
export LC_ALL

[ -d "$top_srcdir/debian" ] || skip "debian/ is not here: it is not part of a tarball"

# What a node exports, as the package writes it; local: has no names, only *.
nodes() {
	awk '
		/^LIBACO_[A-Z0-9_.]+ *\{/ { node = $1; print node "@" node }
		$1 ~ /^aco_[a-z0-9_]+;$/ { sub(/;/, "", $1); print $1 "@" node }
	' "$1" | sort
}

# A package whose binary interface has a name of its own, on which others depend.
check_abi_name() {
	abi=$(sed -n '1s/.*, //p' "$top_srcdir/$1")
	[ -n "$abi" ] || return 0
	grep -qx "Provides: $abi" "$top_srcdir/debian/control" ||
		fail "debian/control: no package provides $abi, which $1 asks for"
	oldest=$(sed -n 's/^LIBACO_.*_\([0-9.]*\) {$/\1/p' "$top_srcdir/$2" | head -n 1)
	[ "$oldest" = "${abi##*-}" ] || fail "$1 asks for $abi, and $2 begins with $oldest"
}

# check_library PATH VERSION: what abi/libraries says of it.
check_library() {
	name=${1##*/}
	package=debian/$name$2.symbols
	[ -f "$top_srcdir/$package" ] || fail "no $package, for $1.map"
	nodes "$top_srcdir/$1.map" >"$scratch/map"
	awk '/^ / { print $1 }' "$top_srcdir/$package" | sort >"$scratch/package"
	diff -u --label "$package" --label "$1.map" \
		"$scratch/package" "$scratch/map" ||
		fail "add to $package what has a plus, with the release that" \
			"brings it; RELEASING.md tells when what has a minus may go"
	check_abi_name "$package" "$1.map"
	for arch in amd64 i386; do
		[ -s "$top_srcdir/abi/$name-$arch.abi" ] ||
			fail "no abi/$name-$arch.abi: make abi-accept"
	done
}

grep -v '^#' "$top_srcdir/abi/libraries" >"$scratch/libraries"
[ -s "$scratch/libraries" ] || fail "no libraries in abi/libraries"
while read -r path version _; do
	check_library "$path" "$version"
done <"$scratch/libraries"
