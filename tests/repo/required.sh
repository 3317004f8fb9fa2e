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

# Tests in C that skip themselves, as run.sh looks for them.
cat >"$scratch/CTestTestfile.cmake" <<'EOT'
add_test(unit/some "printf" "[  SKIPPED ] one\\n[       OK ] two\\n[  SKIPPED ] one\\n")
add_test(system/all "false")
set_tests_properties(system/all PROPERTIES SKIP_RETURN_CODE 1)
add_test(system/none "true")
EOT
. "$root/tests/lib/cannot.sh"
printf 'unit/some: one\nsystem/all: all of it\n' | tee "$scratch/expected" >"$scratch/skips"
if command -v ctest >/dev/null; then
    (cd "$scratch" && ctest -O said) >"$scratch/shown" 2>&1 || true
    skips "$scratch/Testing/Temporary/LastTest.log" "$scratch/said" >"$scratch/skips"
    if ! cmp -s "$scratch/expected" "$scratch/skips"; then
        echo "== what ctest has skipped is not seen:"
        cat "$scratch/shown" "$scratch/skips"
        status=1
    fi
else
    cannot_all "what ctest has skipped: there is no ctest"
fi
echo 'system/all: all of it: why' >"$scratch/allowed"
for required in '' 'other words' system unit/somewhere; do
    if HEALTH_TEST_REQUIRED=$required cannot_skip "$scratch/skips" "$scratch/allowed"; then
        echo "== with HEALTH_TEST_REQUIRED='$required' what is allowed, or not required, has failed"
        status=1
    fi
done
for required in unit 'other unit words' unit/some; do
    if ! HEALTH_TEST_REQUIRED=$required cannot_skip "$scratch/skips" "$scratch/allowed" >"$scratch/said"; then
        echo "== with HEALTH_TEST_REQUIRED='$required' a test that has skipped itself has not failed"
        status=1
    fi
done
# Those that are allowed are there, each with its reason.
while IFS= read -r line; do
    case $line in
    '' | '#'*) continue ;;
    *:\ *:\ ?*) ;;
    *) echo "== allowed_to_skip: no reason: $line" && status=1 ;;
    esac
    function=${line#*: }
    function=${function%%: *}
    [ "$function" != "all of it" ] || function=main
    if ! grep -qw "$function" "$root/tests/${line%%: *}_test.c"; then
        echo "== allowed_to_skip: there is no such test: $line"
        status=1
    fi
done <"$root/tests/lib/allowed_to_skip"

# Whoever sees nothing says so by it.
if grep -rn --include='*.sh' 'exit 77' "$root/tests" | grep -v -e /lib/cannot.sh: -e /repo/required.sh:; then
    echo "== the above ends without cannot"
    status=1
fi
# And what has tests that may not see is required, all of it.
required=$(sed -n 's/^HEALTH_TEST_REQUIRED="\(.*\)"$/\1/p' "$root/.ci/run")
for kind in unit system repo package consumers containers fuzz; do
    case " $required " in
    *" $kind "*) ;;
    *)
        echo "== .ci/run does not require $kind"
        status=1
        ;;
    esac
done
exit "$status"
