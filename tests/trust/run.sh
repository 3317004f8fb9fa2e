#!/bin/sh
# What can be relied on, shown with real faults:
#
#   sh tests/trust/run.sh [PATTERN]
#
# With a PATTERN, of grep -E, only the rows that it matches.  A million probes; a wall clock that
# jumps, in the service's process alone; processors that 16 others want as well, for 20 s; a process
# that is frozen for 30 s, or has no descriptor left for 5 s, or whose callbacks hang, or that is
# killed; and a million checks that come and go, under ThreadSanitizer.  Those that are short are
# tests too, in tests/system/, and are run from there.  The table and the raw figures are left in
# build/trust, or HEALTH_BUILD_ROOT/trust, as result and raw.  All of it takes some ten minutes.  It exits with 1 where a limit is not kept,
# and with 2 where no row matches, and tells which there are.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

case ${1-} in
-h | --help)
    sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
    exit 0
    ;;
-*)
    echo "$0: no option '$1'; there is --help" >&2
    exit 2
    ;;
esac
pattern=${1-.}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/packages.sh"
need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "testing" libcmocka-dev libjansson-dev curl procps util-linux

build=${HEALTH_BUILD_ROOT:-$root/build}
mkdir -p "$build"
build=$(cd "$build" && pwd)/trust
mkdir -p "$build"
bin=$build/tree/tests
. "$root/tests/bench/measure.sh"
echo "== Building…"
{
    (cd "$root" && cmake --preset release -B "$build/tree" &&
        cmake --preset tsan -B "$build/tsan") &&
        cmake --build "$build/tree" --target bench-load trust-service trust-jumps system-descriptors \
            system-guest_fork system-hung &&
        cmake --build "$build/tsan" --target trust-churn
} >"$build/log" 2>&1 || {
    cat "$build/log" >&2
    exit 1
}

# failures <file>...: How many probes were not answered with 200, of those that bench-load wrote
# there; one that came to no end has failed too.
failures()
{
    cat "$@" | awk -v files=$# '{ n += $2; lines++ } END { print n + files - lines }'
}

# longest <file>...: In ms.
longest()
{
    cat "$@" | awk '{ if ($6 > most) most = $6 } END { print int(most / 1000 + 0.5) }'
}

# probe <requests> <pause-ms>: Of /live and /ready, each in two connections at a time, as the
# kubelet does; wait_for_probes() waits for their end.
probe()
{
    load /live "$1" 2 new "$2" >"$build/live" 2>>"$build/log" &
    probes=$!
    load /ready "$1" 2 new "$2" >"$build/ready" 2>>"$build/log" &
    probes="$probes $!"
}

wait_for_probes()
{
    for probe in $probes; do
        wait "$probe" || true
    done
}

# probed <row> <requests>: The rows of both.
probed()
{
    row "$1: probes that fail" "$(failures "$build/live" "$build/ready")" 0 "of $(($2 * 2))"
    row "$1: the longest answer, ms" "$(longest "$build/live" "$build/ready")" "${3-1000}" ""
}

# ---- A million ----------------------------------------------------------------------------------

if wanted "a million probes"; then
    start ./trust-service
    for target in /live /ready /startup /health; do
        load "$target" 10000 8 new >"$build/load" || true
    done
    sleep 2
    before_kib=$(private_kib)
    before=$(descriptors)
    : >"$build/million"
    for target in /live /ready /startup /health; do
        load "$target" 250000 8 new >"$build/load" || true
        cat "$build/load" >>"$build/million"
        echo "   $target: $(cut -d' ' -f1 <"$build/load") answered"
    done
    sleep 2
    after_kib=$(private_kib)
    after=$(descriptors)
    stop
    row "a million probes: those that fail" \
        "$(awk '{ n += $2; ok += $1 } END { print n + (1000000 - ok - n) }' "$build/million")" 0 \
        "longest answer $(longest "$build/million") ms"
    row "a million probes: private memory more, KiB" \
        "$(awk -v a="$after_kib" -v b="$before_kib" 'BEGIN { print (a > b ? a - b : 0) }')" 256 \
        "$before_kib before, $after_kib behind"
    row "a million probes: descriptors more" "$((after > before ? after - before : before - after))" \
        0 "$before before, $after behind"
fi

# ---- Time ---------------------------------------------------------------------------------------

if wanted "the wall clock jumps by ten years"; then
    start env LD_PRELOAD=./libtrust-jumps.so ./trust-service
    probe 2000 20
    # It does jump: so are its answers dated.
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        curl -si "http://127.0.0.1:$port/live" | sed -n 's/^Date: .* \([0-9][0-9]*\) .*/\1/p'
        sleep 0.06
    done | sort -u >"$build/years"
    wait_for_probes
    stop
    probed "the wall clock jumps by ten years" 2000
    row "the wall clock jumps by ten years: it does not" \
        "$([ "$(wc -l <"$build/years")" -gt 1 ] && echo 0 || echo 1)" 0 \
        "seen: $(paste -s -d ' ' "$build/years")"
fi

if wanted "16 others want the processors"; then
    # Two, whatever there are.
    start taskset -c 0,1 ./trust-service
    load /ready 100 2 new >"$build/load"
    hogs=
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        timeout 20 taskset -c 0,1 sh -c 'while :; do :; done' &
        hogs="$hogs $!"
    done
    probe 360 90
    wait_for_probes
    for hog in $hogs; do
        wait "$hog" || true
    done
    stop
    probed "16 others want the processors" 360
fi

if wanted "frozen for 30 s"; then
    start ./trust-service
    probe 600 20
    sleep 2
    kill -STOP "$server"
    sleep 30
    kill -CONT "$server"
    wait_for_probes
    stop
    probed "frozen for 30 s" 600 31000
fi

# ---- Shortage -----------------------------------------------------------------------------------

if wanted "no descriptor is left for 5 s"; then
    start ./trust-service
    load /live 100 2 new >"$build/load"
    sleep 1
    before=$(ticks)
    kill -USR1 "$server"
    sleep 0.2
    used=$(descriptors)
    load /live 5 1 new 1000 >"$build/live" || true
    after=$(ticks)
    kill -USR2 "$server"
    sleep 0.2
    load /ready 20 2 new >"$build/ready" || true
    stop
    row "no descriptor is left for 5 s: /live that fail" "$(failures "$build/live")" 0 \
        "of 5; $used of 256 in use"
    row "no descriptor is left for 5 s: processor time, %" "$(cpu_percent $((after - before)) 5)" 10 ""
    row "no descriptor is left for 5 s: /ready that fail behind it" "$(failures "$build/ready")" 0 \
        "of 20"
fi

# system_test <row> <name> [expression for sed]: A test of tests/system/; what the expression finds
# in what it says is told as well.
system_test()
{
    wanted "$1" || return 0
    failed=0
    "$bin/system-$2" >"$build/said" 2>&1 || failed=$?
    cat "$build/said" >>"$raw"
    row "$1" "$failed" 0 "$(sed -n -E "${3-d}" "$build/said" | paste -s -d ';' | sed 's/;/; /g')"
}

system_test "few descriptors, and many: a test" descriptors \
    's/^(meanwhile .*)/\1/p;s/^no descriptor left, (.*) of processor time/\1/p'
system_test "hung callbacks, the 503 and /live: a test" hung \
    's/^from the hang to the 503: ([0-9]+ ms), with.*/503 after \1/p
     s/^([0-9]+) of ([0-9]+) callbacks hung: (.*), longest.*/\1 hung: \3/p'
system_test "fork(), and the parent is killed: a test" guest_fork 's/^connections are (refused .*)/\1/p'

# ---- A million that come and go -----------------------------------------------------------------

if wanted "a million checks come and go, in 8 threads and in callbacks, under TSan"; then
    launch=
    "$build/tsan/tests/trust-churn" 10 2>&1 >"$build/port" | grep -q 'unexpected memory mapping' &&
        launch="setarch -R"
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:exitcode=99
    export TSAN_OPTIONS
    # shellcheck disable=SC2086 # a list of words
    start $launch "$build/tsan/tests/trust-churn" 1000000
    # There is somebody who asks, for as long as it goes on.
    while kill -0 "$server" 2>/dev/null; do
        load /health 200 4 keep 20 >"$build/load" 2>/dev/null || true
    done
    failed=0
    wait "$server" || failed=$?
    server=
    cat "$build/said" >>"$raw"
    row "a million checks come and go, in 8 threads and in callbacks, under TSan" "$failed" 0 \
        "$(tail -n 1 "$build/said")"
fi

print_table
echo "$(($(date +%s) - began)) s" | tee -a "$build/result"
! grep -qE '\|(NO|none)\|' "$table"
