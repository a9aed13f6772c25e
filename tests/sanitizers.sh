#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs under AddressSanitizer, UBSan, LeakSanitizer and ThreadSanitizer with
# the library as it is: right programs run in silence, wrong ones are found.
. "${top_srcdir:-.}/tests/common.sh"

ran=0

# build COMPILER NAME SOURCE FLAG...
build() {
	with=$1 name=$2 source=$3
	shift 3
	# shellcheck disable=SC2046 # words
	"$with" $(arch_flags) -g -O1 "$@" -I"$include" \
		"$top_srcdir/tests/$source" -o "$scratch/$name" $(library) \
		-pthread -lm 2>"$scratch/log"
}

# usable COMPILER FLAG...: the sanitizer's runtime is there and works here.
usable() {
	with=$1
	shift
	echo "int main(void) { return 0; }" >"$scratch/probe.c"
	# shellcheck disable=SC2046 # words
	"$with" $(arch_flags) "$@" "$scratch/probe.c" -o "$scratch/probe" \
		2>/dev/null && "$scratch/probe" 2>/dev/null
}

silent() {
	"$@" >"$scratch/out" 2>&1 || {
		cat "$scratch/out"
		fail "$* ends with an error"
	}
	[ ! -s "$scratch/out" ] || {
		cat "$scratch/out"
		fail "$* says something"
	}
}

finds() {
	what=$1
	shift
	! "$@" >"$scratch/out" 2>&1 || fail "$* ends well"
	grep -q "$what" "$scratch/out" || {
		cat "$scratch/out"
		fail "$* does not find $what"
	}
}

# announce COMPILER MESSAGE FLAG...: a program must not tell what the library tells.
announce() {
	with=$1 message=$2
	shift 2
	build "$with" announce announce.c "$@" ||
		fail "$with: $(cat "$scratch/log")"
	build "$with" announces announce.c "$@" -DANNOUNCE ||
		fail "$with: $(cat "$scratch/log")"
	silent "$scratch/announce"
	finds "$message" "$scratch/announces"
}

for cc in gcc clang; do
	compiler $cc || continue
	if usable $cc -fsanitize=address,undefined; then
		build $cc asan toolprog.c -fsanitize=address,undefined ||
			fail "$cc: $(cat "$scratch/log")"
		for fake in 0 1; do
			ASAN_OPTIONS=detect_stack_use_after_return=$fake
			export ASAN_OPTIONS
			silent "$scratch/asan"
			# clang 14 does not look for pointers in the fake stack
			# of a suspended fiber
			[ $fake = 1 ] || silent "$scratch/asan" exit
			finds stack-buffer-overflow "$scratch/asan" overflow
			finds "detected memory leaks" "$scratch/asan" leak
			finds SEGV "$scratch/asan" destroyed
		done
		unset ASAN_OPTIONS
		build $cc asan-thread-end thread-end.c -fsanitize=address ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/asan-thread-end"
		announce $cc "starting fiber switch while in fiber switch" \
			-fsanitize=address
		ran=$((ran + 1))
	fi
	if usable $cc -fsanitize=thread; then
		build $cc tsan toolprog.c -fsanitize=thread ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/tsan"
		build $cc tsan-pool pool.c -fsanitize=thread ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/tsan-pool"
		build $cc tsan-thread-end thread-end.c -fsanitize=thread ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/tsan-thread-end"
		announce $cc "ThreadSanitizer" -fsanitize=thread -DTSAN
		ran=$((ran + 1))
	fi
done
[ $ran -gt 0 ] || skip "no sanitizer works here"
