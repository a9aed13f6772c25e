#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs.sh: is all there that "make proof" runs?  Else the packages of Debian.
set -eu
missing=
need() { # COMMAND PACKAGE
	command -v "$1" >/dev/null || missing="$missing $2"
}
need coqc coq
need ocamlopt ocaml
need ocamlfind ocaml-findlib
need objcopy binutils
need python3 python3
ocamlfind query zarith >/dev/null 2>&1 || missing="$missing libzarith-ocaml-dev"
if [ -n "$missing" ]; then
	echo "make proof: please install what these Debian packages hold:$missing" >&2
	exit 1
fi
