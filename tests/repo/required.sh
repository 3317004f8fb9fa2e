#!/bin/sh
# What cannot be seen where it has to be is a failure: .ci/run is not green without a Docker Engine.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}

# ends_with <status> <HEALTH_TEST_REQUIRED>
ends_with()
{
    status=0
    HEALTH_TEST_REQUIRED=$2 sh -c '. "$0/tests/lib/cannot.sh" && cannot "no reason"' "$root" >/dev/null || status=$?
    if [ "$status" -ne "$1" ]; then
        echo "== with HEALTH_TEST_REQUIRED='$2' it ends with $status, not $1"
        exit 1
    fi
}

ends_with 77 ''
ends_with 77 'other words'
ends_with 1 containers
ends_with 1 'other containers words'

# Whoever sees nothing says so by it.
if grep -n 'exit 77' "$root"/tests/containers/*.sh "$root/tests/lib/engine.sh"; then
    echo "== the above ends without cannot"
    exit 1
fi
required=$(sed -n 's/^HEALTH_TEST_REQUIRED=//p' "$root/.ci/run")
if [ "$required" != containers ]; then
    echo "== .ci/run requires '$required'"
    exit 1
fi
