# shellcheck shell=sh
# What tests of the example programs have in common.  To be sourced, with `root` set; any POSIX shell.
#
# Sets `scratch`, a directory that goes away in the end.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset HEALTH_BUILD_ROOT

fail()
{
    echo "== $*"
    exit 1
}

# patiently <words>...: Runs it every tenth of a second until it succeeds, for twenty seconds.
patiently()
{
    tries=200
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            return 1
        fi
        sleep 0.1
    done
}
