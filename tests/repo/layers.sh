#!/bin/sh
# Who may include whom: the rule of docs/design.md, "The house".  Then the rule itself is tried: on a
# copy of the sources with one violation at a time.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

# Of a room (src/ROOM/, and "top" for src/ itself), the rooms or single headers that it may include
# beside itself.  The public headers <health/…> are everyone's.
may_include()
{
    case $1 in
    top) echo "http notify answer engine core base" ;;
    http) echo "answer engine base" ;;
    notify) echo "engine core base" ;;
    answer) echo "render engine core base" ;;
    render) echo "core base" ;;
    engine) echo "core base" ;;
    core) echo "base" ;;
    base) echo "" ;;
    checks) echo "" ;;
    probe) echo "base/net.h" ;;
    *) return 1 ;;
    esac
}

# Of a system header, the places (as patterns) that may include it; nothing for those that all may.
only_in()
{
    case $1 in
    microhttpd.h) echo "src/http/*" ;;
    cJSON.h | cjson/cJSON.h) echo "src/render/json.c" ;;
    pthread.h) echo "src/base/* src/engine/* src/checks/mutex.c" ;;
    sys/epoll.h) echo "src/base/* src/engine/*" ;;
    *) return 1 ;;
    esac
}

complain()
{
    echo "$file:$line: $*"
    broken=1
}

# check_include: `file`, `line` and `header` are set.
check_include()
{
    if places=$(only_in "$header"); then
        set -f
        for place in $places; do
            # shellcheck disable=SC2254 # a pattern
            case $file in $place) set +f; return 0 ;; esac
        done
        set +f
        complain "$header is for $places only"
        return 0
    fi

    case $file in
    include/*) room=public ;;
    src/*/*) room=${file#src/}; room=${room%%/*} ;;
    src/*) room=top ;;
    esac
    case $header in
    health/*) return 0 ;;
    ./* | ../* | */../*) complain "\"$header\": a path from src/ is wanted"; return 0 ;;
    esac

    # Whatever lies in src/ is ours, however it is written.
    if [ ! -e "src/$header" ]; then
        return 0
    fi
    if [ "$room" = public ]; then
        complain "a public header includes the inside: $header"
        return 0
    fi
    case $header in
    */*) other=${header%%/*} ;;
    *) other=top ;;
    esac
    if ! allowed=$(may_include "$room"); then
        complain "src/$room/ is no room of the house"
    elif [ "$other" != "$room" ]; then
        case " $allowed " in
        *" $other "* | *" $header "*) ;;
        *) complain "$room may not include $header" ;;
        esac
    fi
}

# check_tree <directory> [file]: Returns 1 and says what and where if a file, or this one, breaks the
# rule.
check_tree()
{
    (
        cd "$1"
        broken=0
        list=$(mktemp)
        # shellcheck disable=SC2086 # a list of words
        find ${2:-src include} -name '*.[ch]' -exec grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null {} + |
            sed -E 's/^([^:]*):([0-9]+):[^"<]*["<]([^">]*)[">].*/\1 \2 \3/' | sort >"$list"
        while read -r file line header; do
            check_include
        done <"$list"
        rm -f "$list"
        exit "$broken"
    )
}

# must_fail <file> <line of C>: In a copy of the tree the file with this line added is refused.
must_fail()
{
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/$(dirname "$1")"
    cp -R src include "$scratch/tree/"
    printf '%s\n' "$2" >>"$scratch/tree/$1"
    if check_tree "$scratch/tree" "$1" >"$scratch/said"; then
        echo "not noticed: $2 in $1"
        status=1
    elif ! grep -qF "$1:" "$scratch/said"; then
        echo "the wrong place is named for: $2 in $1"
        cat "$scratch/said"
        status=1
    fi
}

cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

check_tree . || exit 1

must_fail src/base/clock.c '#include "core/state.h"'
must_fail src/base/clock.c '#  include <core/state.h>'
must_fail src/core/state.c '#include "../engine/loop.h"'
must_fail src/core/state.c '#include <pthread.h>'
must_fail src/core/state.h '#include <sys/epoll.h>'
must_fail src/core/state.c '#include <microhttpd.h>'
must_fail src/health.c '#include <microhttpd.h>'
must_fail src/http/reply.c '#include <cJSON.h>'
must_fail src/render/document.c '#include <cjson/cJSON.h>'
must_fail src/probe/probe.c '#include "base/thread.h"'
must_fail src/checks/disk.c '#include "base/clock.h"'
must_fail src/other/x.c '#include "base/clock.h"'
must_fail include/health/health.h '#include "base/clock.h"'

exit "$status"
