#!/bin/sh
# Shows the library at work: builds the example service, asks its endpoints, and takes away and
# gives back the upstream that it depends on:
#
#   sh examples/quickstart.sh [--stay]
#
# Packages that are missing are installed.  What is built stays in build/, or HEALTH_BUILD_ROOT, for
# the next time.  With --stay the service goes on until Ctrl-C.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/lib/packages.sh"

case $* in
'' | --stay) stay=$* ;;
-h | --help)
    sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
    exit 0
    ;;
*)
    echo "Usage: sh $0 [--stay]" >&2
    exit 2
    ;;
esac

scratch=
upstream=
service=

fail()
{
    echo "== Not as expected: $*" >&2
    exit 1
}

# patiently <words>...: Runs it every tenth of a second until it succeeds, for ten seconds.
patiently()
{
    tries=100
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            return 1
        fi
        sleep 0.1
    done
}

# is_gone <pid>: A child of ours that has ended; the shell knows after any command that it ran.
is_gone()
{
    ! kill -0 "$1" 2>/dev/null
}

# end <pid>: Ends it in good order, or else at once.  Returns its exit status.
end()
{
    kill -TERM "$1" 2>/dev/null || true
    patiently is_gone "$1" || kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null
}

clean_up()
{
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    for pid in $service $upstream; do
        end "$pid" || true
    done
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# logged <log> <words>...: Runs it; what it said is shown if it fails.
logged()
{
    log=$1
    shift
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
}

# run_service <name> <option>...: Runs it in the background; its words go to $scratch/<name>.
run_service()
{
    name=$1
    shift
    mkdir -p "$scratch/data/$name"
    : >"$scratch/$name"
    "$build/examples/service" --data "$scratch/data/$name" --drain-ms 0 --health-port 0 "$@" \
        >"$scratch/$name" 2>&1 &
}

# says_ports <name> <pid>: Succeeds as well if it has ended: it will not say them any more.
says_ports()
{
    grep -q '^service on port' "$scratch/$1" || is_gone "$2"
}

# wait_until_up <name> <pid>: Sets `port` and `health_port`.
wait_until_up()
{
    patiently says_ports "$1" "$2" || true
    line=$(grep '^service on port' "$scratch/$1") ||
        fail "the $1 does not start: $(cat "$scratch/$1")"
    health_port=${line##* }
    port=${line%%,*}
    port=${port##* }
}

# ask <path>: Sets `code` and `body`.
ask()
{
    answer=$(curl -q -s --noproxy '*' --max-time 5 -w '\n%{http_code}' "$url$1") || true
    code=${answer##*
}
    body=${answer%
*}
}

# answers <path> <code>
answers()
{
    ask "$1"
    [ "$code" = "$2" ]
}

# show <path> <code>: Asks until the code is the expected one, and shows the answer: a line for each
# check.
show()
{
    patiently answers "$1" "$2" || fail "GET $1 gives $code instead of $2: $body"
    echo "GET $1 -> $code"
    printf '%s\n' "$body" | sed 's/"checks":{"/"checks":{\n    "/; s/}\],/&\n    /g; s/^/    /'
}

need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "asking" curl

cd "$root"
build=${HEALTH_BUILD_ROOT:-build}/quickstart
echo "== Building the library and the example service in $build…"
configure()
{
    # shellcheck disable=SC2086 # a list of words
    cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DHEALTH_BUILD_TESTS=OFF \
        -DHEALTH_BUILD_EXAMPLES=ON ${HEALTH_CMAKE_ARGS-}
}
scratch=$(mktemp -d)
# What was built where the sources had another path is of no use: then once more from nothing.
configure >"$scratch/log" 2>&1 || {
    rm -rf "$build"
    logged "$scratch/log" configure
}
logged "$scratch/log" cmake --build "$build"

echo "== Starting an upstream, and the service that depends on it…"
run_service upstream --port 0
upstream=$!
wait_until_up upstream "$upstream"
upstream_port=$port
run_service service --port 0 --upstream "127.0.0.1:$upstream_port"
service=$!
wait_until_up service "$service"
url=http://127.0.0.1:$health_port

echo "== It is up at $url:"
show /startup 200
show /live 200
show /ready 200
show /health 200

echo "== The upstream ends: the service is alive, and not ready…"
end "$upstream" || fail "the upstream ends with $?"
upstream=
show /ready 503
case $body in
*'"upstream"'*) ;;
*) fail "/ready does not name the upstream" ;;
esac
show /live 200

echo "== The upstream comes back: the service is ready again, by itself…"
run_service upstream --port "$upstream_port"
upstream=$!
wait_until_up upstream "$upstream"
show /ready 200

if [ -n "$stay" ]; then
    echo "== The service stays until Ctrl-C: try curl -i $url/health, /ready, /live or /startup"
    trap 'echo "== Ending the service"; exit 0' INT TERM
    wait "$service" || true
    fail "the service has ended: $(cat "$scratch/service")"
fi

echo "== SIGTERM: the service ends in good order…"
end "$service" || fail "the service ends with $?"
service=
echo "== Done.  sh $0 --stay leaves it running for you to try; examples/hello.c is where to start."
