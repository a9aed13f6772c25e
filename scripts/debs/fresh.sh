# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/build-debs: the packages of the architectures named, built and
# tried in fresh systems.
# shellcheck disable=SC2016 # what is quoted is for another shell
# shellcheck disable=SC2154 # set by scripts/build-debs

# shellcheck source=scripts/debs/chroot.sh
. "$root/scripts/debs/chroot.sh"
# shellcheck source=scripts/debs/thorough.sh
. "$root/scripts/debs/thorough.sh"

# ------------------------------------------------------------------- building --

make_source() {
	put "build-$1" /srv "$root/scripts/debs/make-source"
	as_root mkdir -p "$work/build-$1/build"
	as_root cp -a "$work/tree" "$work/build-$1/build/tree"
	logged source inside "build-$1" '
		apt-get install -y --no-install-recommends \
			autoconf automake libtool pkgconf xz-utils
		cd /build
		sh /srv/make-source '"$compare"
	cp "$work/build-$1/build"/* "$output"
}

make_packages() {
	put "build-$1" /build "$output"/*.dsc "$output"/*.tar.xz
	logged "build-deps-$1" inside "build-$1" '
		cd /build
		dpkg-source -x *.dsc source
		apt-get build-dep -y --no-install-recommends ./source'
	logged "build-$1" inside "build-$1" '
		cd /build/source
		dpkg-buildpackage -us -uc -b'
	cp "$work/build-$1/build"/*.deb "$work/build-$1/build"/*.changes \
		"$work/build-$1/build"/*.buildinfo "$output"
}

make_repository() {
	put "build-$1" /build/repository "$output"/*.deb
	inside "build-$1" '
		cd /build/repository
		dpkg-scanpackages --multiversion . /dev/null' \
		>"$output/Packages" 2>"$output/log/repository.log"
}

# ------------------------------------------------------------------- checking --

check_packages() {
	put "build-$1" /srv "$root/scripts/debs/run-lintian"
	logged "lintian-$1" inside "build-$1" '
		apt-get install -y --no-install-recommends lintian
		cd /build
		sh /srv/run-lintian'
	put "build-$1" /build "$output/log/build-$1.log"
	logged "blhc-$1" inside "build-$1" '
		apt-get install -y --no-install-recommends blhc
		blhc --bindnow /build/build-*.log'
}

# The first lines: the repository as a user would enter it.
add_repository() {
	put "$1" /srv/libaco "$output"/*.deb "$output/Packages"
	inside "$1" '
		echo "deb [trusted=yes] file:/srv/libaco ./" >/etc/apt/sources.list.d/libaco.list
		apt-get update'
}

# Installs, uses and removes the packages; nothing may be left.
try_packages() {
	add_repository "try-$1"
	sed -n '/^```c$/,/^```$/{/^```/!p}' "$root/README.md" >"$work/count.c"
	sed -n '/^cat >tasks.c/,/^C$/{//!p}' "$root/debian/tests/programs" >"$work/tasks.c"
	put "try-$1" /srv "$work/count.c" "$work/tasks.c"
	inside "try-$1" '
		files() {
			find / -xdev \( -path /proc -o -path /tmp -o -path /var/cache \
				-o -path /var/lib/apt -o -path /var/lib/dpkg \
				-o -path /var/log -o -path /srv \) -prune -o -print | sort
			dpkg-query -W
		}
		apt-get install -y --no-install-recommends gcc libc6-dev man-db pkgconf
		files >/srv/before
		apt-get install -y --no-install-recommends libaco-dev
		if dpkg-query -W libaco-io0; then exit 1; fi
		pkg-config --cflags --libs aco
		man aco_resume | grep aco_resume
		man aco | grep libaco
		cd /srv
		cc -o count count.c $(pkg-config --cflags --libs aco)
		test "$(./count | tr "\n" " ")" = "1 2 3 "
		cc -static -o count-static count.c $(pkg-config --static --cflags --libs aco)
		test "$(./count-static | tr "\n" " ")" = "1 2 3 "
		apt-get install -y --no-install-recommends libaco-io-dev
		dpkg --verify '"$packages"'
		man aco_io | grep libaco-io
		cc -o tasks tasks.c $(pkg-config --cflags --libs aco-io)
		./tasks
		cc -static -o tasks-static tasks.c $(pkg-config --static --cflags --libs aco-io)
		./tasks-static
		apt-get purge -y '"$packages"'
		files >/srv/after
		diff -u /srv/before /srv/after'
	cp "$work/try-$1/srv/count" "$work/count-$1"
	cp "$work/try-$1/srv/tasks" "$work/tasks-$1"
}

run_autopkgtest() {
	add_repository "autopkgtest-$1"
	inside "autopkgtest-$1" 'apt-get install -y --no-install-recommends dpkg-dev'
	# 0: all passed, 2: some were skipped
	as_root autopkgtest --no-built-binaries "$output"/libaco*_"$1".deb \
		"$output"/libaco_*.dsc -- chroot "$work/autopkgtest-$1" || [ $? -eq 2 ]
}

# Both architectures in one system, and a program of each runs.
try_side_by_side() {
	add_repository side-amd64
	put side-amd64 /srv "$work"/count-* "$work"/tasks-*
	inside side-amd64 '
		dpkg --add-architecture i386
		apt-get update
		apt-get install -y --no-install-recommends libaco-io-dev:amd64 libaco-io-dev:i386
		dpkg --verify
		for arch in amd64 i386; do
			/srv/count-$arch
			/srv/tasks-$arch
		done'
}

# ----------------------------------------------------------------------- main --

archs=${archs:-amd64 i386}
output=${output:-$root/build/debs}
find_mirror
install_packages debootstrap git
[ "$build_only" = yes ] || install_packages autopkgtest
mkdir -p "$output/log"
rm -f "$output"/libaco* "$output"/Packages "$output"/log/*.log
output=$(cd "$output" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/libaco-debs.XXXXXX")
chmod 755 "$work"
exec 3>&2
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

copy_sources
first=
for arch in $archs; do
	echo "== $arch: a fresh $suite from $mirror"
	make_base "$arch"
	make_chroot build "$arch"
	logged "build-essential-$arch" inside "build-$arch" \
		'apt-get install -y --no-install-recommends build-essential fakeroot'
	if [ -z "$first" ]; then
		first=$arch
		echo "== source package"
		make_source "$arch"
	fi
	echo "== $arch: packages"
	make_packages "$arch"
done
make_repository "$first"
if [ "$build_only" = yes ]; then exit; fi

for arch in $archs; do
	echo "== $arch: lintian, blhc"
	check_packages "$arch"
	if [ "$thorough" = yes ]; then
		echo "== $arch: twice in a row, reproducibly"
		logged "twice-$arch" build_again "$arch"
		logged "reprotest-$arch" build_reproducibly "$arch"
	fi
	drop_chroot "build-$arch"
	echo "== $arch: install, use, remove"
	in_chroot try "$arch" try_packages
	echo "== $arch: autopkgtest"
	in_chroot autopkgtest "$arch" run_autopkgtest
	sed -n '/@ summary$/,$s/^\([a-z]*\)  *SKIP /   skipped: \1: /p' \
		"$output/log/autopkgtest-$arch.log"
	if [ "$thorough" = no ]; then continue; fi
	echo "== $arch: without tests and manual"
	in_chroot without "$arch" build_without
	echo "== $arch: piuparts"
	in_chroot piuparts "$arch" run_piuparts
done
case $archs in
*amd64*i386* | *i386*amd64*)
	echo "== both architectures side by side"
	in_chroot side amd64 try_side_by_side
	if [ "$thorough" = yes ]; then
		echo "== i386 on amd64"
		in_chroot cross amd64 build_cross
	fi
	;;
esac
echo "== all well; for apt: deb [trusted=yes] file:$output ./"
