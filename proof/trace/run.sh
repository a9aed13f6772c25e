#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh LIBDIR INCLUDE CC...: 100,000 random operations on cos that share stacks,
# in LIBDIR/libaco.a and in the model of Share.v, compared one by one.  Exits with
# 1, and says where, if one differs.  VERBOSE=1: what kinds of copies there were.
#
# SEEDS, each with OPERATIONS, may be set, and so may COQC and OCAMLOPT, and PROOF, a
# directory with Share.vo.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proof=${PROOF:-.}
libdir=$1 include=$2
shift 2

tmp=$(mktemp -d "${TMPDIR:-/tmp}/libaco-trace.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

"$@" -O2 -fno-pie -no-pie -I"$include" "$here/trace.c" "$here/stack.S" \
	"$libdir/libaco.a" -Wl,--wrap=aco_leave_place -pthread -o "$tmp/trace"

cp "$here/Extract.v" "$here/compare.ml" "$tmp"
cd "$tmp"
if [ "$proof" = . ]; then
	cp "$here/../Share.v" .
	${COQC:-coqc} -q -R . Aco Share.v >/dev/null
fi
${COQC:-coqc} -q -R "$proof" Aco Extract.v >/dev/null
${OCAMLOPT:-ocamlopt} -w -a share.mli share.ml compare.ml -o compare

{
	for seed in ${SEEDS:-1 2 3 4 5 6 7 8 9 10}; do
		./trace "$seed" "${OPERATIONS:-10000}" || exit 0
	done
	echo all
} | ./compare ${VERBOSE:+verbose}
