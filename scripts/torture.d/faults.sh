# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/torture: each call that the library makes is refused once, and
# the kernel refuses, as tests/torture/faults.c has it.  That takes as long as it
# takes, for the number of the calls is what it is; less than 5 minutes get a part.
# shellcheck disable=SC2154 # work, archs are those of scripts/torture

faults_sanitizers='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

# What stands in for functions that the sanitizers have definitions of as well.
faults_wrapped() {
	sed -n 's/^[a-z].* \**MINE(\([a-z_]*\)).*/-Wl,--wrap=\1/p' \
		tests/torture/faults-inject.c
}

# faults_build ARCH LIBRARY FLAGS LINKER-FLAGS: in $work/faults-ARCH-LIBRARY.
faults_build() {
	machine=$(flags_of "$1")
	lib=$work/lib-$1-gcc-$2 dir=$work/faults-$1-$2
	mkdir -p "$dir"
	if [ ! -d "$lib" ]; then
		build_library "$1" gcc "$machine -O2 $3" "$lib" || return 1
	fi
	for source in faults faults-inject faults-kernel faults-scenarios; do
		compile gcc "-std=gnu11 -g -O2 $machine $3 ${4:+-DFAULTS_WRAP}" \
			"tests/torture/$source.c" "$dir/$source.o" || return 1
	done
	# shellcheck disable=SC2086 # words
	gcc $machine $3 "$dir"/*.o "$lib"/*.o $4 -ldl -lpthread -o "$dir/faults" \
		>>"$work/log" 2>&1
}

# faults SECONDS
faults() {
	quick=--quick
	if [ "$1" -ge 300 ]; then quick=; fi
	for arch in $archs; do
		machine=$(flags_of "$arch")
		if ! makes_programs gcc "$machine" "$work/probe"; then
			say "left out: faults, $arch"
			continue
		fi
		faults_build "$arch" plain '' '' || return 1
		# shellcheck disable=SC2086 # words
		run "$arch: faults" "$work/faults-$arch-plain/faults" $quick
		# shellcheck disable=SC2086 # words
		run "$arch: faults of the kernel" "$work/faults-$arch-plain/faults" \
			--kernel $quick
		if ! makes_programs gcc "$machine $faults_sanitizers" "$work/probe"; then
			say "left out: gcc $machine $faults_sanitizers"
			continue
		fi
		faults_build "$arch" sanitized "$faults_sanitizers" "$(faults_wrapped)" ||
			return 1
		# the alternate stacks are to be the library's, and SIGSEGV, too
		run "$arch: faults under AddressSanitizer" \
			env ASAN_OPTIONS=use_sigaltstack=0:handle_segv=0:detect_stack_use_after_return=0 \
			"$work/faults-$arch-sanitized/faults" --quick
	done
}
