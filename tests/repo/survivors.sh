#!/bin/sh
# tests/mutation/survivors.md excuses no change of a line that is gone: what it has is of the sources as
# they are.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh

command -v python3 >/dev/null || cannot "there is no python3"
python3 -B tests/mutation/run.py --check
