#!/bin/sh
# A real HAProxy takes the service out and back in: with `option httpchk` as it comes, which asks
# "OPTIONS / HTTP/1.0" without a Host, and with a GET of /ready.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/consumers.sh"
PATH=$PATH:/usr/sbin
needs_program haproxy
needs_program curl

# Everything that it says is read from its statistics, on a socket in our directory.
cat >"$scratch/haproxy.cfg" <<EOT
global
    maxconn 64
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
    timeout check 1s
    default-server inter 100ms fall 2 rise 2
frontend statistics
    bind unix@$scratch/statistics
    stats enable
    stats uri /
backend plain
    option httpchk
    server s 127.0.0.1:$port check
backend ready
    option httpchk
    http-check send meth GET uri /ready ver HTTP/1.1 hdr Host test
    http-check expect status 200
    server s 127.0.0.1:$port check
backend live
    option httpchk GET /live
    server s 127.0.0.1:$port check
EOT
haproxy -db -f "$scratch/haproxy.cfg" >"$scratch/haproxy.log" 2>&1 9>&- &
haproxy_pid=$!
pids="$pids $haproxy_pid"

# ask: The statistics as CSV.
ask()
{
    curl -q -sS --noproxy '*' --max-time 5 --unix-socket "$scratch/statistics" \
        'http://localhost/;csv' >"$scratch/csv" 2>"$scratch/complaint"
}

# sees <backend> <status> <code>: HAProxy thinks so of the service, by such an answer.
sees()
{
    ask && awk -F, -v backend="$1" -v status="$2" -v code="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
        $1 == backend && $2 == "s" {
            found = $column["status"] == status && $column["check_code"] == code
        }
        END { exit !found }' "$scratch/csv"
}

# becomes <backend> <status> <code>
becomes()
{
    if ! patiently sees "$@"; then
        cat "$scratch/haproxy.log" "$scratch/complaint"
        cut -d, -f1,2,18,37-39 "$scratch/csv" 2>/dev/null || true
        fail "HAProxy's $1 does not become $2 by $3"
    fi
    echo "$1: $2 ($3)"
}

# up, down: In the eyes of those who ask for readiness; liveness does not change.
up()
{
    becomes plain UP 200
    becomes ready UP 200
    becomes live UP 200
}

down()
{
    becomes plain DOWN 503
    becomes ready DOWN 503
    becomes live UP 200
}

kill -0 "$haproxy_pid" || fail "HAProxy does not start: $(cat "$scratch/haproxy.log")"
up
tell fail
down
tell warn
up
tell unready
down
tell pass
up
tell drain
down

kill "$haproxy_pid"
wait "$haproxy_pid" 2>/dev/null || true
stop_service
