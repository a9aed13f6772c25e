# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: real programs in cos, and httpd under load; tests/real
# has both.
# shellcheck disable=SC2154 # root, work, archs, seed are those of scripts/torture

real_sanitizers='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

# A name, a compiler, flags for all, how many times more slowly that runs, and what
# runs it.  Each has a build tree as the scripts of tests/real look for.
real_variants() {
	cat <<VARIANTS
gcc|gcc|-O2|1|
clang|clang|-O2|1|
sanitizers|gcc|-O1 $real_sanitizers|4|
valgrind|gcc|-O2 -DHAVE_VALGRIND_MEMCHECK_H=1|10|valgrind -q --error-exitcode=9
VARIANTS
}

# build_httpd COMPILER FLAGS DIR: with the parser that is here.
build_httpd() {
	mkdir -p "$3/httpd" "$3/examples"
	defines='-D_FILE_OFFSET_BITS=64 -DACO_IO_VERSION="0"'
	parsers='-lhttp_parser -l:libhttp_parser.so.2.9'
	if echo '#include <llhttp.h>' | $1 -E -x c - >/dev/null 2>&1; then
		defines="$defines -DHAVE_LLHTTP" parsers=-lllhttp
	fi
	for source in io/*.c examples/httpd.c examples/http_*.c; do
		compile "$1" "-std=gnu11 -g $2 $defines" "$source" \
			"$3/httpd/$(basename "$source").o" || return 1
	done
	for parser in $parsers; do
		# shellcheck disable=SC2086 # words
		if $1 $2 "$3"/httpd/*.o "$3/lib/.libs/libaco.a" $parser -lpthread \
			-o "$3/examples/httpd" >>"$work/log" 2>&1; then
			return
		fi
	done
	say "left out: httpd for $2"
}

# run_real NAME ARCH: compiles and runs both scripts.
run_real() {
	dir=$work/real-$2-$1
	machine=$(flags_of "$2") first=${runner%% *}
	if ! makes_programs "$compiler" "$machine $flags" "$dir-probe" ||
		! command -v "${first:-true}" >/dev/null; then
		say "left out: real programs, $2, $1"
		return
	fi
	build_library "$2" "$compiler" "$machine $flags" "$dir/lib/.libs" &&
		ar rc "$dir/lib/.libs/libaco.a" "$dir"/lib/.libs/*.o &&
		build_httpd "$compiler" "$machine $flags" "$dir" || return 1
	for script in real httpd; do
		export ACO_REAL_SECONDS="$each"
		if [ $script = httpd ]; then ACO_REAL_SECONDS=$((each * 2 + 4)); fi
		run "$script, $2, $1" env top_srcdir="$root" top_builddir="$dir" \
			CC="$compiler $machine" CFLAGS="-g $flags" \
			ACO_REAL_SEED="$seed" ACO_REAL_SLOW="$slow" \
			ACO_REAL_UNDER="$runner" ACO_REAL_GROWTH="$growth" \
			sh "$root/tests/real/$script.sh"
		grep '[0-9]$' "$work/output" | tee -a "$work/real" || :
	done
}

# real SECONDS: ten programs and two servers in each variant.
real() {
	each=$(($1 / (14 * 4 * $(echo "$archs" | wc -w))))
	if [ $each -eq 0 ]; then
		say "left out: real programs, for which $1 seconds are too few"
		return
	fi
	: >"$work/real"
	# what has been freed stays long in memory by default
	export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1
	real_variants >"$work/real-variants"
	while IFS='|' read -r variant compiler flags slow runner; do
		growth=$((4096 * (slow > 1 ? 16 : 1)))
		for arch in $archs; do
			run_real "$variant" "$arch" || return 1
		done
	done <"$work/real-variants"
	awk '{
			for (i = 1; i < NF; i++)
				if ($i ~ /^[a-z]+$/ && $(i + 1) ~ /^[0-9]+,?$/)
					sum[$i] += $(i + 1)
		}
		END {
			n = split("queries streams comparisons scripts ends requests " \
				"reset killed switches failures", names)
			for (i = 1; i <= n; i++)
				printf "%s%s %.0f", (i > 1 ? ", " : "real programs: "),
					names[i], sum[names[i]]
			print ""
			printf "total: 0 s: switches %.0f, failures %.0f\n",
				sum["switches"], sum["failures"] >>TOTALS
		}' TOTALS="$work/totals" "$work/real"
}
