# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/build-debs: the packages of this machine's architecture, built
# and tried on this machine.  Each step counts.
# shellcheck disable=SC2154 # set by scripts/build-debs
set -eu

# shellcheck source=scripts/count.sh
. "$root/scripts/count.sh"

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}

# The tests of the package's build are left out: autopkgtest runs them again,
# with the library that comes out of it.
build() {
	copy_sources
	"$root/scripts/debs/make-source" ${compare:+"$compare"}
	dpkg-source -x ./*.dsc source
	cd source
	DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b
}

# Systems made for containers leave out manuals and documentation.
install() {
	set --
	for package in $packages; do set -- "$@" "./${package}"_*.deb; done
	apt_get install --no-install-recommends \
		-o Dpkg::Options::="--path-include=/usr/share/man/*" \
		-o Dpkg::Options::="--path-include=/usr/share/doc/libaco*" "$@"
}

# Lintian takes one processor, and so does apt-get: beside what follows.
start_lintian() {
	"$root/scripts/debs/run-lintian" >lintian.log 2>&1 &
	lintian=$!
}

count_lintian() {
	result=0
	wait $lintian || result=$?
	if [ $result -eq 0 ]; then
		success "packages: lintian"
	else
		failure lintian.log "packages: lintian"
	fi
}

remove() {
	# shellcheck disable=SC2086 # a list of words
	apt_get purge $packages
}

# What autopkgtest says of each test: "NAME PASS", "NAME SKIP why".
count_autopkgtests() {
	while read -r name result why; do
		case $result in
		PASS) success "autopkgtest $name" ;;
		SKIP) skip "autopkgtest $name" "$why" ;;
		FAIL)
			# what it printed, if it was started
			sed -n "/: test $name: \[--/,/: test $name: --/p" \
				autopkgtest.log >"$name.log"
			[ -s "$name.log" ] || cp autopkgtest.log "$name.log"
			failure "$name.log" "autopkgtest $name: $why"
			;;
		*) echo "$name $result $why" ;;
		esac
	done
}

run_autopkgtest() {
	code=0 before=$failed
	: >summary
	as_root autopkgtest --env=ACO_TEST_SAMPLE=24 --summary-file=summary \
		-B ./libaco_*.dsc -- null >autopkgtest.log 2>&1 || code=$?
	count_autopkgtests <summary
	# 0: all passed, 2: and some were skipped
	case $code in
	0 | 2) ;;
	*)
		[ "$failed" -gt "$before" ] ||
			failure autopkgtest.log "autopkgtest: ends with $code"
		;;
	esac
}

# ----------------------------------------------------------------------- main --

trap finish EXIT
trap 'exit 1' HUP INT TERM
for package in $packages; do
	for arch in amd64 i386; do
		! package_is_installed "$package:$arch" ||
			fail "$package:$arch is installed on this machine, and --here needs to install its own"
	done
done
install_packages build-essential autoconf automake libtool pkgconf xz-utils \
	check mandoc systemtap-sdt-dev valgrind debhelper lintian autopkgtest
find_work packages
cd "$work"
step "packages: build" build || exit
start_lintian
undo=remove
step "packages: install" install || exit
run_autopkgtest
count_lintian
undo=:
step "packages: remove" remove || :
