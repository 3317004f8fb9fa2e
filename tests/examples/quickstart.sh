#!/bin/sh
# examples/quickstart.sh shows what it says: a service that is up, a check that fails and recovers, and
# nothing left running in the end, also when it is interrupted.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$root/tests/lib/services.sh"

HEALTH_BUILD_ROOT=$scratch/build
export HEALTH_BUILD_ROOT

# left: The services that were started from the build directory and still run.
left()
{
    pgrep -f "^$HEALTH_BUILD_ROOT/" || true
}

must_say()
{
    grep -qE -e "$1" "$scratch/said" || fail "quickstart.sh does not say '$1': $(cat "$scratch/said")"
}

echo "== It ends by itself"
sh "$root/examples/quickstart.sh" >"$scratch/said" 2>&1 </dev/null ||
    fail "quickstart.sh ends with $?: $(cat "$scratch/said")"
for path in startup live ready health; do
    must_say "^GET /$path -> 200\$"
done
must_say '^GET /ready -> 503$'
must_say '"upstream":\[\{"status":"fail".*Connection refused'
must_say '^== Done'
# In this order: 200, 503, and 200 again.
codes=$(sed -n 's,^GET /ready -> ,,p' "$scratch/said" | paste -sd ' ' -)
[ "$codes" = "200 503 200" ] || fail "/ready gives $codes"
[ -z "$(left)" ] || fail "it leaves running: $(left)"

echo "== The second time there is little to do"
begun=$(date +%s)
sh "$root/examples/quickstart.sh" >"$scratch/said" 2>&1 </dev/null || fail "the second time it ends with $?"
if grep -q '== Installing' "$scratch/said"; then
    fail "it installs what is there"
fi
[ $(($(date +%s) - begun)) -le 60 ] || fail "the second time it takes a minute"

echo "== --stay keeps the service up until it is told to go"
# Of its own process group, as from a terminal: a shell's background jobs ignore SIGINT.
sh "$root/examples/quickstart.sh" --stay >"$scratch/said" 2>&1 </dev/null &
pid=$!
patiently grep -q 'stays until' "$scratch/said" || fail "--stay does not get there: $(cat "$scratch/said")"
url=$(sed -n 's,.*curl -i \(http://[0-9.:]*\)/.*,\1,p' "$scratch/said")
[ "$(curl -q -s --noproxy '*' -o "$scratch/body" -w '%{http_code}' --max-time 5 "$url/health")" = 200 ] ||
    fail "the service does not answer at $url"
kill -TERM "$pid"
wait "$pid" || true
[ -z "$(left)" ] || fail "it leaves running: $(left)"

echo "== Help is no failure"
for script in quickstart.sh distroless/scratch.sh; do
    sh "$root/examples/$script" --help >"$scratch/said" 2>"$scratch/err" || fail "$script --help ends with $?"
    must_say "^ *sh examples/$script"
    [ ! -s "$scratch/err" ] || fail "$script --help says on stderr: $(cat "$scratch/err")"
done

echo "== Wrong options are refused"
if sh "$root/examples/quickstart.sh" --nonsense >"$scratch/said" 2>&1; then
    fail "--nonsense is taken"
fi
must_say '^Usage: '
