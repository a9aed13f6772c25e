# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: threads that run at the same time and hand cos to each
# other.  A part of the time with 15,000 signals a second for each thread.
# shellcheck disable=SC2034,SC2154 # programs is for build.sh; work is that of scripts/torture

exchange_variants() {
	cat <<'VARIANTS'
gcc|-O2|plain||
clang|-O2 +c++|plain||
VARIANTS
}

# exchange SECONDS
exchange() {
	programs=exchange
	build_all exchange_variants || return 1
	run_each exchange "$1" 15000
}
