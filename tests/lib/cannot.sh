# shellcheck shell=sh
# For scripts that cannot see everything here.  To be sourced; any POSIX shell.
#
# HEALTH_TEST_REQUIRED is a list of words, of what has to be seen: the folders of tests/, such as
# "containers", or single scripts, such as "repo/format".  Where it has ours, not to see is to fail.
# run.sh looks for the words NOT TESTED.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

# is_required: Whether it has ours.
is_required()
{
    kind=$(basename "$(dirname "$0")")
    case " ${HEALTH_TEST_REQUIRED-} " in
    *" $kind "* | *" $kind/$(basename "$0" .sh) "*) ;;
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
