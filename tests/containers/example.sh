#!/bin/sh
# The example service in its image FROM scratch: how large it is, that it is healthy by the image's own
# health check, and that `docker stop` drains: /ready is 503 while clients are served and /live is 200,
# and it ends by itself.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$root/tests/lib/engine.sh"
most_bytes=300000
most_probe_bytes=32768
drain_ms=4000

start_engine
# For what can be had at all; the script itself is shown to work below.
build_programs
HEALTH_BUILD_ROOT=$build sh "$root/examples/distroless/scratch.sh" example:test >"$scratch/said" 2>&1 || {
    cat "$scratch/said"
    fail "scratch.sh makes no image"
}
size=$(docker image inspect -f '{{.Size}}' example:test)
grep -qx "example:test: $size bytes" "$scratch/said" || fail "scratch.sh does not say $size bytes"
echo "== The image: $size bytes, of at most $most_bytes"
[ "$size" -le $most_bytes ] || fail "the image is too large"
[ "$(wc -c <"$programs/health-probe")" -le $most_probe_bytes ] || fail "health-probe is too large"
docker create --network none --name files example:test >/dev/null
docker export files | tar -t | grep -vE '/$' | sort >"$scratch/files"
docker rm files >/dev/null
# Docker puts some files of its own there, which are mount points.
grep -vE '^(\.dockerenv|dev/.*|etc/(hostname|hosts|mtab|resolv\.conf))$' "$scratch/files" | tr '\n' ' ' >"$scratch/ours"
[ "$(cat "$scratch/ours")" = "health-probe service " ] || fail "the image has $(cat "$scratch/ours")"
[ "$(docker image inspect -f '{{.Config.User}}' example:test)" = 65532:65532 ] || fail "it runs as root"

# The image's health check, asked more often than the image says.
docker run -d --network none --read-only --tmpfs /data:uid=65532 --cap-drop ALL \
    --security-opt no-new-privileges --health-interval 1s --name example example:test \
    --data /data --drain-ms $drain_ms >/dev/null
becomes example healthy
echo "== It is healthy"

# asked <path or URL>: Whether it is well, as its own health check sees it; why not is in $scratch/why.
asked()
{
    case $1 in
    /*) url=http://localhost:8080$1 ;;
    *) url=$1 ;;
    esac
    docker exec example /service --health-probe "$url" >"$scratch/why" 2>&1
}

is_running()
{
    [ "$(docker inspect -f '{{.State.Running}}' example)" = true ]
}

for probe in /startup /live /ready /health tcp:127.0.0.1:7000; do
    asked $probe || fail "$probe: $(cat "$scratch/why")"
done

echo "== docker stop: it drains"
begun_ms=$(now_ms)
docker stop -t 15 example >/dev/null &
stop_pid=$!
not_ready()
{
    ! asked /ready
}
patiently not_ready || fail "/ready does not say that it drains"
cp "$scratch/why" "$scratch/draining"
asked /live || fail "/live fails while it drains: $(cat "$scratch/why")"
asked tcp:127.0.0.1:7000 || fail "no client is served while it drains: $(cat "$scratch/why")"
is_running || fail "it ended before it could be looked at"
echo "/ready: $(cat "$scratch/draining")"
grep -qx 'http://localhost:8080/ready: 503: draining' "$scratch/draining" || fail "not for the right reason"
wait $stop_pid || fail "docker stop fails"
took_ms=$(($(now_ms) - begun_ms))
code=$(docker inspect -f '{{.State.ExitCode}}' example)
[ "$code" = 0 ] || fail "exit status $code after $took_ms ms"
[ "$took_ms" -ge $drain_ms ] || fail "it ended after $took_ms ms, though it was to drain for $drain_ms"
echo "exit status 0 after $took_ms ms, $drain_ms of them to drain, of 15000"
