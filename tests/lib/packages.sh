# shellcheck shell=sh
# need_packages: for scripts that install what they need.  To be sourced; any POSIX shell.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

# need_packages <what for> <Debian package>...: Installs those that are missing, or says which could
# not be had and exits 1.  On a system without apt it only says what is needed where nothing tells
# whether it is there.
need_packages()
{
    what_for=$1
    shift
    missing_packages "$@"
    if [ -z "$missing" ]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
        echo "== This is no Debian: $what_for needs what Debian calls $*"
        return 0
    fi

    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "$what_for needs packages that are not installed: $missing" >&2
            echo "As root: apt-get install --no-install-recommends $missing" >&2
            exit 1
        fi
        as_root=sudo
    fi

    echo "== Installing for $what_for: $missing…"
    log=$(mktemp) || exit 1
    # The lists of packages may be old, or not there yet; fetched only if it does not work without.
    if ! install_packages || { missing_packages "$@"; [ -n "$missing" ]; }; then
        $as_root apt-get update -q >>"$log" 2>&1 || true
        install_packages || true
    fi
    missing_packages "$@"
    if [ -n "$missing" ]; then
        # Once more one by one: those that can be had are then out of the way of the message.
        for package in $missing; do
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
                --no-install-recommends "$package" >>"$log" 2>&1 </dev/null || true
        done
        missing_packages "$@"
    fi
    if [ -n "$missing" ]; then
        tail -n 30 "$log" >&2
        echo "$what_for needs packages that could not be installed: $missing" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
}

install_packages()
{
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        $missing >>"$log" 2>&1 </dev/null
}

# Sets `missing` to those of the packages that are not installed.
missing_packages()
{
    missing=
    for package in "$@"; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || state=
        case $state in
        *" ok installed") ;;
        *) missing="${missing:+$missing }$package" ;;
        esac
    done
}
