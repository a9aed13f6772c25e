# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/check, after deps.sh: the packages that all checks need.
# shellcheck disable=SC2154 # archs, compilers are those of scripts/check

# For "make proof".  Proofs are for one version of Coq: another suite has another one,
# or at times none that can be installed.
install_provers() {
	case $(apt-cache show coq 2>/dev/null | sed -n 's/^Version: //p') in
	8.16.*)
		# shellcheck disable=SC2046 # a list of words
		install_packages coq ocaml-findlib libzarith-ocaml-dev \
			$(available frama-c-base why3 z3 cvc4)
		;;
	esac
}

install_all() {
	install_packages build-essential autoconf automake libtool pkgconf \
		check valgrind libc6-dbg clang libev-dev libhttp-parser-dev \
		gdb libunwind-dev mandoc groff man-db git abigail-tools \
		shellcheck python3 systemtap-sdt-dev
	# For the examples of libaco-io, and the clients that try them.
	install_packages libcurl4-openssl-dev libssl-dev curl openssl wrk \
		nghttp2-client
	# For the real programs in cos.
	install_packages libsqlite3-dev liblua5.4-dev zlib1g-dev
	# For the programs in aco_io(7).
	install_packages libuv1-dev libglib2.0-dev libsystemd-dev libpq-dev \
		libc-ares-dev
	# The versions are those of the suite, which need not have this
	# clang-format; a check that lacks it is skipped.
	clang=$(echo __clang_major__ | clang -E -P -x c -)
	# shellcheck disable=SC2046 # a list of words
	install_packages "libclang-rt-$clang-dev" $(available clang-format-14)
	install_provers
	if [ -n "$compilers" ]; then install_compilers; fi
	case $archs in *i386*) ;; *) return ;; esac
	gcc=$(gcc -dumpversion)
	if ! dpkg --print-foreign-architectures | grep -qx i386; then
		echo "scripts/check: adding i386 to this machine's architectures" >&2
		as_root dpkg --add-architecture i386
	fi
	# The compiler's own package for 32 bits; "gcc-multilib" would remove
	# every cross compiler.  Packages of development files cannot always lie
	# beside those of another architecture: see link_i386().
	install_packages "gcc-$gcc-multilib" "g++-$gcc-multilib" \
		libc6-dev-i386 check:i386 libc6-dbg:i386 \
		"$(runtime_package libev-dev):i386" \
		"$(runtime_package libhttp-parser-dev):i386"
	install_real_i386
	if [ -n "$compilers" ]; then install_compilers_i386; fi
}

# versions_of NAME...: packages NAME-VERSION of which apt knows.
versions_of() {
	for name; do
		apt-cache pkgnames "$name-" | grep -xF "$(seq -f "$name-%.0f" 11 40)"
	done
}

# install_those_there PKG...: each that can be had; others are named.
install_those_there() {
	install_packages "$@" 2>/dev/null || for package; do
		install_packages "$package" 2>/dev/null ||
			echo "scripts/check: can't be installed: $package" >&2
	done
}

# With their sanitizers; clang takes the C++ library of gcc.
install_compilers() {
	set -- lld mold
	for version in $(versions_of gcc g++ clang); do
		set -- "$@" "$version"
		case $version in clang-*) set -- "$@" "libclang-rt-${version#clang-}-dev" ;; esac
	done
	# shellcheck disable=SC2046 # a list of words
	install_those_there $(available "$@")
}

# clang makes programs for both.
install_compilers_i386() {
	set --
	for version in $(versions_of gcc g++); do
		set -- "$@" "$version-multilib"
	done
	# shellcheck disable=SC2046 # a list of words
	install_those_there $(available "$@")
}

# For the real programs in cos: left out where apt has another version of one for i386
# than is installed for this architecture.
install_real_i386() {
	for package in libsqlite3-dev liblua5.4-dev zlib1g-dev; do
		install_packages "$(runtime_package $package):i386" 2>/dev/null ||
			echo "scripts/check: not for i386: $package" >&2
	done
}
