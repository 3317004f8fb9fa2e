# shellcheck shell=sh
# What the package tests have in common.  To be sourced; any POSIX shell.
#
# Sets `scratch`, a directory that goes away in the end, and `prefix`, in it, where the library that
# was built in BUILD_DIR is installed.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD_DIR:-$root/build/release}
consumer=$root/tests/package/consumer
CC=${CC:-cc}
export CC

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix="$scratch/first place"

# Nothing of the environment decides what is found.
unset CMAKE_PREFIX_PATH health_DIR PKG_CONFIG_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS DESTDIR

# quietly <words>...: Runs it; what it said is shown if it fails.
quietly()
{
    "$@" >"$scratch/said" 2>&1 || {
        echo "== failed: $*"
        cat "$scratch/said"
        exit 1
    }
}

# says <pattern> <words>...: Runs it; it has to fail and to say so.  Messages are wrapped: blanks count
# as one.
says()
{
    pattern=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then
        echo "== should have failed: $*"
        exit 1
    fi
    if ! tr -s ' \n' '  ' <"$scratch/said" | grep -qE "$pattern"; then
        echo "== does not say '$pattern': $*"
        cat "$scratch/said"
        exit 1
    fi
}

# configure <name> <cmake's options>...: A consumer in $scratch/<name>.
configure()
{
    name=$1
    shift
    rm -rf "${scratch:?}/$name"
    cmake -G Ninja -S "$consumer" -B "$scratch/$name" "$@"
}

# use <name> <cmake's options>...: Configures, builds and runs it.
use()
{
    echo "== $*"
    quietly configure "$@"
    quietly cmake --build "$scratch/$1"
    for program in consumer consumer_cxx; do
        if [ -e "$scratch/$1/$program" ]; then
            quietly "$scratch/$1/$program"
        fi
    done
}

# needs <program> <library>, needs_not <program> <library>: What the linker wrote down.
needs()
{
    if ! readelf -d "$1" | grep -q "NEEDED.*$2"; then
        echo "$1 does not need $2"
        exit 1
    fi
}

needs_not()
{
    if readelf -d "$1" | grep -q "NEEDED.*$2"; then
        echo "$1 needs $2"
        exit 1
    fi
}

quietly cmake --install "$build" --prefix "$prefix"
libdir=$(dirname "$(find "$prefix" -name libhealth.a)")
libdir=${libdir#"$prefix/"}
