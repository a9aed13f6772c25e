#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
# sites.sh BITS DIR: compiles the sources beside this file with each compiler that
# there is for CC's architecture and many options, in DIR, and makes SitesBITS.v.
bits=$1 out=$2
sources=$(cd "$(dirname "$0")" && pwd)
: "${top_srcdir:=$sources/../..}"
. "$top_srcdir/tests/inline/common.sh"
set -eu
rm -rf "$out"
mkdir -p "$out"
compilers | while read -r cc; do
	for level in -O0 -O1 -O2 -O3; do
		for pic in -fPIC "-fno-pic -fno-pie"; do
			for source in "$sources"/*.c; do
				name=$(basename "$source" .c)
				object=$out/${cc##*/}$level${pic%% *}-$name.o
				# -Wa,-L keeps the labels, for sites.py
				# shellcheck disable=SC2086 # lists of words
				"$cc" $arch_flags $level $pic -Wall -Wextra -Werror -Wa,-L \
					-I"$top_srcdir/include" -c "$source" -o "$object"
			done
		done
	done
done
python3 -B "$sources/sites.py" "$bits" "$sources" "$out"/*.o
