# shellcheck shell=sh
# How bench/run.sh and trust/run.sh measure.  To be sourced, with `build` (a folder, for what comes
# up), `bin` (where the programs are) and `pattern` (the rows that are wanted) set.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

raw=$build/raw
table=$build/table
rows=$build/rows # all there are
: >"$raw"
: >"$table"
: >"$rows"
server=
began=$(date +%s)
LIMIT_S=2400 # nothing is begun after that
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true' EXIT
trap 'exit 1' HUP INT TERM
failed=0
echo | grep -qE -e "$pattern" 2>/dev/null || failed=$?
if [ "$failed" -gt 1 ]; then
    echo "$0: no pattern of grep -E: $pattern" >&2
    exit 2
fi

# ---- The table ----------------------------------------------------------------------------------

left_out=

# has_time <row>: Whether there is time for it; else the table says so, and `left_out` is set.
has_time()
{
    [ $(($(date +%s) - began)) -ge "$LIMIT_S" ] || return 0
    left_out=yes
    echo "== $1: NO TIME LEFT"
    printf '%s|||none|no time left\n' "$1" >>"$table"
    return 1
}

# wanted <row>: Whether it was asked for, and there is time; says that it is being measured.
wanted()
{
    printf '  %s\n' "$1" >>"$rows"
    printf '%s\n' "$1" | grep -qE -e "$pattern" && has_time "$1" || return 1
    echo "== $1…"
}

# row <row> <figure> <limit> <more>: Puts it into the table, with whether the limit is kept; "-" is
# none.
row()
{
    verdict=$(awk -v figure="$2" -v limit="$3" 'BEGIN {
        kept = figure ~ /^[0-9.]+$/ && figure + 0 <= limit + 0
        print (limit == "-" ? "" : kept ? "yes" : "NO") }')
    printf '%s|%s|%s|%s|%s\n' "$1" "$2" "$3" "$verdict" "$4" | tee -a "$table" |
        awk -F'|' '{ printf "   %s (at most %s)  %s\n", $2, $3, $5 }'
    printf '%s: %s, %s\n' "$1" "$2" "$4" >>"$raw"
}

# print_table: Ends with 2 if there is nothing in it.
print_table()
{
    echo
    if [ ! -s "$table" ]; then
        echo "$0: '$pattern' matches none of these:" >&2
        cat "$rows" >&2
        exit 2
    fi
    awk -F'|' '
        BEGIN {
            printf "%-68s %8s %8s  %-5s %s\n", "what", "measured", "at most", "kept",
                "spread; ours : theirs"
        }
        { printf "%-68s %8s %8s  %-5s %s\n", $1, $2, $3, $4, $5 }' "$table" | tee "$build/result"
}

ratio()
{
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", (b > 0 ? a / b : 999) }'
}

# median <file> [column]: "median least most"; of an even number, the mean of the two in the middle.
median()
{
    sort -n -k "${2:-1}" "$1" | awk -v c="${2:-1}" '{ v[NR] = $c }
        END {
            low = v[int((NR + 1) / 2)]
            high = v[int(NR / 2) + 1]
            printf "%s %s %s", (low == high ? low : sprintf("%.10g", (low + high) / 2)), v[1], v[NR]
        }'
}

# pairs <row> <limit> <file>: A row of a file of lines "ours theirs": of their ratios the median,
# the least and the most.
pairs()
{
    awk '{ printf "%.3f\n", ($2 > 0 ? $1 / $2 : 999) }' "$3" >"$build/ratios"
    ours=$(median "$3" 1)
    theirs=$(median "$3" 2)
    ratios=$(median "$build/ratios")
    row "$1" "${ratios%% *}" "$2" \
        "$(echo "$ratios" | awk '{ print $2 " to " $3 }'); ${ours%% *} : ${theirs%% *}"
}

# in_turns <row> <limit> <rounds> <what> <ours> <theirs>: A row of what the function <what> prints
# for the one and the other server, in turns.
in_turns()
{
    wanted "$1" || return 0
    : >"$build/pairs"
    turns=0
    while [ "$turns" -lt "$3" ]; do
        turns=$((turns + 1))
        # shellcheck disable=SC2086 # lists of words
        first=$("$4" $5) && other=$("$4" $6)
        echo "$first $other" >>"$build/pairs"
        echo "$1: round $turns: $first $other" >>"$raw"
    done
    pairs "$1" "$2" "$build/pairs"
}

# ---- Servers ------------------------------------------------------------------------------------

# start <command>...: Runs a server of $bin; sets `server` and `port`.
start()
{
    : >"$build/port"
    # In $bin, so that lists of words need no quotes.
    (cd "$bin" && exec "$@") >"$build/port" 2>"$build/said" &
    server=$!
    tries=300
    until [ -s "$build/port" ]; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ] || ! kill -0 "$server" 2>/dev/null; then
            cat "$build/said" >&2
            echo "$0: it does not start: $*" >&2
            exit 1
        fi
        sleep 0.05
    done
    port=$(cat "$build/port")
}

# stop: What it has said is then in $build/said.
stop()
{
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# load <target> <requests> <connections> keep|new...: Prints what bench-load prints.
load()
{
    "$bin/bench-load" "$port" "$@"
}

# private_kib: What the server has written to and nobody shares.
private_kib()
{
    awk '/^Private_Dirty:/ { print $2 }' "/proc/$server/smaps_rollup"
}

descriptors()
{
    find "/proc/$server/fd" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

# threads: Those of the server, but for main.
threads()
{
    echo $(($(find "/proc/$server/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l) - 1))
}

# most_threads <s>: The most that it has meanwhile.
most_threads()
{
    most=0
    until_s=$(($(date +%s) + $1))
    while [ "$(date +%s)" -lt "$until_s" ]; do
        now=$(threads)
        [ "$now" -le "$most" ] || most=$now
        sleep 0.02
    done
    echo "$most"
}

# ticks: User and system time of the server, in clock ticks.
ticks()
{
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

# cpu_percent <ticks> <s>: Of a processor.
cpu_percent()
{
    awk -v t="$1" -v s="$2" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.1f", 100 * t / hz / s }'
}
