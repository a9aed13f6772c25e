#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs under AddressSanitizer, UBSan, LeakSanitizer, MemorySanitizer and
# ThreadSanitizer with the library as it is: right programs run in silence, wrong ones are found.  And
# with a library that has been compiled in the same way.
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

# build_with_library COMPILER NAME SOURCE FLAG...: the library is compiled, too.
build_with_library() {
	with=$1 name=$2 source=$3
	shift 3
	rm -rf "$scratch/objects"
	compile_library lib "$scratch/objects" "$with" -g "$@" 2>"$scratch/log" ||
		return 1
	[ ! -s "$scratch/log" ] || return 1
	"$with" -g "$@" -I"$include" "$top_srcdir/tests/$source" \
		"$scratch"/objects/* -o "$scratch/$name" -pthread -lm -ldl \
		2>"$scratch/log"
}

# begin_with_cxx FLAG...: two threads begin beside a C++ runtime, often, as a race shows
# in one of fifty times; with the objects that build_with_library has made.
begin_with_cxx() {
	# shellcheck disable=SC2046 # words
	"$with" -g $(arch_flags) -O2 "$@" -I"$include" "$top_srcdir/tests/toolprog.c" \
		"$scratch"/objects/* -Wl,--no-as-needed -lstdc++ -o "$scratch/cxx" \
		-pthread -lm -ldl 2>"$scratch/log" || return 0
	times=0
	while [ $times -lt 100 ]; do
		silent "$scratch/cxx" switches
		times=$((times + 1))
	done
}

# with_library COMPILER FLAG...: they run in silence.  Not in a sample, as the library of
# the build has no part in it; nor has it in io_tests.
with_library() {
	! is_sample || return 0
	with=$1
	shift
	for level in -O0 -O2; do
		# shellcheck disable=SC2046 # words
		build_with_library "$with" both toolprog.c $(arch_flags) \
			-Wall -Wextra $level "$@" ||
			fail "$with $level $*: $(cat "$scratch/log")"
		silent "$scratch/both"
		silent "$scratch/both" threads
		silent "$scratch/both" cos
		silent "$scratch/both" reports
		silent "$scratch/both" switches
		silent env ASAN_OPTIONS=detect_stack_use_after_return=1 \
			"$scratch/both"
	done
	case $* in *thread*) begin_with_cxx "$@" ;; esac
}

# build_io_test COMPILER NAME FLAG...: from the objects that io_tests has made, with
# what the program's functions are wrapped with.
build_io_test() {
	with=$1 name=$2
	shift 2
	wraps=
	case $name in
	lookup) wraps="freeaddrinfo getaddrinfo pthread_cond_wait" ;;
	model) wraps="clock_gettime epoll_wait" ;;
	esac
	# shellcheck disable=SC2086 # words
	for source in test-$name $([ "$name" != model ] || echo model virtual); do
		"$with" -g "$@" ${CHECK_CFLAGS-} -I"$include" -c \
			"$top_srcdir/tests/io/$source.c" \
			-o "$scratch/io-$name-$source.o" || return 1
	done 2>"$scratch/log"
	# shellcheck disable=SC2046,SC2086 # words
	"$with" -g "$@" "$scratch/io-$name"-*.o "$scratch"/objects/* \
		$([ "$name" = model ] || echo "$scratch"/util/*) \
		$(printf ' -Wl,--wrap=%s' $wraps | sed 's/ -Wl,--wrap=$//') \
		-o "$scratch/io-$name" ${CHECK_LIBS-} -pthread -lm -ldl 2>"$scratch/log"
}

# io_tests COMPILER FLAG...: the tests of libaco-io, with both libraries compiled, too.
# Left out: test-faults, which takes the place of the allocator.  One compiler's
# sanitizer is enough: how cos are switched for it is tested above.  They have variables
# on stacks that move, so AddressSanitizer must not put them elsewhere, as it does by
# default in newer compilers.
io_done=
io_tests() {
	if is_sample || ! have_io || [ -z "${CHECK_LIBS-}" ]; then return; fi
	with=$1
	shift
	case $io_done in *" $* "*) return ;; esac
	io_done="$io_done $* "
	# shellcheck disable=SC2046 # words
	set -- $(arch_flags) -O1 "$@"
	rm -rf "$scratch/objects" "$scratch/util" "$scratch"/io-*
	mkdir "$scratch/util"
	for library in lib io; do
		compile_library $library "$scratch/objects" "$with" -g "$@" \
			2>"$scratch/log" || fail "$with $*: $(cat "$scratch/log")"
	done
	# shellcheck disable=SC2086 # words
	for util in testutil io/ioutil; do
		"$with" -g "$@" ${CHECK_CFLAGS-} -I"$include" -c \
			"$top_srcdir/tests/$util.c" \
			-o "$scratch/util/${util##*/}.o" 2>"$scratch/log" ||
			fail "$with $*: $(cat "$scratch/log")"
	done
	for name in cancel chan fd file fork group local lookup model offload park \
		post resume sched signals stream time; do
		# After a fork in a fiber, ThreadSanitizer no longer knows in the
		# child in which order fibers ran.
		case "$name $*" in fork*thread*) continue ;; esac
		build_io_test "$with" $name "$@" ||
			fail "$with $* io/test-$name: $(cat "$scratch/log")"
		CK_FORK=no ACO_IO_MODEL_STEPS=20000 \
			ASAN_OPTIONS=detect_stack_use_after_return=0 \
			"$scratch/io-$name" >"$scratch/out" 2>&1 || {
			cat "$scratch/out"
			fail "$with $* io/test-$name"
		}
		! grep -vE '^(Running suite|100%)' "$scratch/out" ||
			fail "$with $* io/test-$name says something"
	done
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
		build $cc asan-thread-end thread-end.c -fsanitize=address \
			-fexceptions || fail "$cc: $(cat "$scratch/log")"
		for how in "" exit cancel; do
			silent "$scratch/asan-thread-end" $how
		done
		announce $cc "starting fiber switch while in fiber switch" \
			-fsanitize=address
		with_library $cc -fsanitize=address,undefined
		io_tests $cc -fsanitize=address,undefined
		ran=$((ran + 1))
	fi
	if usable $cc -fsanitize=leak; then
		build $cc lsan toolprog.c -fsanitize=leak ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/lsan"
		silent "$scratch/lsan" exit
		finds "detected memory leaks" "$scratch/lsan" leak
		ran=$((ran + 1))
	fi
	if usable $cc -fsanitize=memory; then
		for flags in -O0 -O1 -O2 "-O2 -DACO_NO_INLINE"; do
			# shellcheck disable=SC2086 # words
			build $cc msan toolprog.c $flags -fsanitize=memory ||
				fail "$cc: $(cat "$scratch/log")"
			silent "$scratch/msan"
			finds use-of-uninitialized-value "$scratch/msan" \
				uninitialised
			finds use-of-uninitialized-value "$scratch/msan" \
				in-place
			finds "libaco: aco_yield: called" "$scratch/msan" misuse
			! grep MemorySanitizer "$scratch/out" ||
				fail "$cc $flags: the message is reported"
		done
		build $cc msan-pool pool.c -fsanitize=memory ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/msan-pool"
		with_library $cc -fsanitize=memory
		ran=$((ran + 1))
	fi
	if usable $cc -fsanitize=thread; then
		build $cc tsan toolprog.c -fsanitize=thread ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/tsan"
		build $cc tsan-pool pool.c -fsanitize=thread ||
			fail "$cc: $(cat "$scratch/log")"
		silent "$scratch/tsan-pool"
		build $cc tsan-thread-end thread-end.c -fsanitize=thread \
			-fexceptions || fail "$cc: $(cat "$scratch/log")"
		# its pthread_exit() must be called in the main context
		for how in "" cancel; do
			silent "$scratch/tsan-thread-end" $how
		done
		announce $cc "ThreadSanitizer" -fsanitize=thread -DTSAN
		with_library $cc -fsanitize=thread
		io_tests $cc -fsanitize=thread
		ran=$((ran + 1))
	fi
done
[ $ran -gt 0 ] || skip "no sanitizer works here"
