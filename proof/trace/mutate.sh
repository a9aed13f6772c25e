#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mutate.sh LIBDIR SRC ARCH CC...: whether run.sh notices libraries with one error
# each, and none in one that is compiled in the same way without an error.  SRC is
# the source tree of LIBDIR/libaco.a, ARCH amd64 or i386.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libdir=$(cd "$1" && pwd) src=$(cd "$2" && pwd) arch=$3
shift 3

tmp=$(mktemp -d "${TMPDIR:-/tmp}/libaco-mutate.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
missed=0 count=0

# The library, with the files that take part in copying anew.
build() {
	cp "$libdir/libaco.a" "$tmp"
	for f in save_stack switch yield_to coroutine; do
		"$@" -O2 -w -D_GNU_SOURCE -DACO_BUILDING_ -fno-plt \
			-I"$tmp/include" -I"$tmp/lib" -I"$tmp/lib/arch/$arch" \
			-c "$tmp/lib/$f.c" -o "$tmp/lib_libaco_la-$f.o"
	done
	ar r "$tmp/libaco.a" "$tmp"/lib_libaco_la-*.o
}

# mutant FILE SED CC...: what has to be noticed, unless FILE is none.
mutant() {
	file=$1 change=$2
	shift 2
	rm -rf "${tmp:?}/lib" "$tmp/include"
	cp -R "$src/lib" "$src/include" "$tmp"
	if [ "$file" != none ]; then
		sed "$change" "$src/lib/$file" >"$tmp/lib/$file"
		if cmp -s "$src/lib/$file" "$tmp/lib/$file"; then
			echo "$file has no place for $change"
			missed=$((missed + 1))
		fi
	fi
	build "$@"
	count=$((count + 1))
	noticed=no
	sh "$here/run.sh" "$tmp" "$tmp/include" "$@" >"$tmp/out" 2>&1 || noticed=yes
	echo "$file: $change: $(sed -n '/^operation\|^traces/{
		s/: co .*//; s/: stack .*//; p; q; }' "$tmp/out")"
	case $file,$noticed in
	none,no | [!n]*,yes) ;;
	*) missed=$((missed + 1)) ;;
	esac
}

mutant none '' "$@"
mutant copy.h 's/live <= ACO_ZEROS/live < ACO_ZEROS/' "$@"
mutant copy.h 's/i <= ACO_ZERO_WORDS/i < ACO_ZERO_WORDS/' "$@"
mutant copy.h 's/aco_put_zeros_below(end);/;/' "$@"
mutant copy.h 's/^\tr->valid_sz = 0;//' "$@"
mutant save_stack.c 's/aco_put_zeros_below(end);/;/' "$@"
mutant save_stack.c 's/return need <= s->sz ? 0 : -1;/return -1;/' "$@"
mutant save_stack.c 's/return need <= s->sz ? 0 : -1;/return 0;/' "$@"
mutant save_stack.c 's/unused_end(co));/unused_end(co) + 8192);/' "$@"
mutant save_stack.c 's/^\tmove->zeros = .*/\tmove->zeros = 0;/' "$@"
mutant switch.c 's/co->share_stack->owner = NULL;//' "$@"
mutant switch_impl.h 's/co->share_stack->owner = NULL;//' "$@"
mutant yield_to.c 's/to->share_stack->owner = to;//' "$@"
mutant coroutine.c 's/co->share_stack->owner = NULL;/;/' "$@"
mutant coroutine.c 's/sstk->owner = NULL;/;/' "$@"
mutant coroutine.c 's/co->save_stack.valid_sz = 0;//' "$@"
mutant state.h 's/co->state = ACO_SUSPENDED_INLINE;/;/' "$@"
if [ "$arch" = amd64 ]; then
	mutant save_stack.c 's/co->state != ACO_SUSPENDED_INLINE/1/' "$@"
	mutant save_stack.c 's/return room < most .*/return most;/' "$@"
fi
echo "$count changes, $missed not as expected"
[ $missed -eq 0 ]
