#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC3045 # every sh has ulimit -t and -v; dash does
# step.sh OUT NAME COMMAND...: runs it, with its output in OUT, and says how many
# seconds of CPU time it took.  Of OUT.done, the last line is shown.
set -u
out=$1 name=$2
shift 2
ulimit -t 900
ulimit -v 6000000
status=0
"$@" >"$out.tmp" 2>"$out.log" || status=$?
# the second line: the children
times >"$out.times"
seconds=$(awk 'NR == 2 {
	split($0, t, /[ms ]+/)
	printf "%6.1f s", t[1] * 60 + t[2] + t[3] * 60 + t[4]
}' "$out.times")
rm -f "$out.times"
if [ $status -ne 0 ]; then
	echo "$seconds  FAIL $name"
	tail -n 40 "$out.tmp" "$out.log"
	exit 1
fi
mv "$out.tmp" "$out"
case $out in
*.done) name="$name: $(tail -n 1 "$out")" ;;
esac
echo "$seconds  $name"
