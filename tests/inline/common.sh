# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# common.sh - what the scripts of this directory share; sourced, never run
#
# Wants top_srcdir, top_builddir and CC from "make check".  CC may hold options
# ("gcc -m32 ..."): they belong to the architecture, so other compilers get
# them, too.

: "${top_srcdir:=${srcdir:-.}}" "${top_builddir:=.}" "${CC:=cc}"

# shellcheck disable=SC2034 # for those who source this
here=$top_srcdir/tests/inline
libdir=$top_builddir/lib/.libs

# CC is a command line, to be split into words.
# shellcheck disable=SC2086
set -- $CC
main_cc=$1
shift
arch_flags=$*

# For which processor and C library a compiler makes programs.
target()
{
	printf '%s\n' '#include <limits.h>' '__x86_64__ __i386__ __ILP32__ __GLIBC__' |
		"$@" -E -P -x c - 2>/dev/null | tail -n 1
}

# The compilers to test: the one configured, and gcc and clang where they work.
# Where CC is a cross compiler, "gcc" is none that makes programs for the library.
works()
{
	# shellcheck disable=SC2086
	test "$(target "$1" $arch_flags)" = "$(target $CC)" || return
	# shellcheck disable=SC2086
	echo 'int main(void) { return 0; }' |
		"$1" $arch_flags -x c - -o "$tmp/try" >/dev/null 2>&1
}

compilers()
{
	kinds=
	for cc in "$main_cc" gcc clang; do
		works "$cc" || continue
		kind=$("$cc" --version | sed -n 's/.*clang.*/clang/p;1q')
		kind=${kind:-gcc}
		case " $kinds " in
		*" $kind "*) continue ;;
		esac
		kinds="$kinds $kind"
		echo "$cc"
	done
}

# ACO_TEST_SAMPLE is what tests/common.sh says.
is_sample()
{
	test "${ACO_TEST_SAMPLE:-1}" -gt 1
}

# The same; in a sample the first of them.
some_compilers()
{
	if is_sample; then compilers | head -n 1; else compilers; fi
}

# The same as compilers, and those with a version in their name: each version once.
every_compiler()
{
	versions=
	for cc in $(
		compilers
		IFS=:
		for dir in $PATH; do
			ls "$dir" 2>/dev/null
		done | grep -E '^(gcc|clang)-[0-9]+$' | sort -u
	); do
		works "$cc" || continue
		version=$(echo __VERSION__ | "$cc" -E -P -x c -)
		case $versions in *"|$version|"*) continue ;; esac
		versions="$versions|$version|"
		echo "$cc"
	done
}

# Rows of a table: those in C++ only where its library is, which is glibc's.
rows_for_library()
{
	# shellcheck disable=SC2086
	case $(target $CC) in
	*__GLIBC__) grep -v '^c++' ;;
	*) cat ;;
	esac
}

# Options that a compiler, or its libraries, do not know are left out.  For $lang, or
# else C.
knows()
{
	cc=$1
	shift
	echo 'int main(void) { return 0; }' |
		"$cc" "$@" -Werror -x "${lang-c}" - -o "$tmp/knows" >/dev/null 2>&1
}

# The flags of a program that has the static library in it.
static_cflags="-I$top_srcdir/include -DACO_TEST_STATIC"
static_ldflags="-L$libdir -l:libaco.a -lpthread -ldl"

# All others run against the library that was built, shared when it is there.
if test -e "$libdir/libaco.so"; then
	lib_cflags="-I$top_srcdir/include"
	lib_ldflags="-L$libdir -laco -ldl"
else
	# shellcheck disable=SC2034
	lib_cflags=$static_cflags
	# shellcheck disable=SC2034
	lib_ldflags=$static_ldflags
fi
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# Sanitizers: frames that outlive their function are found, too; leaks are not
# the business of these tests.
ASAN_OPTIONS=detect_stack_use_after_return=1:detect_leaks=0
export ASAN_OPTIONS

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 99' HUP INT TERM
