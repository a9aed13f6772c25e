#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh DIR: compare, in DIR, from X86.vo above it and the files beside this one.
set -eu
cp "$(dirname "$0")/Extract.v" "$(dirname "$0")/compare.ml" "$1"
cd "$1"
coqc -q -R .. Aco Extract.v
ocamlfind ocamlopt -w -a -package zarith,unix -linkpkg sem.mli sem.ml compare.ml -o compare
