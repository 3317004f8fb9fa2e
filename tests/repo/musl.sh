#!/bin/sh
# Every source of the library compiles with musl's headers, as on Alpine.  Debian has libmicrohttpd
# and cJSON for glibc alone, but their headers are anybody's.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
MUSL_CC=${MUSL_CC:-musl-gcc}

if ! command -v "$MUSL_CC" >/dev/null; then
    cannot "there is no $MUSL_CC (Debian: musl-tools)"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# header <name>: Copies it from where the compiler finds it, and says which it was.
header()
{
    found=$(echo "#include <$1>" | "${CC:-cc}" -E -x c - 2>/dev/null |
        sed -n 's,^# [0-9]* "\(/[^"]*/'"$1"'\)".*,\1,p' | head -n 1)
    if [ -z "$found" ]; then
        cannot "there is no <$1>"
    fi
    mkdir -p "$scratch/$(dirname "$1")"
    cp "$found" "$scratch/$1"
}
header microhttpd.h
header cjson/cJSON.h
# Both spellings.
cp "$scratch/cjson/cJSON.h" "$scratch/cJSON.h"

status=0
for source in $(find src -name '*.c' | sort); do
    "$MUSL_CC" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
        -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Werror \
        -Iinclude -Isrc -isystem "$scratch" -c -o "$scratch/x.o" "$source" || status=1
done
exit "$status"
