# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by scripts/check: all checks in fresh systems of one suite of Debian.  The
# tests of both architectures run in one of amd64, the packages of each in one of its
# own architecture.
# shellcheck disable=SC2154 # set by scripts/check

# shellcheck source=scripts/debs/chroot.sh
. "$root/scripts/debs/chroot.sh"

# step() keeps the output.
logged() {
	shift
	"$@"
}

fail() {
	echo "scripts/check: $*" >&2
	exit 1
}

# Everything that runs in a chroot, and then the chroots.
drop_all() {
	for link in /proc/[0-9]*/root; do
		case $(as_root readlink "$link" 2>/dev/null) in
		"$work"/*)
			pid=${link#/proc/}
			as_root kill -KILL "${pid%/root}" 2>/dev/null || :
			;;
		esac
	done
	for dir in "$work"/*/proc; do
		if mountpoint -q "$dir"; then as_root umount -l "$dir"; fi
	done
	as_root rm -rf --one-file-system "$work"
}

# The sources, and git's memory of them, which a test asks for old headers.
make_system() {
	make_base "$1"
	as_root mount -t proc proc "$work/base-$1/proc"
	copy_tree "$root" "$work/tree"
	if [ -d "$root/.git" ]; then cp -a "$root/.git" "$work/tree"; fi
	as_root mkdir "$work/base-$1/build"
	as_root cp -a "$work/tree" "$work/base-$1/build"
	as_root rm -rf "$work/tree"
	inside "base-$1" 'apt-get update'
}

# run_inside ARCH SCRIPT ARGUMENT...: a script that counts.
run_inside() {
	system=base-$1
	shift
	status=0
	inside "$system" "cd /build/tree; ACO_COUNTS=/build/counts $*" ||
		status=$?
	cat "$work/$system/build/counts" >"$ACO_COUNTS"
	as_root rm -f "$work/$system/build/counts"
	return $status
}

# drop_all() ends a job that a signal leaves behind.
run_suite() {
	systems=$archs
	case $archs in *amd64*) ;; *) systems="amd64 $archs" ;; esac
	for arch in $systems; do
		stage "$suite, $arch: a fresh system"
		step "$suite $arch: debootstrap" make_system "$arch" || continue
		if [ "$arch" = amd64 ]; then
			# shellcheck disable=SC2086,SC2154 # a list of words
			part run_inside amd64 scripts/check $compilers $archs
		fi
		case $archs in
		*"$arch"*)
			stage "$suite, $arch: packages"
			part run_inside "$arch" scripts/build-debs --here --worktree
			;;
		esac
	done
	end_stage
}

mirror=
if [ "$install" = yes ]; then install_packages debootstrap; fi
find_mirror
work=$(mktemp -d "${TMPDIR:-/tmp}/libaco-$suite.XXXXXX")
chmod 755 "$work"
# shellcheck disable=SC2034 # finish() runs it
undo=drop_all
run_suite
