#!/bin/sh
# Static analysis finds nothing: gcc -fanalyzer and cppcheck in src/ and examples/, clang-tidy with our
# .clang-tidy there and in tests/, which has one of its own.
#
# What is no defect is said where it stands: NOLINTNEXTLINE(check) for clang-tidy, cppcheck-suppress id
# for cppcheck, each with its reason; gcc has nothing of the kind, so that the line above has to name
# the warning, as in "gcc's analyzer-null-dereference".
#
# timeout: 900
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

libraries="libmicrohttpd libcjson cmocka jansson"
flags="-std=c11 -D_GNU_SOURCE -Iinclude -Isrc -Itests/lib -Itests/soak
    $(for library in $libraries; do pkg-config --cflags "$library" 2>/dev/null || true; done)"

# Of the style, what is the house's own:
#   variableScope: declarations stand at the beginning of their function.
cppcheck_flags="--quiet --std=c11 -D_GNU_SOURCE -Iinclude -Isrc --enable=warning,style,performance,portability
    --inline-suppr --suppress=variableScope --suppress=missingIncludeSystem"

# shellcheck disable=SC2086 # lists of words, here and below
if [ "${1-}" = --one ]; then
    # For xargs: what one tool finds in one file, into a file of its own.
    found=$4/$2.$(echo "$3" | tr / -)
    case $2 in
    gcc)
        gcc $flags -O2 -Wall -Wextra -fanalyzer -c -o "$found.o" "$3" >"$found" 2>&1 || true
        rm -f "$found.o"
        ;;
    clang-tidy) clang-tidy --quiet "$3" -- $flags 2>/dev/null >"$found" || true ;;
    cppcheck) cppcheck $cppcheck_flags "$3" >"$found" 2>&1 || true ;;
    esac
    exit 0
fi

cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
# Where ctest runs it, those who wanted the tools have installed them.
if [ -z "${BUILD_DIR-}" ]; then
    . tests/lib/packages.sh
    (need_packages "analysis" gcc clang-tidy cppcheck libmicrohttpd-dev libcjson-dev libcmocka-dev libjansson-dev) ||
        true
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# version <tool>: Its version, as far as it decides on what is found.
version()
{
    case $1 in
    gcc) gcc -dumpversion ;;
    clang-tidy) clang-tidy --version | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p' ;;
    cppcheck) cppcheck --version | sed 's/.* //' ;;
    esac
}

# known <tool>: Whether it is of a version whose findings we know; another may well have more.
known()
{
    case $1-$(version "$1") in
    gcc-12 | gcc-12.* | clang-tidy-14 | cppcheck-2.10*) ;;
    *) return 1 ;;
    esac
}

# analyse <tool> <directory> <file>...: Leaves in the directory a file `all` with what is found.
analyse()
{
    tool=$1
    into=$2
    shift 2
    mkdir -p "$into"
    printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' sh "$here" --one "$tool" '{}' "$into"
    cat "$into/$tool".* | grep -E '^[^ ]+:[0-9]+:([0-9]+:)? (warning|error|style|performance|portability|fatal error): ' |
        sed "s,^$PWD/,," | sort -u >"$into/every" || true
    : >"$into/all"
    while IFS= read -r finding; do
        file=${finding%%:*}
        line=${finding#*:}
        line=${line%%:*}
        warning=$(printf '%s\n' "$finding" | sed -n 's/.*\[-W\(analyzer-[a-z-]*\)\]$/\1/p')
        if [ -n "$warning" ] && sed -n "$((line - 1))p" "$file" | grep -qF "gcc's $warning"; then
            continue
        fi
        printf '%s\n' "$finding" >>"$into/all"
    done <"$into/every"
}

here=tests/repo/analysis.sh
files=$(find src examples -name '*.c' | sort)
tests=$(find tests -name '*.c' | sort)

# What each tool must find, so that silence is none of its own making.
mkdir -p "$scratch/bad"
cat >"$scratch/bad/gcc.c" <<'EOT'
#include <stdlib.h>

int twice(int n);
int twice(int n)
{
    int *p = malloc(sizeof(*p));

    *p = n;
    free(p);
    return n + *p;
}
EOT
cat >"$scratch/bad/clang-tidy.c" <<'EOT'
#include <string.h>

int same(const char *a, const char *b);
int same(const char *a, const char *b)
{
    return !memcmp(a, b, sizeof(a)) || strcmp(a, b);
}
EOT
cat >"$scratch/bad/cppcheck.c" <<'EOT'
int last(void);
int last(void)
{
    int numbers[3] = {1, 2, 3};

    return numbers[3];
}
EOT

ran=0
for tool in gcc clang-tidy cppcheck; do
    if ! command -v "$tool" >/dev/null; then
        cannot_all "there is no $tool"
        continue
    fi
    ran=$((ran + 1))
    cp .clang-tidy "$scratch/bad/"
    analyse "$tool" "$scratch/$tool.bad" "$scratch/bad/$tool.c"
    if [ ! -s "$scratch/$tool.bad/all" ]; then
        echo "== $tool does not find what it should"
        cat "$scratch/$tool.bad"/*
        status=1
    fi

    case $tool in
    clang-tidy) searched="$files $tests" ;;
    *) searched=$files ;;
    esac
    # shellcheck disable=SC2086
    analyse "$tool" "$scratch/$tool" $searched
    [ -s "$scratch/$tool/all" ] || continue
    cat "$scratch/$tool/all"
    if known "$tool"; then
        echo "== $tool finds the above"
        status=1
    else
        cannot_all "$tool $(version "$tool") finds the above, and we do not know this version"
    fi
done
if [ "$ran" -eq 0 ]; then
    cannot "there is none of them"
fi
exit "$status"
