#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mandoc and groff have nothing to say about the manual, and what readers may
# copy from it comes out as the characters it is made of.
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
. "$top_srcdir/tests/common.sh"

cd "$top_srcdir/man"
pages=$(man_pages)

# A bare ' - ` ^ ~ becomes a typographic character in some output formats.
# shellcheck disable=SC2086 # words
awk '
	/^\.Bd .*-literal/ { inside = 1; next }
	/^\.Ed/ { inside = 0 }
	inside {
		line = $0
		gsub(/\\-/, "", line)
		gsub(/\\\([a-z][a-z]/, "", line)
		if (line ~ /[\047`^~-]/) {
			print FILENAME ":" FNR ": write \\(aq \\- \\(ga \\(ha \\(ti: " $0
			bad = 1
		}
		gsub(/\\./, "", line)
		if (line ~ /\\/) {
			print FILENAME ":" FNR ": write \\e for a backslash: " $0
			bad = 1
		}
	}
	END { exit bad }' $pages || fail "not fit to be copied"

# groff ends the quotes of a macro behind the last column.
# shellcheck disable=SC2086 # words
! grep -nE '^\.It .*(Ql|Sq|Dq|Qq|Pq|Aq|Bq) .*Ta ' $pages ||
	fail "write \\(oq \\(cq in a cell of a table"

missing=
if command -v mandoc >/dev/null; then
	# shellcheck disable=SC2086 # words
	mandoc -T lint -W warning $pages || fail "mandoc warns"
else
	missing="$missing mandoc"
fi
if command -v groff >/dev/null; then
	for page in $pages; do
		groff -ww -z -t -mandoc -Tutf8 "$page" 2>"$scratch/groff"
		[ ! -s "$scratch/groff" ] || {
			cat "$scratch/groff"
			fail "groff warns about $page"
		}
	done
else
	missing="$missing groff"
fi
[ -z "$missing" ] || skip "not all could be checked, missing here:$missing"
