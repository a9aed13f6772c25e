#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154 # all from common.sh
#
# registers.sh - the inline switch names every register that a compiler has
#
# A register that the switch neither keeps (stack and frame pointer), nor
# returns (the two cos), nor names as changed would carry a value into another
# co.  Compilers learn new ones, each under an option of its own.  So, for each
# compiler and many options:
#
#	names    every register name that the compiler takes is kept, returned,
#	         changed, or in the table of those that carry no value
#	numbers  it has no more registers than have been asked for by name: gcc
#	         and clang take numbers in place of names
#	code     registers.c, which wants as many as possible, uses no other
#
# Where aco.h does not inline there is nothing to check.
# ACO_TEST_SAMPLE: take one option in so many (1).

. "${top_srcdir:-${srcdir:-.}}/tests/inline/common.sh"

# Options that a compiler does not know are left out.
cat >"$scratch/options" <<'TABLE'

-mavx512f
-mno-mmx
-fPIC
-mavx512f -mno-evex512
-mavx10.1-256
-march=native
-march=knm
-mmpx
-fno-omit-frame-pointer
TABLE
case $(echo __x86_64__ | $CC -E -P -x c -) in
1) cat >>"$scratch/options" <<'TABLE' ;;
-mapxf
-mamx-tile -mamx-int8
-mapx-features=egpr
-mapxf -mapx-inline-asm-use-gpr32
-march=diamondrapids
-march=novalake
-march=sierraforest
-march=x86-64-v4
-march=x86-64-v3
TABLE
*) cat >>"$scratch/options" <<'TABLE' ;;
-march=i486
-march=pentium-mmx
-march=pentium3
-msse -mno-mmx
-msse2 -mfpmath=sse
-mno-sse
TABLE
esac

# Names that carry no value across a switch: pattern, "-", and why; for clang,
# which takes the names of all processors: pattern and the macro (below) without
# which they carry none.
cat >"$scratch/harmless" <<'TABLE'
argp - none of the processor's: an offset in the frame
frame - the same
fpsr - exception flags: they belong to the thread, no value is kept there
fpcr - control words: they belong to the co, the switch exchanges them
mxcsr - the same
dirflag - clear whenever a function is called or returns
ip - where the program is
ssp - the shadow stack's pointer: no compiler keeps values there
cr[0-9]+ - for kernels
dr[0-9]+ - for kernels
bnd[0-3] - bounds (MPX): no compiler that has it still uses them by itself
r1[6-9] APX
r2[0-9] APX
r3[01] APX
tmm[0-9]+ TILES
mm[0-7] MMX
r[89] AMD64
r1[0-5] AMD64
[xyz]mm[89] AMD64
[xyz]mm[12][0-9] AMD64
[xyz]mm3[01] AMD64
TABLE

# What there is to ask for, and room for more of each family.
awk 'BEGIN {
	n = split("ax bx cx dx", word, " ")
	for (i = 1; i <= n; i++) {
		w = word[i]
		print "r" w, "e" w, w, substr(w, 1, 1) "l", substr(w, 1, 1) "h"
	}
	n = split("si di bp sp", word, " ")
	for (i = 1; i <= n; i++)
		print "r" word[i], "e" word[i], word[i], word[i] "l"
	for (i = 0; i < 64; i++) {
		print "r" i, "r" i "d", "r" i "w", "r" i "b"
		print "xmm" i, "ymm" i, "zmm" i, "tmm" i, "k" i, "mm" i
	}
	for (i = 0; i < 16; i++)
		print "st(" i ")", "st" i, "bnd" i, "cr" i, "dr" i, "tr" i
	print "st argp arg frame flags eflags rflags fpsr fpcr fpsw fpcw"
	print "fptag mxcsr dirflag df ip eip rip eiz riz ssp vssp pkru"
	print "cs ds es fs gs ss fs.base gs.base fsbase gsbase ldtr gdtr"
	print "idtr tr msrs xcr0 efer tmmcfg bndcfgu bndstatus acc"
}' | tr ' ' '\n' >"$scratch/names"

numbers=400
{
	cat "$scratch/names"
	awk -v n=$numbers 'BEGIN { for (i = 0; i < n; i++) print i }'
} >"$scratch/asked"
{
	echo 'void ask(void) {'
	sed 's/.*/__asm__ __volatile__("" : : : "&");/' "$scratch/asked"
	echo '}'
} >"$scratch/ask.c"

cat >"$scratch/list.c" <<'EOS'
#include <aco.h>
#if defined(ACO_INLINE_SWITCH_)
@list@ ACO_CLOBBER_, ACO_FROM_, ACO_TO_ @
#endif
#if defined(__x86_64__)
@if@ AMD64 @
#if defined(__APX_F__) || defined(__EGPR__)
@if@ APX @
#endif
#if defined(__AMX_TILE__) || defined(__AMXTILE__)
@if@ TILES @
#endif
#endif
#if defined(__MMX__)
@if@ MMX @
#endif
EOS

# One name for all names of a register: eax for al, xmm7 for zmm7.
cat >"$scratch/family.awk" <<'AWK'
function family(name)
{
	if (name ~ /^[+][adSD]$/)
		return substr("axdxsidi", 2 * index("adSD", \
			substr(name, 2)) - 1, 2)
	if (name ~ /^[abcd][lh]$/)
		return substr(name, 1, 1) "x"
	if (name ~ /^[re]?[abcd]x$/)
		return substr(name, length(name) - 1)
	if (name ~ /^[re]?(si|di|bp|sp|ip)l?$/) {
		sub(/^[re]/, "", name)
		sub(/l$/, "", name)
		return name
	}
	if (name ~ /^[re]flags$/ || name == "cc")
		return "flags"
	if (name ~ /^r[0-9]+[dwb]$/)
		return substr(name, 1, length(name) - 1)
	if (name == "st" || name == "st(0)")
		return "st0"
	if (name ~ /^st\([0-7]\)$/)
		return "st" substr(name, 4, 1)
	if (name ~ /^[yz]mm[0-9]/)
		return "x" substr(name, 2)
	return name
}
AWK

status=0
bad()
{
	echo "FAIL: registers: $what: $*"
	status=1
}

# What the switch keeps, returns and names as changed with these options, one
# name a line, into $scratch/list; which macros, into $scratch/if.  Fails when the
# compiler does not know them.
expand()
{
	: >"$scratch/list"
	: >"$scratch/if"
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" $lib_cflags -Werror -E -P "$scratch/list.c" \
		>"$scratch/expanded" 2>"$scratch/log" &&
		awk -v dir="$scratch/" -f "$scratch/expanded.awk" "$scratch/expanded"
}

cat >"$scratch/expanded.awk" <<'AWK'
{ text = text $0 " " }
END {
	gsub(/[" ]/, "", text)
	n = split(text, part, "@")
	for (i = 1; i <= n; i++) {
		if (part[i] == "if")
			print part[++i] >(dir "if")
		if (part[i] != "list")
			continue
		m = split(part[++i] ",bp,sp", name, ",")
		for (k = 1; k <= m; k++)
			if (name[k] != "memory")
				print name[k] >(dir "list")
	}
}
AWK

# Which of the names and numbers the compiler takes, into $scratch/taken.
ask()
{
	# clang stops after some errors, if it is not told
	limit=-fmax-errors=0
	test -z "$is_clang" || limit=-ferror-limit=0
	# shellcheck disable=SC2086
	"$cc" $arch_flags "$@" -w -O0 -fomit-frame-pointer $limit \
		-S -o "$scratch/ask.s" "$scratch/ask.c" >"$scratch/log" 2>&1
	awk -F: '
		NR == FNR { if ($0 ~ /ask\.c:[0-9]+:.*error/) no[$2 - 1]; next }
		!(FNR in no)' "$scratch/log" "$scratch/asked" >"$scratch/taken"
}

check_names()
{
	unnamed=$(awk -v clang="${is_clang:+1}" -f "$scratch/family.awk" \
		-f "$scratch/unnamed.awk" "$scratch/if" "$scratch/harmless" \
		"$scratch/list" "$scratch/taken")
	test -z "$unnamed" || bad "not named as changed: $unnamed"
}

cat >"$scratch/unnamed.awk" <<'AWK'
FILENAME ~ /if$/ { set[$1] }
FILENAME ~ /harmless$/ && ($2 == "-" || (clang && !($2 in set))) {
	pattern[++n] = "^(" $1 ")$"
}
FILENAME ~ /list$/ { known[family($1)] }
FILENAME ~ /taken$/ && !/^[0-9]/ && !(family($1) in known) {
	for (i = 1; i <= n; i++)
		if ($1 ~ pattern[i] || family($1) ~ pattern[i])
			next
	if (!(family($1) in told))
		printf "%s ", $1
	told[family($1)]
}
AWK

# gcc has one number for all names of a register, clang one for each width of a
# vector register.
check_numbers()
{
	# shellcheck disable=SC2046
	set -- $(awk -f "$scratch/family.awk" -f "$scratch/counts.awk" "$scratch/taken")
	names=$2
	test -z "$is_clang" || names=$3
	test "$1" -lt $numbers || bad "more than $numbers registers"
	test "$1" -eq "$names" ||
		bad "$1 registers, of which $names are known by name"
}

cat >"$scratch/counts.awk" <<'AWK'
/^[0-9]/ { numbers++; next }
!(family($1) in seen) { families++ }
{ seen[family($1)] }
/^[yz]mm/ { wide++ }
END { print numbers + 0, families + 0, families + wide }
AWK

check_code()
{
	# shellcheck disable=SC2086
	if ! "$cc" $arch_flags "$@" -w -O2 $lib_cflags -S -o "$scratch/code.s" \
		"$here/registers.c" >"$scratch/log" 2>&1; then
		bad "registers.c does not compile"
		grep -m 1 error "$scratch/log"
		return
	fi
	used=$(awk -f "$scratch/family.awk" -f "$scratch/used.awk" "$scratch/list" \
		"$scratch/code.s")
	test -z "$used" || bad "used and not named as changed: $used"
}

cat >"$scratch/used.awk" <<'AWK'
FILENAME ~ /list$/ { known[family($1)]; next }
{ sub(/#.*/, "") }
{
	while (match($0, /%[a-z][a-z0-9]*(\([0-7]\))?/)) {
		name = substr($0, RSTART + 1, RLENGTH - 1)
		$0 = substr($0, RSTART + RLENGTH)
		if (name ~ /^([re]?ip|[c-gs]s)$/ || family(name) in known ||
		    family(name) in told)
			continue
		printf "%s ", name
		told[family(name)]
	}
}
AWK

# One compiler with some options, $1 in messages.
check()
{
	what="$cc $arch_flags $1"
	shift
	if ! expand "$@"; then
		return
	elif ! test -s "$scratch/list"; then
		functions=$((functions + 1))
		return
	fi
	inline=$((inline + 1))
	ask "$@"
	check_names
	check_numbers
	check_code "$@"
}

# Every option that this compiler knows and that adds something to what the
# processor has, as long as aco.h inlines with it: those of the future, too.
# Takes some seconds: for the compilers configured, not for every version, and not in
# a sample.
everything()
{
	# shellcheck disable=SC2086
	"$cc" $arch_flags -dM -E -x c /dev/null >"$scratch/base"
	{ "$cc" --help=target || "$cc" --autocomplete=-m; } 2>/dev/null |
		sed -n 's/^ *\(-m[a-z0-9][a-z0-9.-]*\)[[:space:]].*/\1/p
			s/^ *\(-m[a-z0-9][a-z0-9.-]*\)$/\1/p' |
		grep -vE '^-m(no-|16$|32$|64$|x32$|sse2avx$)' | sort -u |
		while read -r option; do
			# shellcheck disable=SC2086
			"$cc" $arch_flags "$option" -Werror -dM -E \
				-x c /dev/null >"$scratch/with" 2>/dev/null &&
				awk -f "$scratch/adds.awk" "$scratch/base" \
					"$scratch/with" && expand "$option" &&
				test -s "$scratch/list" && echo "$option"
		done
}

cat >"$scratch/adds.awk" <<'AWK'
FILENAME ~ /base$/ { base[$2] }
FILENAME ~ /with$/ { new += !($2 in base); delete base[$2] }
END { for (name in base) lost = 1; exit lost || !new }
AWK

compilers >"$scratch/every"
gcc_and_clang >"$scratch/compilers"
awk -v n="${ACO_TEST_SAMPLE:-1}" '(NR - 1) % n == 0' "$scratch/options" \
	>"$scratch/sample"
inline=0
functions=0
while read -r cc; do
	echo "registers: $cc $arch_flags"
	is_clang=$("$cc" -dM -E -x c /dev/null | grep -w __clang__)
	while read -r options; do
		# gcc's is undocumented: no macro tells of it
		case $is_clang$options in -mapx-features=*) continue ;; esac
		# shellcheck disable=SC2086
		check "$options" $options
	done <"$scratch/sample"
	# shellcheck disable=SC2046
	is_sample || ! grep -qxF "$cc" "$scratch/compilers" ||
		check "every option" $(everything)
done <"$scratch/every"
echo "registers: $inline inline, $functions with functions"
exit $status
