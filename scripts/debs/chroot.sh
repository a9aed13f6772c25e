# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/debs/fresh.sh and suite.sh: chroots and logs.
# $work/base-ARCH is as debootstrap leaves it; the others are copies of it.
# shellcheck disable=SC2016 # what is quoted is for apt
# shellcheck disable=SC2154 # set by scripts/build-debs

clean_up() {
	status=$?
	trap - EXIT
	exec 2>&3
	if [ $status -ne 0 ] && [ -n "$log" ]; then
		grep -n 'FAIL\|[Ee]rror:\|^[EWIP]: ' "$log" | tail -n 20 >&2 || :
		tail -n 20 "$log" >&2
		echo "scripts/build-debs: failed, all of it is in $log" >&2
	fi
	for dir in "$work"/*/proc; do
		if mountpoint -q "$dir"; then as_root umount "$dir"; fi
	done
	as_root rm -rf --one-file-system "$work"
	exit $status
}

# logged NAME COMMAND...: quiet, unless it fails; clean_up() tells then.  (Not
# with "||" here, which would turn "set -e" off in the command.)
logged() {
	log=$output/log/$1.log
	shift
	"$@" >"$log" 2>&1
	log=
}

# Of this machine's suite, unless $suite names another, from the same mirror.
find_mirror() {
	# shellcheck disable=SC1091 # every Debian has it
	own=$(. /etc/os-release && echo "$VERSION_CODENAME")
	suite=${suite:-$own}
	if [ -z "$mirror" ]; then
		mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
			'Created-By: Packages' 'Component: main' |
			sed -n "s/^$own //p" | head -n 1)
	fi
	[ -n "$mirror" ] || fail "apt knows no mirror of $own"
}

make_base() {
	logged "debootstrap-$1" as_root debootstrap --arch="$1" \
		--variant=minbase "$suite" "$work/base-$1" "$mirror"
	# There are no pseudo terminals in these chroots, and apt says so.
	echo 'Dpkg::Use-Pty "0";' |
		as_root tee "$work/base-$1/etc/apt/apt.conf.d/50pty" >/dev/null
	# As on this machine: the proxy, and whether a mirror may be an old copy.
	apt-config dump Acquire | grep -iE '::proxy|::Check-Valid-Until' |
		as_root tee "$work/base-$1/etc/apt/apt.conf.d/50proxy" >/dev/null || :
}

# make_chroot NAME ARCH
make_chroot() {
	as_root cp -a "$work/base-$2" "$work/$1-$2"
	as_root mount -t proc proc "$work/$1-$2/proc"
}

drop_chroot() {
	as_root umount "$work/$1/proc"
	as_root rm -rf --one-file-system "${work:?}/$1"
}

# inside CHROOT SCRIPT
inside() {
	as_root chroot "$work/$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		DEBIAN_FRONTEND=noninteractive sh -euxc "$2"
}

# put CHROOT DIR FILE...: copies files there.
put() {
	to=$work/$1$2
	shift 2
	as_root mkdir -p "$to"
	as_root cp "$@" "$to"
}

# in_chroot NAME ARCH FUNCTION: in a chroot of its own, which goes again.
in_chroot() {
	make_chroot "$1" "$2"
	logged "$1-$2" "$3" "$2"
	drop_chroot "$1-$2"
}
