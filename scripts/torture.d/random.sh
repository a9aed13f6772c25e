# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: random programs of all calls, compared with a model.
# Compiled with gcc and clang, -O0 to -O3, with inline switches, with the exported
# functions, and with both; with a C++ runtime and without.  A part of the time with
# 15,000 signals a second.
# shellcheck disable=SC2034,SC2154 # programs is for build.sh; work, jobs are those of scripts/torture

random_sanitizers='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
random_variants() {
	cat <<VARIANTS
gcc|-O2|plain||
gcc|-O2 +c++|plain||
clang|-O2 +c++|plain||
gcc|-O0|plain||
clang|-O1 -DTORTURE_INLINE_ONLY|plain||
gcc|-O3 -DTORTURE_INLINE_ONLY +c++|plain||
gcc|-O1 -DACO_NO_INLINE|plain||
clang|-O3|plain||
clang|-O0|plain||
clang|-O2 -DACO_NO_INLINE +c++|plain||
gcc|-O1 $random_sanitizers|sanitized|$random_sanitizers|
clang|-O1 $random_sanitizers +c++|sanitized|$random_sanitizers|
VARIANTS
}

# random SECONDS
random() {
	programs=torture
	build_all random_variants || return 1
	say "$(wc -l <"$work/built") builds, $processes processes at a time"
	# what a co held when it was destroyed leaks, as the manual says
	export ASAN_OPTIONS=detect_leaks=0
	run_each torture "$1" 15000
	unset ASAN_OPTIONS
}
