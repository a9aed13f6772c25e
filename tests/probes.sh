#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The USDT probes of a library that is compiled here: they are those of
# aco_probes(7), each is a nop, and gdb stops at each of them with the arguments
# that it should have.  A library without --enable-sdt has none.
. "${top_srcdir:-.}/tests/common.sh"

command -v readelf >/dev/null || skip "readelf is missing"

# Lines "NAME ARGUMENTS": how many there are.
page=$top_srcdir/man/aco_probes.7
sed -n 's/^\.It Ic \([a-z_]*\) Ar /\1 /p' "$page" |
	awk '{ print $1, NF - 1 }' | sort -u >"$scratch/documented"
[ -s "$scratch/documented" ] || fail "no probes in $page"

# notes FILE: lines "NAME ARGUMENTS ADDRESS".
notes() {
	readelf -nW "$1" 2>/dev/null | awk '
		/Provider: / { provider = $NF }
		$1 == "Name:" { name = $2 }
		$1 == "Location:" { at = $2; sub(/,$/, "", at) }
		$1 == "Arguments:" && provider == "aco" { print name, NF - 1, at }'
}

# probes FILE...: as in the page.
probes() {
	for file; do
		notes "$file"
	done | cut -d' ' -f1,2 | sort -u
}

# ------------------------------------------------- the library of this build --

set --
for file in "$libdir/libaco.so" "$libdir/libaco.a"; do
	[ ! -e "$file" ] || set -- "$@" "$file"
done
if grep -q '^DEFS = .*-DACO_SDT' "$top_builddir/Makefile"; then
	for file; do
		probes "$file" >"$scratch/built"
		[ -s "$scratch/built" ] || case $CFLAGS in *-flto*) continue ;; esac
		diff "$scratch/documented" "$scratch/built" ||
			fail "$file: the probes of aco_probes(7) are <, those of the library >"
	done
else
	[ -z "$(probes "$@")" ] || fail "probes without --enable-sdt"
fi

# ---------------------------------------------------------------- the scripts --

# What they use is documented; an argument of bpftrace is counted from 0.
sed -n 's/^usdt:\*:aco:\([a-z_]*\).*/\1/p' "$top_srcdir/examples/aco.bt" >"$scratch/used"
sed -n 's/.*mark("\([a-z_]*\)").*/\1/p' "$top_srcdir/examples/aco.stp" >>"$scratch/used"
[ "$(wc -l <"$scratch/used")" -gt 20 ] || fail "the scripts use hardly any probes"
while read -r name; do
	grep -q "^$name " "$scratch/documented" || fail "examples/: no probe $name"
done <"$scratch/used"

# --------------------------------------------------------- compilers and flags --

echo '#include <sys/sdt.h>' | $CC -E -x c - >/dev/null 2>&1 ||
	skip "<sys/sdt.h> is missing"

# build COMPILER FLAG...: the program, with a library that has probes.
build() {
	with=$1
	shift
	rm -rf "$scratch/objects"
	# shellcheck disable=SC2046 # words
	compile_library lib "$scratch/objects" "$with" $(arch_flags) \
		-DACO_SDT -g -fno-plt -Wall -Wextra -Wpedantic -Werror "$@" \
		2>"$scratch/log" || return 1
	# shellcheck disable=SC2046 # words
	"$with" $(arch_flags) -g -DACO_NO_INLINE "$@" -I"$include" \
		"$top_srcdir/tests/probes.c" "$scratch"/objects/* \
		-o "$scratch/probes" -pthread -ldl 2>>"$scratch/log"
}

# Each probe of the program is as documented, and a nop.
check_notes() {
	notes "$scratch/probes" >"$scratch/notes"
	cut -d' ' -f1,2 "$scratch/notes" | sort -u >"$scratch/built"
	diff "$scratch/documented" "$scratch/built" ||
		fail "$*: the probes of aco_probes(7) are <, those of the library >"
	objdump -d "$scratch/probes" | sed -n 's/^ *\([0-9a-f]*\):\t90 *\tnop$/\1/p' |
		sort >"$scratch/nops"
	cut -d' ' -f3 "$scratch/notes" | sed 's/^0x0*//' | sort -u >"$scratch/places"
	[ -z "$(comm -13 "$scratch/nops" "$scratch/places")" ] ||
		fail "$*: probes that are no nop: $(comm -13 "$scratch/nops" "$scratch/places")"
}

# What the program meets is what gdb stops at.
write_commands() {
	echo "set debuginfod enabled off"
	while read -r name arguments; do
		b='0'
		[ "$arguments" = 1 ] || b="(unsigned long) \$_probe_arg1"
		line="\"$name 0x%lx 0x%lx\\n\", (unsigned long) \$_probe_arg0, $b"
		[ "$name" != misuse ] ||
			line="\"misuse %s: %s\\n\", (char *) \$_probe_arg0, (char *) \$_probe_arg1"
		printf '%s\n' "break -probe-stap aco:$name" commands silent \
			"printf $line" continue end
	done <"$scratch/documented"
	echo "run $scratch/met"
}

check_stops() {
	rm -f "$scratch/met"
	write_commands >"$scratch/commands"
	gdb -nx -q -batch -x "$scratch/commands" "$scratch/probes" \
		>"$scratch/out" 2>&1 || :
	[ -e "$scratch/met" ] || {
		cat "$scratch/out"
		fail "$*: the program does not reach its end"
	}
	cut -d' ' -f1 "$scratch/documented" >"$scratch/names"
	grep -E '^[a-z_]+ (0x[0-9a-f]+ |[a-z_]+: )' "$scratch/out" |
		grep -wf "$scratch/names" >"$scratch/stops"
	diff "$scratch/met" "$scratch/stops" ||
		fail "$*: the program meets <, gdb stops at >"
	cut -d' ' -f1 "$scratch/met" | sort -u | diff "$scratch/names" - ||
		fail "the program does not meet all probes, which are <"
}

can_debug() {
	command -v gdb >/dev/null &&
		gdb -nx -q -batch -ex "set debuginfod enabled off" -ex run \
			--args "$scratch/probe" 2>&1 | grep -q 'exited normally'
}

# bpftrace finds all that its script wants; the kernel has no part in that.
check_script() {
	command -v bpftrace >/dev/null || return 0
	bpftrace -d -e 'BEGIN { }' >/dev/null 2>&1 || return 0 # not root
	sed "s|usdt:\*|usdt:$scratch/probes|" "$top_srcdir/examples/aco.bt" \
		>"$scratch/aco.bt"
	bpftrace -d "$scratch/aco.bt" >"$scratch/out" 2>&1 || {
		tail -n 3 "$scratch/out"
		fail "bpftrace does not take examples/aco.bt"
	}
	bpftrace=", and bpftrace takes the script"
}

ran=
stopped=
bpftrace=

# try COMPILER FLAG...
try() {
	build "$@" || return 1
	check_notes "$*"
	check_script
	ran="$ran $*,"
	can_debug || return 0
	check_stops "$*"
	stopped="$stopped $*,"
}

# Of the library of this build, a sample has the notes (above): one of these will do.
# shellcheck disable=SC2046 # words
for cc in $(sample_of 1 gcc clang "$(cc_name)"); do
	compiler "$cc" || continue
	case $ran in *" $cc "*) continue ;; esac
	try "$cc" -O2 -fPIC || fail "$cc: $(cat "$scratch/log")"
done
if ! is_sample && ! is_second; then
	try "$cc" -O0 || fail "$cc -O0: $(cat "$scratch/log")"
	try "$cc" -O2 -flto || echo "$cc -flto does not work here"
fi
echo "$(wc -l <"$scratch/documented") probes with${ran%,}$bpftrace"
[ "$stopped" = "$ran" ] || skip "gdb is missing, or can't run programs here"
