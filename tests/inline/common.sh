# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# common.sh - what the scripts of this directory share, besides what all tests do;
# sourced, never run

: "${top_srcdir:=${srcdir:-.}}"
. "$top_srcdir/tests/common.sh"
# A row of a table that fails is counted; the others are tried all the same.
set +eu

# shellcheck disable=SC2034 # for those that source this
here=$top_srcdir/tests/inline
# shellcheck disable=SC2034 # the same
arch_flags=$(arch_flags)

# The compiler configured, and where they work gcc and clang: one of each kind.
gcc_and_clang()
{
	kinds=
	for cc in "$(cc_name)" gcc clang; do
		compiler "$cc" || continue
		kind=$("$cc" --version | sed -n 's/.*clang.*/clang/p;1q')
		kind=${kind:-gcc}
		case " $kinds " in
		*" $kind "*) continue ;;
		esac
		kinds="$kinds $kind"
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
		"$cc" "$@" -Werror -x "${lang-c}" - -o "$scratch/knows" >/dev/null 2>&1
}

# end_with_results NAME: of the rows in $scratch/results, those that are not well, and how
# many there are.
end_with_results()
{
	echo "----"
	grep -v '^ok' "$scratch/results"
	echo "$1: $(grep -c '^ok' "$scratch/results") of" \
		"$(grep -cE '^(ok|skip|FAIL)' "$scratch/results") run," \
		"$(grep -c '^FAIL' "$scratch/results") failed"
	grep -q '^ok' "$scratch/results" || exit 77
	if grep -q '^FAIL' "$scratch/results"; then exit 1; fi
	exit 0
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
