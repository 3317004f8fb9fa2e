#!/bin/sh
# Builds the library and runs its tests:
#
#   sh tests/run.sh [asan|tsan|ubsan|valgrind|coverage] [ctest's options]
#
# Packages that are missing are installed.  What is built stays in build/, or HEALTH_BUILD_ROOT, for
# the next time.  HEALTH_CMAKE_ARGS is handed to cmake.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/lib/packages.sh"
. "$root/tests/lib/cannot.sh"

# What cannot be under a tool is left out of its run: scripts that look at files, and those that
# build for themselves.
case ${1-} in
asan | tsan | ubsan | coverage)
    variant=$1
    leave_out='^(repo|package|containers)$'
    shift
    ;;
valgrind)
    variant=$1
    leave_out='^(repo|package|examples|consumers|containers)$'
    shift
    ;;
-h | --help)
    sed -n '2,/^$/{/^#$/!s/^# //p;}' "$0" | sed '/^Copyright/,$d'
    exit 0
    ;;
'' | -*)
    variant=release
    leave_out=
    ;;
*)
    echo "$0: no variant '$1'; there are asan, tsan, ubsan, valgrind and coverage" >&2
    exit 2
    ;;
esac

need_packages "building" gcc libc6-dev cmake ninja-build pkgconf libmicrohttpd-dev libcjson-dev
need_packages "testing" libcmocka-dev libjansson-dev strace locales
case $variant in
release) need_packages "testing" procps g++ binutils curl wget haproxy musl-tools python3 git ;;
valgrind) need_packages "valgrind" valgrind libc6-dbg ;;
coverage) need_packages "coverage" gcovr python3 ;;
esac

# wish_for <what for> <Debian package>...: As need_packages; without them tests say what they skip.
wish_for()
{
    (need_packages "$@") || echo "== WITHOUT $1: what needs it is NOT TESTED" >&2
}
if [ "$variant" = release ]; then
    wish_for "a Docker Engine" docker.io iproute2 util-linux
    command -v docker >/dev/null || wish_for "Docker's client" docker-cli
    wish_for "Compose" docker-compose
    wish_for "sources of libraries" dpkg-dev make
    wish_for "a second compiler" clang
    wish_for "static analysis" clang-tidy cppcheck
    # Of the version that tests/repo/format.sh wants; a Debian that has another has none for us.
    wish_for "the format of the sources" clang-format-14
    command -v npm >/dev/null || wish_for "Kubernetes' schemas" npm
fi

build=${HEALTH_BUILD_ROOT:-$root/build}
mkdir -p "$build"
build=$(cd "$build" && pwd)/$variant

echo "== Configuring ($variant)…"
# shellcheck disable=SC2086 # a list of words
(cd "$root" && cmake --preset "$variant" -B "$build" ${HEALTH_CMAKE_ARGS-} >"$build.log" 2>&1) || {
    cat "$build.log" >&2
    exit 1
}
rm -f "$build.log"

echo "== Building ($variant)…"
cmake --build "$build"

launch=
case $variant in
asan | ubsan)
    ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:exitcode=99:detect_stack_use_after_return=1
    ASAN_OPTIONS=$ASAN_OPTIONS:strict_string_checks=1:check_initialization_order=1
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99
    export ASAN_OPTIONS UBSAN_OPTIONS
    ;;
tsan)
    # die_after_fork: children that start threads of their own are what some tests are about.
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:exitcode=99:die_after_fork=0
    export TSAN_OPTIONS
    # Kernels that spread addresses wider than the tool knows need it off.
    trial=$build/trial
    echo 'int main(void) { return 0; }' >"$trial.c"
    "${CC:-cc}" -fsanitize=thread -o "$trial" "$trial.c"
    if "$trial" 2>&1 | grep -q 'unexpected memory mapping'; then
        echo "== Addresses are not randomised: this kernel's are too wide for ThreadSanitizer"
        launch="setarch -R"
    fi
    ;;
valgrind)
    # For tests that would take minutes there, or that valgrind itself is in the way of.  What it is
    # run with is in CMakePresets.json: what tests start is under it as well, save the system's
    # programs; so health-probe is not static, of which libc it could not know what is initialised.
    # vgdb's pipes would be among the descriptors that tests count.
    HEALTH_TEST_SLOW=1
    export HEALTH_TEST_SLOW
    ;;
coverage)
    # Counts of former runs are none of ours.
    find "$build" -name '*.gcda' -exec rm -f {} +
    ;;
esac

echo "== Testing ($variant)…"
failed=0
$launch ctest --test-dir "$build" --output-on-failure -j2 -O "$build/said" \
    ${leave_out:+-LE "$leave_out"} "$@" || failed=$?

# What could not be seen here is not to be taken for a success: neither what says so, nor what has
# skipped itself.
log=$build/Testing/Temporary/LastTest.log
skips "$log" "$build/said" >"$build/skips" 2>/dev/null || true
{
    grep -E '^(== .*)?[Nn][Oo][Tt] [Tt][Ee][Ss][Tt][Ee][Dd]' "$log" || true
    sed 's/^/== NOT TESTED: /' "$build/skips"
} >"$build/skipped" 2>/dev/null
if [ -s "$build/skipped" ]; then
    echo "== SKIPPED, for want of what it needs:"
    sort -u "$build/skipped"
fi
# Under a tool there is more that cannot be.
if [ "$variant" = release ] && cannot_skip "$build/skips" "$root/tests/lib/allowed_to_skip"; then
    failed=1
fi

if [ "$variant" = coverage ]; then
    echo "== Coverage of src/"
    (cd "$root" && gcovr --root . --filter 'src/' --object-directory "$build" --print-summary \
        --json "$build/coverage.json" --txt - "$build")
    # Of some of the tests there is nothing to be said.
    if [ $# -eq 0 ]; then
        python3 -B "$root/tests/coverage/check.py" "$build/coverage.json" || failed=1
    fi
fi
exit "$failed"
