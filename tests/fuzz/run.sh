#!/bin/sh
# Fuzzes what reads other people's bytes, with libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer, beginning with the seeds:
#
#   sh tests/fuzz/run.sh [seconds [target...]]
#
# Each target is given 10 seconds where nothing else is said.  What breaks one is left in build/fuzz/,
# or FUZZ_ROOT, and belongs into seeds/ when it is mended.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/cannot.sh"
seconds=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- response summary url route name document options server
FUZZ_CC=${FUZZ_CC:-clang}
flags="-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"

out=${FUZZ_ROOT:-$root/build/fuzz}
mkdir -p "$out"
out=$(cd "$out" && pwd)

echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d == 0 && n; }' \
    >"$out/trial.c"
# shellcheck disable=SC2086 # lists of words, here and below
if ! "$FUZZ_CC" $flags -o "$out/trial" "$out/trial.c" >"$out/trial.log" 2>&1; then
    cat "$out/trial.log"
    cannot "there is no $FUZZ_CC with libFuzzer (Debian: clang, libclang-rt-14-dev)"
fi

# The whole library; of it a target has what it calls.
cc="$FUZZ_CC -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -g -O1 -std=c11 -D_GNU_SOURCE
    -Wall -Wextra -Werror -I../include -I. -I../tests/lib $(pkg-config --cflags libmicrohttpd libcjson jansson)"
libraries="$(pkg-config --libs libmicrohttpd libcjson jansson) -lpthread -lm"
rm -rf "$out/objects"
mkdir -p "$out/objects"
(cd "$root/src" && find -- * -name '*.c' ! -name health_probe.c | sort | xargs -P 2 -I '{}' sh -c \
    'source=$1 && shift && exec "$@" -c -o "$0/$(echo "$source" | tr / -).o" "$source"' "$out/objects" '{}' $cc)
rm -f "$out/libhealth.a"
ar rcs "$out/libhealth.a" "$out/objects"/*.o

# fuzz <target>...: One after the other.  Returns: 1 if one is broken.
fuzz()
{
    broken=0
    for target in "$@"; do
        echo "== $target, $seconds s"
        mkdir -p "$out/$target.corpus"
        # A head may have 16 KiB.
        if (cd "$root/src" &&
            $cc -fsanitize=fuzzer -o "$out/$target" "$here/$target.c" "$out/libhealth.a" $libraries) &&
            "$out/$target" -max_total_time="$seconds" -max_len=20000 -timeout=10 -rss_limit_mb=1024 \
                -print_final_stats=1 -artifact_prefix="$out/$target-" \
                "$out/$target.corpus" "$here/seeds/$target" >"$out/$target.log" 2>&1; then
            grep -E 'stat::(number_of_executed_units|average_exec_per_sec)|^#[0-9]+.*DONE' "$out/$target.log" |
                sed "s/^/$target: /"
        else
            tail -n 40 "$out/$target.log" || true
            echo "== $target: broken"
            broken=1
        fi
    done
    return "$broken"
}

# Two at a time.
these=
those=
for target in "$@"; do
    next="$these $target"
    these=$those
    those=$next
done
fuzz $these &
status=0
fuzz $those || status=1
wait $! || status=1
exit "$status"
