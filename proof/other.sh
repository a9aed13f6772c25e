#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# other.sh SRC DIR ARCH CC: configures the library for the other architecture in DIR.
set -eu
src=$1 dir=$2 arch=$3 cc=$4
# A tree that is configured itself can't be the source of another one.  (With a dash
# in its name Coq does not look there.)
if [ -e "$src/config.status" ]; then
	# shellcheck source=scripts/deps.sh
	. "$src/scripts/deps.sh"
	copy_tree "$src" other-sources
	src=$(pwd)/other-sources
fi
mkdir -p "$dir"
cd "$dir"
host=x86_64-pc-linux-gnu
if [ "$arch" = i386 ]; then host=i686-pc-linux-gnu; fi
"$src/configure" --quiet --host=$host CC="$cc"
