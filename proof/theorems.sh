#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# theorems.sh LIST FILE.v...: the theorems of the list that are in the files, as Coq
# states them, and that none of them rests on an axiom.  LEFT_OUT: files that may be
# missing, because their architecture is.
set -eu
list=$1
shift
for file; do echo "${file%.v}"; done >theorems.files
echo "Require Import ZArith List X86." >Theorems.v
awk -v left_out="${LEFT_OUT-}" 'NR == FNR { there[$1]; next }
	/^#/ { next }
	!($1 in there) {
		if (!index(" " left_out " ", " " $1 ".v ")) {
			print $1 " is no file of the proof" >"/dev/stderr"
			failed = 1
			exit
		}
		next
	}
	!($1 in required) { print "Require Import " $1 "."; required[$1] }
	{ name[++n] = $1 "." $2 }
	END {
		if (failed)
			exit 1
		print "Set Printing Width 90. Import ListNotations."
		for (i = 1; i <= n; i++)
			print "Check " name[i] ". Print Assumptions " name[i] "."
	}' theorems.files "$list" >>Theorems.v
coqc -q -R . Aco Theorems.v >theorems.out
cat theorems.out
count=$(grep -c '^Check' Theorems.v || :)
closed=$(grep -c '^Closed under the global context' theorems.out || :)
if [ "$count" -ne "$closed" ]; then
	echo "$((count - closed)) of $count theorems rest on axioms" >&2
	exit 1
fi
echo "$count theorems, each closed under the global context"
