#!/bin/sh
# health-probe by itself: what it is made of, how large it is where it is linked with musl, and that
# it answers in a directory tree in which there is nothing else.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/consumers.sh"
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
MUSL_CC=${MUSL_CC:-musl-gcc}
most=32768

# What a program of a few kilobytes has no business with.
refused='malloc|calloc|realloc|reallocarray|free|strn?dup|getaddrinfo|gethostby.*|getifaddrs'
refused="$refused"'|pthread_.*|thrd_.*|fopen|f?printf|v?snprintf|setlocale|dlopen|MHD_.*|cJSON_.*'

sources=$(sed -n '/^set(HEALTH_PROBE_SOURCES$/,/^)/s/^ *\(src\/.*\.c\)$/\1/p' "$root/CMakeLists.txt")
[ -n "$sources" ] || fail "no sources are named in CMakeLists.txt"

# build <compiler> <name>: Static, as small as it gets, with its symbols beside it.
build()
{
    mkdir "$scratch/$2"
    for source in $sources; do
        "$1" -std=c11 -D_GNU_SOURCE -Os -ffunction-sections -fdata-sections \
            -fno-asynchronous-unwind-tables -Wall -Wextra -Werror \
            -I"$root/include" -I"$root/src" -c -o "$scratch/$2/$(basename "$source" .c).o" \
            "$root/$source"
    done
    if nm -u "$scratch/$2"/*.o | grep -wE " U ($refused)"; then
        fail "$2: the probe needs the above"
    fi
    "$1" -static -Wl,--gc-sections -o "$scratch/$2/with-symbols" "$scratch/$2"/*.o
    strip -o "$scratch/$2/health-probe" "$scratch/$2/with-symbols"
    size=$(wc -c <"$scratch/$2/health-probe")
    echo "== $2: $size bytes"
}

# in_nothing <program> <words>...: Runs it where its root has nothing but itself in it.
in_nothing()
{
    mkdir -p "$scratch/nothing"
    cp "$1" "$scratch/nothing/health-probe"
    shift
    if [ "$(id -u)" -eq 0 ]; then
        env -i "$(command -v chroot)" "$scratch/nothing" /health-probe "$@"
    else
        env -i "$(command -v unshare)" -r "$(command -v chroot)" "$scratch/nothing" \
            /health-probe "$@"
    fi
}

# answers <name>: By each host that there is.
answers()
{
    tell pass
    for host in 127.0.0.1 localhost; do
        in_nothing "$scratch/$1/health-probe" "http://$host:$port/ready" >"$scratch/said" ||
            fail "$1: exits with $?: $(cat "$scratch/said")"
        [ ! -s "$scratch/said" ] || fail "$1: says $(cat "$scratch/said")"
    done
    tell fail
    if in_nothing "$scratch/$1/health-probe" "http://localhost:$port/ready" >"$scratch/said"; then
        fail "$1: is content with a 503"
    fi
    expected="http://localhost:$port/ready: 503: file: the file says so"
    [ "$(cat "$scratch/said")" = "$expected" ] || fail "$1: says $(cat "$scratch/said")"
    if in_nothing "$scratch/$1/health-probe" http://example.com/ 2>"$scratch/said"; then
        fail "$1: knows example.com"
    fi
    grep -q 'names are not resolved' "$scratch/said" || fail "$1: says $(cat "$scratch/said")"
    in_nothing "$scratch/$1/health-probe" --help >"$scratch/said" || fail "$1: --help fails"
}

build "${CC:-cc}" glibc
answers glibc

if ! command -v "$MUSL_CC" >/dev/null; then
    cannot "the size: there is no $MUSL_CC (Debian: musl-tools)"
fi
build "$MUSL_CC" musl
[ "$size" -le "$most" ] || fail "$size bytes are more than $most"
# With musl it can be seen of the whole program that it has no heap and no threads.
# Its sigprocmask() is made of this one.
if nm "$scratch/musl/with-symbols" | grep -vw pthread_sigmask |
    grep -wE "($refused|brk|sbrk|mmap|clone)"; then
    fail "musl: the above is in the program"
fi
answers musl
stop_service
