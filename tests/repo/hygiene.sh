#!/bin/sh
# Small things that a reviewer should not have to look for.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# Text files of ours, one a line; seeds are bytes.
find CMakeLists.txt CMakePresets.json README.md CHANGELOG.md CONTRIBUTING.md .ci cmake docs examples \
    include src tests -path tests/fuzz/seeds -prune -o -type f -print 2>/dev/null |
    sort >"$scratch/all"
grep -E '\.(c|h|cc|cpp)$' "$scratch/all" >"$scratch/code"

# none <list of files> <what it is> <grep's options and pattern>...: No line matches.
none()
{
    list=$1
    what=$2
    shift 2
    if tr '\n' '\000' <"$list" | xargs -0 grep -nI "$@" /dev/null >"$scratch/found"; then
        echo "== $what"
        head -n 20 "$scratch/found"
        status=1
    fi
}

tab=$(printf '\t')
none "$scratch/all" "white space at the end of a line" -E "[ $tab]+\$"
none "$scratch/code" "a tab" "$tab"
none "$scratch/all" "a carriage return" "$(printf '\r')"
# In two parts, so that this line is none.
none "$scratch/all" "something left to do" -wE 'TO''DO|FIX''ME|X''XX'

# Unit tests have a clock of their own.
grep '^tests/unit/' "$scratch/code" >"$scratch/unit" || true
none "$scratch/unit" "a unit test that sleeps" -E '\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep) *\('

while read -r file; do
    if [ -n "$(tail -c 1 "$file")" ]; then
        echo "$file: no newline at its end"
        status=1
    fi
    case $file in
    src/*)
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 400 ]; then
            echo "$file: $lines lines; beyond 400 a file is two"
            status=1
        fi
        ;;
    esac
    case $file in
    *.c | *.h | *.cc | *.cpp | *.sh | *.cmake | */CMakeLists.txt | CMakeLists.txt)
        if ! head -n 40 "$file" | grep -q 'SPDX-License-Identifier: MIT'; then
            echo "$file: no copyright line"
            status=1
        fi
        ;;
    esac
done <"$scratch/all"

if [ -e README.md ] && [ "$(wc -l <README.md)" -gt 150 ]; then
    echo "README.md: more than 150 lines"
    status=1
fi

# What lies at the top is what C people expect there.
if command -v git >/dev/null && top=$(git rev-parse --show-prefix 2>/dev/null) && [ -z "$top" ]; then
    git ls-files | sed 's,/.*,,' | sort -u | while read -r entry; do
        case $entry in
        .* | CMakeLists.txt | CMakePresets.json | include | src | tests | examples | cmake | docs | \
            README.md | LICENSE | CHANGELOG.md | CONTRIBUTING.md) ;;
        *) echo "$entry: does not belong at the top" ;;
        esac
    done >"$scratch/found"
    if [ -s "$scratch/found" ]; then
        cat "$scratch/found"
        status=1
    fi
else
    cannot_all "what lies at the top: there is no git, or this is not where it begins"
fi

exit "$status"
