#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without.sh TEXT DIR FILE...: those of the files in DIR that are proved without
# TEXT.v, the bytes of an architecture.
set -eu
text=$1 dir=$2
shift 2
for file; do
	tr '\n' ' ' <"$dir/$file" | sed 's/\. /.\n/g' |
		sed -n "s/.*Require \(Import \|Export \)*\(.*\)\.$/${file%.v} \2/p"
done | awk -v text="$text" -v files="$*" '
	{ for (i = 2; i <= NF; i++) needs[$1, $i] }
	END {
		out[text]
		for (changed = 1; changed;) {
			changed = 0
			for (pair in needs) {
				split(pair, p, SUBSEP)
				if (p[2] in out && !(p[1] in out)) {
					out[p[1]]
					changed = 1
				}
			}
		}
		n = split(files, file, " ")
		for (i = 1; i <= n; i++)
			if (!(substr(file[i], 1, length(file[i]) - 2) in out))
				print file[i]
	}'
