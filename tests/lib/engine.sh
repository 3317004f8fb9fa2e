# shellcheck shell=sh
# A Docker Engine of the test's own: dockerd with its own data, socket and network, in namespaces of
# its own, so that nothing of it is seen outside or is left when it ends.  To be sourced, with `root`
# set; any POSIX shell.
#
# start_engine starts it and has `docker` mean it; without one the test ends with 77 and the reason,
# see cannot.sh.
# Its images are FROM scratch, as no registry can be reached from within: its network has but a
# loopback device.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
build=$(cd "${BUILD_DIR:-$root/build/release}" && pwd)
. "$root/tests/lib/services.sh"
. "$root/tests/lib/cannot.sh"

PATH=$PATH:/usr/sbin:/sbin
cgroup=health-test-$$
unshare_pid=
engine_pid=

is_gone()
{
    [ ! -e "/proc/$1" ]
}

# The engine is the first process of a namespace: when it has ended, so have all under it, and their
# mounts and devices are gone.
end_engine()
{
    if [ -n "$unshare_pid" ]; then
        # shellcheck disable=SC2046 # a list of words
        [ -z "$engine_pid" ] || timeout 20 docker rm -f $(timeout 5 docker ps -aq) >/dev/null 2>&1 || true
        # In good order while it can; `unshare --kill-child` takes it along in any case.
        kill -TERM "${engine_pid:-$unshare_pid}" 2>/dev/null || true
        patiently is_gone "${engine_pid:-$unshare_pid}" || true
        kill -KILL "$unshare_pid" 2>/dev/null || true
        wait "$unshare_pid" 2>/dev/null || true
        [ -z "$engine_pid" ] || patiently is_gone "$engine_pid" || true
        unshare_pid=
    fi
    find /sys/fs/cgroup -maxdepth 2 -type d -name "$cgroup" 2>/dev/null | while read -r directory; do
        find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

clean_up()
{
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    end_engine
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# needs_programs <program>...
needs_programs()
{
    for program in "$@"; do
        command -v "$program" >/dev/null || cannot "there is no $program"
    done
}

answers()
{
    docker version >/dev/null 2>&1 || is_gone "$unshare_pid"
}

start_engine()
{
    needs_programs dockerd docker unshare ip ps timeout
    [ -x "$build/health-probe" ] || cannot "there is no health-probe in $build"
    [ "$(id -u)" -eq 0 ] || cannot "an engine needs root"
    engine=$scratch/engine
    mkdir -p "$engine/client"
    set -- --data-root "$engine/data" --exec-root "$engine/exec" -H "unix://$engine/socket" \
        -p "$engine/pid" --config-file "$engine/config" --cgroup-parent "/$cgroup" \
        --exec-opt native.cgroupdriver=cgroupfs
    echo '{}' >"$engine/config"
    # Engines before 25 want a lower score than they may have.
    if dockerd --help 2>/dev/null | grep -q -e --oom-score-adjust; then
        set -- "$@" --oom-score-adjust=0
    fi

    # The client as it comes, whatever its user has set.
    unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION DOCKER_DEFAULT_PLATFORM
    DOCKER_HOST=unix://$engine/socket
    DOCKER_CONFIG=$engine/client
    DOCKER_BUILDKIT=0
    export DOCKER_HOST DOCKER_CONFIG DOCKER_BUILDKIT

    # The storage driver is the engine's choice, or the one that works everywhere.
    for driver in '' vfs; do
        # shellcheck disable=SC2016 # of the shell inside
        unshare --net --mount --ipc --uts --pid --fork --kill-child --mount-proc \
            sh -c 'ip link set lo up && exec dockerd "$@"' sh "$@" ${driver:+-s "$driver"} \
            >"$engine/log" 2>&1 &
        unshare_pid=$!
        patiently answers || true
        engine_pid=$(ps -o pid= --ppid "$unshare_pid" | tr -d ' ')
        if docker version >/dev/null 2>&1; then
            break
        fi
        end_engine
        engine_pid=
    done
    if [ -z "$unshare_pid" ]; then
        tail -n 5 "$engine/log"
        cannot "no Docker Engine can be started here: $(tail -n 1 "$engine/log")"
    fi

    # It may start and yet be allowed no container.
    mkdir "$scratch/trial"
    cp "$build/health-probe" "$scratch/trial/"
    printf 'FROM scratch\nCOPY health-probe /\n' >"$scratch/trial/Dockerfile"
    if ! docker build -q -t trial "$scratch/trial" >"$scratch/said" 2>&1 ||
        ! docker run --rm --network none trial /health-probe --help >"$scratch/said" 2>&1; then
        cannot "no container can be run here: $(grep . "$scratch/said" | head -n 1)"
    fi
    echo "== An engine of our own: $(docker version -f '{{.Server.Version}}'), storage $(docker info -f '{{.Driver}}')"
}

# ---- Images -----------------------------------------------------------------------------------

# build_programs: What examples/distroless/scratch.sh builds, once for all tests: the static example
# service, health-probe, and the libraries, with which the tests' own service is linked.  Sets
# `programs` to its folder.
build_programs()
{
    needs_programs musl-gcc cmake ninja apt-get dpkg-source
    if ! HEALTH_BUILD_ROOT=$build sh "$root/examples/distroless/scratch.sh" --no-image >"$scratch/said" 2>&1; then
        cat "$scratch/said"
        if grep -q '^failed: apt source' "$scratch/said"; then
            cannot "the sources of libmicrohttpd and cJSON cannot be had"
        fi
        fail "scratch.sh fails"
    fi
    programs=$build/scratch/image
    musl=$build/scratch/prefix
    echo "== Static: $(grep bytes "$scratch/said" | tr '\n' ' ')"
}

# build_image <tag> <Dockerfile> [folder]
build_image()
{
    docker build -q -t "$1" -f "$2" "${3:-$programs}" >"$scratch/said" 2>&1 || {
        cat "$scratch/said"
        fail "the image $1 cannot be built"
    }
}

# build_example_image: As scratch.sh does it.
build_example_image()
{
    build_image example-service:scratch "$root/examples/distroless/Dockerfile.scratch"
}

# build_puppet <tag> <health check in JSON>: tests/containers/service.c.  Docker's own timing is set
# where it is run.
build_puppet()
{
    mkdir -p "$scratch/puppet"
    if [ ! -e "$scratch/puppet/service" ]; then
        musl-gcc -std=c11 -D_GNU_SOURCE -Os -static -Wall -Wextra -Werror "-I$root/include" \
            -o "$scratch/puppet/service" "$root/tests/containers/service.c" \
            "$build/scratch/service/libhealth.a" "-L$musl/lib" -lmicrohttpd -lcjson -lpthread -lm
        cp "$programs/health-probe" "$scratch/puppet/"
    fi
    cat >"$scratch/puppet/Dockerfile" <<EOT
FROM scratch
COPY service health-probe /
USER 65532:65532
HEALTHCHECK --interval=1s --timeout=3s --retries=3 --start-period=60s CMD $2
ENTRYPOINT ["/service"]
EOT
    build_image "$1" "$scratch/puppet/Dockerfile" "$scratch/puppet"
}

# ---- What Docker says of a container ------------------------------------------------------------

# state <container>: starting, healthy or unhealthy.
state()
{
    docker inspect -f '{{.State.Health.Status}}' "$1" 2>/dev/null
}

is_state()
{
    [ "$(state "$1")" = "$2" ]
}

# last_words <container>: What its last health check said.
last_words()
{
    docker inspect -f '{{range .State.Health.Log}}{{println .Output}}{{end}}' "$1" | grep . | tail -n 1
}

# becomes <container> <state>
becomes()
{
    # A busy machine takes its time for every look.
    if ! patiently is_state "$1" "$2" && ! patiently is_state "$1" "$2"; then
        docker inspect -f '{{json .State}}' "$1" || true
        docker logs "$1" || true
        fail "$1 is $(state "$1"), not $2"
    fi
}

now_ms()
{
    date +%s%3N
}
