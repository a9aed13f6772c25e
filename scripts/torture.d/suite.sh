# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: the programs of tests/ under AddressSanitizer and UBSan,
# ThreadSanitizer, MemorySanitizer and Valgrind.  With the library as it is, and with a
# library that is compiled for the tool as well.
# Nothing that the tools say is suppressed.
# shellcheck disable=SC2154 # root, work, archs, jobs are those of scripts/torture

# A tool, a compiler, flags for the programs, and what runs them.
suite_tools() {
	address='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
	# A handler that mends a fault goes on with the registers that the program had.
	# A thread that never waits may else keep others from running, for minutes.
	valgrind='valgrind -q --error-exitcode=9 --fair-sched=try --vex-iropt-register-updates=allregs-at-mem-access'
	cat <<TOOLS
address|gcc|$address|
address|clang|$address|
thread|gcc|-fsanitize=thread|
thread|clang|-fsanitize=thread|
memory|clang|-fsanitize=memory|
valgrind|gcc|-gdwarf-4|$valgrind
TOOLS
}

# What can't be right under a tool, and why.  TOOL|PROGRAM|TEST...|REASON: the tests run,
# but may fail; TEST=TEXT may fail only if the message has that text, which has no
# blanks.  "*" instead of tests: the program isn't run; "*" instead of a tool: under each.
# TOOL-COMPILER: with that one alone.
suite_left_out() {
	cat <<'LEFT_OUT'
*|test-pieces|*|under a tool malloc(3) has all pieces, and one test takes all memory that there is
*|test-slab|*|the same
*|test-shards|*|no stack is kept under a tool
*|test-stack-cache|*|the same
*|test-stats|stacks_in_the_cache|the same
*|test-enomem|first_share_stack first_limit share_stacks unmapping|the same, and a guard is a mapping of its own under Valgrind
*|test-arena|*|limits the address space and locks all memory, which the tools need
address|test-enomem|adjacent_save_stack|a record for the tool lies before each co
address-clang|test-enomem|alternate_stack_that_cannot_be_taken_back|the runtime is linked statically, and its calls are refused, too
address|test-fork|handlers_among_threads=WIFEXITED|in a child of a process with several threads a lock of the runtime may stay taken (seen with gcc 12: that of malloc(3))
address|test-create|no_memory_for_the_save_stack=allocate|the runtime warns of huge sizes
address|test-share-stack|sizes_beyond_the_address_space=allocate|the same
address|test-share-stack|destroy_gives_memory_back last_co_gives_memory_back no_memory|limit the address space
address|test-misuse|aborts_with_one_line=heap-use-after-free|what has been freed is found before it is used
address|test-save-stack|every_live_byte_is_copied|looks at all bytes of a stack
address|test-yield-to|no_room_is_needed no_room_for_a_red_zone|the frames of the runtime need room
address|test-overflow|after_a_fault_without_address|the address of the shadow is one
address|test-overflow|other_faults_pass_in_silence=null handler_of_before_is_called=null handler_for_one_time=null handler_that_jumps_out=null|UBSan is first
thread-clang|test-enomem|*|the runtime is linked statically, and calls what stands in for the C library before it is ready
thread|test-enomem|adjacent_save_stack|as under AddressSanitizer
thread|test-enomem|first_threads_at_the_same_time|no thread may begin in a child of a process that had several
thread|test-fork|handlers_among_threads=multi-threaded first_use_in_the_middle_of_a_fork=multi-threaded|the same
thread|io/test-fork|in_a_task=16896 with_threads=16896|in a child the runtime ignores what the fiber that forked does, as that it unlocks or resumes, but not what others do
thread|test-share-stack|destroy_gives_memory_back last_co_gives_memory_back no_memory|limit the address space
thread|test-share-stack|usable_from_end_to_end=end_to_end:12:|the runtimes of gcc 12 and clang 14 have room for 65,536 frames, in cos or elsewhere
thread|test-try-resume|no_memory=ThreadSanitizer no_memory_in_a_co=ThreadSanitizer|limit the address space
thread|test-resume|many_sharing_cos|the runtime has room for 8,128 threads and fibers
thread|test-misuse|aborts_with_one_line=heap-use-after-free|what has been freed is found before it is used
thread|test-yield-to|no_room_is_needed no_room_for_a_red_zone|the frames of the runtime need room
thread|test-threads|main_co_of_a_dead_thread|the runtime needs a larger stack for the thread
thread|test-threads|thread_ends_inside_a_co main_co_of_a_thread_that_ended_inside_a_co|the runtime wants threads to end outside of fibers
thread|test-unwind|an_owner_whose_thread_has_ended a_thread_that_ends_in_frames_without_rules|the same
thread|test-fpenv|thread_ends_in_a_co|the same
thread-clang|test-overflow|*|a co overflows in the runtime, which holds a lock that it takes again when the handler calls write(2)
thread|test-overflow|signal_that_finds_little_room handler_of_before_is_called handler_that_goes_on errno_is_left_alone report_that_nobody_reads|the runtime calls the handlers of signals itself, with all signals blocked, another errno and large frames
thread|test-signals|*|the runtime puts a signal off until the next call of the C library
valgrind|test-overflow|signal_that_finds_no_room signal_that_finds_little_room signal_that_comes_in_the_guard|Valgrind ends a process whose signal finds no room
valgrind|test-overflow|after_a_fault_without_address other_faults_pass_in_silence|Valgrind has no privileged instructions, and says SIGILL
valgrind|test-overflow|handler_of_before_is_called|with SA_NODEFER Valgrind blocks none of the signals that the action names
valgrind|test-share-stack|no_memory=no_memory:0:|Valgrind does not give out at once what has just been freed
valgrind|test-fpenv|*|Valgrind has neither rounding of each kind nor traps
LEFT_OUT
}

# suite_flags PROGRAM: that tests.am gives it.
suite_flags() {
	case $1 in
	test-unwind) echo -fasynchronous-unwind-tables ;;
	test-version)
		sed -n 's/^AC_INIT(\[[^]]*\], \[\([^]]*\)\].*/-DPACKAGE_VERSION="\1"/p' \
			"$root/configure.ac"
		;;
	esac
}

# suite_more PROGRAM: what else is linked with it, without ".c".
suite_more() {
	case $1 in
	test-alignment | test-registers) echo "testutil regs" ;;
	test-config-macro) echo "testutil config-macro config-macro-shared-env" ;;
	io/test-faults) echo "testutil io/ioutil io/virtual" ;;
	io/test-model) echo "io/model io/virtual" ;;
	io/*) echo "testutil io/ioutil" ;;
	*) echo testutil ;;
	esac
}

# suite_wraps FILE...: options for the functions that they stand in for.
suite_wraps() {
	sed -n 's/^[a-z].*__wrap_\([a-z0-9_]*\)(.*/-Wl,--wrap=\1/p' "$@" | sort -u
}

# suite_programs: names, without those that need more than Check.  MemorySanitizer
# reports what Check does, as that isn't compiled for it; so it has the one program
# without Check, tests/toolprog.c and the part "tools".
suite_programs() {
	if [ "$tool" = memory ]; then
		echo io/test-model
		return
	fi
	(cd "$root/tests" && ls test-*.c io/test-*.c) | sed 's/\.c$//' | grep -v '^test-httpd$'
}

# suite_check ARCH: flags to link with Check, or failure.
suite_check() {
	case $1 in
	i386) PKG_CONFIG_LIBDIR=/usr/lib/i386-linux-gnu/pkgconfig:/usr/share/pkgconfig \
		pkg-config --libs check ;;
	*) pkg-config --libs check ;;
	esac 2>/dev/null
}

# suite_parallel FUNCTION FILE: calls FUNCTION with each line of FILE, in as many
# processes as there are processors.
suite_parallel() {
	worker=0 workers=
	while [ $worker -lt "$jobs" ]; do
		awk -v n="$jobs" -v k=$worker 'NR % n == k' "$2" |
			while read -r line; do $1 "$line" || :; done &
		workers="$workers $!"
		worker=$((worker + 1))
	done
	for pid in $workers; do wait "$pid"; done
}

# suite_compile NAME: an object of a file of tests/ in $dir.
suite_compile() {
	compile "$compiler" "-std=gnu11 -g -O1 $machine $flags $(suite_flags "$1")" \
		"tests/$1.c" "$dir/$1.o" || echo "$title: $1.c does not build" >>"$work/failed"
}

# suite_library FLAGS DIR: both libraries.
suite_library() {
	[ ! -d "$2" ] || return 0
	build_library "$arch" "$compiler" "$machine -O2 $1" "$2" || return 1
	for source in io/*.c; do
		compile "$compiler" "-std=gnu11 -g -O2 $machine $1 -D_FILE_OFFSET_BITS=64 -DACO_IO_VERSION=\"0\"" \
			"$source" "$2/io-$(basename "$source").o" || return 1
	done
}

# suite_link NAME
suite_link() {
	objects=$dir/$1.o
	# the files that may have functions to stand in for others
	sources=tests/$1.c
	for more in $(suite_more "$1"); do
		objects="$objects $dir/$more.o"
		case $more in *virtual) sources="$sources tests/$more.c" ;; esac
	done
	lazy=
	case $1 in test-small-stack) lazy=-Wl,-z,lazy ;; esac
	# shellcheck disable=SC2046,SC2086 # words
	$compiler $machine $flags $lazy $objects "$lib"/*.o $(suite_wraps $sources) \
		$check -lm -ldl -lrt -o "$dir/$1-$kind" >>"$work/log" 2>&1 ||
		echo "$title: $1 can't be linked" >>"$work/failed"
}

# suite_exceptions NAME: the tests of a program that need not be right, or "*".
suite_exceptions() {
	suite_left_out | awk -F'|' -v tool="$tool" -v compiler="$compiler" -v program="$1" \
		'($1 == tool || $1 == tool "-" compiler || $1 == "*") && $2 == program { print $3 }'
}

# suite_judge NAME STATUS: passed, failed, left out; and what failed, in its words.
suite_judge() {
	awk -v may="$(suite_exceptions "$1" | tr '\n' ' ')" -v name="$title, $1" -v status="$2" '
		# of the test that "text" and "id" are of
		function judge(i) {
			if (verdict == "P")
				passed++
			if (verdict == "" || verdict == "P")
				return
			for (i in names)
				if (names[i] == id && index(text, texts[i])) {
					left++
					return
				}
			failed++
			print name ": " text >"/dev/stderr"
		}
		BEGIN {
			n = split(may, names)
			for (i = 1; i <= n; i++) {
				at = index(names[i], "=")
				texts[i] = at ? substr(names[i], at + 1) : ""
				if (at)
					names[i] = substr(names[i], 1, at - 1)
			}
		}
		# "S" is what came after the last line of a test, as a report of all
		# that its process has done
		/^[^ ]*:-?[0-9]+:[PFES]:/ {
			judge()
			match($0, /:-?[0-9]+:[PFES]:/)
			rest = substr($0, RSTART + RLENGTH)
			verdict = substr($0, RSTART + RLENGTH - 2, 1)
			split(rest, parts, ":")
			id = parts[2]
			text = $0
			next
		}
		/^[0-9]+%: Checks: / { checks += $3 }
		{ text = text "\n" $0 }
		END {
			judge()
			if (checks && checks != passed + failed + left) {
				failed++
				print name ": " checks " tests" >"/dev/stderr"
			}
			if (!passed && !failed && !left && !(status + 0))
				passed = 1
			if (status + 0 && !failed && !left) {
				failed = 1
				print name ": status " status ": " text >"/dev/stderr"
			}
			printf "%d %d %d\n", passed, failed, left
		}' "$dir/$1-$kind.log" >>"$dir/results-$kind" 2>"$dir/$1-$kind.failed"
}

# suite_run NAME: in a process for each test, so that one that ends badly is alone.
suite_run() {
	if suite_exceptions "$1" | grep -qx '[*]'; then
		echo "0 0 1" >>"$dir/results-$kind"
		return
	fi
	status=0
	# shellcheck disable=SC2086 # words
	CK_FORK=yes CK_VERBOSITY=verbose CK_TIMEOUT_MULTIPLIER=5 \
		CK_EXCLUDE_TAGS="$untagged" ACO_IO_MODEL_STEPS=20000 \
		timeout -k 10 $limit $runner "$dir/$1-$kind" >"$dir/$1-$kind.log" 2>&1 \
		</dev/null || status=$?
	suite_judge "$1" $status
	rm -f "$dir/$1-$kind"
}

# suite_with KIND LIBRARY: links and runs all with a library; a line for it.
suite_with() {
	kind=$1 lib=$2
	before=$(date +%s)
	: >"$dir/results-$kind"
	suite_parallel suite_link "$work/suite-programs"
	suite_parallel suite_run "$work/suite-programs"
	cat "$dir"/*-"$kind".failed "$dir"/io/*-"$kind".failed >"$dir/failed-$kind" 2>/dev/null || :
	cat "$dir/failed-$kind"
	awk -v title="$title, library: $kind" -v seconds=$(($(date +%s) - before)) '
		{ passed += $1; failed += $2; left += $3 }
		END {
			printf "%s: passed %d, failed %d, left out %d\n",
				title, passed, failed, left
			printf "total: %d s: programs %d, failures %d\n",
				seconds, NR, failed >>TOTALS
		}' TOTALS="$work/totals" "$dir/results-$kind" | tee -a "$work/suite-lines"
	if [ -s "$dir/failed-$kind" ]; then
		echo "$title, library: $kind" >>"$work/failed"
	fi
}

# suite_one: the tool, for an architecture, with both libraries.
suite_one() {
	title="suite, $arch, $compiler, $tool"
	machine=$(flags_of "$arch") dir=$work/suite-$arch-$compiler-$tool
	if ! makes_programs "$compiler" "$machine $flags" "$dir-probe" "$runner" ||
		! check=$(suite_check "$arch"); then
		say "left out: $title"
		return
	fi
	say "$title"
	mkdir -p "$dir/io"
	suite_programs >"$work/suite-programs"
	plain=$work/suite-lib-$arch-$compiler-plain own=$dir/lib
	suite_library "$suite_valgrind" "$plain" &
	libraries=$!
	while read -r program; do
		echo "$program"
		suite_more "$program" | tr ' ' '\n'
	done <"$work/suite-programs" | grep -v '^regs$' | sort -u >"$work/suite-objects"
	suite_parallel suite_compile "$work/suite-objects"
	compile "$compiler" "$machine" "tests/regs-$arch.S" "$dir/regs.o" || return 1
	wait $libraries || return 1
	suite_with plain "$plain"
	[ "$tool" != valgrind ] || return 0
	suite_library "$flags" "$own" || return 1
	suite_with "$tool" "$own"
}

# suite SECONDS: takes as long as it takes, which is ten minutes of two processors that do
# nothing else, for both architectures.
suite() {
	: >"$work/suite-lines"
	suite_tools >"$work/suite-tools"
	suite_valgrind=
	if echo '#include <valgrind/memcheck.h>' | gcc -E -x c - >/dev/null 2>&1; then
		suite_valgrind=-DHAVE_VALGRIND_MEMCHECK_H=1
	fi
	# The alternate stacks and the signals are to be the library's, and variables on
	# its stacks.  What a co held when it was destroyed leaks, as the manual says.
	export ASAN_OPTIONS=handle_segv=0:handle_sigfpe=0:use_sigaltstack=0:allocator_may_return_null=1:detect_leaks=0:detect_stack_use_after_return=0
	export TSAN_OPTIONS=handle_segv=0:handle_sigfpe=0:use_sigaltstack=0:allocator_may_return_null=1
	while IFS='|' read -r tool compiler flags runner; do
		# the part "step" has the steps
		limit=1800 untagged=steps
		case $tool in valgrind) untagged='steps uninitialised kernel' ;; esac
		for arch in $archs; do
			suite_one || return 1
		done
	done <"$work/suite-tools"
	unset ASAN_OPTIONS TSAN_OPTIONS
	cat "$work/suite-lines"
}
