#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random programs of all calls, for some seconds; and the command itself.
. "${top_srcdir:-.}/tests/common.sh"

dir=${top_builddir:-.}/tests/torture
n=10000 # operations, for each program times a factor
if is_sample; then n=3000; fi

for program in "$dir/torture" "$dir/torture-cxx"; do
	[ -x "$program" ] || continue
	"$program" --seed 1 --operations $((n * 30)) || fail "$program"
	"$program" --seed 1000 --operations $((n * 10)) --signals 10000 ||
		fail "$program with signals"
	for file in "$top_srcdir/tests/torture/corpus"/*; do
		"$program" --quiet --replay "$file" || fail "$program: $file"
	done
done

"$dir/exchange" --seed 1 --operations $((n * 20)) || fail exchange
"$dir/exchange" --seed 1000 --operations $((n * 5)) --signals 10000 ||
	fail "exchange with signals"

# What fails is shown short, with a command that runs it again.  Here no fork has the
# pipe that it needs.
limited() {
	"$top_builddir/libtool" --mode=execute prlimit --nofile=4 "$dir/torture" "$@"
}
if command -v prlimit >/dev/null; then
	status=0
	limited --seed 1 --operations 1000000 >"$scratch/out" 2>"$scratch/err" || status=$?
	[ $status -eq 1 ] || fail "torture without pipes: status $status"
	grep -q '^FAILED: seed ' "$scratch/out" || fail "no seed: $(cat "$scratch/out")"
	grep -q '^[12] operations; ' "$scratch/out" ||
		fail "not short: $(cat "$scratch/out")"
	again=$(sed -n "s/^\(printf '.*'\) | .*torture --trace --replay -$/\1/p" \
		"$scratch/out")
	[ -n "$again" ] || fail "no command: $(cat "$scratch/out")"
	status=0
	sh -c "$again" | limited --trace --replay - >"$scratch/out" 2>"$scratch/err" ||
		status=$?
	[ $status -eq 1 ] || fail "what failed does not fail again: status $status"
	grep -q '^pipe(): is 0, should be 1$' "$scratch/err" ||
		fail "what failed fails in another way: $(cat "$scratch/err")"
fi

# bad usage
for arguments in --nothing "--seconds" "--seconds x" "--seed -1" "--length 0" \
	"--replay $scratch/missing"; do
	status=0
	# shellcheck disable=SC2086 # words
	"$dir/torture" $arguments >"$scratch/out" 2>"$scratch/err" || status=$?
	if [ $status -ne 2 ] || [ ! -s "$scratch/err" ] || [ -s "$scratch/out" ]; then
		fail "torture $arguments: status $status"
	fi
done
for arguments in --nothing "--seconds" "--threads x" "--seed -1"; do
	status=0
	# shellcheck disable=SC2086 # words
	"$dir/exchange" $arguments >"$scratch/out" 2>"$scratch/err" || status=$?
	if [ $status -ne 2 ] || [ ! -s "$scratch/err" ] || [ -s "$scratch/out" ]; then
		fail "exchange $arguments: status $status"
	fi
done

# The command builds all that it needs also where the path has a blank.
cat >"$scratch/compiler" <<'COMPILER'
#!/bin/sh
# makes a program that skips itself, of files that there are
while [ $# -gt 0 ]; do
	case $1 in
	-o)
		skips=77
		case $2 in *probe) skips=0 ;; esac
		printf '#!/bin/sh\necho not here\nexit %d\n' $skips >"$2" && chmod +x "$2"
		shift
		;;
	-x) shift ;;
	-I*) [ -d "${1#-I}" ] || { echo "no directory: $1" >&2; exit 1; } ;;
	-*) ;;
	*) [ -e "$1" ] || { echo "no file: $1" >&2; exit 1; } ;;
	esac
	shift
done
COMPILER
chmod +x "$scratch/compiler"
ln -s "$(cd "$top_srcdir" && pwd)" "$scratch/a path"
(
	root="$scratch/a path" work=$scratch
	: >"$work/log"
	cd "$root"
	# shellcheck source=scripts/torture.d/build.sh
	. ./scripts/torture.d/build.sh
	for arch in amd64 i386; do
		build_library $arch "$scratch/compiler" -O2 "$scratch/lib-$arch" &&
			build_programs $arch "$scratch/compiler" "-O2 +c++" \
				"$scratch/programs-$arch" "$scratch/lib-$arch" || exit 1
	done
) || fail "scripts/torture in a path with a blank: $(cat "$scratch/log")"

# leaves_out WHAT PART...: with the compilers in $scratch/bin the parts are left out, and
# if that is all, it is no success.
leaves_out() {
	what=$1
	shift
	status=0
	TMPDIR=$scratch PATH="$scratch/bin:$PATH" "$scratch/a path/scripts/torture" 1 "$@" \
		amd64 >"$scratch/out" 2>&1 || status=$?
	if [ $status -ne 1 ] || ! grep -q 'nothing has run$' "$scratch/out" ||
		grep -q 'FAILED\|failed:' "$scratch/out"; then
		fail "scripts/torture $what: status $status: $(cat "$scratch/out")"
	fi
}
mkdir "$scratch/bin"
cp "$scratch/compiler" "$scratch/bin/gcc"
leaves_out "with programs that skip themselves" --faults
for name in gcc clang; do
	printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/$name"
	chmod +x "$scratch/bin/$name"
done
leaves_out "without compilers" --faults --exchange --step

# Each wrong change of the library that the tests are to notice can still be made.
"$top_srcdir/scripts/mutants" --places || fail "mutants.txt"
