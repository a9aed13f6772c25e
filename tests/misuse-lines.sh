#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every text of aco_misuse() in the library stands in test-misuse.c.
. "${top_srcdir:-.}/tests/common.sh"
LC_ALL=C
export LC_ALL

# Long texts are in pieces.
join() {
	tr '\n\t' '  ' | sed 's/" *"//g'
}

# Those with an address in the middle as those without.
plain() {
	sed -E 's/aco_misuse_of\(([^;]*"[^"]*)", *[^",]*, *"/aco_misuse(\1 %p /g'
}

join <"$top_srcdir/tests/test-misuse.c" >"$scratch/tested"

# One call a line: "<call>|<what>", with call empty where it is a variable.
cat "$top_srcdir"/lib/*.c | join | plain |
	grep -o 'aco_misuse([^;]*"[^;]*;' |
	sed -E 's/^aco_misuse\("([^"]*)", *"([^"]*)".*/\1|\2/
		s/^aco_misuse\([a-z_]+, *"([^"]*)".*/|\1/' |
	sort -u >"$scratch/calls"

missing=0
while IFS='|' read -r call what; do
	grep -Fq "${call:+libaco: $call}: $what: co " "$scratch/tested" &&
		continue
	echo "not tested by its text: ${call:-<call>}: $what"
	missing=$((missing + 1))
done <"$scratch/calls"
[ $missing = 0 ] || fail "$missing texts are not in test-misuse.c"

# Who looks for nothing finds nothing missing.
calls=$(wc -l <"$scratch/calls")
[ "$calls" -ge 10 ] || fail "only $calls calls of aco_misuse() found"
echo "$calls texts"
