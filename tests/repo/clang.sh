#!/bin/sh
# Every source of the library, the probe and the examples compiles with clang as well, without a warning.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
CLANG=${CLANG:-clang}

if ! command -v "$CLANG" >/dev/null; then
    cannot "there is no $CLANG"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

status=0
for source in $(find src examples -name '*.c' | sort); do
    "$CLANG" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
        -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Werror \
        -Iinclude -Isrc -c -o "$scratch/x.o" "$source" || status=1
done
exit "$status"
