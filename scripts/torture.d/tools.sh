# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: the programs of the parts "random" and "exchange" under
# AddressSanitizer, UBSan, ThreadSanitizer, MemorySanitizer and Valgrind.  With the
# library as it is, and with a library that is compiled for the tool as well.
# Nothing that the tools say is suppressed.
# shellcheck disable=SC2034,SC2154 # programs is for build.sh; root, work, jobs are those of scripts/torture

tools_variants() {
	address='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
	for tool in "$address" -fsanitize=thread -fsanitize=memory; do
		for compiler in gcc clang; do
			# what is in libstdc++ counts as not initialised
			case $tool in *memory*) cxx='' ;; *) cxx=' +c++' ;; esac
			[ $compiler = clang ] || cxx=
			echo "$compiler|-O1 $tool$cxx|plain||"
			echo "$compiler|-O1 $tool$cxx|${tool##*=}|$tool|"
		done
	done
	# Valgrind 3.19 does not read the DWARF 5 of clang
	if echo '#include <valgrind/memcheck.h>' | gcc -E -x c - >/dev/null 2>&1; then
		echo "gcc|-O1 -gdwarf-4|valgrind|-gdwarf-4 -DHAVE_VALGRIND_MEMCHECK_H|valgrind -q --error-exitcode=9"
	fi
}

# tools SECONDS: with fewer signals, as the tools take long for each.
tools() {
	tools_variants | grep -q valgrind || say "left out: valgrind"
	programs="torture exchange"
	build_all tools_variants || return 1
	# what a co held when it was destroyed leaks, as the manual says
	export ASAN_OPTIONS=detect_leaks=0
	run_each torture $(($1 / 2)) 2000
	unset ASAN_OPTIONS
	run_each exchange $(($1 / 2)) 2000
}
