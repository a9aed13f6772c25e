#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs in the EXAMPLES sections of the manual compile, run, and print
# what the pages say.  A comment in the page names what the next literal display
# is, and every literal display in EXAMPLES is one of them:
#
#	.\" program: NAME.c	a complete program (NAME.cc: in C++)
#	.\" program: NAME.c aborts	one that ends by SIGABRT
#	.\" program: NAME.c crashes	by SIGSEGV
#	.\" output: NAME.c	all that it prints; 0x... stands for any number,
#				and so does N in "of N bytes"
#
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
. "$top_srcdir/tests/common.sh"

# extract PAGE DIRECTORY: one file for each display, and NAME.c.status.
extract() {
	awk -v dir="$2" '
		function die(text) {
			print FILENAME ":" FNR ": " text
			exit 1
		}
		/^\.Sh / { examples = $2 == "EXAMPLES" }
		/^\.\\" (program|output): / {
			kind = $2
			file = dir "/" $3 (kind == "output:" ? ".expected" : "")
			if (kind == "program:")
				print($4 == "aborts" ? 134 : $4 == "crashes" ? 139 : 0) >(file ".status")
			next
		}
		/^\.Bd .*-literal/ && examples {
			if (!kind)
				die("a display that is neither program nor output")
			inside = 1
			next
		}
		/^\.Ed/ { inside = 0; kind = "" }
		inside {
			sub(/^\\&/, "")
			gsub(/\\-/, "-")
			gsub(/\\\(aq/, "\047")
			gsub(/\\\(ga/, "`")
			gsub(/\\\(ha/, "^")
			gsub(/\\\(ti/, "~")
			gsub(/\\e/, "\\")
			print >file
		}' "$1"
}

# Numbers that differ from run to run.
normal() {
	sed 's/0x[0-9a-f][0-9a-f]*/0x.../g; s/ of [0-9]* bytes/ of N bytes/' "$1"
}

# What of CFLAGS a C++ program has to be compiled with as well.
cxx_flags() {
	for flag in ${CFLAGS-}; do
		case $flag in
		-f* | -g* | -m* | -O* | --coverage) echo "$flag" ;;
		esac
	done
}

# Makes programs that run, which those of a cross compiler may not.
have_cxx() {
	# shellcheck disable=SC2046,SC2086 # words
	[ "$(target $CXX $(arch_flags))" = "$(target $CC)" ] || return 1
	echo 'int main() { try { throw 1; } catch (int) { } }' >"$scratch/probe.cc"
	# shellcheck disable=SC2046 # words
	$CXX $(arch_flags) "$scratch/probe.cc" -o "$scratch/probe" \
		2>/dev/null && "$scratch/probe" 2>/dev/null
}

# build PROGRAM: named as the page names it, so that __FILE__ is that.
build() {
	case $1 in
	*.cc)
		# shellcheck disable=SC2046,SC2086 # words
		$CXX $(arch_flags) $(cxx_flags) -std=c++17 -Wall -Wextra -Werror \
			-I"$include" -o "$1.run" "$1" $(library)
		;;
	*)
		# shellcheck disable=SC2046,SC2086 # words
		$CC ${CFLAGS-} -Wall -Wextra -Werror \
			-I"$include" -o "$1.run" "$1" $(library)
		;;
	esac
}

# try PAGE PROGRAM, in the directory of the program.
try() {
	[ -e "$2.expected" ] || fail "$1: does not say what $2 prints"
	build "$2" || fail "$1: $2 does not compile"
	status=0
	# In a subshell: where the shell itself says "Aborted", it says so
	# outside.
	(exec "./$2.run") >"$2.out" 2>&1 </dev/null || status=$?
	normal "$2.out" >"$2.got"
	normal "$2.expected" >"$2.want"
	diff "$2.want" "$2.got" ||
		fail "$1: $2 should print what is marked <, and prints what is marked >"
	[ "$status" = "$(cat "$2.status")" ] || fail "$1: $2 ends with $status"
}

programs=0
skipped=
for page in "$top_srcdir"/man/*.[37]; do
	name=${page##*/}
	[ "$name" != aco_proof.7 ] || continue # it is about no call
	dir=$scratch/$name
	mkdir "$dir"
	extract "$page" "$dir" || fail "$name"
	cd "$dir"
	for status in *.status; do
		[ -e "$status" ] || fail "$name: no example"
		program=${status%.status}
		case $program in
		*.cc) have_cxx || { skipped="$skipped $program" && continue; } ;;
		esac
		try "$name" "$program"
		programs=$((programs + 1))
	done
	for expected in *.expected; do
		[ -e "${expected%.expected}" ] || fail "$name: no program for $expected"
	done
done
echo "$programs programs${skipped:+; no C++ compiler for:$skipped}"
