#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nginx as one process, with a configuration of its own:
#	serve-nginx DIRECTORY NGINX CONNECTIONS
set -eu

if [ $# -ne 3 ] || [ -z "${BENCH_PORT:-}" ]; then
	echo "usage: serve-nginx DIRECTORY NGINX CONNECTIONS, started by bench/io/load" >&2
	exit 2
fi
# It closes idle connections when a sixteenth of the places is left.
places=$(($3 + $3 / 8 + 100))
cat >"$1/nginx.conf" <<CONF
daemon off;
master_process off;
pid $1/nginx.pid;
error_log stderr crit;
events {
	worker_connections $places;
	multi_accept on;
}
http {
	access_log off;
	keepalive_timeout 3600s;
	keepalive_requests 1000000000;
	client_body_temp_path $1/body;
	proxy_temp_path $1/proxy;
	fastcgi_temp_path $1/fastcgi;
	uwsgi_temp_path $1/uwsgi;
	scgi_temp_path $1/scgi;
	server {
		listen 127.0.0.1:$BENCH_PORT;
		default_type text/plain;
		location / {
			return 200 "hello\n";
		}
	}
}
CONF
exec "$2" -p "$1" -c "$1/nginx.conf"
