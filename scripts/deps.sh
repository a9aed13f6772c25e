# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by the scripts: packages of Debian, places to build in, and the end of what
# they have started.

# as_root COMMAND...: with sudo unless that is not needed.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "neither root nor sudo, can't run: $*" >&2
		return 1
	fi
}

# package_is_installed NAME[:ARCH]: for the machine's own architecture, if none is
# named; dpkg-query tells of all.
package_is_installed() {
	case $1 in
	*:*) wanted=${1#*:} ;;
	*) wanted=$(dpkg --print-architecture 2>/dev/null) ;;
	esac
	dpkg-query -W -f '${Architecture} ${db:Status-Status}\n' "$1" 2>/dev/null |
		grep -qxE "($wanted|all) installed"
}

# available PKG...: those of them that are installed or that apt could install.
available() {
	for package; do
		if package_is_installed "$package" ||
			apt-cache show "$package" >/dev/null 2>&1; then
			echo "$package"
		fi
	done
}

# runtime_package PKG: the package of the shared library, which a package of
# development files depends on.  Its name differs from suite to suite.
runtime_package() {
	dpkg-query -W -f '${Depends}\n' "$1:$(dpkg --print-architecture)" |
		sed 's/[ ,(].*//'
}

# install_packages PKG...: nothing happens when all are there.  Nothing is removed
# for them: a package of another architecture may want to take the place of one.
install_packages() {
	missing=
	for package; do
		package_is_installed "$package" || missing="$missing $package"
	done
	if [ -z "$missing" ]; then return 0; fi
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here; please install what these Debian packages hold:$missing" >&2
		return 1
	fi
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		echo "neither root nor sudo here; please install these packages:$missing" >&2
		return 1
	fi
	echo "installing:$missing"
	apt_log=$(mktemp)
	apt_status=0
	# Fails when one of many indexes is stale, which may not matter: the
	# installation decides.
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update \
		>"$apt_log" 2>&1 || {
		echo "apt-get update failed; trying with the package lists there are:" >&2
		grep '^[EW]:' "$apt_log" >&2 || cat "$apt_log" >&2
	}
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends --no-remove $missing >>"$apt_log" 2>&1 || apt_status=$?
	if [ $apt_status -ne 0 ]; then cat "$apt_log" >&2; fi
	rm -f "$apt_log"
	return $apt_status
}

# descendants PID: all processes that it has started, and theirs, oldest first.
descendants() {
	# shellcheck disable=SC2013 # words of one line
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		echo "$child"
		descendants "$child"
	done
}

# end_children PID: Ctrl-C does not reach what runs in the background, or under
# timeout(1).  From the top, so that none starts the next one meanwhile.
end_children() {
	for child in $(descendants "$1"); do
		kill "$child" 2>/dev/null || :
	done
}

# trust_repository DIR: git refuses those of other users, and of root in a
# container they often are.
trust_repository() {
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$1"
}

# path_is_safe PATH: whether configure and libtool can work there.
path_is_safe() {
	case $1 in
	*[!A-Za-z0-9_./+:=@%,-]*) return 1 ;;
	esac
}

# copy_tree FROM TO: the sources, without what builds have left among them.
copy_tree() {
	mkdir -p "$2"
	(cd "$1" && tar -cf - --exclude=./.git --exclude=./build \
		--exclude=./proof/work --exclude=./config.status --exclude=./Makefile \
		--exclude=./autom4te.cache --exclude=.deps --exclude=.libs \
		--exclude='*.o' --exclude='*.lo' --exclude='*.la' .) |
		(cd "$2" && tar -xf -)
}

# find_work NAME: makes $work, an empty directory.  It is build/NAME, so that nothing
# else appears in the checkout.  It is a temporary directory, which $temporary names
# too, where libtool can't stand the path, because of blanks and the like, or where
# another user owns build/NAME.
find_work() {
	# shellcheck disable=SC2154 # set by every script
	work=$root/build/$1
	temporary=
	path_is_safe "$root" && rm -rf "$work" 2>/dev/null &&
		mkdir -p "$work" 2>/dev/null && return
	temporary=$(mktemp -d "${TMPDIR:-/tmp}/libaco-$1.XXXXXX")
	work=$temporary
}
