#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The package names the same symbols in the same nodes as the symbol map.
. "${top_srcdir:-.}/tests/common.sh"
LC_ALL=C
export LC_ALL

package=$top_srcdir/debian/libaco2.symbols
[ -f "$package" ] || skip "debian/ is not here: it is not part of a tarball"

# What a node exports, as the package writes it; local: has no names, only *.
awk '
	/^LIBACO_[0-9.]+ *\{/ { node = $1; print node "@" node }
	$1 ~ /^aco_[a-z0-9_]+;$/ { sub(/;/, "", $1); print $1 "@" node }
' "$top_srcdir/lib/libaco.map" | sort >"$scratch/map"
awk '/^ / { print $1 }' "$package" | sort >"$scratch/package"

diff -u --label debian/libaco2.symbols --label lib/libaco.map \
	"$scratch/package" "$scratch/map" ||
	fail "add to debian/libaco2.symbols what has a plus, with the release" \
		"that brings it; what has a minus can't go without a new SONAME"
