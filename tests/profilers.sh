#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What profilers see inside of cos, as the table in aco(7) says: walks along frame
# pointers at each instruction, and a program with nested cos under each profiler
# that is here.  For walks by unwind rules in a handler see backtrace.sh and
# libunwind.sh.
. "${top_srcdir:-.}/tests/common.sh"

# Where the library does not name it, tools have words of their own.
entry=aco_entry
has_local_names || entry='[^ ]*'

ran=
missing=
frames="-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer"

# ------------------------------------------------- each instruction of a switch

# With a library that has frame pointers, too.
walk_frames() {
	rm -rf "$scratch/objects"
	# shellcheck disable=SC2046,SC2086 # words
	compile_library lib "$scratch/objects" "$1" $(arch_flags) $frames -g -O2 ||
		fail "$1: the library does not compile"
	for flag in "-DACO_NO_INLINE" "-UACO_NO_INLINE"; do
		# shellcheck disable=SC2046,SC2086,SC2154 # words; include: common.sh
		"$1" $(arch_flags) $frames -g -O2 $flag -Wall -Wextra -Werror \
			-I"$include" "$top_srcdir/tests/frames.c" \
			"$scratch"/objects/* -o "$scratch/frames" -pthread -ldl ||
			fail "$1 $flag: frames.c"
		for words in own shared; do
			"$scratch/frames" $words >"$scratch/out" 2>&1 || {
				cat "$scratch/out"
				fail "$1 $flag: frames $words"
			}
		done
	done
}

# The library of the build has no part in this: a sample has one compiler.
for cc in $(sample_of 1 gcc clang); do
	compiler "$cc" || continue
	walk_frames "$cc"
	ran="$ran $cc"
done

# ------------------------------------------------------------------- profilers

# shellcheck disable=SC2046,SC2086 # words
$CC -g -O2 $frames -Wall -Wextra -Werror -I"$include" \
	"$top_srcdir/tests/profiled.c" -o "$scratch/profiled" $(library)
prog=$scratch/profiled

# Prints one line for each chain of calls: its functions, innermost first.
chains_of_perf() {
	perf script --no-inline -i "$scratch/perf.data" -F ip,sym 2>/dev/null | awk '
		NF >= 2 { chain = chain " " $2 }
		NF == 1 { chain = chain " ?" }
		NF == 0 { print substr(chain, 2); chain = "" }
		END { if (chain) print substr(chain, 2) }'
}

# chains_are FUNCTION CHAIN: that of each sample in this function.
chains_are() {
	grep "^$1" "$scratch/chains" >"$scratch/those" ||
		fail "$name: no sample in $1"
	! grep -vxE "$2" "$scratch/those" || fail "$name: these in $1 are not: $2"
}

# shown FUNCTION...: that function is in each chain that has the first one.
shown() {
	of=$1
	grep "$of" "$scratch/chains" >"$scratch/those" || {
		cat "$scratch/chains"
		fail "$name: nothing in $of"
	}
	shift
	for function; do
		! grep -v "$function" "$scratch/those" ||
			fail "$name: $of without $function"
	done
}

try_perf() {
	name="perf record --call-graph $1"
	perf record -q -e cpu-clock:u --call-graph "$1" \
		-o "$scratch/perf.data" "$prog" >"$scratch/log" 2>&1 || {
		missing="$missing, perf"
		return
	}
	chains_of_perf >"$scratch/chains"
	# That of one architecture may have no unwinder for another one.
	grep -q '^work_[a-z]* .' "$scratch/chains" || {
		missing="$missing, $name"
		return
	}
	if [ "$1" = fp ]; then
		chains_are work_left "work_left left $entry|work_left $entry"
		chains_are work_right "work_right right $entry|work_right $entry"
	else
		chains_are work_left "work_left left $entry( .*)?"
		chains_are work_right "work_right right $entry( .*)?"
		! grep '^work_.*main' "$scratch/chains" ||
			fail "$name: goes on in the resumer"
	fi
	ran="$ran perf-$1"
}

# preloads LIBRARY: programs of this architecture run with it.
preloads() {
	LD_PRELOAD=$1 "$prog" 1 >"$scratch/out" 2>&1 && [ ! -s "$scratch/out" ]
}

# That of Go's tools, also called pprof, reads other files.
pprof=
for command in google-pprof pprof-gperftools pprof; do
	! "$command" --version 2>/dev/null | grep -q gperftools || pprof=$command
done

# collapse FILE: one line for each chain, outermost function first.
collapse() {
	"$pprof" --collapsed "$prog" "$1" 2>/dev/null |
		sed 's/<[0-9a-f]*>//g; s/\[inline\]//g' >"$scratch/chains"
}

try_cpuprofile() {
	name="CPUPROFILE with $1"
	CPUPROFILE=$scratch/cpu CPUPROFILE_FREQUENCY=1000 TCMALLOC_STACKTRACE_METHOD=$1 \
		LD_PRELOAD=libprofiler.so.0 "$prog" >"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		fail "$name"
	}
	collapse "$scratch/cpu"
	shown work_left 'main;.*outer;.*;left;work_left'
	shown work_right 'main;.*outer;.*;right;work_right'
	ran="$ran gperftools-$1"
}

try_heapprofile() {
	name=HEAPPROFILE
	HEAPPROFILE=$scratch/heap LD_PRELOAD=libtcmalloc.so.4 "$prog" 20 \
		>"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		fail "$name"
	}
	collapse "$scratch/heap.0001.heap"
	shown keep_left 'main;.*outer;.*;left;keep_left'
	shown keep_right 'main;.*outer;.*;right;keep_right'
	ran="$ran gperftools-heap"
}

try_massif() {
	name=massif
	valgrind -q --tool=massif --detailed-freq=1 --massif-out-file="$scratch/massif" "$prog" 20 \
		>"$scratch/log" 2>&1 || {
		missing="$missing, massif"
		return
	}
	# From a line with keep_left to the one of its caller, and so on.
	ms_print "$scratch/massif" |
		sed -n 's/.*0x[0-9A-F]*: \([a-z_]*\) .*/\1/p' |
		tr '\n' ' ' >"$scratch/chains"
	grep -q "keep_right right $entry.*keep_left left $entry" \
		"$scratch/chains" || {
		cat "$scratch/chains"
		fail "$name"
	}
	ran="$ran massif"
}

# The instructions of each function, without those of what it calls.
try_callgrind() {
	name=callgrind
	valgrind -q --tool=callgrind --callgrind-out-file="$scratch/callgrind" \
		"$prog" 20 >"$scratch/log" 2>&1 || {
		missing="$missing, callgrind"
		return
	}
	callgrind_annotate --auto=no --threshold=100 "$scratch/callgrind" \
		>"$scratch/out" 2>/dev/null
	for side in left right; do
		own=$(sed -n "s/^ *\([0-9,]*\) .*:work_$side .*/\1/p" "$scratch/out" |
			tr -d ,)
		# 20 calls of 20,000 rounds
		[ "${own:-0}" -gt 400000 ] || {
			cat "$scratch/out"
			fail "$name: $own instructions of work_$side"
		}
	done
	ran="$ran callgrind"
}

try_gprof() {
	name=gprof
	# shellcheck disable=SC2046,SC2086 # words
	$CC -pg -g -O2 -I"$include" "$top_srcdir/tests/profiled.c" \
		-o "$scratch/gprofiled" $(library) 2>"$scratch/log" || {
		missing="$missing, gprof"
		return
	}
	(cd "$scratch" && ./gprofiled 20 && gprof -b -q ./gprofiled) \
		>"$scratch/out" 2>&1 || {
		cat "$scratch/out"
		fail "$name"
	}
	for side in left right; do
		grep -qE " 20/20 +$side " "$scratch/out" || {
			cat "$scratch/out"
			fail "$name: 20 calls of work_$side are not there"
		}
	done
	ran="$ran gprof"
}

if command -v perf >/dev/null; then
	try_perf fp
	try_perf dwarf
else
	missing="$missing, perf"
fi
if [ -n "$pprof" ] && preloads libprofiler.so.0; then
	for method in libunwind libgcc; do
		try_cpuprofile $method
	done
else
	missing="$missing, libprofiler"
fi
if [ -n "$pprof" ] && preloads libtcmalloc.so.4; then
	try_heapprofile
else
	missing="$missing, libtcmalloc"
fi
if command -v valgrind >/dev/null; then
	try_massif
	try_callgrind
else
	missing="$missing, valgrind"
fi
if command -v gprof >/dev/null; then try_gprof; fi

[ -n "$ran" ] || skip "no compiler and no profiler works here"
[ -z "$missing" ] || skip "not here: ${missing#, }; these have passed:$ran"
echo "these have passed:$ran"
