#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What aco(7) says to programs that upgrade, where a compiler or a linker has to
# say it: what is gone does not compile, and a copy of another libaco in the same
# process has to be hidden.
. "${top_srcdir:-.}/tests/common.sh"

# ------------------------------------------------------------------- what is gone

# The left column of the list in the section COMPATIBILITY.
sed -n '/^\.Sh COMPATIBILITY/,/^\.Sh SEE ALSO/s/^\.It \(.*\) Ta .*/\1/p' \
	"$top_srcdir/man/aco.7" >"$scratch/gone"

# compiles STATEMENT: in a function that has a co and a share stack.
compiles() {
	cat >"$scratch/use.c" <<-SOURCE
		#include <aco.h>
		void use(aco_t *co, aco_share_stack_t *sstk, void *x);
		void use(aco_t *co, aco_share_stack_t *sstk, void *x)
		{
			(void)co, (void)sstk, (void)x;
			$1;
		}
	SOURCE
	# shellcheck disable=SC2086 # words
	$CC ${CFLAGS-} -std=gnu11 -Werror=implicit-function-declaration \
		-I"$include" -c "$scratch/use.c" -o "$scratch/use.o" \
		2>/dev/null
}

is_gone() {
	! compiles "$1" || fail "aco(7): not gone: $1"
}

compiles "(void)sstk->align_retptr" || fail "what is there does not compile"
compiles "aco_get_co()->arg = x" || fail "no other way to set arg"
names=0
while read -r macro name; do
	case $macro in
	Va | Dv | Fn)
		is_gone "(void)sstk->$name"
		is_gone "(void)co->$name"
		is_gone "(void)$name"
		;;
	Li) is_gone "$name" ;;
	*) fail "aco(7): what is $macro $name?" ;;
	esac
	names=$((names + 1))
done <"$scratch/gone"
[ $names -ge 10 ] || fail "aco(7) has no list of what is gone"

# --------------------------------------------------------- another libaco as well

clash=$top_srcdir/tests/clash.c
old=$top_srcdir/tests/clash-old.c

# build_old FLAG...: the other library.
build_old() {
	# shellcheck disable=SC2086 # words
	$CC ${CFLAGS-} "$@" -fPIC -shared "$old" -o "$scratch/libold.so"
}

# works FIRST SECOND: the program, linked with both libraries in that order.
works() {
	# shellcheck disable=SC2046,SC2086 # words
	$CC ${CFLAGS-} -I"$include" "$clash" -o "$scratch/clash" \
		$1 $2 -Wl,-rpath,"$scratch"
	# a shell of its own, which keeps to itself how the program ended
	sh -c 'ulimit -c 0; "$0"; exit' "$scratch/clash" >/dev/null 2>&1
}

if [ -e "$libdir/libaco.so" ]; then
	ours=$(library)
	other="-L$scratch -lold"
	build_old -fvisibility=hidden
	works "$ours" "$other" || fail "a hidden libaco, after ours"
	works "$other" "$ours" || fail "a hidden libaco, before ours"
	build_old
	! works "$ours" "$other" || fail "a visible libaco does no harm"
	! works "$other" "$ours" || fail "a visible libaco before ours does no harm"
fi
if [ -e "$libdir/libaco.a" ]; then
	# shellcheck disable=SC2086 # words
	! $CC ${CFLAGS-} -I"$include" "$clash" "$old" "$libdir/libaco.a" \
		-o "$scratch/clash" 2>"$scratch/log" ||
		fail "two libaco are linked into one program"
	grep -Eq 'multiple definition|duplicate symbol' "$scratch/log" || {
		cat "$scratch/log"
		fail "no word of two definitions"
	}
fi
