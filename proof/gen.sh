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
# The functions in C that are called have the numbers of X86.v.
objdump -r -j .text "$obj" | awk '$2 ~ /^R_/ {
	if ($2 != "R_X86_64_PLT32" && $2 != "R_386_PC32" && $2 != "R_386_PLT32")
		exit 1
	if ($2 == "R_X86_64_PLT32" && sub(/-0x0*4$/, "", $3) != 1)
		exit 1
	printf "%s(0x%s, x_%s)", sep, $1, $3
	sep = "; " }'
echo "]."
echo "End $name."
