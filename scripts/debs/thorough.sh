# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/debs/fresh.sh: the packages by all the ways that other builders
# may take, and piuparts.
# shellcheck disable=SC2016 # what is quoted is for another shell
# shellcheck disable=SC2154 # set by scripts/build-debs

# In the chroot of the first build.
build_again() {
	inside "build-$1" '
		cd /build/source
		for time in 1 2; do
			DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc
		done'
}

# Twice, on machines that differ in all that must not show in a package, but for
# the host name, which takes a user namespace, and no chroot can have one; and the
# number of processors: reprotest takes the first ones, not those it may use.
build_reproducibly() {
	put "build-$1" /build/reprotest "$output"/*.dsc "$output"/*.tar.xz
	vary=+all,-domain_host,-num_cpus
	if [ -e /dev/fuse ]; then
		as_root cp -a /dev/fuse "$work/build-$1/dev"
	else
		vary=$vary,-fileordering
		echo "   no /dev/fuse here: files come in the same order both times" >&3
	fi
	inside "build-$1" '
		apt-get install -y --no-install-recommends \
			reprotest faketime locales-all disorderfs diffoscope-minimal
		cd /build/reprotest
		DEB_BUILD_OPTIONS=nocheck reprotest \
			--variations='"$vary"' libaco_*.dsc -- null'
}

# build_elsewhere NAME ARCH COMPILER DEB_BUILD_OPTIONS OPTION...: in a new chroot,
# with what is needed for that and no more; options for apt-get and dpkg alike.
build_elsewhere() {
	name=$1-$2 compiler=$3 options=$4
	shift 4
	put "$name" /build "$output"/*.dsc "$output"/*.tar.xz
	inside "$name" '
		cd /build
		apt-get install -y --no-install-recommends '"$compiler"'
		dpkg-source -x *.dsc source
		apt-get build-dep -y --no-install-recommends '"$*"' ./source
		cd source
		export DEB_BUILD_OPTIONS="'"$options"'"
		dpkg-buildpackage -us -uc -b '"$*"
}

build_without() {
	build_elsewhere without "$1" build-essential "nocheck nodoc" -Pnocheck,nodoc
	inside "without-$1" '
		cd /build
		for deb in libaco-dev_*.deb libaco-io-dev_*.deb; do
			dpkg -c $deb >contents
			grep "include/aco.*\.h" contents
			if grep "share/man\|/bench\|/examples" contents; then exit 1; fi
		done'
}

# The programs of the tests run on this processor, too.
build_cross() {
	inside cross-amd64 'dpkg --add-architecture i386; apt-get update'
	build_elsewhere cross amd64 "build-essential crossbuild-essential-i386" \
		crossbuildcanrunhostbinaries -ai386 -Pcross
	inside cross-amd64 'ls /build/libaco2_*_i386.deb /build/libaco-io0_*_i386.deb'
}

run_piuparts() {
	as_root tar -czf "$work/base.tgz" -C "$work/base-$1" .
	name=piuparts-$1 arch=$1
	set -- "$work/base.tgz"
	for package in $packages; do
		set -- "$@" "$output/${package}"_*_"$arch".deb
	done
	put "$name" /srv "$@"
	inside "$name" '
		apt-get install -y --no-install-recommends piuparts
		cd /srv
		piuparts -b base.tgz -d '"$suite"' --mirror '"'$mirror main'"' *.deb'
}
