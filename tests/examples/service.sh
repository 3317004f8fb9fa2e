#!/bin/sh
# examples/service: its options and what is wrong with each, its checks as they pass, warn and fail, and
# its end at SIGTERM.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
service=$(cd "${BUILD_DIR:-$root/build/release}" && pwd)/examples/service
. "$root/tests/lib/services.sh"

# A service that ends at once joins nobody.
export TSAN_OPTIONS="${TSAN_OPTIONS-}:report_thread_leaks=0"

pids=
clean_up()
{
    for pid in $pids $(pgrep -f "telnet://127.0.0.1:${port:-none}"); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clean_up EXIT

# Where the service leaves its file if it is told nothing.
cd "$scratch"

# refuses <pattern> <option>...: It ends with 2, having said so on stderr.
refuses()
{
    pattern=$1
    shift
    code=0
    "$service" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || code=$?
    [ "$code" = 2 ] || fail "service $*: ends with $code"
    grep -qE -e "$pattern" "$scratch/err" || fail "service $*: says $(cat "$scratch/err")"
    [ ! -s "$scratch/out" ] || fail "service $*: says so on stdout"
}

echo "== Options"
"$service" --help >"$scratch/out" || fail "--help ends with $?"
for option in --port --health-port --upstream --data --help; do
    grep -q -e "$option" "$scratch/out" || fail "--help does not name $option"
done
for port in --port --health-port; do
    for value in 70000 -1 x '' 80x; do
        refuses "$port '$value'" "$port" "$value"
    done
done
for value in nowhere :80 127.0.0.1:0 127.0.0.1:x 127.0.0.1:70000; do
    refuses "--upstream" --upstream "$value"
done
refuses "--data '$scratch/none'.*No such file" --data "$scratch/none"
refuses "unrecognized option|unknown option" --nonsense
refuses "requires an argument|option requires" --port
refuses "argument 'x'" x

# run <name> <option>...: Runs it; sets `pid`, `port` and `url`.
run()
{
    name=$1
    shift
    mkdir -p "$scratch/$name.data"
    : >"$scratch/$name"
    "$service" --port 0 --health-port 0 --data "$scratch/$name.data" --drain-ms 0 "$@" \
        >"$scratch/$name" 2>&1 </dev/null &
    pid=$!
    pids="$pids $pid"
    patiently grep -q '^service on port' "$scratch/$name" || fail "$name: $(cat "$scratch/$name")"
    port=$(sed -n 's/^service on port \([0-9]*\),.*/\1/p' "$scratch/$name")
    url=http://127.0.0.1:$(sed -n 's/.*health on port //p' "$scratch/$name")
}

ask()
{
    curl -q -s --noproxy '*' --max-time 5 -o "$scratch/body" -w '%{http_code}' "$url$1" || true
}

# answers <code> <path> <pattern>
answers()
{
    [ "$(ask "$2")" = "$1" ] && grep -qE -e "$3" "$scratch/body"
}

must_answer()
{
    patiently answers "$@" || fail "GET $2: not $1 with $3, but $(ask "$2"): $(cat "$scratch/body")"
}

echo "== The port that is in use"
run upstream
upstream_pid=$pid
upstream_port=$port
code=0
"$service" --port "$upstream_port" --health-port 0 --data "$scratch" >"$scratch/out" 2>&1 || code=$?
[ "$code" = 1 ] && grep -q "port $upstream_port: Address already in use" "$scratch/out" ||
    fail "a port in use: $code, $(cat "$scratch/out")"
code=0
"$service" --port 0 --health-port "${url##*:}" --data "$scratch" >"$scratch/out" 2>&1 || code=$?
[ "$code" = 1 ] && grep -q "cannot listen on \*:${url##*:}: Address already in use" "$scratch/out" ||
    fail "a health port in use: $code, $(cat "$scratch/out")"

echo "== Everything passes"
run service --upstream "127.0.0.1:$upstream_port"
must_answer 200 /ready '"status":"pass"'
must_answer 200 /health '"data":.*"queue":.*"upstream":.*"accept-loop":'

echo "== The queue is backed up: a warning, which is no failure"
i=0
while [ "$i" -lt 45 ]; do
    sleep 15 | curl -q -s --noproxy '*' "telnet://127.0.0.1:$port" >"$scratch/idle" 2>&1 &
    pids="$pids $!"
    i=$((i + 1))
done
must_answer 200 '/health/queue' '"status":"warn".*"observedValue":[34][0-9],.*more than half full'
for idle in $(pgrep -f "telnet://127.0.0.1:$port"); do
    kill "$idle"
done
must_answer 200 '/health/queue' '"status":"pass"'

echo "== The data directory goes away, and comes back"
mv "$scratch/service.data" "$scratch/elsewhere"
must_answer 503 /ready '"data":\[\{"status":"fail".*cannot create a file'
must_answer 200 /live '"status":"pass"'
mv "$scratch/elsewhere" "$scratch/service.data"
must_answer 200 /ready '"status":"pass"'

echo "== The upstream goes away"
kill -TERM "$upstream_pid"
wait "$upstream_pid" || fail "the upstream ends with $?"
must_answer 503 /ready '"upstream":\[\{"status":"fail".*refused'
must_answer 200 /live '"status":"pass"'

echo "== SIGTERM ends it cleanly"
kill -TERM "$pid"
wait "$pid" || fail "it ends with $?"
[ "$(wc -l <"$scratch/service")" -eq 1 ] || fail "it has more to say: $(cat "$scratch/service")"

echo "== What is in flight at SIGTERM is finished"
run flying
must_answer 200 /ready '"status":"pass"'
# Clients that send nothing keep its four workers, so that a request waits behind the fifth.
for client in 1 2 3 4 5; do
    sleep 15 | curl -q -s --noproxy '*' "telnet://127.0.0.1:$port" >"$scratch/idle" 2>&1 &
    pids="$pids $!"
done
must_answer 200 /health/queue '"observedValue":1,'
{
    echo "in flight"
    sleep 15
} | curl -q -s --noproxy '*' "telnet://127.0.0.1:$port" >"$scratch/answer" 2>&1 &
pids="$pids $!"
must_answer 200 /health/queue '"observedValue":2,'
kill -TERM "$pid"
wait "$pid" || fail "it ends with $?"
patiently grep -q '^ok' "$scratch/answer" || fail "a request in flight is answered: $(cat "$scratch/answer")"
grep -q '^in flight$' "$scratch/flying.data/requests" || fail "a request in flight is not stored"

# stores <line>: A client of the service's is served.
stores()
{
    printf '%s\n' "$1" | curl -q -s --noproxy '*' --max-time 2 "telnet://127.0.0.1:$port" |
        tr -d '\r' | grep -q '^ok$'
}

echo "== SIGTERM drains it: not ready, alive, and still serving for a while"
run draining --drain-ms 60000
must_answer 200 /ready '"status":"pass"'
kill -TERM "$pid"
must_answer 503 /ready '"draining":true'
must_answer 200 /live '"status":"pass"'
patiently stores "a line" || fail "a draining service does not serve"
grep -q '^a line$' "$scratch/draining.data/requests" || fail "the line is not stored"

echo "== A second SIGTERM ends it at once"
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
[ "$code" = 143 ] || fail "it ends with $code"

echo "== It is its own health check"
run probed
"$service" --health-probe "$url/ready" >"$scratch/out" 2>&1 || fail "unhealthy: $(cat "$scratch/out")"
[ ! -s "$scratch/out" ] || fail "a healthy one says $(cat "$scratch/out")"
mv "$scratch/probed.data" "$scratch/elsewhere"
# unhealthy <pattern>
unhealthy()
{
    code=0
    "$service" --health-probe "$url/ready" >"$scratch/out" 2>&1 || code=$?
    [ "$code" = 1 ] && grep -q "$1" "$scratch/out"
}
patiently unhealthy 'data: ' || fail "without its data it ends with $code: $(cat "$scratch/out")"
