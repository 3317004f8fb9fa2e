#!/bin/sh
# curl and the probe over a unix socket, beside a port: the same answers, a file that is nobody
# else's, and none of it left behind.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/consumers.sh"
needs_program curl

# ask <curl's options and path>...: What it says is in $scratch/said.
ask()
{
    curl -q -sS --max-time 5 --unix-socket "$socket" "$@" >"$scratch/said" 2>&1
}

said()
{
    grep -qE "$1" "$scratch/said" || {
        cat "$scratch/said"
        fail "'$1' is not in it"
    }
}

stop_service
socket=$scratch/health.sock
start_service "127.0.0.1:0,unix:$socket"

ask -f http://localhost/health || fail "curl exits with $?"
said '^\{"status":"pass"'
ask -f -I http://localhost/ready || fail "curl exits with $?"
said '^HTTP/1.1 200'
curl -q -sS --noproxy '*' --max-time 5 -f "http://127.0.0.1:$port/health" >"$scratch/said" ||
    fail "the port does not answer"
said '^\{"status":"pass"'
[ "$(stat -c %a "$socket")" = 600 ] || fail "the mode of the file is $(stat -c %a "$socket")"

tell fail
ask -w '%{http_code}' http://localhost/health || fail "curl exits with $?"
said '"output":"the file says so".*503$'
if ask -f http://localhost/health; then
    fail "curl -f is content with a 503"
fi
probe=$build/health-probe
if [ -x "$probe" ]; then
    if "$probe" "unix:$socket:/ready" >"$scratch/said"; then
        fail "the probe is content with a 503"
    fi
    said "^unix:$socket:/ready: 503: file: the file says so\$"
    "$probe" "unix:$socket:/live" >"$scratch/said" || fail "the probe exits with $?"
    [ ! -s "$scratch/said" ] || fail "the probe says something"
else
    echo "not tested: health-probe was not built"
fi

stop_service
[ ! -e "$socket" ] || fail "the file is still there"

# Killed, it leaves the file behind; the next one takes its place.
start_service "unix:$socket"
[ "$port" = 0 ] || fail "a unix socket has port $port"
kill -KILL "$service_pid"
wait "$service_pid" || true
[ -e "$socket" ] || fail "the file is gone"
exec 9>&-
start_service "unix:$socket?mode=0666"
ask -f http://localhost/live || fail "curl exits with $?"
[ "$(stat -c %a "$socket")" = 666 ] || fail "the mode of the file is $(stat -c %a "$socket")"
stop_service
