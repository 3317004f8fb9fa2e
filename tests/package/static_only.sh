#!/bin/sh
# Without a shared library health::health and health.pc mean the static one.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

quietly cmake -G Ninja -S "$root" -B "$scratch/build" -DHEALTH_BUILD_SHARED=OFF \
    -DHEALTH_BUILD_TESTS=OFF -DHEALTH_BUILD_EXAMPLES=OFF
quietly cmake --build "$scratch/build"
static="$scratch/static only"
quietly cmake --install "$scratch/build" --prefix "$static"
if find "$static" -name '*.so*' | grep .; then
    echo "== there is a shared library"
    exit 1
fi

use package -DHOW=package -DLINK=health::health -DCXX=ON "-DCMAKE_PREFIX_PATH=$static"
needs_not "$scratch/package/consumer" libhealth

PKG_CONFIG_PATH=$static/$libdir/pkgconfig
export PKG_CONFIG_PATH
for static_option in "" --static; do
    # pkg-config escapes the blank in the path for the shell.
    # shellcheck disable=SC2086
    eval "quietly \$CC -o \"$scratch/program\" \"$consumer/main.c\" $(pkg-config $static_option --cflags --libs health)"
    quietly "$scratch/program"
    needs_not "$scratch/program" libhealth
done
