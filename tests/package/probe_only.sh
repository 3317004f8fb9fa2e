#!/bin/sh
# With both kinds of library off, the probe is built and installed alone, where neither libmicrohttpd
# nor cJSON are; with musl as docs/containers.md does it.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"
. "$(dirname "$0")/../lib/cannot.sh"
most=32768

PKG_CONFIG_LIBDIR=/nonexistent
export PKG_CONFIG_LIBDIR

# probe_alone <compiler> <name>
probe_alone()
{
    CC=$1 quietly cmake -G Ninja -S "$root" -B "$scratch/$2" -DCMAKE_BUILD_TYPE=Release \
        -DHEALTH_BUILD_SHARED=OFF -DHEALTH_BUILD_STATIC=OFF -DHEALTH_BUILD_PROBE=ON
    quietly cmake --build "$scratch/$2"
    quietly cmake --install "$scratch/$2" --strip --prefix "$scratch/$2-installed"
    files=$(cd "$scratch/$2-installed" && find . -type f)
    if [ "$files" != ./bin/health-probe ]; then
        echo "== not the probe alone: $files"
        exit 1
    fi
    "$scratch/$2-installed/bin/health-probe" --help >/dev/null
}

probe_alone "${CC:-cc}" usual
if ! command -v musl-gcc >/dev/null; then
    cannot "the probe alone with musl: there is no musl-gcc (Debian: musl-tools)"
fi
probe_alone musl-gcc musl
size=$(wc -c <"$scratch/musl-installed/bin/health-probe")
if [ "$size" -gt "$most" ]; then
    echo "== $size bytes are more than $most"
    exit 1
fi
