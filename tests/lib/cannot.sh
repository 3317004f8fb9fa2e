# shellcheck shell=sh
# cannot <reason>: Ends a test of tests/containers/ that cannot see anything here, with 77; with 1 where
# HEALTH_TEST_REQUIRED, a list of words, has "containers" in it.  To be sourced; any POSIX shell.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
cannot()
{
    echo "== NOT TESTED: $*"
    case " ${HEALTH_TEST_REQUIRED-} " in
    *" containers "*)
        echo "== and it has to be: HEALTH_TEST_REQUIRED=$HEALTH_TEST_REQUIRED"
        exit 1
        ;;
    esac
    exit 77
}
