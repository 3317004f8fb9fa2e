#!/bin/sh
# The exported functions are those of the public headers, no more and no fewer: in the export map, in
# the shared library and in the static one.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
build=${BUILD_DIR:-build/release}
. tests/lib/cannot.sh
. tests/lib/public.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# same <what is there> <what>: Compares with the headers' functions.
same()
{
    if ! diff -u "$scratch/headers" "$scratch/$1" >"$scratch/diff"; then
        echo "$2 and HEALTH_PUBLIC in include/health/ differ (- header, + $1):"
        grep -E '^[-+][^-+]' "$scratch/diff"
        status=1
    fi
}

public_functions include/health/*.h >"$scratch/headers"
if ! grep -qx health_serve "$scratch/headers"; then
    echo "no health_serve() found in include/health/"
    exit 1
fi

sed -n '/global:/,/local:/s/^ *\([a-z0-9_]*\);$/\1/p' src/health.map | sort >"$scratch/map"
same map src/health.map

if [ -e "$build/libhealth.so" ]; then
    # Symbols of type A are the names of the versions.
    nm -D --defined-only "$build/libhealth.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        sort >"$scratch/shared"
    same shared libhealth.so

    readelf -dW "$build/libhealth.so" >"$scratch/dynamic"
    for flag in 'SONAME.*libhealth\.so\.[0-9]' 'FLAGS.*BIND_NOW' 'FLAGS_1.*NODELETE'; do
        if ! grep -qE "$flag" "$scratch/dynamic"; then
            echo "libhealth.so: no $flag in its dynamic section"
            status=1
        fi
    done
    if ! readelf -lW "$build/libhealth.so" | grep -q GNU_RELRO; then
        echo "libhealth.so: no relro"
        status=1
    fi
    if grep -q TEXTREL "$scratch/dynamic"; then
        echo "libhealth.so: has text relocations"
        status=1
    fi
else
    cannot_all "there is no libhealth.so in $build"
fi

# Of an archive, everything that is global is in its user's name space: ours has to be ours.
if [ -e "$build/libhealth.a" ]; then
    nm -g --defined-only "$build/libhealth.a" | awk 'NF == 3 { print $3 }' | sort >"$scratch/archive"
    if grep -v '^health_' "$scratch/archive"; then
        echo "libhealth.a: global without health_"
        status=1
    fi
    grep '^health_[^_]' "$scratch/archive" >"$scratch/static" || true
    same static libhealth.a
else
    cannot_all "there is no libhealth.a in $build"
fi

exit "$status"
