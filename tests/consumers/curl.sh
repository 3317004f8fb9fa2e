#!/bin/sh
# curl and wget, as HEALTHCHECK lines and people call them: exit statuses, HEAD, both families,
# HTTP/1.0, a connection kept for the next question.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
. "$(dirname "$0")/../lib/consumers.sh"
needs_program curl

# ask <curl's options and URL>...: What it says is in $scratch/said.
ask()
{
    curl -q -sS --noproxy '*' --max-time 5 "$@" >"$scratch/said" 2>"$scratch/complaint"
}

# exits <status> <words>...
exits()
{
    expected=$1
    shift
    status=0
    "$@" || status=$?
    if [ "$status" -ne "$expected" ]; then
        cat "$scratch/said" "$scratch/complaint"
        fail "$* exits with $status instead of $expected"
    fi
}

# said <pattern>
said()
{
    grep -qE "$1" "$scratch/said" || {
        cat "$scratch/said"
        fail "'$1' is not in it"
    }
}

url=http://127.0.0.1:$port
for path in / /health /ready /live /startup /healthz /readyz /livez /startupz /ready/ /ready?x=y; do
    exits 0 ask -f "$url$path"
    said '^\{"status":"pass"'
done
exits 22 ask -f "$url/nonsense"

# A warning is 200 all the same.
tell warn
exits 0 ask -f "$url/ready"
said '^\{"status":"warn".*the file says so'

# Not ready, and alive.
tell fail
for path in / /health /ready; do
    exits 22 ask -f "$url$path"
    exits 0 ask -w '%{http_code}' "$url$path"
    said '^\{"status":"fail".*503$'
done
exits 0 ask -f "$url/live"
exits 0 ask -f "$url/startup"
tell pass

# HEAD has the headers that GET would have.
exits 0 ask -f -I "$url/ready"
said '^HTTP/1.1 200'
said '^Content-Type: application/health\+json'
said '^Cache-Control: no-store'
length=$(tr -d '\r' <"$scratch/said" | sed -n 's/^Content-Length: //p')
exits 0 ask -f -o /dev/null -w '%{size_download}' "$url/ready"
said "^$length\$"
exits 0 ask -f -X OPTIONS "$url/ready"
exits 22 ask -f -X POST "$url/ready"

# Both families, also by the name, which is ::1 first for many.
exits 0 ask -f -4 "http://localhost:$port/ready"
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
    exits 0 ask -f -6 "http://[::1]:$port/ready"
    exits 0 ask -f "http://localhost:$port/ready"
else
    echo "not tested: there is no ::1 here"
fi

# HTTP/1.0, with the Host that curl sends and without.
exits 0 ask -f --http1.0 "$url/ready"
said '^\{"status":"pass"'
exits 0 ask -f --http1.0 -H Host: "$url/ready"

# The second question goes over the first one's connection.
exits 0 ask -f -o /dev/null -o /dev/null -w '%{num_connects} ' "$url/ready" "$url/live"
said '^1 0 $'
# And after an error as well.
exits 0 ask -o /dev/null -o /dev/null -w '%{num_connects} ' "$url/nonsense" "$url/live"
said '^1 0 $'

# The body of a GET, as curl sends it when it is told to, changes nothing.
exits 0 ask -f -X GET -d 'some=thing' "$url/ready"
said '^\{"status":"pass"'

# wget <options and URL>...
wgets()
{
    env -u http_proxy wget --no-config -T 5 -t 1 "$@" >"$scratch/said" 2>"$scratch/complaint"
}
if command -v wget >/dev/null && wget --version 2>/dev/null | grep -q '^GNU Wget'; then
    exits 0 wgets -q --spider "$url/ready"
    exits 0 wgets -q -O - "$url/ready"
    said '^\{"status":"pass"'
    tell fail
    exits 8 wgets -q --spider "$url/ready"
    exits 8 wgets -q -O - "$url/ready"
    tell pass
else
    echo "not tested: there is no GNU wget"
fi
if command -v busybox >/dev/null && busybox --list | grep -qx wget; then
    exits 0 busybox wget -q -T 5 -O "$scratch/said" "$url/ready"
    tell fail
    exits 1 busybox wget -q -T 5 -O "$scratch/said" "$url/ready" 2>"$scratch/complaint"
    tell pass
fi

stop_service
