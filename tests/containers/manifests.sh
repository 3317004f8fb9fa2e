#!/bin/sh
# The manifests of examples/kubernetes/ by Kubernetes' own schemas, and the paths and numbers of all
# examples, which have to go together: see manifests.js.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=$(cd "${BUILD_DIR:-$root/build/release}" && pwd)
. "$root/tests/lib/cannot.sh"
packages="kubernetes-models@4.5.1 typescript@5.9.3 yaml@2.9.1"

for program in node npm; do
    command -v "$program" >/dev/null || cannot "there is no $program (Debian: npm)"
done

# From npm's registry, once for each build.
modules=$build/manifests
mkdir -p "$modules"
cd "$modules"
if [ "$(cat installed 2>/dev/null)" != "$packages" ]; then
    rm -rf node_modules package.json package-lock.json installed
    echo '{"private": true}' >package.json
    # shellcheck disable=SC2086 # a list of words
    if ! npm install --no-audit --no-fund --ignore-scripts --save-exact $packages >log 2>&1; then
        cat log
        cannot "npm cannot install $packages"
    fi
    echo "$packages" >installed
fi

# Modules are looked for where the program is.
cp "$root/tests/containers/manifests.js" .
node manifests.js "$root"
