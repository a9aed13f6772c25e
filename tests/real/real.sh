#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real programs by plain calls and in cos, with the inline switch and by functions.
# ACO_REAL_SECONDS: for each of them, with more and more seeds; with 10 or more also
# with all their cos (default: one seed, few cos).  ACO_REAL_SLOW: how many times more
# slowly they run; ACO_REAL_UNDER: what runs them.
. "${top_srcdir:-.}/tests/common.sh"

seconds=${ACO_REAL_SECONDS-}
seed=${ACO_REAL_SEED:-1} slow=${ACO_REAL_SLOW:-1}
# shellcheck disable=SC2154 # scratch: common.sh
objects=$scratch/objects
ran=0 missing=

# compile FLAG...
compile() {
	# shellcheck disable=SC2086 # words
	$CC $CFLAGS -I"$include" "$@"
}

# links WITH HEADER FLAG...: whether a program can be made with that.
links() {
	with=$1
	printf '#include <%s>\nint main(void) { return 0; }\n' "$2" >"$scratch/probe.c"
	shift 2
	# shellcheck disable=SC2086 # words
	compile "$@" "$scratch/probe.c" -o "$scratch/probe" $with 2>/dev/null
}

# libraries NAME: sets flags, for the compiler and for the linker, where the library
# is there: that of another architecture may have no name without a version.
libraries() {
	flags='' libs='' header=stdio.h
	case $1 in
	qsort)
		# with functions of glibc
		# shellcheck disable=SC2086 # words
		case $(target $CC) in *__GLIBC__) return 1 ;; *) return 0 ;; esac
		;;
	sqlite) header=sqlite3.h names='-lsqlite3 -l:libsqlite3.so.0' ;;
	zlib) header=zlib.h names='-lz -l:libz.so.1' ;;
	lua)
		header=lua.h names='-llua5.4 -l:liblua5.4.so.0 -llua'
		flags=$(pkg-config --cflags lua5.4 2>/dev/null ||
			echo -I/usr/include/lua5.4)
		;;
	openssl) header=openssl/ssl.h names='-lssl -l:libssl.so.3' ;;
	*) return 0 ;;
	esac
	for libs in $names; do
		if [ "$1" = openssl ]; then libs="$libs -lcrypto"; fi
		# shellcheck disable=SC2086 # words
		if links "$libs" $header $flags; then return 0; fi
	done
	return 1
}

# build NAME SWITCH: with the object of real.c that is compiled for this switch.
build() {
	define=
	if [ "$2" = functions ]; then define=-DACO_NO_INLINE; fi
	if [ ! -e "$objects-$2.o" ]; then
		compile $define -c "$top_srcdir/tests/real/real.c" -o "$objects-$2.o"
	fi
	# shellcheck disable=SC2046,SC2086 # words
	compile $define $flags "$top_srcdir/tests/real/$1.c" "$objects-$2.o" \
		-o "$scratch/$1-$2" $(library) $libs -lm -lpthread
}

# run NAME SWITCH FEW: as many units where there is no time for more.
run() {
	units=$(($3 / slow / 2 * 2))
	set -- "$1" "$2" --seed "$seed" --seconds "${seconds:-0}"
	if [ "${seconds:-0}" -lt $((10 * slow)) ]; then set -- "$@" --units $units; fi
	program=$scratch/$1-$2 what="$1, $2"
	shift 2
	# shellcheck disable=SC2086 # words
	${ACO_REAL_UNDER-} "$program" "$@" >"$scratch/out" 2>&1 </dev/null || {
		status=$?
		[ $status -ne 127 ] || skip "programs can't be started: $(cat "$scratch/out")"
		cat "$scratch/out"
		fail "$what: status $status"
	}
	sed "s/^[a-z]*:/$what:/" "$scratch/out"
	ran=$((ran + 1))
}

while read -r name few; do
	libraries "$name" || {
		missing="$missing $name"
		continue
	}
	for switch in inline functions; do
		build "$name" $switch || fail "$name can't be compiled"
		run "$name" $switch "$few"
	done
done <<'PROGRAMS'
qsort 100
zlib 60
sqlite 400
lua 60
openssl 40
PROGRAMS
if [ -n "$missing" ]; then
	echo "left out, as their libraries are not here:$missing"
fi
[ $ran -gt 0 ] || skip "none is left"
echo "$ran programs"
