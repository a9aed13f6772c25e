#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# fallback.sh - where aco.h must not inline, and that it compiles everywhere
#
# Compiles only: the symbols that an object refers to tell which path it takes.
# The inline path reads aco_gtls_co, a function program does not.

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

cat >"$scratch/use.c" <<'EOS'
#include <aco.h>

void use_resume(aco_t *co);
void use_yield(void);
__attribute__((__nothrow__)) void use_quietly(aco_t *co);

void use_resume(aco_t *co)
{
	aco_resume(co);
}

void use_yield(void)
{
	aco_yield();
}

__attribute__((__nothrow__)) void use_quietly(aco_t *co)
{
	aco_resume(co);
}
EOS

status=0
bad()
{
	echo "FAIL: fallback: $*"
	head -n 5 "$scratch/log"
	status=1
}

# Which path $cc takes with these options: inline, functions, none.
path()
{
	# shellcheck disable=SC2086
	if ! "$cc" $arch_flags "$@" -Wall -Wextra -Werror $lib_cflags \
		-c "$scratch/use.c" -o "$scratch/use.o" >"$scratch/log" 2>&1; then
		echo none
	elif nm "$scratch/use.o" | grep -q 'U aco_gtls_co$'; then
		echo inline
	else
		echo functions
	fi
}

expect()
{
	want=$1
	shift
	# shellcheck disable=SC2086
	knows "$cc" $arch_flags -c "$@" || return 0
	got=$(path "$@")
	case $want in
	any) test "$got" != none ;;
	*) test "$got" = "$want" ;;
	esac || bad "$cc $arch_flags $*: $got instead of $want"
}

# Every indirect jump of the inline path leads to an endbr, whatever
# -fcf-protection says: the landing is in this object as often as the jump.
expect_endbr()
{
	test "$(path "$@")" = inline || return 0
	objdump -d "$scratch/use.o" >"$scratch/log"
	jumps=$(grep -c 'jmp *\*(%[er]d' "$scratch/log")
	landings=$(grep -c endbr "$scratch/log")
	test "$jumps" -eq 0 || test "$landings" -lt "$jumps" || return 0
	bad "$cc $*: $jumps jumps, $landings landings with endbr"
}

# The inline path has unwind rules of its own, which assemblers refuse in functions
# for which the compiler writes none.
expect_with_unwind_rules_or_not()
{
	without="-fno-asynchronous-unwind-tables -fno-unwind-tables"
	for lang in c c++; do
		# shellcheck disable=SC2086
		for flags in "-g0 $without" "-g $without" \
			"-gsplit-dwarf $without" "$without -fexceptions" \
			"$without -fno-exceptions" "-g -fno-unwind-tables" \
			-fno-dwarf2-cfi-asm "-g -fno-dwarf2-cfi-asm" \
			-ffreestanding "-ffreestanding -fno-exceptions"; do
			expect inline -x $lang -O2 $flags
		done
	done
	# shellcheck disable=SC2086
	expect inline -O2 -fno-pic -masm=intel $without
}

# The message, not what a missing C library for x32 says before it.
expect_x32_refused()
{
	mkdir -p "$scratch/x32/gnu"
	: >"$scratch/x32/gnu/stubs-x32.h"
	# shellcheck disable=SC2086
	"$cc" "$@" -idirafter "$scratch/x32" $lib_cflags \
		-idirafter /usr/include/x86_64-linux-gnu \
		-fsyntax-only "$scratch/use.c" >"$scratch/log" 2>&1
	grep -q 'x32 is neither' "$scratch/log" || bad "$cc $*: x32 is not refused"
}

# Warnings that a careful program turns on: an inline function is its code.
careful="-Wshadow -Wconversion -Wsign-conversion -Wundef -Wcast-qual
	-Wcast-align -Wpointer-arith -Wwrite-strings -Wredundant-decls"

# A header that is named by its path finds the other one beside it.
expect_found_by_path()
{
	sed "s|<aco.h>|\"$(cd "$top_srcdir/include" && pwd)/aco.h\"|" \
		"$scratch/use.c" >"$scratch/path.c"
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" -c "$scratch/path.c" -o "$scratch/path.o" \
		>"$scratch/log" 2>&1 || bad "$cc $*: #include of a path"
}

# Tools that hook functions look at each function that was inlined, too.
expect_instrumented()
{
	expect inline "$@"
	nm -u "$scratch/use.o" | sed -n 's/.* \(aco_.*\)/\t\1;/p' |
		grep -vxF -f "$top_srcdir/lib/libaco.map" >"$scratch/log" &&
		bad "$cc $*: a symbol that the library does not have"
	return 0
}

# shellcheck disable=SC2046 # words
sample_of 1 $(gcc_and_clang) >"$scratch/compilers"
while read -r cc; do
	expect inline -O2
	expect inline -O0
	expect_endbr -O2 -fcf-protection=none
	expect_found_by_path -O2
	expect_instrumented -O0 -finstrument-functions
	expect_instrumented -O2 -finstrument-functions
	expect_with_unwind_rules_or_not
	expect functions -O2 -DACO_NO_INLINE
	# gcc says when there is no x87, and knows no st(7) then; clang takes
	# any clobber list, and either path is right
	case $("$cc" -dM -E -x c /dev/null) in
	*__clang__*) want=any ;;
	*) want=functions ;;
	esac
	expect "$want" -O2 -mgeneral-regs-only
	expect "$want" -O2 -msoft-float
	expect "$want" -O2 -mno-80387
	expect inline -O2 -mno-mmx
	expect functions -O2 -mamx-tile
	# shellcheck disable=SC2086
	case $(echo __x86_64__ | "$cc" $arch_flags -E -P -x c -) in
	1)
		expect functions -O2 -mno-sse2
		expect functions -O2 -mno-sse
		expect_x32_refused -mx32
		;;
	*)
		expect inline -O2 -mno-sse
		expect inline -O2 -msse -mno-sse2
		expect inline -O2 -msse2
		expect inline -O2 -march=i486
		;;
	esac
	# shellcheck disable=SC2086
	{
		expect inline -std=c99 -pedantic $careful -Wstrict-prototypes
		expect inline -std=c99 -O2 -pedantic -fPIC $careful
		expect inline -std=gnu2x -O2 -pedantic $careful
		expect inline -x c++ -std=c++98 -pedantic $careful
		expect inline -x c++ -std=c++20 -O2 -pedantic $careful \
			-Wold-style-cast
		expect inline -O2 -masm=intel
		expect inline -O2 -masm=intel -fPIC
		expect inline -O2 -masm=intel -fno-pic
	}
done <"$scratch/compilers"
exit $status
