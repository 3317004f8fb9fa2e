#!/bin/sh
# tests/system/faults_test.c has every public function in it, and makes everything fail that src/ calls
# of others', but for what is named here with its reason.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
build=${BUILD_DIR:-build/release}
. tests/lib/public.sh

faults=tests/system/faults_test.c
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# complain <what> <list>: Shows what is in the list, if anything is.
complain()
{
    if [ -s "$2" ]; then
        echo "$1:"
        sed 's/^/    /' "$2"
        status=1
    fi
}

# ---- Every public function ----

public_functions include/health/*.h >"$scratch/public"
# What is said in comments, or in words, is not called.
tr '\n' '\001' <$faults | sed 's,/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/,,g' | tr '\001' '\n' |
    sed 's/"[^"]*"//g' | grep -oE '\bhealth_[a-z_]+' | sort -u >"$scratch/told"
comm -23 "$scratch/public" "$scratch/told" >"$scratch/missing"
complain "$faults: no story has" "$scratch/missing"

# ---- Everything that is called ----

# Names, and behind each colon why they are not made to fail.
cat >"$scratch/reasons" <<'END'
memchr memcmp memmove strcat strchr strcmp strcspn strlen strncasecmp strncmp strnlen strrchr strspn: only look at memory, or move it
snprintf vsnprintf strtod strtol strtoull inet_pton in6addr_any: text and numbers, which ours are valid for
__xpg_strerror_r: words for errors that the system gave
getenv getpid pthread_self dl_iterate_phdr: only tell what is there
free: cannot fail
sched_yield: nothing depends on it
pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_mutex_destroy: cannot fail for a mutex of this kind
pthread_cond_wait pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast pthread_cond_destroy: cannot fail, and wake for nothing as they like
pthread_attr_destroy pthread_attr_getstacksize pthread_condattr_destroy: cannot fail for what was initialised
pthread_join pthread_detach pthread_setcancelstate: cannot fail for a thread that is there and was not joined
pthread_sigmask sigaddset sigdelset sigemptyset sigfillset sigismember sigpending sigprocmask sigtimedwait: cannot fail for these signals, which are constants
MHD_get_connection_info MHD_get_connection_values_n MHD_get_daemon_info MHD_get_timeout: only tell what is there
MHD_destroy_response MHD_resume_connection MHD_stop_daemon MHD_suspend_connection: tell nothing of whether they have done it
MHD_run: fails for no daemon of our kind that goes on
__errno_location __tls_get_addr __stack_chk_fail _GLOBAL_OFFSET_TABLE_: the compiler's
END

sed -n 's,^/\* wrap: \(.*\) \*/$,\1,p' $faults | tr ' ' '\n' | sort -u >"$scratch/wrapped"
sed 's/:.*//' "$scratch/reasons" | tr ' ' '\n' | sort -u >"$scratch/excepted"
comm -12 "$scratch/wrapped" "$scratch/excepted" >"$scratch/both"
complain "both made to fail in $faults and excepted here" "$scratch/both"

if [ ! -e "$build/libhealth.a" ]; then
    echo "what is called is not looked at: there is no $build/libhealth.a"
    exit "$((status == 0 ? 77 : status))"
fi
# What the headers of the C library call it by today is no other function.
nm -u "$build/libhealth.a" | awk 'NF == 2 && $1 == "U" { print $2 }' |
    sed -E 's/^__isoc[0-9]+_//; s/^__(.*)_chk$/\1/' | grep -v '^health_' | sort -u >"$scratch/called"
for expected in socket malloc MHD_start_daemon; do
    if ! grep -qx $expected "$scratch/called"; then
        echo "no $expected() found in $build/libhealth.a"
        exit 1
    fi
done
sort -u "$scratch/wrapped" "$scratch/excepted" >"$scratch/known"
comm -23 "$scratch/called" "$scratch/known" >"$scratch/new"
complain "src/ calls what $faults does not make fail, and tests/repo/faults.sh has no reason for" "$scratch/new"
comm -23 "$scratch/wrapped" "$scratch/called" >"$scratch/old"
complain "$faults makes fail what src/ does not call" "$scratch/old"

# The other way round an exception may be of another compiler or C library.
exit "$status"
