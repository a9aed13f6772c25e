# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by the test scripts.  "make check" sets top_srcdir, top_builddir, CC,
# CXX and CFLAGS; CC may carry flags of its own ("gcc -m32").
set -eu

: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}" "${CXX:=c++}"
# shellcheck disable=SC2034 # for those that source this
include=$top_srcdir/include
libdir=$top_builddir/lib/.libs
# shellcheck disable=SC2034 # is not there with --disable-io
io_libdir=$top_builddir/io/.libs
scratch=$(mktemp -d "${TMPDIR:-/tmp}/libaco-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "FAIL: $*"
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# ACO_TEST_SAMPLE: more than 1 in a build that differs from another one of its
# architecture, which runs all, only in how the library is linked.  Tests that take
# long leave most of it out then, but for what depends on that.
is_sample() {
	[ "${ACO_TEST_SAMPLE:-1}" -gt 1 ]
}

# ACO_TEST_SECOND: not empty in a build for a second architecture.  What depends on
# that hardly more than on how the library is linked leaves most of it out.
is_second() {
	[ -n "${ACO_TEST_SECOND-}" ]
}

# sample_of N WORD...: all of the words; of those, in a sample, the first N.
sample_of() {
	first=$1
	shift
	for word; do
		echo "$word"
	done | if is_sample; then head -n "$first"; else cat; fi
}

# The flags that choose the architecture, for other compilers than $CC.
arch_flags() {
	case $CC in *\ -*) echo "-${CC#* -}" ;; esac
}

# The compiler of $CC, without flags, and without a program that starts it, as ccache(1).
cc_name() {
	without_flags=${CC%% -*}
	echo "${without_flags##* }"
}

# target COMPILER...: for which processor and C library it makes
# programs.
target() {
	printf '%s\n' '#include <limits.h>' '__x86_64__ __i386__ __ILP32__ __GLIBC__' |
		"$@" -E -P -x c - 2>/dev/null | tail -n 1
}

# arch_of COMPILER...: the directory in lib/arch for its programs.
arch_of() {
	case $(target "$@") in
	__x86_64__*) echo i386 ;;
	*) echo amd64 ;;
	esac
}

# compiler NAME: that one for the architecture at hand, or failure.  Where CC is
# a cross compiler, "gcc" is none that makes programs for the library here.
compiler() {
	command -v "$1" >/dev/null || return 1
	# shellcheck disable=SC2046,SC2086 # words
	[ "$(target "$1" $(arch_flags))" = "$(target $CC)" ] || return 1
	echo "int main(void) { return 0; }" >"$scratch/probe.c"
	# shellcheck disable=SC2046 # words
	"$1" $(arch_flags) -x c "$scratch/probe.c" -o "$scratch/probe" 2>/dev/null
}

# compilers: the one configured, gcc and clang, and those with a version in their
# name, that make programs for the library here: each version once.
compilers() {
	versions='|'
	for cc in "$(cc_name)" gcc clang $(
		IFS=:
		for dir in $PATH; do
			ls "$dir" 2>/dev/null || :
		done | grep -E '^(gcc|clang)-[0-9]+$' | sort -u
	); do
		compiler "$cc" || continue
		version=$(echo __VERSION__ | "$cc" -E -P -x c -)
		case $versions in *"|$version|"*) continue ;; esac
		versions="$versions$version|"
		echo "$cc"
	done
}

# cxx_of COMPILER: the name of its compiler for C++.
cxx_of() {
	echo "$1" | sed 's/gcc\(-[0-9]*\)*$/g++\1/; s/clang\(-[0-9]*\)*$/clang++\1/'
}

# The library of this build: the shared one if there is one.
library() {
	if [ -e "$libdir/libaco.so" ]; then
		echo "-L$libdir -laco -Wl,-rpath,$(cd "$libdir" && pwd)"
	else
		echo "$libdir/libaco.a"
	fi
}

# The same of libaco-io, with the libaco that it needs.
io_library() {
	if [ -e "$io_libdir/libaco-io.so" ]; then
		echo "-L$io_libdir -laco-io -Wl,-rpath,$(cd "$io_libdir" && pwd) $(library)"
	else
		echo "$io_libdir/libaco-io.a $(library)"
	fi
}

# Whether the library names what it does not export: packages have it without that.
has_local_names() {
	[ ! -e "$libdir/libaco.so" ] ||
		nm "$libdir/libaco.so" 2>&1 | grep -q aco_no_resumer
}

# compile_library lib|io DIR COMPILER FLAG...: makes an object in DIR of each source,
# which is $file.
compile_library() {
	directory=$1 objects=$2
	shift 2
	arch=$(arch_of "$@")
	case $directory in
	lib) set -- "$@" -DACO_BUILDING_ -I"$top_srcdir/lib/arch/$arch" ;;
	io) set -- "$@" -D_FILE_OFFSET_BITS=64 -DACO_IO_VERSION='"0"' ;;
	esac
	mkdir -p "$objects"
	for file in "$top_srcdir/$directory"/*.c "$top_srcdir/$directory"/arch/*.c \
		"$top_srcdir/$directory/arch/$arch"/*.S; do
		[ -e "$file" ] || continue
		"$@" -std=gnu11 -I"$include" -c "$file" \
			-o "$objects/$directory-${file##*/}.o" || return 1
	done
}

have_io() {
	[ -e "$top_builddir/io/libaco-io.la" ]
}

# The pages that are installed, as NAME.SECTION, and the other names that they
# have, as NAME=PAGE.
man_pages() {
	for file in "$top_builddir"/man/man[37]/*; do
		case $(readlink "$file") in */*) echo "${file##*/}" ;; esac
	done
}
man_links() {
	for file in "$top_builddir"/man/man3/*; do
		page=$(readlink "$file")
		name=${file##*/}
		case $page in */*) ;; *) echo "${name%.3}=${page%.3}" ;; esac
	done
}
