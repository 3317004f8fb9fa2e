#!/bin/sh
# Builds an image FROM scratch with the example service in it, and nothing else:
#
#   sh examples/distroless/scratch.sh [--no-image] [TAG]
#
# The service, the library, libmicrohttpd and cJSON are one static program, linked with musl; beside
# it is health-probe, for services that are not their own health check.  TAG is example-service:scratch
# where there is none.  No registry is asked.
#
# Debian has no static cJSON, and its libmicrohttpd.a is glibc's and wants GnuTLS.  So both are built
# here from Debian's sources, as `apt-get source` gives them: signed, with Debian's patches.  It needs
# no change to the system's lists of packages: those for sources are made from them, in a folder.
#
# Packages that are missing are installed.  What is built stays in build/scratch, or
# HEALTH_BUILD_ROOT/scratch, for the next time: prefix/ with the libraries, libhealth among them, to
# link a service of your own with; image/ with the programs.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/packages.sh"

with_image=yes
tag=example-service:scratch
for word in "$@"; do
    case $word in
    --no-image) with_image=no ;;
    -h | --help)
        sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
        exit 0
        ;;
    -*)
        echo "Usage: sh $0 [--no-image] [TAG]" >&2
        exit 2
        ;;
    *) tag=$word ;;
    esac
done

need_packages "building" gcc libc6-dev musl-tools binutils make cmake ninja-build pkgconf dpkg-dev
work=${HEALTH_BUILD_ROOT:-$root/build}/scratch
mkdir -p "$work"
work=$(cd "$work" && pwd)
prefix=$work/prefix

# Small: no table of how to unwind, and each function by itself, so that the linker leaves out what
# nobody calls.
CFLAGS="-Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables"
export CFLAGS
# Of the system's libraries none is musl's.
PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
export PKG_CONFIG_LIBDIR

# logged <words>...: Runs it; what it said is shown if it fails.
logged()
{
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "failed: $*" >&2
        exit 1
    }
}

# apt <words>...: apt-get, with lists of its own.
apt()
{
    apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources.list.d" \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" \
        -o APT::Sandbox::User=root "$@"
}

# Debian's sources from where its packages come from: `deb` becomes `deb-src`, in both formats.
list_sources()
{
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    rm -rf "$work/sources.list.d"
    mkdir -p "$work/sources.list.d" "$work/lists/partial" "$work/cache/archives/partial"
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        if ! grep -qsw "$codename" "$list"; then
            continue
        fi
        case $list in
        *.list) sed -n 's/^deb[[:blank:]]/deb-src /p' "$list" ;;
        *.sources) sed 's/^Types:.*/Types: deb-src/' "$list" ;;
        esac >"$work/sources.list.d/$(basename "$list")"
    done
}

# The newest of each; one list that cannot be had is no reason to give up.
get_sources()
{
    if ! command -v apt-get >/dev/null; then
        echo "this is no Debian: unpack libmicrohttpd and cJSON as $work/sources/libmicrohttpd-VERSION" >&2
        echo "and $work/sources/cjson-VERSION, and start again" >&2
        exit 1
    fi
    list_sources
    mkdir -p "$work/sources"
    apt update >"$work/log" 2>&1 || true
    (cd "$work/sources" && logged apt source libmicrohttpd cjson)
}

# find_source <name>: Sets `source` to its folder.
find_source()
{
    source=$(find "$work/sources" -mindepth 1 -maxdepth 1 -type d -name "$1-*" 2>/dev/null | head -n 1)
    [ -n "$source" ]
}

# Without TLS, which would be larger than all the rest, and without what the library does not use.
build_libmicrohttpd()
{
    find_source libmicrohttpd
    rm -rf "$work/libmicrohttpd"
    mkdir "$work/libmicrohttpd"
    cd "$work/libmicrohttpd"
    logged env CONFIG_SHELL=/bin/sh /bin/sh "$source/configure" CC=musl-gcc LDFLAGS=-static "--prefix=$prefix" \
        --libdir="$prefix/lib" --disable-dependency-tracking --disable-shared --enable-static \
        --disable-https --disable-bauth --disable-dauth --disable-postprocessor --disable-nls \
        --disable-doc --disable-examples --disable-curl
    logged make -C src/microhttpd -j2 install
    logged make -C src/include install
    logged make install-pkgconfigDATA
    cd "$root"
}

build_cjson()
{
    find_source cjson
    rm -rf "$work/cjson"
    logged cmake -G Ninja -S "$source" -B "$work/cjson" -DCMAKE_C_COMPILER=musl-gcc \
        -DCMAKE_BUILD_TYPE=None "-DCMAKE_INSTALL_PREFIX=$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DBUILD_SHARED_LIBS=OFF -DENABLE_CJSON_TEST=OFF -DENABLE_CUSTOM_COMPILER_FLAGS=OFF
    logged cmake --build "$work/cjson"
    logged cmake --install "$work/cjson"
}

build_service()
{
    # What was configured for sources with another path is of no use.
    if ! grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$work/service/CMakeCache.txt" ||
        [ ! -e "$work/service/build.ninja" ]; then
        rm -rf "$work/service"
        configure_service
    fi
    logged cmake --build "$work/service" --target service health-probe libhealth_static
    logged cmake --install "$work/service" --prefix "$prefix"
}

configure_service()
{
    logged cmake -G Ninja -S "$root" -B "$work/service" -DCMAKE_C_COMPILER=musl-gcc \
        -DCMAKE_BUILD_TYPE=None "-DCMAKE_EXE_LINKER_FLAGS=-static -Wl,--gc-sections" \
        -DHEALTH_BUILD_SHARED=OFF -DHEALTH_BUILD_TESTS=OFF -DHEALTH_BUILD_EXAMPLES=ON \
        "-DCMAKE_INSTALL_PREFIX=$prefix" -DCMAKE_INSTALL_LIBDIR=lib
}

# A folder that was moved is of no use: what is in it says where it was.
if [ "$(cat "$prefix/complete" 2>/dev/null)" != "$prefix" ]; then
    if ! find_source libmicrohttpd || ! find_source cjson; then
        echo "== Getting the sources of libmicrohttpd and cJSON…"
        get_sources
    fi
    echo "== Building libmicrohttpd and cJSON with musl…"
    build_libmicrohttpd
    build_cjson
    echo "$prefix" >"$prefix/complete"
fi

echo "== Building the library and the service with musl…"
build_service
rm -rf "$work/image"
mkdir -p "$work/image/data"
strip -o "$work/image/service" "$work/service/examples/service"
strip -o "$work/image/health-probe" "$work/service/health-probe"
for program in service health-probe; do
    echo "$program: $(wc -c <"$work/image/$program") bytes"
done

if [ "$with_image" = no ]; then
    exit 0
fi
if ! docker version >/dev/null 2>&1; then
    echo "== No image: no Docker Engine answers.  Where one does:"
    echo "docker build -t $tag -f $here/Dockerfile.scratch $work/image"
    exit 1
fi
echo "== Building the image…"
# The older builder too, where the client has no other.
logged env DOCKER_BUILDKIT="${DOCKER_BUILDKIT:-0}" docker build -t "$tag" -f "$here/Dockerfile.scratch" \
    "$work/image"
echo "$tag: $(docker image inspect -f '{{.Size}}' "$tag") bytes"
