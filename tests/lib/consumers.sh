# shellcheck shell=sh
# What the tests of programs that read health endpoints have in common.  To be sourced; any POSIX
# shell.
#
# Sets `scratch`, a directory that goes away in the end, and starts a service, tests/consumers/service.c,
# that listens on `port`.  All that runs ends with the script.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
build=${BUILD_DIR:-$(dirname "$0")/../../build/release}
service=$build/tests/consumers-service

. "$(dirname "$0")/../lib/cannot.sh"
. "$(dirname "$0")/../lib/services.sh"
pids=
clean_up()
{
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# needs_program <program>: Or there is nothing to be seen here.
needs_program()
{
    if ! command -v "$1" >/dev/null; then
        cannot "there is no $1"
    fi
}

# tell <word>: How the service is from now on.
tell()
{
    echo "$1" >"$scratch/new"
    mv "$scratch/new" "$scratch/word"
}

# start_service [addresses]: Sets `port` and `service_pid`.
start_service()
{
    tell pass
    # Its input ends when we do: the other end is open in this shell alone.
    [ -p "$scratch/input" ] || mkfifo "$scratch/input"
    : >"$scratch/port"
    "$service" "$scratch/word" "$@" <"$scratch/input" >"$scratch/port" &
    service_pid=$!
    pids="$pids $service_pid"
    exec 9>"$scratch/input"
    patiently test -s "$scratch/port" || fail "the service does not start"
    port=$(cat "$scratch/port")
}

# stop_service: In good order.
stop_service()
{
    exec 9>&-
    wait "$service_pid" || fail "the service ends with $?"
    pids=
}

start_service
