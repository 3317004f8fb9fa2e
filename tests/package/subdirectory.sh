#!/bin/sh
# add_subdirectory() and FetchContent: the same names, and nothing but the library.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

use subdirectory -DHOW=subdirectory -DLINK=health::health -DCXX=ON "-DSOURCE=$root"
needs "$scratch/subdirectory/consumer" libhealth.so.0
use subdirectory_static -DHOW=subdirectory -DLINK=health::static "-DSOURCE=$root"
needs_not "$scratch/subdirectory_static/consumer" libhealth
use only_static -DHOW=subdirectory -DLINK=health::health -DHEALTH_BUILD_SHARED=OFF "-DSOURCE=$root"
needs_not "$scratch/only_static/consumer" libhealth
use fetch -DHOW=fetch -DLINK=health::health "-DSOURCE=$root"
needs "$scratch/fetch/consumer" libhealth.so.0

if grep -q 'HEALTH_.*_TESTS:BOOL=ON\|HEALTH_.*_EXAMPLES:BOOL=ON\|HEALTH_INSTALL:BOOL=ON' "$scratch/fetch/CMakeCache.txt"; then
    echo "== tests, examples or install rules are on in a part of another project"
    exit 1
fi
quietly cmake --install "$scratch/fetch" --prefix "$scratch/nothing"
if [ -e "$scratch/nothing" ]; then
    echo "== it installs into the prefix of another project"
    exit 1
fi
