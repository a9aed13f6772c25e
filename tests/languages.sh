#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples in other languages print what the comment at their top says, by
# the shared library of this build.
. "${top_srcdir:-.}/tests/common.sh"

[ -e "$libdir/libaco.so" ] || skip "there is no shared library"
shared=$(cd "$libdir" && pwd)
ran='' missing=''

# check SOURCE COMMAND...
check() {
	sed -n '/It prints:$/,$s,^\(//!\)*	,,p' "$1" | sed '/^"""/,$d' |
		sed -n '/[a-z]/p' >"$scratch/want"
	source=$1
	shift
	"$@" >"$scratch/got" 2>&1 || {
		cat "$scratch/got"
		fail "$source ends with an error"
	}
	[ -s "$scratch/want" ] || fail "$source does not say what it prints"
	diff "$scratch/want" "$scratch/got" ||
		fail "$source should print what is marked <, and prints what is marked >"
}

# Its processor may be another one than that of the library.
python_works() {
	command -v python3 >/dev/null &&
		python3 -c "import ctypes; ctypes.CDLL('$shared/libaco.so.2')" 2>/dev/null &&
		python3 -c 'import sys; sys.exit(sys.version_info >= (3, 14))'
}

rust_works() {
	[ -z "$(arch_flags)" ] && command -v rustc >/dev/null || return 1
	echo 'use std::sync::OnceLock;
#[link(name = "aco")]
extern "C" { fn aco_version() -> *const u8; }
fn main() { OnceLock::<i32>::new(); unsafe { aco_version() }; }' >"$scratch/probe.rs"
	rust probe "$scratch/probe.rs" 2>/dev/null && "$scratch/probe"
}

# rust NAME SOURCE FLAG...: the program $scratch/NAME.
rust() {
	name=$1
	shift
	rustc --edition 2021 -L "$shared" -C "link-arg=-Wl,-rpath,$shared" \
		--out-dir "$scratch" --crate-name "$name" "$@"
}

if python_works; then
	check "$top_srcdir/examples/ctypes/generators.py" \
		env LIBACO="$shared/libaco.so.2" python3 -B \
		"$top_srcdir/examples/ctypes/generators.py"
	ran="$ran python3"
else
	missing="$missing python3 (3.6 to 3.13)"
fi
if rust_works; then
	for level in 0 2; do
		rust generators "$top_srcdir/examples/rust/generators.rs" \
			-D warnings -C opt-level=$level || fail "generators.rs"
		check "$top_srcdir/examples/rust/generators.rs" "$scratch/generators"
	done
	ran="$ran rustc"
else
	missing="$missing rustc (1.70)"
fi
[ -n "$ran" ] || skip "not here, or not for this processor:$missing"
echo "tried:$ran${missing:+; not here:$missing}"
