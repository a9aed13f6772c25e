# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: compiles the library and programs of tests/torture.
# shellcheck disable=SC2154 # root, work, archs are those of scripts/torture

# flags_of ARCH: what makes a compiler produce it.
flags_of() {
	case $1 in i386) echo "-m32 -idirafter /usr/include/$(uname -m)-linux-gnu" ;; esac
}

# compile COMPILER FLAGS SOURCE OBJECT
compile() {
	# shellcheck disable=SC2086 # words
	$1 $2 -I"$root/include" -c "$root/$3" -o "$4" >>"$work/log" 2>&1
}

# build_library ARCH COMPILER FLAGS DIR
build_library() {
	mkdir -p "$4"
	for source in lib/*.c lib/arch/x86_copy.c "lib/arch/$1"/*.S; do
		compile "$2" "-std=gnu11 -g $3 -fno-plt -DACO_BUILDING_ -Ilib/arch/$1" \
			"$source" "$4/$(basename "$source").o" || return 1
	done
}

# link LINKER FLAGS PROGRAM OBJECT...
link() {
	program=$3 linker=$1 with=$2
	shift 3
	# shellcheck disable=SC2086 # words
	$linker $with "$@" -lpthread -lrt -o "$program" >>"$work/log" 2>&1
}

# build_programs ARCH COMPILER FLAGS DIR LIBRARY [MAIN]: those of torture and exchange
# that $programs names, or only torture with another main program.  With throw.cc where
# there is +c++ among the flags.
programs="torture exchange"
build_programs() {
	mkdir -p "$4"
	with=$(echo "$3" | sed 's/+c++//')
	linker=$2 main=${6:-main} sources='' wanted=$programs
	if [ "$main" != main ]; then wanted=torture; fi
	case $wanted in *torture*) sources="interp model $main" ;; esac
	case $wanted in *exchange*) sources="$sources exchange" ;; esac
	for source in $sources part-func part-inline signals util; do
		compile "$2" "-std=gnu11 -g -fexceptions $with" "tests/torture/$source.c" \
			"$4/$source.o" || return 1
	done
	compile "$2" "$with" "tests/regs-$1.S" "$4/regs.o" || return 1
	case $3 in
	*+c++*)
		linker=$(echo "$2" | sed 's/^gcc/g++/; s/clang-fast/clang-fast++/; s/^clang/clang++/')
		compile "$linker" "-std=c++17 -g $with" tests/torture/throw.cc \
			"$4/throw.o" || return 1
		;;
	*) compile "$2" "-g $with" tests/torture/no-throw.c "$4/throw.o" || return 1 ;;
	esac
	set -- "$4" "$5" "$4/part-func.o" "$4/part-inline.o" "$4/signals.o" \
		"$4/util.o" "$4/regs.o" "$4/throw.o"
	objects=$1 library_objects=$2
	shift 2
	case $wanted in
	*torture*)
		link "$linker" "$with" "$objects/torture" "$objects/interp.o" \
			"$objects/model.o" "$objects/$main.o" "$@" \
			"$library_objects"/*.o || return 1
		;;
	esac
	case $wanted in
	*exchange*)
		link "$linker" "$with" "$objects/exchange" "$objects/exchange.o" "$@" \
			"$library_objects"/*.o
		;;
	esac
}

# makes_programs COMPILER FLAGS PROBE [RUNNER]: whether it does, and they run.
makes_programs() {
	# shellcheck disable=SC2086 # words
	command -v "${1%% *}" >/dev/null &&
		echo 'int main(void) { return 0; }' |
		$1 $2 -x c - -o "$3" >/dev/null 2>&1 && ${4-} "$3" >/dev/null 2>&1
}

# build_variant ARCH DIR COMPILER FLAGS LIBRARY OPTIONS RUNNER: programs in DIR, and a
# line in the file "built".  LIBRARY is a name for the library, which is compiled
# with OPTIONS.
build_variant() {
	machine=$(flags_of "$1")
	with=$(echo "$4" | sed 's/+c++//')
	if ! makes_programs "$3" "$machine $with $6" "$2-probe" "$7"; then
		say "left out: $3 $machine $with${7:+, $7}"
		return
	fi
	lib=$work/lib-$1-$3-$5
	if [ ! -d "$lib" ]; then
		build_library "$1" "$3" "$machine -O2 $6" "$lib" || return 1
	fi
	build_programs "$1" "$3" "$machine $4" "$2" "$lib" || return 1
	echo "$2|$1: $3 $4, library: $5|$7" >>"$work/built"
}

# is_left_out ARCH NUMBER: that line of the table, by --half.
is_left_out() {
	if [ -z "$half" ]; then return 1; fi
	case $1 in
	amd64) [ $((($2 + first_seed) % 2)) -eq 0 ] ;;
	*) [ $((($2 + first_seed) % 2)) -eq 1 ] ;;
	esac
}

# build_those_with ARCH COMPILER-LIBRARY: one after the other.
build_those_with() {
	number=0
	while IFS='|' read -r compiler flags library options runner; do
		number=$((number + 1))
		[ "$compiler-$library" = "$2" ] || continue
		if is_left_out "$1" $number; then continue; fi
		build_variant "$1" "$work/$part-$1-$number" "$compiler" "$flags" \
			"$library" "$options" "$runner" || {
			echo "$1 $compiler $flags does not build" >>"$work/failed"
			return
		}
	done <"$work/variants"
}

# build_all FUNCTION: the variants that it prints, each with the architectures wanted.
# A line has: COMPILER|FLAGS|LIBRARY|ITS OPTIONS|RUNNER.  "+c++" among the flags adds a
# C++ runtime, RUNNER is put before the program.
build_all() {
	: >"$work/built"
	$1 >"$work/variants"
	before=$(wc -l <"$work/failed")
	pids=
	for arch in $archs; do
		kinds=$(awk -F'|' '{ print $1 "-" $3 }' "$work/variants" | sort -u)
		for kind in $kinds; do
			build_those_with "$arch" "$kind" &
			pids="$pids $!"
		done
	done
	for pid in $pids; do wait "$pid"; done
	[ "$(wc -l <"$work/failed")" -eq "$before" ]
}

# run_each PROGRAM SECONDS HZ: of each build, for a part of the time; a third of it
# with HZ signals a second.
run_each() {
	count=$(wc -l <"$work/built")
	if [ "$count" -eq 0 ]; then return; fi
	each=$(($2 / count))
	with=$(((each + 2) / 3))
	without=$((each > with ? each - with : 1))
	program=$1 hz=$3 options=
	if [ "$program" = torture ]; then options="--jobs $processes"; fi
	while IFS='|' read -r build name runner; do
		# shellcheck disable=SC2086 # words
		run "$name" $runner "$build/$program" $options --seed "$seed" \
			--seconds $without
		# shellcheck disable=SC2086 # words
		run "$name, with signals" $runner "$build/$program" $options \
			--seed $((seed + 100000000)) --seconds $with --signals "$hz"
		seed=$((seed + 1000000))
	done <"$work/built"
}
