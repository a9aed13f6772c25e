# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2034 # for those who source this
# Sourced by the scripts of mutants: run in proof/work, with the arguments
#
#	BITS SRC LIBDIR CC...
#
# They say of each change whether it is found, and where; the last line counts.
set -eu
bits=$1 src=$2 libdir=$3
shift 3
cc=$*
arch=amd64
if [ "$bits" = 32 ]; then arch=i386; fi
work=$(pwd)
here=$src/proof/mutants
dir=$work/mutants-$bits-$(basename "$0" .sh) # with a dash: not a directory of Coq's
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
count=0 bad=0

# verdict NAME WANT GOT [MORE]
verdict() {
	count=$((count + 1))
	if [ "$2" = "$3" ]; then
		echo "$1: $3${4:+; $4}"
	else
		echo "WRONG $1: $3, not $2${4:+; $4}"
		bad=$((bad + 1))
	fi
}

# change FILE PERL: in place; a change that changes nothing is an error of ours.
change() {
	cp "$1" before
	perl -0pi -e "$2" "$1"
	! cmp -s "$1" before || {
		echo "no change: $2"
		exit 1
	}
}

finish() {
	echo "$count changes, $bad not as expected"
	[ $bad -eq 0 ]
}
