#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples on libaco-io, with the programs that people use against such servers;
# what is not installed is left out.
. "${top_srcdir:-.}/tests/common.sh"

examples=$top_builddir/examples
client=$top_srcdir/tests/io-client.py
steps=0 missing='' pids=''
# shellcheck disable=SC2154 # scratch: common.sh
trap 'if [ -n "${pids# }" ]; then kill $pids || :; fi; rm -rf "$scratch"' EXIT

# has PROGRAM: an example that was built, or a command that is installed.
has() {
	case $1 in
	*/*) [ -x "$1" ] && return ;;
	*) command -v "$1" >/dev/null && return ;;
	esac
	case "$missing " in *" ${1##*/} "*) ;; *) missing="$missing ${1##*/}" ;; esac
	return 1
}

passed() {
	steps=$((steps + 1))
	echo "$*"
}

# start COMMAND...: a server, whose first line ends with its port: sets port and
# pid.  Its standard input and output stay open.
start() {
	rm -f "$scratch/out"
	mkfifo "$scratch/out"
	"$@" >"$scratch/out" 2>"$scratch/err" <"$scratch/in" &
	pid=$!
	pids="$pids $pid"
	exec 3<"$scratch/out"
	read -r line <&3 || {
		cat "$scratch/err"
		fail "$1 does not start"
	}
	port=${line##*[!0-9]}
}

# end PID SIGNAL: sets status.
end() {
	kill "-$2" "$1"
	status=0
	wait "$1" || status=$?
	pids=$(echo "$pids " | sed "s/ $1 / /; s/ *$//")
}

# stop PID: a server, which ends well.
stop() {
	end "$1" TERM
	[ $status -eq 0 ] || fail "a server ends with status $status"
}

# want TEXT COMMAND...: its output has this text.
want() {
	text=$1
	shift
	"$@" >"$scratch/got" 2>&1 || {
		cat "$scratch/got"
		fail "$1: an error"
	}
	grep -q "$text" "$scratch/got" || {
		cat "$scratch/got"
		fail "$1: no \"$text\""
	}
}

# A pipe that has a writer and no end, for the input of servers.
mkfifo "$scratch/in"
exec 9<>"$scratch/in"

# ---- bad input -------------------------------------------------------------------

bad() {
	has "$1" || return 0
	status=0
	timeout 60 "$@" >"$scratch/got" 2>"$scratch/err" || status=$?
	[ $status -eq 2 ] || fail "$*: status $status"
	grep -q "^usage: ${1##*/} " "$scratch/err" || fail "$*: no usage"
}

for program in echo embed-libev; do
	bad "$examples/$program" -x
	bad "$examples/$program" 65536
	bad "$examples/$program" 1x
	bad "$examples/$program" 1 2
done
bad "$examples/proxy" localhost 80 1000
bad "$examples/proxy" localhost 80 -1 1000
bad "$examples/proxy" localhost 65616 1000 1000
bad "$examples/proxy" localhost 0 1000 1000
bad "$examples/fetch" 1 1
bad "$examples/fetch" 0 1 http://localhost/
bad "$examples/tls-server" certificate
passed "wrong arguments are refused"

# Nobody could know where such a server listens.
for program in echo httpd httpd-threads; do
	if ! [ -c /dev/full ] || ! has "$examples/$program"; then continue; fi
	set -- "$examples/$program"
	case $program in httpd*) set -- "$1" --port=0 ;; esac
	status=0
	timeout 300 "$@" >/dev/full 2>"$scratch/err" || status=$?
	[ $status -eq 1 ] || fail "$program on a full disk: status $status"
done
for program in httpd httpd-threads; do
	if ! [ -c /dev/full ] || ! has "$examples/$program"; then continue; fi
	for option in --help --version; do
		if "$examples/$program" $option >/dev/full 2>"$scratch/err"; then
			fail "$program $option says nothing of a full disk"
		fi
	done
done
passed "a full disk is an error"

# ---- echo, also in the loop of libev ----------------------------------------------

test_echo() {
	has "$1" || return 0
	has python3 || return 0
	start "$@" 0
	python3 "$client" echo "$port" 50 || fail "$*"
	# One that does nothing at the server's end is cut off.
	rm -f "$scratch/held"
	mkfifo "$scratch/held"
	python3 "$client" hold "$port" >"$scratch/held" &
	holder=$!
	read -r line <"$scratch/held"
	stop "$pid"
	wait "$holder" || fail "$*: the end"
	passed "${1##*/} ($stack): 50 connections, and the end of an idle one"
}

test_echo_without_descriptors() {
	has python3 || return 0
	# shellcheck disable=SC3045 # dash and bash have it
	start sh -c 'ulimit -n 16; exec "$@"' sh "$@" 0
	python3 "$client" echo "$port" 50 || fail "$*"
	stop "$pid"
	grep -q 'Too many open files' "$scratch/err" ||
		fail "$*: 16 descriptors were enough"
	passed "${1##*/} ($stack): 50 connections with 16 descriptors"
}

# ---- HTTP: curl, wrk, h2load -> proxy -> httpd, and fetch -------------------------

no_errors() {
	if grep -E 'Socket errors|Non-2xx' "$scratch/got"; then fail "$*"; fi
}

# test_clients NAME PORT
test_clients() {
	url=http://127.0.0.1:$2
	if has curl; then
		want Hello curl -sS --fail "$url/hello"
		want '100000 bytes' curl -sS --fail --data-binary "@$scratch/body" \
			"$url/discard"
		curl -sS --fail -o "$scratch/copy" "$url/big" ||
			fail "$1: a big file"
		cmp "$scratch/copy" "$scratch/root/big" || fail "$1: a big file"
		passed "$1: curl"
	fi
	if has wrk; then
		# without --timeout, an answer after two seconds is an error
		want 'Requests/sec' wrk -c 100 -t 1 -d 1 --timeout 300 "$url/hello"
		no_errors "$1: wrk"
		passed "$1: wrk, 100 connections"
	fi
	if has h2load; then
		want 'status codes: 1000 2xx' \
			h2load --h1 -n 1000 -c 100 "$url/hello"
		passed "$1: h2load, 100 connections"
	fi
	if has "$examples/fetch"; then
		want '^1000 ok, 0 failed' "$examples/fetch" $flag 100 1000 \
			"$url/hello"
		passed "$1: fetch, 1000 pages by 100 tasks"
	fi
}

# Of all clients so far.
count_requests() {
	curl -sS "http://127.0.0.1:$port/status" | sed -n 's/^requests //p'
}

# The end of the server among requests: those it has begun are answered.
test_end_under_load() {
	has wrk && has curl || return 0
	before=$(count_requests)
	wrk -c 200 -t 1 -d 60 "http://127.0.0.1:$port/hello" >"$scratch/wrk" 2>&1 &
	load=$!
	pids="$pids $load"
	until [ "$(count_requests)" -ge $((before + 1000)) ]; do :; done
	stop "$pid"
	end "$load" INT
	passed "$*: its end under wrk"
}

test_http() {
	has "$examples/httpd" || return 0
	start "$examples/httpd" "--stack=$stack" --port=0 --root "$scratch/root" \
		--idle-timeout=60
	httpd=$pid httpd_port=$port
	test_clients "httpd ($stack)" "$httpd_port"
	start "$examples/proxy" $flag localhost "$httpd_port" 5000 60000
	test_clients "proxy ($stack)" "$port"
	stop "$pid"
	if has "$examples/fetch" && has curl; then
		status=0
		"$examples/fetch" $flag 10 20 "http://127.0.0.1:$httpd_port/none" \
			>"$scratch/got" || status=$?
		[ $status -eq 1 ] || fail "fetch: status $status for a page that is not there"
		grep -q '^0 ok, 20 failed$' "$scratch/got" || fail "fetch: 404"
	fi
	pid=$httpd port=$httpd_port
	test_end_under_load "httpd ($stack)"
	case "$pids " in *" $pid "*) stop "$pid" ;; esac
}

# ---- proxy: half-close, deadlines -------------------------------------------------

test_proxy() {
	has python3 || return 0
	start "$examples/echo" 0
	echo=$pid
	start "$examples/proxy" $flag 127.0.0.1 "$port" 5000 60000
	python3 "$client" echo "$port" 50 || fail "proxy ($stack) to echo"
	stop "$pid"
	stop "$echo"
	passed "proxy ($stack): 50 connections, each direction ends by itself"

	# Neither side says anything: the time without a byte is over.
	start python3 "$client" count
	counter=$pid counter_port=$port
	start "$examples/proxy" $flag 127.0.0.1 "$counter_port" 5000 50
	python3 "$client" end "$port" || fail "proxy ($stack): idle"
	stop "$pid"
	end "$counter" TERM
	passed "proxy ($stack): ends what is idle"

	# Nobody accepts; and nobody listens.
	start python3 "$client" deaf
	deaf=$pid
	start "$examples/proxy" $flag 127.0.0.1 "$port" 50 60000
	python3 "$client" end "$port" || fail "proxy ($stack): no answer"
	stop "$pid"
	grep -q 'timed out' "$scratch/err" || fail "proxy ($stack): says nothing of the deadline"
	end "$deaf" TERM
	start "$examples/proxy" $flag 127.0.0.1 "$counter_port" 5000 60000
	python3 "$client" end "$port" || fail "proxy ($stack): refused"
	stop "$pid"
	grep -q 'refused' "$scratch/err" || fail "proxy ($stack): says nothing of the refusal"
	passed "proxy ($stack): gives up on a server that does not answer"
}

# ---- TLS --------------------------------------------------------------------------

test_tls() {
	has "$examples/tls-server" && has openssl || return 0
	if [ ! -e "$scratch/cert" ]; then
		openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost \
			-addext subjectAltName=IP:127.0.0.1 -days 2 \
			-keyout "$scratch/key" -out "$scratch/cert" 2>"$scratch/err" ||
			fail "openssl makes no certificate"
	fi
	start "$examples/tls-server" $flag "$scratch/cert" "$scratch/key"
	printf 'GET / HTTP/1.0\r\n\r\n' >"$scratch/request"
	want Hello openssl s_client -quiet -verify_return_error \
		-CAfile "$scratch/cert" -connect "127.0.0.1:$port" <"$scratch/request"
	passed "tls-server ($stack): s_client"
	if has python3; then
		python3 "$client" tls "$port" "$scratch/cert" ||
			fail "tls-server ($stack): a reply is lost"
		passed "tls-server ($stack): a body that it does not read"
	fi
	if has curl; then
		url=https://127.0.0.1:$port
		want Hello curl -sS --fail --cacert "$scratch/cert" "$url/"
		# A head that is too long; and no TLS.
		if curl -sS --cacert "$scratch/cert" "$url/$(head -c 9000 /dev/zero |
			tr '\0' x)" >"$scratch/got" 2>&1; then
			fail "tls-server takes a head of 9000 bytes"
		fi
		if curl -sS "http://127.0.0.1:$port/" >"$scratch/got" 2>&1; then
			fail "tls-server talks without TLS"
		fi
		passed "tls-server ($stack): curl"
	fi
	if has h2load; then
		want '200 2xx' h2load --h1 -n 200 -c 200 "https://127.0.0.1:$port/"
		passed "tls-server ($stack): h2load, 200 connections"
	fi
	stop "$pid"
}

# -----------------------------------------------------------------------------------

mkdir "$scratch/root"
head -c 3000000 /dev/urandom >"$scratch/root/big"
head -c 100000 /dev/zero >"$scratch/body"
for stack in standalone shared; do
	flag=
	if [ $stack = shared ]; then flag=-s; fi
	# shellcheck disable=SC2086 # nothing, or an option
	{
		test_echo "$examples/echo" $flag
		test_echo_without_descriptors "$examples/echo" $flag
		test_echo "$examples/embed-libev" $flag
	}
	test_http
	test_proxy
	test_tls
done
if [ -n "$missing" ]; then echo "left out, as they are not here:$missing"; fi
echo "$steps steps"
