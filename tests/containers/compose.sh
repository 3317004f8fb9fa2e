#!/bin/sh
# A real Compose and examples/compose.yaml: it takes the file, starts the dependent service when the
# other is healthy and not before, and leaves a service alone that is not ready.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$root/tests/lib/engine.sh"
file=$root/examples/compose.yaml

if command -v docker-compose >/dev/null; then
    compose=docker-compose
elif docker compose version >/dev/null 2>&1; then
    compose="docker compose"
else
    cannot "there is no Compose (Debian: docker-compose)"
fi

# compose <file> <words>...: The file, looking more often.
cat >"$scratch/sooner.yaml" <<'EOT'
services:
  upstream:
    healthcheck: {interval: 1s}
  service:
    healthcheck: {interval: 1s}
EOT
compose()
{
    compose_file=$1
    shift
    $compose -p example -f "$compose_file" -f "$scratch/sooner.yaml" "$@"
}

echo "== $($compose version --short 2>/dev/null || $compose --version) takes the file, and none with an error in it"
$compose -f "$file" config -q || fail "it does not take it"
compose "$file" config -q || fail "it does not take it"
# broken <sed's words>: A copy with this change is refused.
broken()
{
    sed "$1" "$file" >"$scratch/broken.yaml"
    ! cmp -s "$file" "$scratch/broken.yaml" || fail "nothing to change by $1"
    if compose "$scratch/broken.yaml" config -q >"$scratch/said" 2>&1; then
        fail "it takes a file with $1"
    fi
}
broken 's/interval:/intervall:/'
broken 's/retries: 2/retries: twice/'
broken 's/condition: service_healthy/condition: service_well/'
broken 's/cap_drop: .*/cap_drop: ALL/'

start_engine
build_programs
build_example_image

echo "== The dependent service waits"
compose "$file" up -d >"$scratch/up" 2>&1 &
up_pid=$!

# container <service>: Its id, if there is one.
container()
{
    docker ps -aq --filter label=com.docker.compose.project=example \
        --filter "label=com.docker.compose.service=$1"
}

is_there()
{
    [ -n "$(container "$1")" ]
}

patiently is_there upstream || fail "no upstream: $(cat "$scratch/up")"
upstream=$(container upstream)
looks=0
while is_state "$upstream" starting || is_state "$upstream" ''; do
    service=$(container service)
    if [ -n "$service" ] && [ "$(docker inspect -f '{{.State.Status}}' "$service")" != created ] &&
        is_state "$upstream" starting; then
        fail "the service is started while its upstream is starting"
    fi
    looks=$((looks + 1))
    [ "$looks" -lt 200 ] || fail "the upstream stays starting"
    sleep 0.1
done
is_state "$upstream" healthy || fail "the upstream is $(state "$upstream")"
wait $up_pid || fail "up fails: $(cat "$scratch/up")"
service=$(container service)

# moment <format> <container>: A time that Docker tells, in ms since 1970.
moment()
{
    date -d "$(docker inspect -f "{{$1.Format \"2006-01-02T15:04:05.000Z07:00\"}}" "$2")" +%s%3N
}
healthy_ms=$(moment '(index .State.Health.Log 0).End' "$upstream")
started_ms=$(date -d "$(docker inspect -f '{{.State.StartedAt}}' "$service")" +%s%3N)
[ "$started_ms" -ge "$healthy_ms" ] || fail "the service started $((healthy_ms - started_ms)) ms too early"
echo "upstream healthy, service started $((started_ms - healthy_ms)) ms later"
becomes "$service" healthy

echo "== Its upstream goes: not ready, so unhealthy; Compose restarts nothing"
docker kill "$upstream" >/dev/null
becomes "$service" unhealthy
last_words "$service" | grep -q '^http://localhost:8080/ready: 503: upstream: upstream:7000: ' ||
    fail "it says $(last_words "$service")"
last_words "$service"
docker exec "$service" /health-probe http://localhost:8080/live || fail "it is not alive"
[ "$(docker inspect -f '{{.State.Running}} {{.RestartCount}}' "$service")" = "true 0" ] || fail "it was restarted"
