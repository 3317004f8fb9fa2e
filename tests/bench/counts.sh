# shellcheck shell=sh
# What a request costs: instructions, system calls and processor time.  To be sourced, behind
# measure.sh.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

# At full speed the processor and the tracepoints count, where they can be had; else callgrind and
# strace do, which slow the server down, and so have it see more of each moment.
INSTRUCTIONS=instructions:u
CALLS=raw_syscalls:sys_enter

# has_counter <event>: Whether perf counts it here.
has_counter()
{
    perf stat -x, -o "$build/perf" -e "$1" true 2>/dev/null && grep -q '^[1-9][0-9]*,' "$build/perf"
}

instruction_counter=callgrind
! has_counter "$INSTRUCTIONS" || instruction_counter=perf
call_counter=strace
! has_counter "$CALLS" || call_counter=perf

# load_as <fewer> <more> <target> <connections> keep|new [pause-ms]: What the functions below load
# the server with.  What they tell is of one request: of so many more than the fewer.
load_as()
{
    fewer=$1
    more=$2
    target=$3
    connections=$4
    mode=$5
    pause_ms=${6-0}
}

# once <requests>
once()
{
    load "$target" "$1" "$connections" "$mode" "$pause_ms" >"$build/load"
}

each()
{
    awk -v a="$1" -v b="$2" -v n=$((more - fewer)) 'BEGIN { printf "%.3f\n", (b - a) / n }'
}

# warm_up: Asks until there is nothing new: no check is still being run, and none has changed since.
warm_up()
{
    tries=100
    used=-1
    while [ "$used" -ne "$(ticks)" ] && [ "$tries" -gt 0 ]; do
        load "$target" 20 1 keep >"$build/load" || true
        used=$(ticks)
        sleep 0.5
        tries=$((tries - 1))
    done
    load "$target" 20 1 keep >"$build/load"
}

# all_instructions <requests> <server>...: Of the whole process, once it is warm.
all_instructions()
{
    requests=$1
    shift
    start valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@"
    warm_up
    callgrind_control -z "$server" >"$build/control" 2>&1 || {
        cat "$build/control" >&2
        exit 1
    }
    once "$requests"
    stop
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$build/said"
}

instructions()
{
    if [ "$instruction_counter" = perf ]; then
        at_full_speed "$INSTRUCTIONS" "$@"
    else
        each "$(all_instructions "$fewer" "$@")" "$(all_instructions "$more" "$@")"
    fi
}

# end_traced: As stop, of a server that strace has started: it alone is told.
end_traced()
{
    kill -TERM "$(ps -o pid= --ppid "$server" | head -n 1)" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# all_calls <requests> <server>...: System calls of all its threads, as strace sees them.
all_calls()
{
    requests=$1
    shift
    start strace -f -qq -o "$build/strace" "$@"
    load "$target" 20 1 keep >"$build/load"
    once "$requests"
    end_traced
    grep -cE '^[0-9]+ +[a-z_0-9]+\(' "$build/strace"
}

# counted <event> <requests>: Of all threads of the server that runs.  A processor whose cores are of
# two kinds has a count for each.
counted()
{
    perf stat -x, -o "$build/perf" -e "$1" -p "$server" -- \
        "$bin/bench-load" "$port" "$target" "$2" "$connections" "$mode" "$pause_ms" \
        >"$build/load"
    awk -F, '$1 ~ /^[0-9]+$/ { n += $1 } END { printf "%.0f\n", n }' "$build/perf"
}

# at_full_speed <event> <server>...
at_full_speed()
{
    event=$1
    shift
    start "$@"
    warm_up
    if [ "$pause_ms" -gt 0 ]; then
        # There is no time for so many that what is done once would not matter.
        each "$(counted "$event" "$fewer")" "$(counted "$event" "$more")"
    else
        awk -v n="$(counted "$event" $((more * 10)))" -v of=$((more * 10)) \
            'BEGIN { printf "%.3f\n", n / of }'
    fi
    stop
}

calls()
{
    if [ "$call_counter" = perf ]; then
        at_full_speed "$CALLS" "$@"
    else
        each "$(all_calls "$fewer" "$@")" "$(all_calls "$more" "$@")"
    fi
}

# cpu <server>...: µs of processor time.
cpu()
{
    start "$@"
    once "$fewer"
    before=$(ticks)
    once "$more"
    after=$(ticks)
    stop
    awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$more" \
        'BEGIN { printf "%.3f\n", t / hz * 1e6 / n }'
}
