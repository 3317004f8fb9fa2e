#!/bin/sh
# A Docker Engine's eyes on a service without a shell: starting, healthy, unhealthy when a check fails
# or hangs, with the reason, healthy again; and stopped in time all the same.  Once with the service as
# its own health check, once with health-probe.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$root/tests/lib/engine.sh"

# The images' numbers, see build_puppet().
interval_ms=1000
retries=3
# What a busy machine may add: between a signal and its effect, and between a look and the next.
slack_ms=1000

start_engine
build_programs
build_puppet puppet:itself '["/service", "--health-probe", "http://localhost:8080/ready"]'
build_puppet puppet:probe '["/health-probe", "http://localhost:8080/ready"]'
containers="itself probe"
for name in $containers; do
    docker run -d --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
        --name "$name" "puppet:$name" starting >/dev/null
done

# tell <signal>: Both.
tell()
{
    told_ms=$(now_ms)
    # shellcheck disable=SC2086 # a list of words
    docker kill -s "$1" $containers >/dev/null
}

# all_become <state>
all_become()
{
    for name in $containers; do
        becomes "$name" "$1"
    done
}

# checks <container>: Of each health check that Docker remembers: when it began and ended, in ms since
# 1970, and its exit status.
moment=2006-01-02T15:04:05.000Z07:00
checks()
{
    docker inspect -f "{{range .State.Health.Log}}
        {{- println (.Start.Format \"$moment\") (.End.Format \"$moment\") .ExitCode}}{{end}}" "$1" |
        while read -r start end code; do
            [ -z "$start" ] || echo "$(date -d "$start" +%s%3N) $(date -d "$end" +%s%3N) $code"
        done
}

# unhealthy_in_time <pattern>: Both become unhealthy for this reason, after as many failures as
# Docker was told, and no later than the intervals between them and the checks themselves take.
unhealthy_in_time()
{
    # Docker remembers five of them: they are read at once.
    for name in $containers; do
        becomes "$name" unhealthy
        checks "$name" >"$scratch/checks.$name"
    done
    for name in $containers; do
        words=$(last_words "$name")
        echo "$words" | grep -qE -e "$1" || fail "$name: unhealthy without the reason: $words"
        awk -v told="$told_ms" -v retries=$retries -v interval=$interval_ms \
            -v slack=$slack_ms -v name="$name" -v words="$words" '
            $3 != 0 && $2 >= told && ++failed <= retries { ended = $2; took += $2 - $1 }
            END {
                if (failed < retries) {
                    print name ": unhealthy after " failed " failures"
                    exit 1
                }
                limit = retries * interval + took + slack
                printf "%s: unhealthy after %d ms, of at most %d: %s\n", name, ended - told, limit, words
                exit ended - told > limit
            }' "$scratch/checks.$name" ||
            fail "$name: not as its retries and interval say: $(tr '\n' ';' <"$scratch/checks.$name")"
    done
}

# failing <container> <pattern>: Its last health check failed with these words.
failing()
{
    last_words "$1" | grep -qE -e "$2"
}

echo "== A service that has not started is starting, though its health check fails"
for name in $containers; do
    patiently failing "$name" '503.*started' || fail "$name: says $(last_words "$name")"
    is_state "$name" starting || fail "$name is $(state "$name")"
done
echo "starting: $(last_words itself)"

echo "== It has started: healthy"
tell USR2
all_become healthy

echo "== A check fails: unhealthy"
tell USR1
unhealthy_in_time '^http://localhost:8080/ready: 503: puppet: told to fail$'

echo "== It recovers: healthy"
tell USR2
all_become healthy

echo "== It hangs: unhealthy"
tell HUP
unhealthy_in_time '^http://localhost:8080/ready: 503: puppet: no answer since '

echo "== The check hangs on, and the container stops in its grace"
grace_s=8
for name in $containers; do
    begun_ms=$(now_ms)
    docker stop -t $grace_s "$name" >/dev/null
    took_ms=$(($(now_ms) - begun_ms))
    code=$(docker inspect -f '{{.State.ExitCode}}' "$name")
    # 137 would be Docker's SIGKILL when the grace is over.
    [ "$code" = 0 ] || fail "$name: exit status $code after $took_ms ms"
    [ "$took_ms" -lt $((grace_s * 1000)) ] || fail "$name: took $took_ms ms"
    docker logs "$name" 2>&1 | grep -q 'still running' || fail "$name: no check hung: $(docker logs "$name" 2>&1)"
    echo "$name: exit status 0 after $took_ms ms of ${grace_s}000"
done
