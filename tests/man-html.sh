#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual in HTML: every link inside it leads somewhere, and the contents of the
# overviews name each of their headings.
. "${top_srcdir:-.}/tests/common.sh"

command -v mandoc >/dev/null || skip "mandoc is missing"
html=$scratch/html
# shellcheck disable=SC2046 # words
sh "$top_srcdir/man/html.sh" "$top_srcdir/man" "$html" \
	$(man_pages) $(man_links) || fail "html.sh fails"

# "PAGE#ID" and "PAGE" for what links can lead to.
for page in "$html"/*.html; do
	name=${page##*/}
	echo "$name"
	grep -o ' id="[^"]*"' "$page" | sed "s|^ id=\"|$name#|; s|\"\$||"
done | sort -u >"$scratch/targets"

for page in "$html"/*.html; do
	name=${page##*/}
	grep -o ' href="[^"]*"' "$page" | sed "
		s|^ href=\"||
		s|\"\$||
		/^https:/d
		/\.css\$/d
		s|^#|$name#|"
done | sort -u >"$scratch/links"
[ "$(wc -l <"$scratch/links")" -gt 100 ] || fail "hardly any link found"
comm -23 "$scratch/links" "$scratch/targets" >"$scratch/dangling"
[ ! -s "$scratch/dangling" ] || {
	cat "$scratch/dangling"
	fail "these links lead nowhere"
}

# In one order: the contents, and the headings in the page.
for page in "$html"/*.7.html; do
	name=${page##*/}
	sed -n '/^<nav class="contents">/,/^<\/nav>/s/.*href="#\([^"]*\)".*/\1/p' \
		"$page" >"$scratch/contents"
	sed -n 's/^<h[12] class="S[hs]" id="\([^"]*\)".*/\1/p' \
		"$page" >"$scratch/headings"
	[ -s "$scratch/headings" ] || fail "$name has no heading"
	diff "$scratch/headings" "$scratch/contents" ||
		fail "the contents of $name are not its headings"
done
echo "$(wc -l <"$scratch/links") links"
