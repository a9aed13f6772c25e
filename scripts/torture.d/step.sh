# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: signals at each instruction of each kind of switch, built
# with gcc and clang, inline and not, in C, in C beside a C++ runtime, and in C++.
# shellcheck disable=SC2154 # root, work, archs, seed are those of scripts/torture

# COMPILER|FLAGS: "+runtime" links a C++ runtime, "+c++" compiles as C++.  When there
# is little time, the first of them have to do.
step_variants() {
	cat <<'VARIANTS'
gcc|-O2
clang|-O2
gcc|-O2 +c++
clang|-O2 -DACO_NO_INLINE +c++
gcc|-O2 -DACO_NO_INLINE +runtime
gcc|-O0
clang|-O0
gcc|-O3 +runtime
clang|-O3 +c++
gcc|-O2 -fno-pic -no-pie
gcc|-O2 -DACO_NO_INLINE
clang|-O2 -DACO_NO_INLINE
gcc|-O0 +c++
gcc|-O2 -DACO_NO_INLINE +c++
gcc|-Os -fno-omit-frame-pointer
clang|-O1 +runtime
VARIANTS
}

# step_program ARCH COMPILER FLAGS DIR LIBRARY
step_program() {
	mkdir -p "$4"
	machine=$(flags_of "$1") driver=$2 runtime=''
	with=$(echo "$3" | sed 's/ +.*//')
	language='-std=gnu11'
	case $3 in
	*+c++*)
		driver=$(echo "$2" | sed 's/^gcc/g++/; s/^clang/clang++/')
		language='-x c++ -std=c++17'
		;;
	*+runtime*) runtime=-Wl,--no-as-needed,-l:libstdc++.so.6 ;;
	esac
	compile "$2" "$machine" "tests/regs-$1.S" "$4/regs.o" &&
		compile "$driver" "$machine -g $with $language" \
			tests/torture/step-target.c "$4/target.o" || return 1
	# shellcheck disable=SC2086 # words
	$driver $machine $with "$4/target.o" "$4/regs.o" "$5"/*.o -lpthread -lrt $runtime \
		-o "$4/target" >>"$work/log" 2>&1
}

# step_build_arch ARCH: the tracer, the libraries and the programs; lines in the file
# "steps": tracer, program, name.
step_build_arch() {
	if ! makes_programs gcc "$(flags_of "$1")" "$work/step-probe-$1"; then
		say "left out: $1"
		return
	fi
	# shellcheck disable=SC2046 # words
	gcc $(flags_of "$1") -O2 "$root/tests/torture/step.c" -o "$work/step-$1" || return 1
	number=0
	while IFS='|' read -r compiler flags; do
		number=$((number + 1))
		lib=$work/step-lib-$1-$compiler
		if ! makes_programs "$compiler" "$(flags_of "$1")" "$work/step-probe-$1"; then
			say "left out: $1 $compiler $flags"
			continue
		fi
		if [ ! -d "$lib" ]; then
			build_library "$1" "$compiler" "$(flags_of "$1") -O2" "$lib" || return 1
		fi
		step_program "$1" "$compiler" "$flags" "$work/step-$1-$number" "$lib" || return 1
		echo "$work/step-$1|$work/step-$1-$number/target|$1: $compiler $flags" \
			>>"$work/steps"
	done <"$work/step-variants"
}

# step_kinds: the figures of each kind of switch, which scripts/torture does not add.
step_kinds() {
	awk '
		/^total: windows/ {
			for (i = 12; i < NF - 1; i += 2)
				sum[$i] += $(i + 1)
		}
		END {
			text = "instructions of each kind:"
			for (kind in sum)
				text = text " " kind " " sum[kind] ","
			sub(/,$/, "", text)
			print text
		}' "$work/totals"
}

# step SECONDS: the same share for each program.  The tracer takes other windows
# until its time is over.
step() {
	: >"$work/steps"
	step_variants | { if [ "$1" -ge 120 ]; then cat; else sed 4q; fi; } >"$work/step-variants"
	pids=
	for arch in $archs; do
		step_build_arch "$arch" &
		pids="$pids $!"
	done
	for pid in $pids; do wait "$pid" || return 1; done
	count=$(wc -l <"$work/steps")
	if [ "$count" -eq 0 ]; then return; fi
	each=$(($1 / count))
	number=0
	while IFS='|' read -r tracer program name; do
		number=$((number + 1))
		run "$name, stepped" "$tracer" --apart 6 --first $((seed + number * 61)) \
			--seconds $((each > 0 ? each : 1)) "$program"
	done <"$work/steps"
	step_kinds
}
