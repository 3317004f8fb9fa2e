# shellcheck shell=sh
# public_functions: what the public headers promise.  To be sourced; any POSIX shell.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT

# public_functions <header>...: The names of the HEALTH_PUBLIC functions, sorted, one a line.
public_functions()
{
    # Comments and directives away; then from each HEALTH_PUBLIC to its first parenthesis.
    cat "$@" | tr '\n' '\001' |
        sed 's,/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/,,g; s,\\\x01,,g' | tr '\001' '\n' |
        grep -v '^[[:space:]]*#' | tr '\n' ' ' |
        grep -oE 'HEALTH_PUBLIC[^(;]*\(' | sed -E 's/.*[^a-zA-Z0-9_]([a-zA-Z0-9_]+) *\($/\1/' | sort
}
