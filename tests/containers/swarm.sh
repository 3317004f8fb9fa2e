#!/bin/sh
# A real Swarm and examples/swarm.yaml: a task whose main loop is stuck is killed and replaced, one that
# is merely not ready is left alone.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$root/tests/lib/engine.sh"
file=$root/examples/swarm.yaml

start_engine
docker swarm init --advertise-addr 127.0.0.1 >"$scratch/said" 2>&1 || {
    cat "$scratch/said"
    cannot "this engine makes no swarm: see the above"
}
build_programs
build_example_image
build_puppet puppet:itself '["/health-probe", "file:/not/asked: the stack names its own"]'

# deploy <stack> <image> <file>...
deploy()
{
    stack=$1
    IMAGE=$2
    export IMAGE
    shift 2
    files=
    for part in "$@"; do
        files="$files -c $part"
    done
    # shellcheck disable=SC2086 # a list of words
    docker stack deploy --resolve-image never $files "$stack" >"$scratch/said" 2>&1
}

# containers <stack>: Those that run, one a line.
containers()
{
    docker ps -q --no-trunc --filter "label=com.docker.stack.namespace=$1"
}

# healthy <stack> <number>: So many run, and all of them are.
healthy()
{
    found=0
    for container in $(containers "$1"); do
        is_state "$container" healthy || return 1
        found=$((found + 1))
    done
    [ "$found" -eq "$2" ]
}

# becomes_healthy <stack> <number>
becomes_healthy()
{
    if ! patiently healthy "$1" "$2"; then
        docker stack ps --no-trunc "$1"
        for container in $(containers "$1"); do
            docker inspect -f '{{json .State}}' "$container"
        done
        fail "$1: no $2 healthy tasks"
    fi
}

# The images' numbers would take minutes; everything else is the file's.
cat >"$scratch/sooner.yaml" <<'EOT'
version: "3.8"
services:
  service:
    healthcheck: {interval: 1s}
    stop_grace_period: 8s
    deploy: {restart_policy: {delay: 500ms}}
EOT

echo "== The file is taken, and none with an error in it"
for change in 's/interval: 10s/intervall: 10s/' 's/failure_action: rollback/failure_action: [rollback]/'; do
    sed "$change" "$file" >"$scratch/broken.yaml"
    ! cmp -s "$file" "$scratch/broken.yaml" || fail "nothing to change by $change"
    if deploy broken example-service:scratch "$scratch/broken.yaml"; then
        fail "a file with $change is taken"
    fi
done
deploy example example-service:scratch "$file" "$scratch/sooner.yaml" || fail "$(cat "$scratch/said")"
becomes_healthy example 2
docker stack ps --format '{{.Name}} {{.CurrentState}}' example
docker stack rm example >/dev/null 2>&1

deploy puppet puppet:itself "$file" "$scratch/sooner.yaml" || fail "$(cat "$scratch/said")"
becomes_healthy puppet 2
before=$(containers puppet | sort)
one=$(echo "$before" | head -n 1)
other=$(echo "$before" | tail -n 1)

echo "== Not ready, both: they are left alone"
# shellcheck disable=SC2086 # a list of words
docker kill -s USR1 $before >/dev/null
# More than three retries in a row.
checked()
{
    [ "$(docker inspect -f '{{(index .State.Health.Log 0).Start.Unix}}' "$one")" -gt "$told_s" ]
}
told_s=$(date +%s)
patiently checked || fail "its health is not looked at"
[ "$(containers puppet | sort)" = "$before" ] || fail "a task that is not ready was replaced"
for container in $before; do
    is_state "$container" healthy || fail "a task that is not ready is $(state "$container")"
    if docker exec "$container" /health-probe http://localhost:8080/ready >"$scratch/said"; then
        fail "it is ready"
    fi
done
echo "five looks later both are healthy to Swarm, though: $(cat "$scratch/said")"

echo "== One is stuck: it is killed and replaced"
docker kill -s QUIT "$one" >/dev/null
begun_ms=$(now_ms)
replaced()
{
    healthy puppet 2 && ! containers puppet | grep -qx "$one"
}
patiently replaced || patiently replaced || {
    docker stack ps --no-trunc puppet
    fail "it is not replaced"
}
echo "replaced after $(($(now_ms) - begun_ms)) ms"
containers puppet | grep -qx "$other" || fail "the other one was replaced as well"
docker stack ps --no-trunc --format '{{.Name}}: {{.CurrentState}} {{.Error}}' puppet
is_state "$one" unhealthy || fail "it was $(state "$one")"
last_words "$one"
last_words "$one" | grep -q '^http://localhost:8080/live: 503: loop: ' || fail "not for the right reason"
code=$(docker inspect -f '{{.State.ExitCode}}' "$one")
[ "$code" = 0 ] || fail "it was not let go in good order, but ended with $code"
