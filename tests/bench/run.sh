#!/bin/sh
# How fast and how small it is, against libmicrohttpd alone:
#
#   sh tests/bench/run.sh [PATTERN]
#
# With a PATTERN, of grep -E, only the rows that it matches.  Each figure is a ratio of two that were
# measured in this run, in turns.  Instructions (callgrind's, of the whole process) and system calls
# (strace's) of so many requests, less those of fewer, repeat; processor times do not, and are the
# median of the rounds with the least and the most.  The raw figures are left in build/bench/raw.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

case ${1-} in
-h | --help)
    sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
    exit 0
    ;;
esac
pattern=${1-.}
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/packages.sh"
need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "testing" libcmocka-dev libjansson-dev strace valgrind binutils

build=${HEALTH_BUILD_ROOT:-$root/build}/bench
mkdir -p "$build"
echo "== Building…"
(cd "$root" && cmake --preset release -B "$build/tree") >"$build/log" 2>&1 &&
    cmake --build "$build/tree" --target bench-server bench-load bench-micro libhealth_shared >>"$build/log" 2>&1 || {
    cat "$build/log" >&2
    exit 1
}
bin=$build/tree/tests
raw=$build/raw
table=$build/table
: >"$raw"
: >"$table"
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true' EXIT

# wanted <row>: Whether it was asked for; says that it is being measured.
wanted()
{
    printf '%s\n' "$1" | grep -qE -e "$pattern" || return 1
    echo "== $1…"
}

# row <row> <figure> <limit> <spread>: Puts it into the table, with whether the limit is kept.
row()
{
    verdict=$(awk -v figure="$2" -v limit="$3" 'BEGIN { print figure + 0 <= limit + 0 ? "yes" : "NO" }')
    printf '%s|%s|%s|%s|%s\n' "$1" "$2" "$3" "$verdict" "$4" | tee -a "$table" |
        awk -F'|' '{ printf "   %s (to reach: %s)  %s\n", $2, $3, $5 }'
}

ratio()
{
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'
}

# ---- Servers ----------------------------------------------------------------------------------

# start <command>...: Runs a server; sets `server` and `port`.
start()
{
    : >"$build/port"
    "$@" >"$build/port" 2>"$build/said" &
    server=$!
    tries=300
    until [ -s "$build/port" ]; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ] || ! kill -0 "$server" 2>/dev/null; then
            cat "$build/said" >&2
            echo "$0: it does not start: $*" >&2
            exit 1
        fi
        sleep 0.1
    done
    port=$(cat "$build/port")
}

stop()
{
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# load <target> <requests> <connections> keep|new: Prints what bench-load prints.
load()
{
    "$bin/bench-load" "$port" "$@"
}

# ---- Counts -----------------------------------------------------------------------------------

# instructions <requests> <load's arguments>... -- <server>...: Of the whole process.
instructions()
{
    requests=$1
    target=$2
    connections=$3
    mode=$4
    shift 5
    start valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@"
    load "$target" 20 1 keep >"$build/load"
    load "$target" "$requests" "$connections" "$mode" >"$build/load"
    stop
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$build/said"
}

# calls <as above>: System calls of all its threads.
calls()
{
    requests=$1
    target=$2
    connections=$3
    mode=$4
    shift 5
    start strace -f -qq -o "$build/strace" "$@"
    load "$target" 20 1 keep >"$build/load"
    load "$target" "$requests" "$connections" "$mode" >"$build/load"
    # strace hands the signal on.
    pkill -TERM -P "$server" || true
    wait "$server" 2>/dev/null || true
    server=
    grep -cE '^[0-9]+ +[a-z_0-9]+\(' "$build/strace"
}

# each <instructions or calls> <fewer> <more> <load's arguments>... -- <server>...: For one request.
each()
{
    what=$1
    fewer=$2
    more=$3
    shift 3
    a=$("$what" "$fewer" "$@")
    b=$("$what" "$more" "$@")
    awk -v a="$a" -v b="$b" -v n=$((more - fewer)) 'BEGIN { printf "%.2f", (b - a) / n }'
}

# counts <row> <limit> <fewer> <more> <target> <connections> keep|new <checks> <bytes>
counts()
{
    row=$1
    limit=$2
    fewer=$3
    more=$4
    checks=$8
    bytes=$9
    args="$5 $6 $7 --"
    for what in instructions calls; do
        wanted "$row: $what a request" || continue
        # shellcheck disable=SC2086 # a list of words
        ours=$(each "$what" "$fewer" "$more" $args "$bin/bench-server" ours "$checks")
        # shellcheck disable=SC2086
        theirs=$(each "$what" "$fewer" "$more" $args "$bin/bench-server" mhd "$bytes")
        echo "$row: $what: ours $ours, libmicrohttpd $theirs" >>"$raw"
        row "$row: $what a request" "$(ratio "$ours" "$theirs")" "$limit" "$ours : $theirs"
    done
}

# body <checks> <target>: How many bytes a document has.
body()
{
    start "$bin/bench-server" ours "$1"
    load "$2" 2 1 keep | cut -d' ' -f3
    stop
}

# ---- Processor time ---------------------------------------------------------------------------

# ticks: User and system time of the server, in clock ticks.
ticks()
{
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

# cpu <target> <requests> <connections> keep|new <server>...: µs a request.
cpu()
{
    target=$1
    requests=$2
    connections=$3
    mode=$4
    shift 4
    start "$@"
    load "$target" 1000 "$connections" "$mode" >"$build/load"
    before=$(ticks)
    load "$target" "$requests" "$connections" "$mode" >"$build/load"
    after=$(ticks)
    stop
    awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$requests" \
        'BEGIN { printf "%.3f", t / hz * 1e6 / n }'
}

# median <file>: "median least most"
median()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%s %s %s", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# times <row> <limit> <target> <requests> <connections> keep|new <checks> <bytes>
times()
{
    wanted "$1: processor time" || return 0
    : >"$build/ratios"
    for round in 1 2 3 4 5; do
        ours=$(cpu "$3" "$4" "$5" "$6" "$bin/bench-server" ours "$7")
        theirs=$(cpu "$3" "$4" "$5" "$6" "$bin/bench-server" mhd "$8")
        echo "$1: round $round: µs a request: ours $ours, libmicrohttpd $theirs" >>"$raw"
        ratio "$ours" "$theirs" >>"$build/ratios"
        echo >>"$build/ratios"
    done
    # shellcheck disable=SC2046 # three words
    set -- "$1" "$2" $(grep . "$build/ratios" >"$build/r" && median "$build/r")
    row "$1: processor time" "$3" "$2" "$4 to $5"
}

# ---- Rows -------------------------------------------------------------------------------------

live=$(body 10 /live)
for target in /live /ready; do
    for connections in 1 16 64; do
        counts "$target, kept open, $connections" 1.05 400 2400 $target $connections keep 10 "$live"
    done
    counts "$target, a new connection each" 1.03 400 2400 $target 1 new 10 "$live"
done
for checks in 10 100 1000 10000; do
    counts "/health, $checks checks" 1.05 100 500 /health 1 keep "$checks" "$(body "$checks" /health)"
done
times "/live, kept open, 16" 1.05 /live 200000 16 keep 10 "$live"
times "/live, a new connection each" 1.03 /live 200000 16 new 10 "$live"

# latency <row> <limit> <target>: The 99th percentile with a hung and a slow check, against none.
latency()
{
    wanted "$1" || return 0
    : >"$build/r"
    for round in 1 2 3 4 5; do
        start "$bin/bench-server" ours 10
        without=$(load "$3" 100000 64 keep | cut -d' ' -f5)
        stop
        start "$bin/bench-server" ours 10 slow
        load "$3" 10 1 keep >"$build/load" || true
        with=$(load "$3" 100000 64 keep | cut -d' ' -f5) || true
        stop
        echo "$1: round $round: µs: with $with, without $without" >>"$raw"
        echo "$(ratio "$with" "$without")" >>"$build/r"
    done
    # shellcheck disable=SC2046
    set -- "$1" "$2" $(median "$build/r")
    row "$1" "$3" "$2" "$4 to $5"
}
latency "/live, p99, one hung and one slow check, 64 clients" 1.2 /live
latency "/ready, p99, one hung and one slow check, 64 clients" 1.2 /ready

if wanted "50 clients at once on a stale check of 200 ms: the longest wait"; then
    start "$bin/bench-server" ours 0 stale
    longest=$(load /ready 50 50 new | cut -d' ' -f6)
    stop
    echo "50 clients: µs: $longest" >>"$raw"
    row "50 clients at once on a stale check of 200 ms: the longest wait" \
        "$(ratio "$longest" 200000)" 1.1 "$longest µs"
fi

if wanted "the shared library, stripped"; then
    strip -o "$build/stripped.so" "$build/tree/$(readlink "$build/tree/libhealth.so" || echo libhealth.so)"
    bytes=$(wc -c <"$build/stripped.so")
    row "the shared library, stripped, KB" "$((bytes / 1000))" 100 "$bytes bytes"
fi

"$bin/bench-micro" "$pattern" >"$build/micro" || exit 1
cat "$build/micro" >>"$raw"
while IFS='|' read -r name figure limit spread; do
    echo "== $name"
    row "$name" "$figure" "$limit" "$spread"
done <"$build/micro"

echo
awk -F'|' '
    BEGIN { printf "%-66s %10s %9s  %s\n", "what", "measured", "to reach", "reached" }
    { printf "%-66s %10s %9s  %-4s %s\n", $1, $2, $3, $4, $5 }' "$table"
