#!/bin/sh
# Changes the sources, one thing at a time, and sees whether a test notices:
#
#   sh tests/mutation/run.sh [--seed N] [--again] [room=count...]
#   sh tests/mutation/run.sh --check
#
# Of the changes that there could be in each room of src/, the seed chooses so many: by default 110 in
# core, 80 in render, 120 in engine.  The room's unit tests are asked first, then all others, then the
# system tests that are quick.  It fails where fewer than nine in ten are noticed, or where one that is
# not stands without its reason in tests/mutation/survivors.md.  A change that the optimizer makes the
# same program of is none; nor is one whose reason begins with "The same:".  --again asks only those that
# were not noticed the last time, and are not known.  An entry there that is of no source any more is a
# failure before anything is built; --check looks for those alone.
#
# What is built stays in build/mutation, or MUTATION_ROOT.  It takes about an hour.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/packages.sh"
need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "testing" libcmocka-dev libjansson-dev python3 git

exec python3 -B "$root/tests/mutation/run.py" --out "${MUTATION_ROOT:-$root/build/mutation}" "$@"
