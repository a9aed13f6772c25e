# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: random programs of all calls, compared with a model.
# Compiled with gcc and clang, -O0 to -O3, with inline switches, with the exported
# functions, and with both; with a C++ runtime and without.  A part of the time with
# 15,000 signals a second.
# shellcheck disable=SC2154 # work, jobs are those of scripts/torture

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

# random SECONDS: a part of the time for each; a third of it with signals.
random() {
	random_variants | build_all || return 1
	# what a co held when it was destroyed leaks, as the manual says
	export ASAN_OPTIONS=detect_leaks=0
	count=$(wc -l <"$work/built")
	each=$(($1 / count))
	with=$(((each + 2) / 3))
	without=$((each > with ? each - with : 1))
	say "$count builds, $jobs processes at a time"
	while IFS='|' read -r program name runner; do
		# shellcheck disable=SC2086 # words
		run "$name" $runner "$program" --jobs "$jobs" --seed "$seed" \
			--seconds $without
		# shellcheck disable=SC2086 # words
		run "$name, with signals" $runner "$program" --jobs "$jobs" \
			--seed $((seed + 100000000)) --seconds $with --signals 15000
		seed=$((seed + 1000000))
	done <"$work/built"
}
