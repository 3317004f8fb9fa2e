#!/bin/sh
# Each header stands alone: the public ones as C99, C11, C++11 and C++17, with warnings that are none
# of our users' business; the inner ones as we compile them.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Werror"

# compile <words>...: That compiler's run succeeds.
compile()
{
    if ! "$@" >"$scratch/said" 2>&1; then
        echo "== $*"
        cat "$scratch/said"
        status=1
    fi
}

cat >"$scratch/initializers" <<'EOT'
#include <health/health.h>

struct health_options global_options = HEALTH_OPTIONS_INIT;
struct health_check global_check = HEALTH_CHECK_INIT;

int main(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;

    options.listen = "*:8080";
    check.name = "x";
    return options.size == sizeof global_options && check.size == sizeof global_check ? 0 : 1;
}
EOT
cp "$scratch/initializers" "$scratch/initializers.c"
cp "$scratch/initializers" "$scratch/initializers.cc"
# Structs that go over the ABI have no padding, so that their tails can be compared with zero.
padding="-Wmissing-field-initializers -Wpadded"

c_compilers=
cxx_compilers=
for compiler in gcc clang; do
    if command -v "$compiler" >/dev/null; then
        c_compilers="$c_compilers $compiler"
    else
        cannot_all "there is no $compiler"
    fi
done
for compiler in g++ clang++; do
    if command -v "$compiler" >/dev/null; then
        cxx_compilers="$cxx_compilers $compiler"
    else
        cannot_all "there is no $compiler"
    fi
done
if [ -z "$c_compilers" ]; then
    c_compilers=${CC:-cc}
fi

# shellcheck disable=SC2086 # lists of words
for header in include/health/*.h; do
    printf '#include <health/%s>\n#include <health/%s>\nextern int not_empty;\n' \
        "${header##*/}" "${header##*/}" >"$scratch/alone.c"
    cp "$scratch/alone.c" "$scratch/alone.cc"
    for compiler in $c_compilers; do
        for standard in c99 c11; do
            compile $compiler -std=$standard $warnings -Wstrict-prototypes $padding -Iinclude \
                -fsyntax-only "$scratch/alone.c"
        done
    done
    for compiler in $cxx_compilers; do
        for standard in c++11 c++17; do
            compile $compiler -std=$standard $warnings -Wold-style-cast $padding -Iinclude \
                -fsyntax-only "$scratch/alone.cc"
        done
    done
done

# shellcheck disable=SC2086
for compiler in $c_compilers; do
    compile $compiler -std=c11 $warnings $padding -Iinclude -fsyntax-only "$scratch/initializers.c"
done
# shellcheck disable=SC2086
for compiler in $cxx_compilers; do
    compile $compiler -std=c++17 $warnings $padding -Iinclude -fsyntax-only "$scratch/initializers.cc"
done

flags=$(pkg-config --cflags libmicrohttpd libcjson 2>/dev/null) || flags=
find src -name '*.h' | sort >"$scratch/headers"
while read -r header; do
    printf '#include "%s"\nextern int not_empty;\n' "${header#src/}" >"$scratch/alone.c"
    # shellcheck disable=SC2086
    compile ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -Iinclude -Isrc $flags \
        -fsyntax-only "$scratch/alone.c"
done <"$scratch/headers"

exit "$status"
