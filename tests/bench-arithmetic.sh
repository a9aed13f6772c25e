#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the benchmark computes of its samples.
. "${top_srcdir:-.}/tests/common.sh"

python3 -c 'from statistics import quantiles' 2>/dev/null ||
	skip "no python3 (3.8 or later) here"
export top_srcdir
# -B: the source directory may be read-only.
python3 -B "$top_srcdir/tests/bench-arithmetic.py"
