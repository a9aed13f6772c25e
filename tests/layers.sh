#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No file of a library uses a file that uses it, directly or by others: each can
# be read with only those below it in mind.  The assembly is left out: it calls
# the functions in C that its callers give it.
. "${top_srcdir:-.}/tests/common.sh"

command -v tsort >/dev/null || skip "tsort is missing"

# Lines "USER USED" of files, from the symbols of their objects.
uses() {
	find "$top_builddir/$1" -name '*.o' ! -path '*/arch/*' | while read -r object; do
		file=${object##*-}
		nm "$object" | sed -n "s/^ *U \\(aco_.*\\)/U \\1 ${file%.o}/p
			s/^[0-9a-f]* [A-TV-Z] \\(aco_.*\\)/D \\1 ${file%.o}/p"
	done | awk '
		$1 == "D" { defined[$2] = $3 }
		$1 == "U" { used[$2 " " $3] = 1 }
		END {
			for (pair in used) {
				split(pair, part, " ")
				if (part[1] in defined && defined[part[1]] != part[2])
					print part[2], defined[part[1]]
			}
		}' | sort -u
}

# check DIRECTORY: of the library in it, if this build has it.
check() {
	[ -e "$top_builddir/$1/.libs" ] || return 0
	uses "$1" >"$scratch/uses"
	[ -s "$scratch/uses" ] || skip "the objects of $1/ have no symbols (LTO)"
	tsort "$scratch/uses" >"$scratch/order" 2>"$scratch/loops" ||
		fail "files of $1/ that use each other:
$(cat "$scratch/loops")"
	echo "$1/, from the users to the used: $(paste -sd' ' "$scratch/order")"
}

# libaco-io is a user of libaco like any other, and libaco does not know it.
! grep -rnE 'aco[_-]io' "$top_srcdir/lib" "$include/aco" "$include"/aco.h* \
	"$include/aco_assert_override.h" || fail "libaco tells of libaco-io"
! grep -nE '^# *include *("|<aco)' "$top_srcdir"/io/*.[ch] "$include/aco_io.h" |
	grep -vE '"(internal|aco_io)\.h"|<aco\.h>' ||
	fail "libaco-io includes more than aco.h of libaco"
find "$top_builddir/io" -name '*.o' -exec nm {} + 2>/dev/null |
	sed -n 's/^ *U \(aco_\)/\1/p' | grep -v '^aco_io_' | sort -u >"$scratch/called"
sed -n 's/^\t\([a-z_0-9]*\);$/\1/p' "$top_srcdir/lib/libaco.map" >"$scratch/exported"
! grep -vxF -f "$scratch/exported" "$scratch/called" ||
	fail "libaco-io calls what libaco does not export"

check lib
check io
