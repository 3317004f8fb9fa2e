#!/bin/sh
# What README.md and docs/ say is true: the program in the README is examples/hello.c, its snippets
# work, what it shows is what comes out, and files, names and numbers are those of the sources.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
. tests/lib/public.sh

for program in cmake ninja pkg-config curl; do
    if ! command -v "$program" >/dev/null; then
        cannot "there is no $program"
    fi
done

scratch=$(mktemp -d)
pids=
clean_up()
{
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

status=0
wrong()
{
    echo "== $*"
    status=1
}

# quietly <words>...: Runs it; what it said is shown if it fails, and nothing more can be tested.
quietly()
{
    "$@" >"$scratch/said" 2>&1 </dev/null || {
        wrong "fails: $*"
        cat "$scratch/said"
        exit 1
    }
}

# block <file> <language> <number>: The text of the file's snippet in this language, from 1.
block()
{
    awk -v language="$2" -v number="$3" '
        /^```/ {
            inside = !inside
            this = inside && substr($0, 4) == language && ++count == number
            next
        }
        this' "$1"
}

# ---- Words ----------------------------------------------------------------------------------

if [ "$(wc -l <README.md)" -gt 150 ] || grep -nE '^.{111}' README.md; then
    wrong "README.md: 150 lines of 110 characters are the most"
fi

# Files that are named are there.
for text in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
    {
        grep -oE '\]\([^)#:]+' "$text" | sed "s,^](,$(dirname "$text")/," || true
        grep -oE '(^|[ `(])(docs|src|include|tests|examples|cmake)/[A-Za-z0-9_./-]*' "$text" |
            sed 's/^[ `(]//; s/\.*$//' || true
    } | sort -u >"$scratch/files"
    while read -r file; do
        if [ ! -e "$file" ]; then
            wrong "$text: there is no $file"
        fi
    done <"$scratch/files"
done

# Functions are public ones; other names of ours are somewhere in the sources.
public_functions include/health/*.h >"$scratch/public"
grep -ohE '\bhealth_[a-z][a-z0-9_]*\(' README.md CHANGELOG.md docs/*.md | tr -d '(' | sort -u >"$scratch/named"
if comm -13 "$scratch/public" "$scratch/named" | grep .; then
    wrong "README.md, CHANGELOG.md or docs/: no public functions"
fi
grep -ohE '\b(health|HEALTH)_[A-Za-z0-9_]+' README.md CHANGELOG.md docs/*.md | sort -u >"$scratch/named"
while read -r name; do
    if ! grep -rqw -e "$name" include src CMakeLists.txt cmake; then
        wrong "README.md, CHANGELOG.md or docs/: there is no $name"
    fi
done <"$scratch/named"

# "`NAME 123`" is a constant and its value.
grep -rhE '^#define [A-Z_]+ +[^ ]' include src | sed -E '
    s/^#define //
    s/\/\*.*//
    s/\(size_t\)//
    s/[()]//g
    s/ +/ /g
    s/ $//
    s/([0-9])u$/\1/' >"$scratch/defines"
# shellcheck disable=SC2016 # backticks of the text
grep -oE '`[A-Z][A-Z_]+ [0-9][^`]*`' README.md docs/*.md | tr -d '`' | sed 's/:/ /' >"$scratch/named"
while read -r text constant; do
    if ! grep -qxF "$constant" "$scratch/defines"; then
        wrong "$text: $constant is not as in the sources"
    fi
done <"$scratch/named"

# Each public function has its line in the docs.
sed -n 's/^| `\(health_[a-z0-9_]*\)()` | .*/\1/p' docs/functions.md | sort >"$scratch/listed"
if ! diff "$scratch/public" "$scratch/listed" >"$scratch/said"; then
    wrong "docs/functions.md is not of what include/health/ has (< there alone, > in docs/functions.md alone)"
    grep '^[<>]' "$scratch/said"
fi

# And its words in a header.
while read -r name; do
    if ! grep -qE "^ \* (.*[^a-z_])?$name\(" include/health/*.h; then
        wrong "include/health/: $name() is not explained"
    fi
done <"$scratch/public"

# ---- Snippets -------------------------------------------------------------------------------

block README.md c 1 >"$scratch/hello.c"
if ! diff -u examples/hello.c "$scratch/hello.c"; then
    wrong "README.md: the program is not examples/hello.c"
fi

for text in docs/*.md; do
    n=1
    while block "$text" c "$n" >"$scratch/snippet.c" && [ -s "$scratch/snippet.c" ]; do
        quietly "${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Iinclude \
            -fsyntax-only "$scratch/snippet.c"
        n=$((n + 1))
    done
done

# The two commands install packages and run this very test; here it is seen that they would.
block README.md sh 1 >"$scratch/commands"
if [ "$(sed 's/ *#.*//' "$scratch/commands" | tr '\n' ,)" != "sh examples/quickstart.sh,sh tests/run.sh," ]; then
    wrong "README.md: does not begin with the two commands"
fi
if ! grep -q -e '--stay' examples/quickstart.sh; then
    wrong "README.md: examples/quickstart.sh has no --stay"
fi
for variant in $(sed -n 's/.*sh tests\/run\.sh \([a-z|]*\)$/\1/p' "$scratch/commands" | tr '|' ' '); do
    # Not said again by name: it is the list in the message that counts.
    if ! grep -q "there are .*$variant" tests/run.sh; then
        wrong "README.md: tests/run.sh has no $variant"
    fi
done

# A copy, which listens on ports of its own, and looks at a file system with enough room to pass.
port=$((20000 + $$ % 10000))
# is_free <port>: Nobody is there: curl cannot connect.
is_free()
{
    code=0
    curl -q -s --noproxy '*' --max-time 2 "http://127.0.0.1:$1/" >/dev/null 2>&1 || code=$?
    [ "$code" -eq 7 ]
}
until is_free "$port" && is_free $((port + 1)) && is_free $((port + 2)); do
    port=$((port + 3))
done
here="s/8080/$port/g; s/8081/$((port + 1))/g; s/7000/$((port + 2))/g"
back="s/$port/8080/g; s/$((port + 1))/8081/g; s/$((port + 2))/7000/g"

room=
for directory in / /dev/shm /tmp /run; do
    used=$(df -P "$directory" 2>/dev/null | awk 'NR == 2 { print $5 + 0 }')
    if [ -z "$room" ] && [ "${used:-100}" -lt 85 ]; then
        room=$directory
    fi
done
if [ -z "$room" ]; then
    [ "$status" -eq 0 ] || exit "$status"
    cannot "further: no file system has 15 % left"
fi

tree=$scratch/tree
mkdir "$tree" "$scratch/bin"
cp -R CMakeLists.txt cmake include src examples "$tree/"
for source in hello.c service.c; do
    sed "$here; s,root\[\] = \"/\",root[] = \"$room\"," "examples/$source" >"$tree/examples/$source"
done

# What the snippets call: without root, without a progress meter, and with the compiler under test.
cat >"$scratch/bin/sudo" <<'EOT'
#!/bin/sh
exec "$@"
EOT
printf '#!/bin/sh\n' >"$scratch/bin/ldconfig"
printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v "${CC:-cc}")" >"$scratch/bin/cc"
printf '#!/bin/sh\nexec %s -q -sS --noproxy "*" --max-time 10 "$@"\n' "$(command -v curl)" >"$scratch/bin/curl"
chmod +x "$scratch"/bin/*
PATH=$scratch/bin:$PATH
DESTDIR=$scratch/installed
CMAKE_GENERATOR=Ninja
LC_ALL=C
export PATH DESTDIR CMAKE_GENERATOR LC_ALL
unset CMAKE_PREFIX_PATH health_DIR PKG_CONFIG_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS

# Install, and compile by pkg-config: where it was not asked for, the prefix is the usual one.
block README.md sh 2 >"$scratch/install"
if [ ! -s "$scratch/install" ]; then
    wrong "README.md: no snippet that installs"
    exit 1
fi
libdir=$DESTDIR/usr/local/lib
PKG_CONFIG_PATH=$libdir/pkgconfig
LD_LIBRARY_PATH=$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH
(cd "$tree" && quietly sh -eu "$scratch/install")

# consumer <name> <what stands for find_package()>: A project of the README's, configured: targets
# that are not there are noticed.
block README.md cmake 1 >"$scratch/project"
consumer()
{
    mkdir "$scratch/$1"
    cp -R "$tree" "$scratch/$1/libhealth"
    rm -rf "$scratch/$1/libhealth/build"
    cp "$tree/examples/hello.c" "$scratch/$1/"
    awk -v file="$2" '/^find_package\(health/ { while ((getline line <file) > 0) print line; next } 1' \
        "$scratch/project" >"$scratch/$1/CMakeLists.txt"
    quietly cmake -S "$scratch/$1" -B "$scratch/$1/build" "-DCMAKE_PREFIX_PATH=$DESTDIR/usr/local"
}

grep '^find_package(health' "$scratch/project" >"$scratch/line" || wrong "README.md: no find_package(health)"
consumer package "$scratch/line"
quietly cmake --build "$scratch/package/build"

# tests/package/subdirectory.sh builds such projects.
# shellcheck disable=SC2016 # backticks of the text
grep -o '`add_subdirectory(libhealth)`' README.md | tr -d '`' >"$scratch/line" ||
    wrong "README.md: no add_subdirectory(libhealth)"
consumer subdirectory "$scratch/line"

# ---- What it shows --------------------------------------------------------------------------

# normalize: Of an answer, without what differs from time to time, and without its lines.
normalize()
{
    tr -d '\r' | sed -E "$back"'
        s/^Date: .*/Date:/
        s/^Content-Length: .*/Content-Length:/
        s/"(time|since)":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z"/"\1":0/g
        s/"(observedValue|durationMs)":[0-9.]+/"\1":0/g' | tr -d ' \n'
}

# shows: Runs `command`, unless it is running already, and compares.
shows()
{
    if [ "$running" = no ]; then
        (cd "$tree" && eval "$command") >"$out" 2>&1 </dev/null || true
    fi
    [ "$(normalize <"$out")" = "$(normalize <"$scratch/expected")" ]
}

# play: Of a session, `command` is over; its output is in $scratch/expected.  Until a service is up
# it may take a while.
play()
{
    running=no
    out=$scratch/out.$played
    played=$((played + 1))
    case $command in
    '') return ;;
    *' &')
        running=yes
        out=$out.running
        : >"$out"
        (cd "$tree" && eval "exec ${command%&}") >"$out" 2>&1 </dev/null &
        pids="$pids $!"
        ;;
    esac
    tries=50
    until shows; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            wrong "README.md: $command says"
            cat "$out"
            return
        fi
        sleep 0.1
    done
}

played=0
sessions=0
while block README.md console $((sessions + 1)) >"$scratch/session" && [ -s "$scratch/session" ]; do
    sessions=$((sessions + 1))
    command=
    while IFS= read -r line; do
        case $line in
        '$ '*)
            play
            command=$(printf '%s\n' "${line#??}" | sed "$here")
            : >"$scratch/expected"
            ;;
        *) printf '%s\n' "$line" >>"$scratch/expected" ;;
        esac
    done <"$scratch/session"
    play
done
if [ "$sessions" -lt 2 ]; then
    wrong "README.md: shows $sessions sessions"
fi

# The endpoints of the table and of the probes are there.
{
    sed -n '/^| `\//s/^| \([^|]*\) |.*/\1/p' README.md | grep -oE '/[a-z/]*'
    block README.md yaml 1 | grep -oE 'path: [^,]*, port: 8080' | sed 's/path: \(.*\),.*/\1/'
} >"$scratch/paths"
if [ "$(wc -l <"$scratch/paths")" -lt 9 ]; then
    wrong "README.md: too few endpoints"
fi
while read -r path; do
    if ! curl -f "http://localhost:$port$path" >"$scratch/said" 2>&1 </dev/null; then
        wrong "README.md: $path does not answer 200"
        cat "$scratch/said"
    fi
done <"$scratch/paths"

exit "$status"
