#!/bin/sh
# C files look as .clang-format says.  Each version of clang-format has its own idea of that; ours is
# the one named here, which Debian 12 has, and without it nothing is checked.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
version=14

for format in "clang-format-$version" clang-format none; do
    if [ "$format" = none ]; then
        cannot "there is no clang-format $version (Debian: clang-format-$version)"
    fi
    if command -v "$format" >/dev/null && "$format" --version | grep -q " version $version\\."; then
        break
    fi
done

directories=
for directory in src include tests examples; do
    if [ -d "$directory" ]; then directories="$directories $directory"; fi
done
# shellcheck disable=SC2086 # a list of words
find $directories -name '*.[ch]' -exec "$format" --dry-run -Werror {} +
