#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gen.sh NAME OBJECT: a Coq module with the bytes of the object's .text, where its
# symbols are, and where the linker writes the distance to which function.  Bytes
# alone: X86.v decides what they mean.
set -eu
name=$1 obj=$2
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
objcopy -O binary --only-section=.text "$obj" "$tmp"
echo "Module $name."
echo "Definition text : list Z := ["
od -An -v -tx1 "$tmp" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1;/g; $s/;$//'
echo "]."
nm "$obj" | awk '$2 == "T" || $2 == "t" {
	sub(/^0*/, "", $1)
	print "Definition " $3 " := 0x" ($1 == "" ? 0 : $1) "." }'
echo "Definition relocs : list (Z * Z) := ["
# The functions in C that are called have the numbers of X86.v.  The linker adds -4,
# because the distance counts from the end of the call.  It finds that beside the name
# of the function on amd64, and in the text on i386.
objdump -r -j .text "$obj" | awk '$2 ~ /^R_/' | {
	sep=
	while read -r at type function; do
		case $type in
		R_X86_64_PLT32)
			addend=-${function##*-}
			function=${function%-*}
			;;
		R_386_PC32 | R_386_PLT32)
			addend=$(od -An -v -td4 -j $((0x$at)) -N 4 "$tmp")
			;;
		*) exit 1 ;;
		esac
		[ $((addend)) -eq -4 ] || exit 1
		printf '%s(0x%s, x_%s)' "$sep" "$at" "$function"
		sep='; '
	done
}
echo "]."
echo "End $name."
