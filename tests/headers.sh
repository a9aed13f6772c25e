#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header alone, in every standard, with every macro a program may
# define: no warning; and what aco.h makes visible is there.
. "${top_srcdir:-.}/tests/common.sh"

cat >"$scratch/visible.c" <<'SOURCE'
#include <aco.h>
static int visible(void)
{
	time_t t = 0;
	uintptr_t p = INT_MAX;
	size_t n = strlen("") + (size_t)getpid();

	printf("%d", PROT_READ);
	free(malloc(n));
	return (int)t + (int)p;
}
int main(void)
{
	aco_assert(visible() != 1);
	aco_assertptr(&visible);
	aco_assertalloc_bool(ACO_VERSION_MAJOR == 2);
	aco_assertalloc_ptr(aco_version());
	return aco_likely(aco_unlikely(0) + ACO_VERSION_MINOR + ACO_VERSION_PATCH);
}
SOURCE
cat >"$scratch/override.c" <<'SOURCE'
#include <assert.h>
#include <aco_assert_override.h>
int main(int argc, char **argv)
{
	assert(likely(argc) && !unlikely(argc < 0));
	assertptr(argv);
	assertalloc_bool(argc);
	assertalloc_ptr(argv);
	return 0;
}
SOURCE
(cd "$include" && find . -name '*.h') | sed 's|^\./||' | sort >"$scratch/headers"

compiled=0

# try COMPILER LANGUAGE STANDARD [FLAG...]: unless the standard is too new for it.
try() {
	with=$1 language=$2 standard=$3
	shift 3
	echo 'int x;' | $with -x "$language" -std="$standard" -fsyntax-only - \
		2>/dev/null || return 0
	for file in "$scratch"/*.c; do
		# shellcheck disable=SC2046 # words
		$with $(arch_flags) -x "$language" -std="$standard" -Wall \
			-Wextra -pedantic -Werror -I"$include" "$@" -c "$file" \
			-o "$scratch/out.o" ||
			fail "$with $language $standard $* ${file##*/}"
		compiled=$((compiled + 1))
	done
}

while read -r header; do
	case $header in aco/*) continue ;; esac # parts of aco.h
	printf '#include <%s>\nint alone(void);\nint alone(void) { return 0; }\n' \
		"$header" >"$scratch/alone_$(basename "$header" .h).c"
done <"$scratch/headers"

found=$(compilers)
# The library has no part in this: one compiler is a sample, with few standards.
if is_sample; then found=$(echo "$found" | head -n 1); fi
in_each=$found
if is_second; then in_each=$(echo "$found" | head -n 1); fi
# "patient" sees by the names of the compilers that there is progress.
for cc in $in_each; do
	echo "$cc"
	for standard in $(sample_of 2 c99 c2x c11 c17 c2y gnu99 gnu17 gnu2y); do
		try "$cc" c "$standard"
	done
	for macro in ACO_CONFIG_SHARE_FPU_MXCSR_ENV ACO_USE_VALGRIND \
		ACO_USE_ASAN ACO_NO_INLINE NDEBUG; do
		try "$cc" c gnu11 -D$macro
	done
	cxx=$(cxx_of "$cc")
	# shellcheck disable=SC2046 # words
	echo '#include <cstdlib>' | "$cxx" $(arch_flags) -x c++ -c - \
		-o "$scratch/out.o" 2>/dev/null || continue
	for standard in $(sample_of 2 c++98 c++20 c++11 c++14 c++17 c++23 c++26 \
		gnu++98 gnu++20); do
		try "$cxx" c++ "$standard"
	done
	try "$cxx" c++ gnu++17 -DACO_CONFIG_SHARE_FPU_MXCSR_ENV
done

# All warnings of clang, but for these.
cat >"$scratch/unwanted" <<'OPTIONS'
-Wno-unknown-warning-option	no version knows all that follow
-Wno-reserved-attribute-identifier	aco_assert_override.h defines likely() and unlikely() on request
-Wno-c++98-compat	aco.hpp is for C++17
-Wno-pre-c++14-compat	the same
-Wno-padded	classes of aco.hpp are no interface of binaries
-Wno-weak-vtables	aco.hpp comes without a library that could hold one
-Wno-lifetime-safety-intra-tu-suggestions	these are for annotations of a compiler, not of C++
-Wno-lifetime-safety-intra-tu-constructor-suggestions	the same
OPTIONS
cat >"$scratch/generator.cc" <<'SOURCE'
#include <aco.hpp>
int sum();
int sum()
{
	int sum = 0;

	for (int i : aco::generator<int>([](auto yield) { yield(1); }))
		sum += i;
	return sum;
}
SOURCE

# everything COMPILER LANGUAGE STANDARD FILE...
everything() {
	with=$1 language=$2 standard=$3
	shift 3
	echo 'int x;' | $with -x "$language" -std="$standard" -fsyntax-only - \
		2>/dev/null || return 0
	for file; do
		# shellcheck disable=SC2046 # words
		$with $(arch_flags) -x "$language" -std="$standard" -Werror \
			-Weverything $(cut -f1 "$scratch/unwanted") \
			-I"$include" -fsyntax-only "$file" ||
			fail "$with $language $standard -Weverything ${file##*/}"
		compiled=$((compiled + 1))
	done
}

for cc in $found; do
	case $cc in clang*) ;; *) continue ;; esac
	for standard in c99 gnu11 c2y; do
		everything "$cc" c $standard "$scratch"/alone_*.c
	done
	# shellcheck disable=SC2046 # words
	echo '#include <optional>' | "$cc" $(arch_flags) -x c++ -std=c++17 \
		-fsyntax-only - 2>/dev/null || continue
	for standard in c++98 c++26; do
		everything "$cc" c++ $standard "$scratch"/alone_*.c
	done
	for standard in c++17 c++20 c++26; do
		everything "$cc" c++ $standard "$scratch/generator.cc"
	done
done

# The libraries themselves, in the C that they are written in.
for cc in $found; do
	if is_sample; then break; fi
	echo "$cc: the libraries"
	for directory in lib io; do
		# shellcheck disable=SC2046 # words
		compile_library $directory "$scratch/objects" "$cc" $(arch_flags) \
			-Wall -Wextra -Wpedantic -Werror || fail "$cc $file"
	done
	set -- "$scratch"/objects/*
	compiled=$((compiled + $#))
done

# What would go wrong in silence is refused.
for cc in $found; do
	# shellcheck disable=SC2046 # words
	echo 'int x;' | "$cc" $(arch_flags) -fsanitize=safe-stack -x c \
		-fsyntax-only - 2>/dev/null || continue
	# shellcheck disable=SC2046 # words
	! echo '#include <aco.h>' | "$cc" $(arch_flags) -fsanitize=safe-stack \
		-x c -I"$include" -fsyntax-only - 2>"$scratch/log" ||
		fail "$cc takes aco.h with -fsanitize=safe-stack"
	grep -q 'error: .*safe-stack' "$scratch/log" || {
		cat "$scratch/log"
		fail "$cc does not say why"
	}
done
[ $compiled -gt 0 ] || skip "no compiler works here"
echo "$compiled compilations"
