#!/bin/sh
# examples/own_server: probes answered by the service's own server, beside what it serves.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
server=$(cd "${BUILD_DIR:-$root/build/release}" && pwd)/examples/own_server
. "$root/tests/lib/services.sh"

pid=
clean_up()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

"$server" 70000 2>"$scratch/err" && fail "port 70000 is taken for one"
grep -q '65535' "$scratch/err" || fail "port 70000: $(cat "$scratch/err")"

"$server" 0 >"$scratch/out" &
pid=$!
patiently grep -q 'on port' "$scratch/out" || fail "it does not start"
url=http://127.0.0.1:$(sed -n 's/.*on port //p' "$scratch/out")

echo "== Probes"
for probe in live ready startup; do
    code=$(curl -s -m 10 -o "$scratch/body" -w '%{http_code} %{content_type}' "$url/internal/$probe")
    [ "$code" = "200 application/health+json" ] || fail "/internal/$probe: $code"
    grep -q '^{"status":"pass",.*}$' "$scratch/body" || fail "/internal/$probe: $(cat "$scratch/body")"
done

for probe in '' health live/ lives; do
    code=$(curl -s -m 10 -o /dev/null -w '%{http_code}' "$url/internal/$probe")
    [ "$code" = 404 ] || fail "/internal/$probe: $code"
done

echo "== What it serves"
[ "$(curl -s -m 10 "$url/")" = hello ] || fail "/ is not its own"

echo "== SIGTERM"
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=
[ "$code" = 0 ] || fail "it ends with $code"
