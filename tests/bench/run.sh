#!/bin/sh
# How fast and how small it is, against libmicrohttpd alone:
#
#   sh tests/bench/run.sh [PATTERN]
#
# With a PATTERN, of grep -E, only the rows that it matches.  Where there is something to compare
# with, a figure is the median of the ratios of what was measured in this run, in turns, with the
# least and the most, and then what was compared.  Instructions (of the whole process, in user mode,
# by perf, or by callgrind where the processor has no counters for us) and system calls (by perf, or
# by strace) decide, as they repeat; times do not, and want a machine with nothing else to do.
# Rows without a limit are there to compare with.
#
# The table and the raw figures are left in build/bench, or HEALTH_BUILD_ROOT/bench, as result and
# raw.  All of it takes twenty minutes, and nothing is begun after 40.  It exits with 0 where a
# limit is not kept, too; with 2 where no row matches, and tells which there are; with 3 where a row
# was left out for want of time.
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
need_packages "testing" libcmocka-dev libjansson-dev strace valgrind binutils
command -v perf >/dev/null || (need_packages "counting at full speed" linux-perf) || true

build=${HEALTH_BUILD_ROOT:-$root/build}
mkdir -p "$build"
build=$(cd "$build" && pwd)/bench
mkdir -p "$build"
bin=$build/tree/tests
. "$here/measure.sh"
. "$here/counts.sh"
echo "== Building…"
(cd "$root" && cmake --preset release -B "$build/tree") >"$build/log" 2>&1 &&
    cmake --build "$build/tree" --target bench-bare bench-first bench-load bench-micro \
        bench-micro-shared bench-server libhealth_shared >>"$build/log" 2>&1 || {
    cat "$build/log" >&2
    exit 1
}

# ---- A request ----------------------------------------------------------------------------------

# body <checks> <target>: How many bytes a document has.
body()
{
    start ./bench-server "$1"
    load "$2" 2 1 keep | cut -d' ' -f3
    stop
}

# costs <row> <limit> <checks> <bytes>: As load_as() was told; but processor time is told in clock
# ticks, and wants very many requests.
costs()
{
    in_turns "$1: instructions" "$2" 2 instructions "./bench-server $3" "./bench-bare mhd $4"
    in_turns "$1: system calls" "$2" 3 calls "./bench-server $3" "./bench-bare mhd $4"
    # So many of the largest document are 200 GB.
    [ "$3" -lt 10000 ] || return 0
    load_as 1000 200000 "$target" "$connections" "$mode"
    in_turns "$1: processor time" - 3 cpu "./bench-server $3" "./bench-bare mhd $4"
}

live=$(body 10 /live)
for target in /live /ready; do
    for connections in 1 16 64; do
        load_as 200 1400 "$target" "$connections" keep
        costs "$target, kept open, $connections" 1.05 10 "$live"
        load_as 200 1400 "$target" "$connections" new
        costs "$target, a new connection each, $connections" 1.03 10 "$live"
    done
done
# Probes come seconds apart: what is done once in 10 ms is done for each of them.
load_as 10 70 /live 1 keep 20
in_turns "/live, kept open, 20 ms apart: system calls" 1.05 3 calls \
    "./bench-server 10" "./bench-bare mhd $live"
load_as 10 70 /live 1 new 20
in_turns "/live, a new connection each, 20 ms apart: system calls" 1.03 3 calls \
    "./bench-server 10" "./bench-bare mhd $live"

for checks in 10 100 1000 10000; do
    load_as 100 500 /health 1 keep
    costs "/health, $checks checks" 1.05 "$checks" "$(body "$checks" /health)"
done

for limit in fast raw; do
    case $limit in
    fast) name="libmicrohttpd by itself" ;;
    raw) name="no HTTP library" ;;
    esac
    load_as 200 1400 /live 16 keep
    in_turns "ours : $name, kept open, 16: instructions" - 1 instructions \
        "./bench-server 10" "./bench-bare $limit $live"
    in_turns "ours : $name, kept open, 16: system calls" - 3 calls \
        "./bench-server 10" "./bench-bare $limit $live"
    load_as 1000 200000 /live 16 keep
    in_turns "ours : $name, kept open, 16: processor time" - 3 cpu \
        "./bench-server 10" "./bench-bare $limit $live"
done

# ---- Waiting ------------------------------------------------------------------------------------

# p99 <server>...: Of 64 connections, once the periodic check is being run and the other hangs.
p99()
{
    start "$@"
    load "$target" 20 1 keep >"$build/load" || true
    (load "$target" 40000 64 keep || true) | cut -d' ' -f5
    stop
}

for target in /live /ready; do
    in_turns "$target, p99, one hung and one slow check among 100, 64 clients" 1.2 21 p99 \
        "./bench-server 98 slow" "./bench-server 100"
done

# ask_at_once <rounds> <requests> <server>...: A line for each round: the longest µs, how many were
# not answered with 200, and how often the checks were run.
ask_at_once()
{
    left=$1
    requests=$2
    shift 2
    while [ "$left" -gt 0 ]; do
        left=$((left - 1))
        start "$@"
        said=$(load /ready "$requests" "$requests" new || true)
        stop
        echo "$said $(sed -n 's/^runs: //p' "$build/said")" | cut -d' ' -f6,2,7 |
            awk '{ print $2, $1, $3 }'
    done
}

if wanted "50 clients at once on a stale check of 200 ms"; then
    ask_at_once 5 50 ./bench-server 0 sleep 1 200 2000 >"$build/r"
    longest=$(median "$build/r" 1)
    runs=$(median "$build/r" 3)
    row "50 clients at once on a stale check of 200 ms: the longest wait" \
        "$(ratio "${longest##* }" 200000)" 1.1 "$(echo "${longest#* }" | sed 's/ / to /') µs"
    row "50 clients at once on a stale check of 200 ms: runs of it" "${runs##* }" 1 ""
    row "50 clients at once on a stale check of 200 ms: not answered with 200" \
        "$(awk '{ n += $2 } END { print n }' "$build/r")" 0 ""
fi
if wanted "ten on-demand checks of 100 ms, one request, ms"; then
    ask_at_once 5 1 ./bench-server 0 sleep 10 100 2000 >"$build/r"
    longest=$(median "$build/r" 1)
    row "ten on-demand checks of 100 ms, one request, ms" "$((${longest%% *} / 1000))" 250 \
        "$(echo "${longest#* }" | sed 's/ / to /') µs"
fi

# ---- Threads ------------------------------------------------------------------------------------

# threads_of <s> <target> <server>...: The most, while it is asked again and again.
threads_of()
{
    for_s=$1
    target=$2
    shift 2
    start "$@"
    load "$target" $((for_s * 20)) 1 new 50 >"$build/load" 2>&1 &
    loader=$!
    most_threads "$for_s"
    wait "$loader" 2>/dev/null || true
    stop
}

if wanted "threads"; then
    row "threads, nothing to run" "$(threads_of 2 /live ./bench-server 0)" 1 ""
    row "threads, 100 trivial checks, every 100 ms" \
        "$(threads_of 5 /live ./bench-server 100 due)" 2 ""
    row "threads, two checks of 1 ms for each request" \
        "$(threads_of 3 /ready ./bench-server 0 sleep 2 1 1000)" 2 "none has waited 10 ms"
    row "threads, 40 hung, before their timeout" \
        "$(threads_of 2 /ready ./bench-server 0 sleep 40 3600000 10000)" 17 "16 workers"
    row "threads, 40 hung, behind it" \
        "$(threads_of 6 /ready ./bench-server 0 sleep 40 3600000 1000)" 57 "16 workers and 40"
fi

# ---- Idle ---------------------------------------------------------------------------------------

# What strace tells is counted from a line on.  Sleeps are those with another timeout than 0: with
# that libmicrohttpd only looks.
if wanted "idle, nothing periodic"; then
    start strace -f -qq -o "$build/strace" ./bench-server 10
    load /live 16 16 keep 0 8000 >"$build/load" &
    loader=$!
    sleep 2
    open=$(wc -l <"$build/strace")
    wait "$loader"
    sleep 2
    closed=$(wc -l <"$build/strace")
    sleep 30
    idle=$(wc -l <"$build/strace")
    end_traced
    sleeps=$(sed -n "$((open + 1)),${closed}p" "$build/strace" | grep epoll_wait |
        grep -vc ', 0)' || true)
    row "idle, nothing periodic: system calls in 30 s" "$((idle - closed))" 0 ""
    row "idle, 16 connections that time out: wake-ups" "$sleeps" 16 ""
fi

# ---- Sizes, and the rest ------------------------------------------------------------------------

# private <server>...: Once it has answered.
private()
{
    start "$@"
    load /ready 1000 16 keep >"$build/load"
    load /health 1000 16 new >"$build/load"
    private_kib
    stop
}

title="private memory over libmicrohttpd's, 10 checks, KiB"
if wanted "$title"; then
    : >"$build/pairs"
    for round in 1 2 3; do
        ours=$(private ./bench-server 10)
        theirs=$(private ./bench-bare mhd "$live")
        echo "$((ours - theirs)) $ours $theirs" >>"$build/pairs"
        echo "$title: round $round: $ours $theirs" >>"$raw"
    done
    difference=$(median "$build/pairs")
    row "$title" "${difference%% *}" 256 "$(echo "${difference#* }" | sed 's/ / to /')"
fi

if wanted "process start to the first 200"; then
    (cd "$bin" && ./bench-first 100 ./bench-server 10 -- ./bench-bare mhd "$live") >"$build/pairs"
    sed 's/^/process start to the first 200: µs: /' "$build/pairs" >>"$raw"
    pairs "process start to the first 200" 1.1 "$build/pairs"
fi

if wanted "the shared library, stripped, bytes"; then
    strip -o "$build/stripped.so" "$build/tree/$(readlink "$build/tree/libhealth.so" || echo libhealth.so)"
    row "the shared library, stripped, bytes" "$(wc -c <"$build/stripped.so")" 102400 ""
fi

if has_time "within one process"; then
    echo "== Within one process…"
    for program in bench-micro bench-micro-shared; do
        "$bin/$program" "$pattern"
    done >"$build/micro" 2>>"$raw"
    while IFS='|' read -r name figure limit spread; do
        row "$name" "$figure" "$limit" "$spread"
    done <"$build/micro"
fi

print_table
echo "$(($(date +%s) - began)) s; instructions by $instruction_counter, system calls by $call_counter" |
    tee -a "$build/result"
[ -z "$left_out" ] || exit 3
