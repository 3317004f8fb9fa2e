#!/bin/sh
# What cannot be seen where it has to be is a failure, and elsewhere is told of: .ci/run is not green
# without a Docker Engine, clang-format, libFuzzer, ….
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
root=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# ends_with <status> <HEALTH_TEST_REQUIRED> <words>...: And says so, unless it is 0.
ends_with()
{
    expected=$1
    required=$2
    shift 2
    ended=0
    HEALTH_TEST_REQUIRED=$required "$@" >"$scratch/said" 2>&1 || ended=$?
    if [ "$ended" -ne "$expected" ]; then
        echo "== with HEALTH_TEST_REQUIRED='$required' $* ends with $ended, not $expected"
        status=1
    fi
    if ! grep -q '^== NOT TESTED: ' "$scratch/said"; then
        echo "== $* does not say what is not tested"
        status=1
    fi
}

mkdir "$scratch/containers"
# shellcheck disable=SC2016 # of the script
echo '. "$1/tests/lib/cannot.sh"; status=0; "$2" "no reason"; exit "$status"' >"$scratch/containers/one.sh"
for required in '' 'other words' containers/two; do
    ends_with 77 "$required" sh "$scratch/containers/one.sh" "$root" cannot
    ends_with 0 "$required" sh "$scratch/containers/one.sh" "$root" cannot_all
done
for required in containers 'other containers words' containers/one; do
    ends_with 1 "$required" sh "$scratch/containers/one.sh" "$root" cannot
    ends_with 1 "$required" sh "$scratch/containers/one.sh" "$root" cannot_all
done

# Scripts where the tool is not there: of programs there is what every system has.
mkdir "$scratch/bin"
for program in sh dirname basename sed grep find sort mktemp rm mkdir cat true; do
    ln -s "$(command -v "$program")" "$scratch/bin/$program" 2>/dev/null || true
done
for script in repo/format repo/analysis repo/clang repo/musl repo/layouts repo/readme \
    repo/survivors; do
    ends_with 77 '' env "PATH=$scratch/bin" BUILD_DIR="$scratch" sh "$root/tests/$script.sh"
    ends_with 1 repo env "PATH=$scratch/bin" BUILD_DIR="$scratch" sh "$root/tests/$script.sh"
done
ends_with 77 '' env FUZZ_CC=false FUZZ_ROOT="$scratch" sh "$root/tests/fuzz/run.sh"
ends_with 1 fuzz env FUZZ_CC=false FUZZ_ROOT="$scratch" sh "$root/tests/fuzz/run.sh"

# Whoever sees nothing says so by it.
if grep -rn --include='*.sh' 'exit 77' "$root/tests" | grep -v -e /lib/cannot.sh: -e /repo/required.sh:; then
    echo "== the above ends without cannot"
    status=1
fi
# And what has scripts that may not see is required, all of it.
required=$(sed -n 's/^HEALTH_TEST_REQUIRED="\(.*\)"$/\1/p' "$root/.ci/run")
for kind in repo package consumers containers fuzz; do
    case " $required " in
    *" $kind "*) ;;
    *)
        echo "== .ci/run does not require $kind"
        status=1
        ;;
    esac
done
exit "$status"
