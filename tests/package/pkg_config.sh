#!/bin/sh
# health.pc: shared and static, from C and C++, also after the prefix was moved.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/package.sh"

moved="$scratch/second place"
mv "$prefix" "$moved"
PKG_CONFIG_PATH=$moved/$libdir/pkgconfig
LD_LIBRARY_PATH=$moved/$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH

version=$(sed -n 's/^#define HEALTH_VERSION_[A-Z]* //p' "$root/include/health/health.h" | paste -sd . -)
if [ "$(pkg-config --modversion health)" != "$version" ]; then
    echo "== health.pc has version $(pkg-config --modversion health), the header $version"
    exit 1
fi

# build <compiler> <source> <pkg-config's options>: A program in $scratch/program, and it works.
build()
{
    echo "== $1 ${2##*/} $3"
    # pkg-config escapes the blank in the path for the shell.
    eval "quietly $1 -o \"$scratch/program\" \"$2\" $(pkg-config --cflags $3 health)"
    quietly "$scratch/program"
}

build "$CC" "$consumer/main.c" --libs
needs "$scratch/program" libhealth.so.0
needs_not "$scratch/program" libmicrohttpd

case $CC in
*clang*) cxx=clang++ ;;
*) cxx=g++ ;;
esac
build "$cxx" "$consumer/main.cc" --libs

# Where both are, the linker takes the shared one; docs/building.md says how it takes the other.
echo "== libhealth.a, and the rest shared"
eval "quietly $CC -o \"$scratch/program\" \"$consumer/main.c\" \
    $(pkg-config --static --cflags --libs health | sed 's/-lhealth/-l:libhealth.a/')"
quietly "$scratch/program"
needs_not "$scratch/program" libhealth
needs "$scratch/program" libmicrohttpd
rm "$moved/$libdir"/libhealth.so*
unset LD_LIBRARY_PATH
build "$CC" "$consumer/main.c" "--static --libs"
needs_not "$scratch/program" libhealth

says "version '0\.1\.0'|requested version|>= 99" pkg-config --print-errors --exists 'health >= 99'
