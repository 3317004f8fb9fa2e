#!/bin/sh
# What goes wrong when building is said in words that help.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

# library <cmake's options>...: The library itself, configured anew.
library()
{
    rm -rf "$scratch/library"
    cmake -G Ninja -S "$root" -B "$scratch/library" "$@"
}

says 'compatible with requested version "99".*version: 0\.' \
    configure consumer -DHOW=package -DLINK=health::health -DVERSION=99 "-DCMAKE_PREFIX_PATH=$prefix"
says "no component 'nonsense'" \
    configure consumer -DHOW=package -DLINK=health::health -DCOMPONENTS=nonsense "-DCMAKE_PREFIX_PATH=$prefix"
says 'nothing to build:.*are all off' \
    library -DHEALTH_BUILD_SHARED=OFF -DHEALTH_BUILD_STATIC=OFF -DHEALTH_BUILD_PROBE=OFF
says 'the tests link the static library' library -DHEALTH_BUILD_STATIC=OFF -DHEALTH_BUILD_TESTS=ON

# As on a machine that lacks packages.
PKG_CONFIG_LIBDIR=/nonexistent
export PKG_CONFIG_LIBDIR
says 'apt-get install libmicrohttpd-dev' library
says 'static library needs.*microhttpd, cJSON.*apt-get install .*libcjson-dev' \
    configure consumer -DHOW=package -DLINK=health::static -DCOMPONENTS=static "-DCMAKE_PREFIX_PATH=$prefix"

# As on one whose packages are too old.
mkdir "$scratch/old"
for module in libmicrohttpd:0.9.71 libcjson:1.7.10; do
    printf 'Name: x\nDescription: x\nVersion: %s\nLibs: -lc\n' "${module#*:}" >"$scratch/old/${module%:*}.pc"
done
PKG_CONFIG_LIBDIR=$scratch/old
says 'microhttpd.*unsuitable version "0\.9\.71".*"0\.9\.75"' library
