#!/bin/sh
# A good guest: what the library may not even call, as the object files tell.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
build=${BUILD_DIR:-$(dirname "$0")/../../build/release}
. "${SOURCE_DIR:-$(dirname "$0")/../..}/tests/lib/cannot.sh"

# <function> <why not>
forbidden='
exit the_host_decides
_exit the_host_decides
_Exit the_host_decides
quick_exit the_host_decides
abort the_host_decides
atexit the_host_decides
raise the_host_decides
kill the_host_decides
__assert_fail no_abort_in_release_builds
printf no_output
fprintf no_output
vprintf no_output
vfprintf no_output
dprintf no_output
puts no_output
fputs no_output
putchar no_output
fputc no_output
fwrite no_output
perror no_output
stdout no_output
stderr no_output
syslog no_output
signal no_signal_handlers
sigaction no_signal_handlers
sigprocmask pthread_sigmask
alarm no_signals
setitimer no_signals
setlocale global_state
setenv global_state
putenv global_state
unsetenv global_state
umask global_state
chdir global_state
srand global_state
rand global_state
srandom global_state
random global_state
strtok not_thread-safe
strerror not_thread-safe
localtime not_thread-safe
gmtime not_thread-safe
ctime not_thread-safe
asctime not_thread-safe
inet_ntoa not_thread-safe
gethostbyname not_thread-safe
getenv no_options_from_the_environment
select dies_of_descriptors_above_1023
sleep waits_on_nothing
usleep waits_on_nothing
nanosleep waits_on_nothing
system no_processes
popen no_processes
sprintf no_limit
vsprintf no_limit
strcpy no_limit
strcat no_limit
cJSON_InitHooks global_state
MHD_set_panic_func global_state
'

if [ ! -e "$build/libhealth.a" ]; then
    cannot "no static library in $build"
fi
# health_probe_main() is a program's main, the exception from "no output"; what systemd has to say to
# a service is in the environment.
nm -A --undefined-only "$build/libhealth.a" | grep -v ':probe[a-z_]*\.c\.o:' |
    grep -v ':systemd\.c\.o:.* getenv$' |
    sed -E 's/@.*//; s/__([a-z]+)_chk$/\1/' | sort >"$build/undefined"
status=0
while read -r name why; do
    if [ -n "$name" ] && grep -E "[[:space:]]$name\$" "$build/undefined"; then
        echo "  $name: $why" | tr _ ' '
        status=1
    fi
done <<EOT
$forbidden
EOT
rm -f "$build/undefined"
exit "$status"
