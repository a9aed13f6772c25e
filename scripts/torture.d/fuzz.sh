# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: fuzzers look for programs.  What they find stays in the
# work directory.
# shellcheck disable=SC2154 # root, work, archs are those of scripts/torture

fuzz_sanitizers='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

# fuzz_with_libfuzzer SECONDS
fuzz_with_libfuzzer() {
	machine=$(flags_of amd64)
	if ! makes_programs clang "$machine -fsanitize=fuzzer-no-link,address" "$work/probe"; then
		say "left out: libFuzzer (clang, libclang-rt)"
		return
	fi
	instrumented="$fuzz_sanitizers -fsanitize=fuzzer-no-link"
	build_library amd64 clang "-O1 $instrumented" "$work/lib-fuzz" &&
		build_programs amd64 clang "-O1 $fuzz_sanitizers -fsanitize=fuzzer +c++" \
			"$work/fuzz" "$work/lib-fuzz" fuzz || return 1
	mkdir -p "$work/found"
	run "libFuzzer" env ASAN_OPTIONS=detect_leaks=0 "$work/fuzz/torture" -max_total_time="$1" -max_len=2048 \
		-timeout=60 -rss_limit_mb=0 -print_final_stats=1 \
		-artifact_prefix="$work/" "$work/found" "$root/tests/torture/corpus"
	grep -E 'DONE|stat::average' "$work/output" || :
}

# fuzz_with_afl SECONDS
fuzz_with_afl() {
	if ! makes_programs afl-clang-fast -O2 "$work/probe"; then
		say "left out: afl++"
		return
	fi
	build_library amd64 afl-clang-fast "-O2" "$work/lib-afl" &&
		build_programs amd64 afl-clang-fast "-O2 +c++" "$work/afl" \
			"$work/lib-afl" || return 1
	AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 \
		AFL_NO_AFFINITY=1 \
		run "afl++" afl-fuzz -V "$1" -m none -t 10000 \
		-i "$root/tests/torture/corpus" -o "$work/afl-found" -- \
		"$work/afl/torture" --abort --quiet --replay @@
	stats=$work/afl-found/default/fuzzer_stats
	[ -e "$stats" ] || { echo "afl++ did not run" >>"$work/failed"; return; }
	grep -E '^(execs_done|execs_per_sec|corpus_count|bitmap_cvg|saved_crashes|saved_hangs)' \
		"$stats"
	if ! grep -q '^saved_crashes *: 0$' "$stats"; then
		say "FAILED: $work/afl-found/default/crashes"
		echo "afl++" >>"$work/failed"
	fi
}

# fuzz SECONDS
fuzz() {
	case $archs in
	*amd64*) ;;
	*)
		say "left out: fuzzers for$archs"
		return
		;;
	esac
	fuzz_with_libfuzzer $(($1 / 2)) && fuzz_with_afl $(($1 / 2))
}
