#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual and the library tell of the same things: functions, prototypes,
# and what is printed after misuse.
. "${top_srcdir:-.}/tests/common.sh"
LC_ALL=C
export LC_ALL

man=$top_srcdir/man
installed=$top_builddir/man # as it will be, with the links
bad=0

complain() {
	echo "$*"
	bad=1
}

# ------------------------------------------------------------------- names --

# "NAME PAGE" for each name that the NAME section of a page has.
pages=$(man_pages)
for page in $pages; do
	awk -v page="$page" '
		/^\.Sh / { in_name = $2 == "NAME" }
		in_name && $1 == ".Nm" { print $2, page }' "$man/$page"
done | sort >"$scratch/names"

# A variable that the header needs, and one that debuggers need; they are not for
# programs.
# A name that ends in "_" is no interface: what aco/switch.h calls.  It stands in
# backtraces, so it has a link to the page that tells what it is.
maps=$top_srcdir/lib/libaco.map
header=aco.h
if have_io; then
	maps="$maps $top_srcdir/io/libaco-io.map"
	header=aco_io.h
fi
# shellcheck disable=SC2086 # words
sed -n 's/^\t\([a-z_0-9]*[a-z0-9]\);$/\1/p' $maps |
	grep -vx aco_gtls_co | sort >"$scratch/functions"
[ -s "$scratch/functions" ] || fail "no names in $maps"

while read -r function; do
	[ "$(grep -c "^$function " "$scratch/names")" = 1 ] ||
		complain "$function is in the NAME section of no page, or of two"
done <"$scratch/functions"

sed -n 's/^\t\([a-z_0-9]*_\);$/\1/p' "$top_srcdir/lib/libaco.map" |
	grep -vx aco_debug_ >"$scratch/hidden"
while read -r function; do
	grep -qs "^\.Fn $function" "$installed/man3/$function.3" ||
		complain "no page tells what $function is: add it to man_links in man/man.am"
done <"$scratch/hidden"

is_macro() {
	grep -q "^#define $1(" "$include/aco.h"
}

while read -r name page; do
	case $page in
	*.7) continue ;;
	*.hpp.3)
		[ -f "$include/$name" ] || complain "$page: no header $name"
		;;
	aco_assert.3)
		is_macro "$name" || complain "$page: aco.h has no macro $name()"
		;;
	*)
		grep -qx "$name" "$scratch/functions" ||
			complain "$page: the library has no function $name()"
		;;
	esac
	cmp -s "$man/$page" "$installed/man3/$name.3" ||
		complain "man 3 $name does not show $page: add it to man_links in man/man.am"
done <"$scratch/names"

# No page or link that is not in a NAME section.
for file in "$installed"/man[37]/*; do
	name=${file##*/}
	grep -q "^${name%.*} " "$scratch/names" ||
		grep -qx "${name%.*}" "$scratch/hidden" ||
		complain "$file is not named in any page"
done

# Every page has the same sections, and says of every name how safe it is.
sections='NAME LIBRARY SYNOPSIS DESCRIPTION RETURN VALUES EXAMPLES ERRORS'
sections="$sections ATTRIBUTES SEE ALSO STANDARDS HISTORY"
calls=$(echo "$pages" | grep '\.3$')
for page in $calls; do
	has=$(sed -n 's/^\.Sh //p' "$man/$page" | grep -vx CAVEATS | tr '\n' ' ')
	[ "$has" = "$sections " ] ||
		complain "$page: the sections should be $sections"
done
while read -r name page; do
	case $page$name in
	*.7* | *.hpp | *likely) continue ;;
	esac
	[ "$(grep -c "^\(.*, \)*$name()[,	]" "$man/$page")" = 2 ] ||
		complain "$page: ATTRIBUTES has not two rows for $name()"
done <"$scratch/names"

# So does the page of the C++ header, of each class and function there but for
# those of namespace detail.
sed '/^namespace detail/,/^} .*detail/d' "$include/aco.hpp" |
	sed -n 's/^struct \([a-z]*\) {$/\1/p; s/^template.* class \([a-z]*\)$/\1/p
		s/^.*inline [a-z].* \([a-z]*\)()$/\1/p' >"$scratch/cxx"
[ -s "$scratch/cxx" ] || fail "no names in aco.hpp"
while read -r name; do
	[ "$(grep -c "^aco::$name	" "$man/aco.hpp.3")" = 2 ] ||
		complain "aco.hpp.3: ATTRIBUTES has not two rows for aco::$name"
done <"$scratch/cxx"

# References.
for page in $pages; do
	sed -n 's/^\.\(It \)*Xr \(aco[a-z_0-9.]*\) \([0-9]\).*/\2 \3/p' "$man/$page" |
		sort -u | while read -r name section; do
		case $(have_io && echo io)$name in aco_io*) continue ;; esac
		[ -e "$installed/man$section/$name.$section" ] ||
			echo "$page refers to $name($section)"
	done
done >"$scratch/dangling"
[ ! -s "$scratch/dangling" ] || complain "$(cat "$scratch/dangling")"

# -------------------------------------------------------------- prototypes --

# The compiler compares them with those of the header.
for page in $calls; do
	awk -v page="$page" '
		function words(line, n,    out, i, part) {
			# the arguments of a macro: quoted, or one word each
			out = ""
			while (match(line, /"[^"]*"|[^ ]+/)) {
				part = substr(line, RSTART, RLENGTH)
				gsub(/"/, "", part)
				arg[++n] = part
				line = substr(line, RSTART + RLENGTH)
			}
			return n
		}
		function put(    i, list) {
			for (i = 2; i <= n; i++)
				list = list (i > 2 ? ", " : "") arg[i]
			printf "#line %d \"%s\"\n%s %s(%s);\n", NR, page, type, arg[1], list
			type = ""
		}
		/^\.Sh / { synopsis = $2 == "SYNOPSIS" }
		!synopsis { next }
		/^\.Ft / { type = substr($0, 5) }
		/^\.Fn / && type { n = words(substr($0, 5), 0); put() }
		/^\.Fo / { n = words(substr($0, 5), 0) }
		/^\.Fa / { n = words(substr($0, 5), n) }
		/^\.Fc/ { put() }' "$man/$page"
done >"$scratch/prototypes"
{
	echo "#include <$header>"
	cat "$scratch/prototypes"
	# Each name must be one of them.
	echo '#line 1 "names"'
	echo 'void *aco_names[] = {'
	sed 's/.*/	(void *)&,/' "$scratch/functions"
	echo '};'
} >"$scratch/prototypes.c"
$CC -std=gnu11 -I"$include" -c -o "$scratch/prototypes.o" \
	"$scratch/prototypes.c" || complain "a SYNOPSIS is not as in $header"
while read -r function; do
	grep -q "[ *]$function(" "$scratch/prototypes" ||
		complain "no SYNOPSIS has $function()"
done <"$scratch/functions"

# ------------------------------------------------------------------ misuse --

# "CALL|WHAT" for each line "libaco: CALL: WHAT: co 0x..." that the library can
# print.  Where CALL is a parameter named call, follow those that pass it on.
# aco_misuse_of() has an address in the middle of WHAT.
awk '
	function body_done(    text, part, f) {
		text = body
		gsub(/[ \t\n]+/, " ", text)
		gsub(/" "/, "", text)
		while (match(text, /aco_misuse_of\([^;]*"[^"]*", [^",]*, "/)) {
			part = substr(text, RSTART, RLENGTH)
			sub(/_of/, "", part)
			sub(/", [^",]*, "$/, " 0x... ", part)
			text = substr(text, 1, RSTART - 1) part substr(text, RSTART + RLENGTH)
		}
		while (match(text, /aco_misuse\( ?("[a-z_0-9]+"|[a-z]+), "[^"]*"/)) {
			part = substr(text, RSTART, RLENGTH)
			text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + RLENGTH)
			sub(/^aco_misuse\( ?/, "", part)
			if (part ~ /^"/) {
				gsub(/^"|"$/, "", part)
				sub(/", "/, "|", part)
				print part
			} else {
				sub(/^[a-z]+, "/, "", part)
				sub(/"$/, "", part)
				says[name] = says[name] part "\n"
			}
		}
		while (match(text, /[a-z_0-9]+\(([^()]*, ?)?("aco_[a-z_0-9]+"|call)\)/)) {
			part = substr(text, RSTART, RLENGTH)
			text = substr(text, RSTART + RLENGTH)
			f = part
			sub(/\(.*/, "", f)
			if (part ~ /"/) {
				sub(/^[^"]*"/, "", part)
				sub(/".*/, "", part)
				told[++tolds] = f "|" part
			} else
				passes[name] = passes[name] f "\n"
		}
	}
	function follow(f, call,    n, list, i) {
		if (seen[f "|" call]++)
			return
		n = split(says[f], list, "\n")
		for (i = 1; i < n; i++)
			print call "|" list[i]
		n = split(passes[f], list, "\n")
		for (i = 1; i < n; i++)
			follow(list[i], call)
	}
	/^[#}\/ ]/ || /^$/ || /;$/ && !inside { head = "" }
	/^\{/ {
		inside = 1
		body = ""
		name = head
		gsub(/__attribute__\(\(([^()]|\([^()]*\))*\)\)/, "", name)
		sub(/\(.*/, "", name)
		sub(/ +$/, "", name)
		sub(/.*[ *]/, "", name)
		next
	}
	/^}/ {
		if (inside)
			body_done()
		inside = 0
	}
	inside { body = body $0 "\n"; next }
	/^[A-Za-z_]/ { head = head " " $0 }
	END {
		for (i = 1; i <= tolds; i++) {
			split(told[i], pair, "|")
			follow(pair[1], pair[2])
		}
	}' "$top_srcdir"/lib/*.[ch] | sort -u >"$scratch/misuse"

texts=$(wc -l <"$scratch/misuse")
[ "$texts" -ge 10 ] || fail "only $texts texts of misuse found in lib/"

# "PAGE|LINE" for each line of output that a page lists.
for page in $calls; do
	sed -n "s/\\\\(aq/'/g; s/^\\.It Li \"\\(libaco: .*\\)\"\$/$page|\\1/p" "$man/$page"
done >"$scratch/listed"

page_of() {
	sed -n "s/^$1 //p" "$scratch/names"
}

while IFS='|' read -r call what; do
	line="$(page_of "$call")|libaco: $call: $what: co 0x..."
	grep -Fqx "$line" "$scratch/listed" ||
		complain "missing in ERRORS of $line"
done <"$scratch/misuse"

# Lines made in another way: their fixed parts are strings of the sources.
cat "$top_srcdir"/lib/*.c "$top_srcdir"/io/*.c "$include/aco.h" | tr '\\\n\t' '   ' |
	sed 's/" *"//g' >"$scratch/strings"

while IFS='|' read -r page line; do
	rest=${line#libaco: }
	call=${rest%%: *}
	what=${rest#"$call: "}
	what=${what%: co 0x...}
	case $line in
	"libaco: aco_"*)
		grep -Fqx "$call|$what" "$scratch/misuse" ||
			complain "$page: the library never prints: $line"
		[ "$(page_of "$call")" = "$page" ] ||
			complain "$page: not the page of $call(): $line"
		continue
		;;
	esac
	echo "$line" | sed 's/0x\.\.\./\
/g; s/ N / \
 /; s/FILE.*//' | while read -r part; do
		[ -z "$part" ] || grep -Fq "$part" "$scratch/strings" ||
			echo "$page: the library never prints: $part"
	done >"$scratch/never"
	[ ! -s "$scratch/never" ] || complain "$(cat "$scratch/never")"
done <"$scratch/listed"

# The other way round.
grep -o '"libaco: [^"%<]*' "$scratch/strings" | sed 's/^"//; s/ n*$//' |
	sort -u | while read -r line; do
	grep -Fq "|$line" "$scratch/listed" || echo "in no page: $line"
done >"$scratch/never"
[ ! -s "$scratch/never" ] || complain "$(cat "$scratch/never")"

[ $bad = 0 ] || fail "the manual and the library differ"
echo "$(wc -l <"$scratch/functions") functions, $texts texts"
