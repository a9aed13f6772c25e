#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs in the EXAMPLES sections of the manual compile, run, and print
# what the pages say.  A comment in the page names what the next literal display
# is, and every literal display in EXAMPLES is one of them:
#
#	.\" program: NAME.c	a complete program (NAME.cc: in C++)
#	.\" program: NAME.c aborts	one that ends by SIGABRT
#	.\" program: NAME.c crashes	by SIGSEGV
#	.\" program: NAME.c serves	on the port that its argument tells: what
#				its output says is what its client gets
#	.\" program: NAME.c needs LIB	that library, by its name for pkg-config
#	.\" output: NAME.c	all that it prints; 0x... stands for any number,
#				and so does N in "of N bytes"
#
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
. "$top_srcdir/tests/common.sh"

# extract PAGE DIRECTORY: one file for each display, and NAME.c.status.
extract() {
	awk -v dir="$2" '
		BEGIN { status["aborts"] = 134; status["crashes"] = 139; status["serves"] = 143 }
		function die(text) {
			print FILENAME ":" FNR ": " text
			exit 1
		}
		/^\.Sh / { examples = $2 == "EXAMPLES" }
		/^\.\\" (program|output): / {
			kind = $2
			file = dir "/" $3 (kind == "output:" ? ".expected" : "")
			if (kind == "program:")
				print(status[$4] + 0) >(file ".status")
			if ($4 == "serves" || $4 == "needs")
				print $5 >(file "." $4)
			next
		}
		/^\.Bd .*-literal/ && examples {
			if (!kind)
				die("a display that is neither program nor output")
			inside = 1
			next
		}
		/^\.Ed/ { inside = 0; kind = "" }
		inside {
			sub(/^\\&/, "")
			gsub(/\\-/, "-")
			gsub(/\\\(aq/, "\047")
			gsub(/\\\(ga/, "`")
			gsub(/\\\(ha/, "^")
			gsub(/\\\(ti/, "~")
			gsub(/\\e/, "\\")
			print >file
		}' "$1"
}

# Numbers that differ from run to run.
normal() {
	sed 's/0x[0-9a-f][0-9a-f]*/0x.../g; s/ of [0-9]* bytes/ of N bytes/' "$1"
}

# What of CFLAGS a C++ program has to be compiled with as well.
cxx_flags() {
	for flag in ${CFLAGS-}; do
		case $flag in
		-f* | -g* | -m* | -O* | --coverage) echo "$flag" ;;
		esac
	done
}

# Makes programs that run, which those of a cross compiler may not.
have_cxx() {
	# shellcheck disable=SC2046,SC2086 # words
	[ "$(target $CXX $(arch_flags))" = "$(target $CC)" ] || return 1
	echo 'int main() { try { throw 1; } catch (int) { } }' >"$scratch/probe.cc"
	# shellcheck disable=SC2046 # words
	$CXX $(arch_flags) "$scratch/probe.cc" -o "$scratch/probe" \
		2>/dev/null && "$scratch/probe" 2>/dev/null
}

# flags_of LIB: what a program with that library is compiled with, if it is there
# for the programs of $CC.
flags_of() {
	case $1 in
	libev) flags=-lev ;; # has no file for pkg-config
	*) flags=$(pkg-config --cflags --libs "$1" 2>/dev/null) || return 1 ;;
	esac
	echo "int main(void) { return 0; }" >"$scratch/probe.c"
	# shellcheck disable=SC2086 # words
	$CC "$scratch/probe.c" -o "$scratch/probe" $flags 2>/dev/null || return 1
	echo "$flags"
}

# A server gets a client as soon as it listens: one that sends "hello", prints what
# comes back, and ends the server.  Started again, the server must get its port at
# once, although connections of the first have just ended.
cat >"$scratch/client.c" <<'C'
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

static void meet(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)address, sizeof(*address)) ||
	    write(fd, "hello\n", 6) != 6 || shutdown(fd, SHUT_WR))
		return;
	while (read(fd, &c, 1) == 1 && write(STDOUT_FILENO, &c, 1) == 1)
		;
}

int __wrap_listen(int fd, int backlog)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address), on_len = sizeof(int);
	int on, result = __real_listen(fd, backlog);

	alarm(60); /* a server that does not serve */
	if (result || getsockname(fd, (struct sockaddr *)&address, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &on_len) || !on)
		return -1;
	if (!fork()) {
		alarm(60);
		meet(&address);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	return 0;
}
C

# Words for the compiler.
libraries() {
	if grep -q '<aco_io\.h>' "$1"; then
		io_library
	else
		library
	fi
	[ ! -e "$1.needs" ] || flags_of "$(cat "$1.needs")"
	[ ! -e "$1.serves" ] || echo "$scratch/client.c -Wl,--wrap=listen"
}

# build PROGRAM: named as the page names it, so that __FILE__ is that.
build() {
	case $1 in
	*.cc)
		# shellcheck disable=SC2046,SC2086 # words
		$CXX $(arch_flags) $(cxx_flags) -std=c++17 -Wall -Wextra -Werror \
			-I"$include" -o "$1.run" "$1" $(library)
		;;
	*)
		# shellcheck disable=SC2046,SC2086 # words
		$CC ${CFLAGS-} -Wall -Wextra -Werror \
			-I"$include" -o "$1.run" "$1" $(libraries "$1")
		;;
	esac
}

# try PAGE PROGRAM, in the directory of the program.
try() {
	[ -e "$2.expected" ] || fail "$1: does not say what $2 prints"
	build "$2" || fail "$1: $2 does not compile"
	port=
	[ ! -e "$2.serves" ] || port=0
	status=0
	# In a subshell: where the shell itself says "Aborted", it says so
	# outside.
	# shellcheck disable=SC2086 # no word, or one
	(exec "./$2.run" $port) >"$2.out" 2>&1 </dev/null || status=$?
	normal "$2.out" >"$2.got"
	normal "$2.expected" >"$2.want"
	diff "$2.want" "$2.got" ||
		fail "$1: $2 should print what is marked <, and prints what is marked >"
	[ "$status" = "$(cat "$2.status")" ] || fail "$1: $2 ends with $status"
}

programs=0
skipped=
without=
for name in $(man_pages); do
	# about no call
	case $name in aco_bugs.7 | aco_debugging.7 | aco_probes.7 | aco_proof.7) continue ;; esac
	dir=$scratch/$name
	mkdir "$dir"
	extract "$top_srcdir/man/$name" "$dir" || fail "$name"
	cd "$dir"
	for status in *.status; do
		[ -e "$status" ] || fail "$name: no example"
		program=${status%.status}
		case $program in
		*.cc) have_cxx || { skipped="$skipped $program" && continue; } ;;
		esac
		if [ -e "$program.needs" ]; then
			lib=$(cat "$program.needs")
			flags_of "$lib" >/dev/null || {
				without="$without $lib"
				continue
			}
		fi
		try "$name" "$program"
		programs=$((programs + 1))
	done
	for expected in *.expected; do
		[ -e "${expected%.expected}" ] || fail "$name: no program for $expected"
	done
done

# The server of the README is that of aco_io(7).
if have_io; then
	# shellcheck disable=SC2016 # backquotes as they are
	sed -n '/^```c$/,/^```$/p' "$top_srcdir/README.md" | sed '1,/^```$/d; 1d' |
		sed '/^```/d' >"$scratch/readme.c"
	diff "$scratch/aco_io.7/server.c" "$scratch/readme.c" ||
		fail "README.md has another server than aco_io(7)"
fi
echo "$programs programs${skipped:+; no C++ compiler for:$skipped}${without:+; missing here:$without}"
