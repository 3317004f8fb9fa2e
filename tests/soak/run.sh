#!/bin/sh
# A soak: a day of a service by a clock that is set by hand, with 10,000,000 probes; and a real
# service under a real load, for ten minutes or as many as are said:
#
#   sh tests/soak/run.sh [MINUTES]
#
# The day fails if an answer is wrong or memory, descriptors or threads grow; the service if, once it
# is warm, its private dirty memory grows by more than 256 KiB, or in the second half of the minutes
# by more than 32, or its descriptors or threads at rest are others.  What is measured is printed once
# a minute.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

case ${1-} in
-h | --help)
    sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
    exit 0
    ;;
esac
minutes=${1:-10}
growth_kib=256
late_growth_kib=32
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/packages.sh"
need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "testing" libcmocka-dev libjansson-dev

build=${HEALTH_BUILD_ROOT:-$root/build}/soak
mkdir -p "$build"
echo "== Building…"
(cd "$root" && cmake --preset release -B "$build/tree") >"$build/log" 2>&1 &&
    cmake --build "$build/tree" --target soak-day soak-service bench-load >>"$build/log" 2>&1 || {
    cat "$build/log" >&2
    exit 1
}
bin=$build/tree/tests

echo "== A day…"
"$bin/soak-day" 10000000 86400

echo "== $minutes minutes…"
rm -f "$build/in" "$build/out"
mkfifo "$build/in" "$build/out"
"$bin/soak-service" <"$build/in" >"$build/out" &
service=$!
exec 3>"$build/in" 4<"$build/out"
trap 'exec 3>&-' EXIT
read -r port <&4

# press <seconds> <load's arguments>...: Again and again.
press()
{
    end=$(($(date +%s) + $1))
    shift
    while [ "$(date +%s)" -lt "$end" ]; do
        # It also fails where answers are 503, as some are to be; then it says how many.
        line=$("$bin/bench-load" "$port" "$@") || [ -n "$line" ] || return 1
        answered=$(echo "$line" | awk '{ print $1 + $2 }')
        echo "$answered" >>"$build/answered"
        sleep 0.1
    done
}

# load <seconds>: From several sides at once.
load()
{
    pressing=
    for arguments in "/live 2000 16 keep" "/ready 1000 16 keep" "/health 500 8 keep" \
        "/ready?verbose&exclude=part-1:state 200 8 new"; do
        # shellcheck disable=SC2086 # a list of words
        press "$1" $arguments &
        pressing="$pressing $!"
    done
    for p in $pressing; do
        wait "$p" || {
            echo "== not answered"
            exit 1
        }
    done
}

# measure: Sets `kib`, `descriptors` and `threads`: each the least that there is within a second,
# for whatever is under way has its own.
measure()
{
    kib='' descriptors='' threads=''
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        echo >&3
        read -r k d t <&4
        [ -n "$kib" ] && [ "$kib" -le "$k" ] || kib=$k
        [ -n "$descriptors" ] && [ "$descriptors" -le "$d" ] || descriptors=$d
        [ -n "$threads" ] && [ "$threads" -le "$t" ] || threads=$t
        sleep 0.1
    done
}

# Once without being counted, as what is made at the first use stays.
: >"$build/answered"
load 20
sleep 1
measure
kib_before=$kib descriptors_before=$descriptors threads_before=$threads
echo "at first: $kib KiB private dirty, $descriptors descriptors, $threads threads"
status=0
minute=0
while [ "$minute" -lt "$minutes" ]; do
    minute=$((minute + 1))
    load 57
    sleep 1
    measure
    answered=$(awk '{ sum += $1 } END { print sum }' "$build/answered")
    echo "minute $minute: $kib KiB private dirty, $descriptors descriptors, $threads threads, $answered answers"
    if [ "$kib" -gt $((kib_before + growth_kib)) ] || [ "$descriptors" -ne "$descriptors_before" ] ||
        [ "$threads" -ne "$threads_before" ]; then
        echo "== that is not what it was"
        status=1
    fi
    [ "$minute" -ne $((minutes / 2)) ] || kib_half=$kib
done
# What grows slowly, and would not stop.
if [ "$minutes" -ge 2 ]; then
    echo "second half: $((kib - kib_half)) KiB private dirty more"
    if [ $((kib - kib_half)) -gt "$late_growth_kib" ]; then
        echo "== that is still growing"
        status=1
    fi
fi
exec 3>&-
wait "$service" || {
    echo "== the service has failed"
    status=1
}
exit "$status"
