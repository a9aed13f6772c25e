#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# traps.sh - the tests of single traps with each compiler and path
#
# "make check" runs them as the package is configured; here they get the options
# that set the traps.

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

status=0
bad()
{
	echo "FAIL: traps: $*"
	head -n 5 "$scratch/log"
	status=1
}

# output, sources and options
build()
{
	out=$1
	shift
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" -Wall -Wextra -Werror $lib_cflags -o "$out" \
		$lib_ldflags -lpthread >"$scratch/log" 2>&1
}

# expected status, source, options; 77 is always right
run()
{
	want=$1
	src=$2
	shift 2
	# the library comes last on the command line: archives are searched once
	if ! build "$scratch/prog" "$here/$src" "$@"; then
		bad "$cc $arch_flags $src $*: does not compile"
		return
	fi
	timeout 300 "$scratch/prog" >"$scratch/log" 2>&1
	got=$?
	test $got -eq "$want" || test $got -eq 77 ||
		bad "$cc $arch_flags $src $*: ends with $got"
}

# The plugin inlines; the program that loads it doesn't know, or does the same.
plugin()
{
	test -e "$libdir/libaco.so" || return 0
	if ! build "$scratch/plugin.so" -shared -fPIC "$here/plugin.c" "$@" ||
		! build "$scratch/linked" -DPLUGIN_LINKED "$here/plugin-host.c" "$@"; then
		bad "$cc $arch_flags plugin $*: does not compile"
		return
	fi
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" "$here/plugin-host.c" -o "$scratch/host" -ldl \
		-lpthread >"$scratch/log" 2>&1 || bad "$cc: plugin-host.c"
	# other C libraries than glibc have no room for the thread's variables of
	# a library that is loaded later
	hosts=linked
	# shellcheck disable=SC2086
	case $(target $CC) in
	*__GLIBC__) ;;
	*) hosts="host linked" ;;
	esac
	for host in $hosts; do
		timeout 300 "$scratch/$host" "$scratch/plugin.so" >"$scratch/log" 2>&1 ||
			bad "$cc $arch_flags plugin, $host $*: ends with $?"
	done
}

# shellcheck disable=SC2046 # words
sample_of 1 $(gcc_and_clang) >"$scratch/compilers"
while read -r cc; do
	for path in "" -DACO_NO_INLINE; do
		# shellcheck disable=SC2086
		{
			# k8: registers are saved by moves, below the stack
			# pointer where that is allowed
			run 0 redzone.c -O2 -mtune=k8 $path
			run 0 redzone.c -Os -mtune=k8 -fPIC $path
			run 0 redzone.c -O0 $path
			run 0 redzone.c -O3 -fomit-frame-pointer $path
			run 0 misuse.c -O2 $path
			run 0 misuse.c -O0 $path
			run 0 target.c -O2 $path
			run 0 target.c -O3 -fPIC $path
			plugin -O2 $path
		}
	done
	plugin -O0
	plugin -O2 -fcf-protection=full
	case $("$cc" -dM -E -x c /dev/null) in
	*__clang__*) ;;
	*) # it sees what it should
		run 1 target.c -O2 -DTARGET_DIRECT
		run 1 target-sse2.c -O2 -mno-sse
		;;
	esac
	run 0 target-sse2.c -O2 -msse
	run 0 target-sse2.c -O2 -msse2
	run 0 target-sse2.c -O2 -mno-sse -DACO_NO_INLINE
done <"$scratch/compilers"
exit $status
