#!/bin/sh
# add_subdirectory() and FetchContent: the same names, nothing but the library, and programs that start
# where they were installed.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

# installed <name> <files>: What is installed of it is these files, and the program among them starts
# without what was built.
installed()
{
    quietly cmake --install "$scratch/$1" --prefix "$scratch/$1-installed"
    files=$(cd "$scratch/$1-installed" && find . -type f -o -type l | sort | paste -sd ' ' -)
    # shellcheck disable=SC2254 # a pattern
    case $files in
    $2) ;;
    *)
        echo "== installs $files"
        exit 1
        ;;
    esac
    mv "$scratch/$1" "$scratch/$1-away"
    quietly "$scratch/$1-installed/bin/consumer"
    mv "$scratch/$1-away" "$scratch/$1"
}

use subdirectory -DHOW=subdirectory -DLINK=health::health -DCXX=ON "-DSOURCE=$root"
needs_not "$scratch/subdirectory/consumer" libhealth
installed subdirectory ./bin/consumer
use subdirectory_static -DHOW=subdirectory -DLINK=health::static "-DSOURCE=$root"
needs_not "$scratch/subdirectory_static/consumer" libhealth
use fetch -DHOW=fetch -DLINK=health::health "-DSOURCE=$root"
needs_not "$scratch/fetch/consumer" libhealth
installed fetch ./bin/consumer

# The shared one, if it is asked for, and installed with the program.
# shellcheck disable=SC2016 # $ORIGIN is the linker's
use shared -DHOW=subdirectory -DLINK=health::health -DHEALTH_BUILD_SHARED=ON -DHEALTH_INSTALL=ON \
    -DCMAKE_INSTALL_LIBDIR=lib '-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib' "-DSOURCE=$root"
needs "$scratch/shared/consumer" libhealth.so.0
installed shared './bin/consumer *./lib/libhealth.so*'

if grep -q 'HEALTH_.*_TESTS:BOOL=ON\|HEALTH_.*_EXAMPLES:BOOL=ON\|HEALTH_INSTALL:BOOL=ON' "$scratch/fetch/CMakeCache.txt"; then
    echo "== tests, examples or install rules are on in a part of another project"
    exit 1
fi
