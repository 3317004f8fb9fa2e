# shellcheck shell=sh
# For tests that cannot see everything here.  To be sourced; any POSIX shell.
#
# HEALTH_TEST_REQUIRED is a list of words, of what has to be seen: the folders of tests/, such as
# "containers", or single tests, such as "repo/format".  Where it has ours, not to see is to fail.
# run.sh looks for the words NOT TESTED, and for tests in C that have skipped themselves.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

# is_required [test]: Whether it has that one, or ours.
is_required()
{
    [ $# -gt 0 ] || set -- "$(basename "$(dirname "$0")")/$(basename "$0" .sh)"
    case " ${HEALTH_TEST_REQUIRED-} " in
    *" ${1%%/*} "* | *" $1 "*) ;;
    *) return 1 ;;
    esac
    echo "== and it has to be: HEALTH_TEST_REQUIRED=$HEALTH_TEST_REQUIRED"
}

# cannot <reason>: Ends the script, with 77 or 1.
cannot()
{
    echo "== NOT TESTED: $*"
    is_required && exit 1
    exit 77
}

# cannot_all <reason>: The script goes on without a part; sets `status`, which it ends with, to 1
# where this has to be seen.
cannot_all()
{
    echo "== NOT TESTED: $*"
    is_required || return 0
    # shellcheck disable=SC2034 # of the script
    status=1
}

# skips <what ctest has logged> <what it has said>: What has skipped itself: lines "test: function",
# or "test: all of it".
skips()
{
    sed -n -E -e '/^[0-9]+\/[0-9]+ Testing: /{s/^.*Testing: //;h;}' \
        -e '/^\[ +SKIPPED +\] [a-z][A-Za-z0-9_]*$/{s/^.*\] //;G;s/^(.*)\n(.*)$/\2: \1/;p;}' "$1" |
        sort -u
    sed -n -E 's/^[ \t]+[0-9]+ - (.*) \(Skipped\).*$/\1: all of it/p' "$2"
}

# cannot_skip <skips> <those that are allowed, each with its reason>: Whether one has to be seen.
cannot_skip()
{
    one=1
    while IFS= read -r skip; do
        grep -q "^$skip: ." "$2" && continue
        is_required "${skip%%: *}" >/dev/null || continue
        echo "== SKIPPED, and it has to be seen: $skip"
        one=0
    done <"$1"
    return "$one"
}
