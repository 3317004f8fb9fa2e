#!/bin/sh
# find_package(health): shared and static, from C and C++, also after the prefix was moved.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

use shared -DHOW=package -DLINK=health::health -DVERSION=0.1 -DCXX=ON "-DCMAKE_PREFIX_PATH=$prefix"
needs "$scratch/shared/consumer" libhealth.so.0
needs_not "$scratch/shared/consumer" libmicrohttpd

use static -DHOW=package -DLINK=health::static -DCOMPONENTS=static "-DCMAKE_PREFIX_PATH=$prefix"
needs_not "$scratch/static/consumer" libhealth
needs "$scratch/static/consumer" libmicrohttpd

moved="$scratch/second place"
mv "$prefix" "$moved"
if grep -rlF "$prefix" "$moved"; then
    echo "== the files above name the place they were installed to"
    exit 1
fi
if grep -rlF -e "$root" -e "$build" "$moved/include" "$moved/$libdir/cmake" "$moved/$libdir/pkgconfig"; then
    echo "== the files above name the place they were built in"
    exit 1
fi
use moved -DHOW=package -DLINK=health::health "-DCMAKE_PREFIX_PATH=$moved"
use moved_static -DHOW=package -DLINK=health::static "-DCMAKE_PREFIX_PATH=$moved"

# Who links the shared library needs nothing of what is behind it.
PKG_CONFIG_LIBDIR=/nonexistent
export PKG_CONFIG_LIBDIR
use alone -DHOW=package -DLINK=health::health "-DCMAKE_PREFIX_PATH=$moved"
