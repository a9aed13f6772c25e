#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual as a set of linked HTML pages with an index.
#
# usage: html.sh PAGES-DIR OUTPUT-DIR [PAGE.SECTION | NAME=PAGE]...
#
# PAGE.SECTION is a file in PAGES-DIR; what stands before its last slash is left out.
# NAME=PAGE: a reference to NAME(3) leads to PAGE(3).
set -eu

: "${MANDOC:=mandoc}"
# Pages of others.
: "${MAN_URL:=https://manpages.debian.org/%N.%S}"

command -v "$MANDOC" >/dev/null || {
	echo "html.sh: mandoc is missing (Debian package mandoc)" >&2
	exit 1
}
dir=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
shift 2
rm -f ./*.html ./*.css ./*.[37]
cp "$dir/html.css" aco.css

# To mandoc a page is one of ours when a file NAME.SECTION is there.
rename=
overviews=
calls=
io_calls=
for arg; do
	case $arg in
	*=*)
		: >"${arg%=*}.3"
		rename="$rename
s|\"${arg%=*}\\.3\\.html\"|\"${arg#*=}.3.html\"|g"
		continue
		;;
	*.7) overviews="$overviews ${arg##*/}" ;;
	*aco_io_*) io_calls="$io_calls ${arg##*/}" ;;
	*) calls="$calls ${arg##*/}" ;;
	esac
	: >"${arg##*/}"
done

# Prints the page that $1 is, with a table of contents before its first section:
# its sections, and the parts that they have.  A heading may take several lines.
add_contents() {
	awk '
		/<h[12] / { heading = ""; inside = 1 }
		inside { heading = heading (heading ? " " : "") $0 }
		inside && /<\/h[12]>/ {
			inside = 0
			level = substr(heading, match(heading, /<h[12] /) + 2, 1)
			id = text = heading
			sub(/.*<h[12] [^>]*id="/, "", id)
			sub(/".*/, "", id)
			sub(/.*<h[12] [^>]*>/, "", text)
			gsub(/<[^>]*>/, "", text)
			gsub(/ +/, " ", text)
			if (level > last)
				list = list "<ul>\n"
			else {
				for (; last > level; last--)
					list = list "</li>\n</ul>\n"
				list = list "</li>\n"
			}
			list = list "<li><a href=\"#" id "\">" text "</a>"
			last = level
		}
		{ line[NR] = $0 }
		END {
			for (; last > 0; last--)
				list = list "</li>\n</ul>\n"
			for (i = 1; i <= NR; i++) {
				print line[i]
				if (line[i] == "<div class=\"manual-text\">")
					printf "<nav class=\"contents\">\n%s</nav>\n", list
			}
		}' "$1"
}

for file in $overviews $calls $io_calls; do
	"$MANDOC" -T html -O "style=aco.css,man=%N.%S.html;$MAN_URL" "$dir/$file" |
		sed "$rename
			s|<body>|<body><nav><a href=\"index.html\">libaco</a></nav>|" \
		>"$file.html"
	grep -q '^</html>' "$file.html" || exit 1
	case $file in
	*.7)
		add_contents "$file.html" >contents
		mv contents "$file.html"
		;;
	esac
done
rm -f ./*.[37]

# An entry of the index: all names of a page, and what it says of itself.
entry() {
	awk -v file="$1" '
		/^\.Sh / { in_name = $2 == "NAME" }
		in_name && $1 == ".Nm" {
			section = file
			sub(/.*\./, "", section)
			names = names (names ? ", " : "") "<a href=\"" file \
				".html\">" $2 "(" section ")</a>"
		}
		in_name && $1 == ".Nd" { sub(/^\.Nd /, ""); text = $0 }
		END {
			gsub(/\\\(aq/, "\047", text)
			print "<dt>" names "</dt>\n<dd>" text "</dd>"
		}' "$dir/$1"
}

# list HEADING PAGE...
list() {
	echo "<h2>$1</h2>"
	echo '<dl class="index">'
	shift
	for page; do
		entry "$page"
	done
	echo '</dl>'
}

# shellcheck disable=SC2086 # words
{
	cat <<'HTML'
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width"/>
<link rel="stylesheet" href="aco.css"/>
<title>libaco</title>
</head>
<body>
<main class="manual-text">
<h1>libaco</h1>
<p>Stackful asymmetric coroutines for C. Begin with <a href="aco.7.html">aco(7)</a>.</p>
HTML
	list Overview $overviews
	list Calls $calls
	[ -z "$io_calls" ] || list "Calls of libaco-io" $io_calls
	cat <<'HTML'
</main>
</body>
</html>
HTML
} >index.html
