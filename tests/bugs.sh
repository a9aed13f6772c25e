#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs of tests/bugs under the tools of aco_bugs(7): each says there what
# the page shows.  A comment in the page names what the next literal display is:
#
#	.\" bug: NAME source	lines of tests/bugs/NAME.c
#	.\" bug: NAME TOOL	lines that TOOL prints: run (no tool), asan, valgrind, gdb,
#			probes (gdb, and a library that has them)
#
# Each line of a display is a part of one line there, in that order.  "..." stands for
# any lines, at the end of a line for more of it.  0x... and #... are any numbers, and
# so is every number on i386, where an arena has no room for a stack of this size.
. "${top_srcdir:-.}/tests/common.sh"

page=$top_srcdir/man/aco_bugs.7
bugs=$top_srcdir/tests/bugs
extension=$top_srcdir/gdb/aco.py
ran=
missing=

# What differs from run to run, from place to place, and from one architecture to the
# other.  LeakSanitizer misses the object that an old stack slot still points to.
normal() {
	numbers=
	# shellcheck disable=SC2086 # words
	[ "$(arch_of $CC)" = amd64 ] || numbers='s/[0-9][0-9,]*/N/g; s/ mapping / arena /'
	expand | sed -e 's/0x[0-9a-fA-F]*/0x.../g' -e 's/^==[0-9]*== *//' \
		-e 's/LWP [0-9]*/LWP N/; s/#[0-9]*/#N/; s/ of [0-9]* byte/ of N byte/' \
		-e 's/ in \(99\|100\) object/ in N object/' \
		-e 's|[^ (]*/\([a-z_]*\.[chS]:\)|\1|g' \
		-e 's/  */ /g; s/^ //; s/ $//' -e "$numbers"
}

# displays: into files NAME.TOOL.
displays() {
	awk -v dir="$scratch/page" '
		/^\.\\" bug: / { file = dir "/" $3 "." $4; next }
		/^\.Bd .*-literal/ && file { inside = 1; next }
		/^\.Ed/ { if (inside) file = ""; inside = 0 }
		inside {
			sub(/^\\&/, "")
			gsub(/\\-/, "-")
			gsub(/\\\(aq/, "\047")
			gsub(/\\\(ga/, "`")
			gsub(/\\\(ha/, "^")
			gsub(/\\e/, "\\")
			print >file
		}' "$page"
}

# says NAME TOOL FILE: the file has the lines of that display.
says() {
	normal <"$3" >"$scratch/got"
	normal <"$scratch/page/$1.$2" >"$scratch/want"
	has_local_names || sed -i '/aco_entry/d' "$scratch/want"
	awk -v want="$scratch/want" '
		function advance() {
			while ((more = (getline line <want)) > 0) {
				sub(/ *\.\.\.$/, "", line)
				if (line != "")
					break
			}
		}
		BEGIN { advance() }
		more > 0 && index($0, line) { advance() }
		END { if (more > 0) { print line; exit 1 } }' \
		"$scratch/got" >"$scratch/lacks" || {
		cat "$3"
		fail "$1 $2: the page shows: $(cat "$scratch/lacks")"
	}
}

# build COMPILER FLAG...: $bug, into $scratch/prog
build() {
	with=$1
	shift
	# shellcheck disable=SC2046,SC2154 # words; include, scratch: common.sh
	(cd "$bugs" && "$with" $(arch_flags) -g -O0 -Wall -Wextra -Werror "$@" \
		-I"$include" "$bug.c" -o "$scratch/prog" $(library))
}

# usable FLAG: the sanitizer's runtime is there and works here.
usable() {
	echo "int main(void) { return 0; }" >"$scratch/probe.c"
	# shellcheck disable=SC2046 # words
	gcc $(arch_flags) "$1" "$scratch/probe.c" -o "$scratch/probe" \
		2>/dev/null && "$scratch/probe" 2>/dev/null
}

under_run() {
	build "$cc" || fail "$bug.c"
	# In a subshell: where the shell itself says what killed it, it does so outside.
	(exec "$scratch/prog") >"$1" 2>&1 || :
}

under_asan() {
	usable -fsanitize=address || return 1
	build gcc -fsanitize=address || fail "$bug.c with ASan"
	ASAN_OPTIONS=fast_unwind_on_malloc=0:detect_stack_use_after_return=0 \
		"$scratch/prog" >"$1" 2>&1 || :
}

under_valgrind() {
	command -v valgrind >/dev/null || return 1
	build "$cc" || fail "$bug.c"
	(exec valgrind --leak-check=full "$scratch/prog") >"$1" 2>&1 || :
	! grep -q libc6-dbg "$1"
}

# gdb_does TOOL: the lines "(gdb) COMMAND" of the display are what is done.
gdb_does() {
	grep '^(gdb) ' "$scratch/page/$bug.$1" | sed 's/^(gdb) //' |
		while read -r command; do
			printf 'echo (gdb) %s\\n\n%s\n' "$command" "$command"
		done >"$scratch/commands"
	gdb -nx -q -batch -ex "set width 0" -ex "set debuginfod enabled off" \
		-x "$extension" -x "$scratch/commands" "$scratch/prog" 2>&1 || :
}

under_gdb() {
	command -v gdb >/dev/null || return 1
	[ -e "$extension" ] || return 1
	build "$cc" || fail "$bug.c"
	gdb_does gdb >"$1"
	grep -q 'Breakpoint 1\|received signal' "$1"
}

under_probes() {
	command -v gdb >/dev/null || return 1
	# shellcheck disable=SC2046 # words
	echo '#include <sys/sdt.h>' | "$cc" $(arch_flags) -E -x c - >/dev/null 2>&1 ||
		return 1
	# shellcheck disable=SC2046 # words
	compile_library lib "$scratch/objects" "$cc" $(arch_flags) -O2 -fno-plt \
		-DACO_SDT || fail "a library with probes"
	# shellcheck disable=SC2046 # words
	(cd "$bugs" && "$cc" $(arch_flags) -g -O0 -I"$include" "$bug.c" \
		"$scratch"/objects/* -o "$scratch/prog" -pthread -ldl) || fail "$bug.c"
	gdb_does probes >"$1"
	grep -q 'Breakpoint 1[.,]' "$1"
}

cc=gcc
compiler gcc || skip "no gcc here that makes programs for this library"
mkdir "$scratch/page"
displays
for file in "$scratch"/page/*; do
	name=${file##*/}
	bug=${name%.*}
	tool=${name#*.}
	if [ "$tool" = source ]; then
		says "$bug" source "$bugs/$bug.c"
	elif "under_$tool" "$scratch/out"; then
		says "$bug" "$tool" "$scratch/out"
		ran="$ran $name"
	else
		case $missing in *" $tool"*) ;; *) missing="$missing $tool" ;; esac
	fi
done
for file in "$bugs"/*.c; do
	name=${file##*/}
	[ -e "$scratch/page/${name%.c}.source" ] || fail "the page does not show $name"
done
[ -n "$ran" ] || fail "the page shows nothing"
[ -z "$missing" ] || skip "not here:$missing; these are as the page says:$ran"
echo "as the page says:$ran"
