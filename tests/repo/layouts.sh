#!/bin/sh
# What programs that were built with the headers rely on is as layouts.golden has it: size, offset,
# size and type of each field of each public struct, the functions that they hand in, and the value
# of each constant.  Read from what the compiler tells debuggers, so that no list of fields is kept
# here.  Where a change is meant, this writes it down anew:
#
#   sh tests/repo/layouts.sh --write
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
set -eu
cd "${SOURCE_DIR:-$(dirname "$0")/../..}"
. tests/lib/cannot.sh
golden=tests/repo/layouts.golden

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! command -v readelf >/dev/null; then
    cannot "there is no readelf (Debian: binutils)"
fi
# It is kept for 64-bit Linux alone; elsewhere there are other sizes.
echo 'extern int is[sizeof(void *) == 8 && sizeof(long) == 8 ? 1 : -1];' >"$scratch/is.c"
if ! "${CC:-cc}" -c -o "$scratch/is.o" "$scratch/is.c" 2>/dev/null; then
    cannot "the layouts are those of 64-bit systems, and this is none"
fi

# layouts <include directory> <output>: Writes what its headers have.
layouts()
{
    {
        for header in "$1"/health/*.h; do
            echo "#include <health/${header##*/}>"
        done
        echo 'extern int not_empty;'
    } >"$scratch/all.c"
    "${CC:-cc}" -std=c11 -g -gdwarf-4 -fno-eliminate-unused-debug-types -I"$1" -c \
        -o "$scratch/all.o" "$scratch/all.c"
    LC_ALL=C readelf --debug-dump=info "$scratch/all.o" | awk '
        # <depth><where>: Abbrev Number: 2 (DW_TAG_...)
        /^ <[0-9a-f]+><[0-9a-f]+>: Abbrev Number: [1-9]/ {
            match($0, /<[0-9a-f]+>:/)
            at = substr($0, RSTART + 1, RLENGTH - 3)
            match($0, /<[0-9a-f]+>/)
            depth = substr($0, RSTART + 1, RLENGTH - 2)
            match($0, /DW_TAG_[a-z_]+/)
            tag[at] = substr($0, RSTART + 7, RLENGTH - 7)
            open[depth] = at
            if (depth + 0 > 0) {
                parent = open[depth - 1]
                children[parent] = children[parent] " " at
            }
            if (depth == 1)
                top[++tops] = at
            next
        }
        $2 == "DW_AT_name" { sub(/^.*: */, ""); sub(/[ \t]+$/, ""); name[at] = $0 }
        $2 == "DW_AT_type" { gsub(/[^0-9a-f]/, "", $NF); sub(/^0/, "", $NF); type[at] = $NF }
        $2 == "DW_AT_byte_size" { size[at] = $4 }
        $2 ~ /^DW_AT_data_member_location/ { offset[at] = $NF }
        $2 == "DW_AT_const_value" { value[at] = $4 }
        $2 == "DW_AT_upper_bound" { bound[at] = $4 }

        # Compilers spell them differently.
        function base(words) {
            sub(/^long unsigned int$/, "unsigned long", words)
            sub(/^long long int$/, "long long", words)
            sub(/^long int$/, "long", words)
            return words
        }
        function spelled(t, text, list, n, i) {
            if (t == "")
                return "void"
            if (tag[t] == "const_type")
                return "const " spelled(type[t])
            if (tag[t] == "pointer_type") {
                text = spelled(type[t])
                if (sub(/\(\)/, "(*)", text))
                    return text
                return text (text ~ /\*$/ ? "" : " ") "*"
            }
            if (tag[t] == "structure_type")
                return "struct " name[t]
            if (tag[t] == "enumeration_type")
                return "enum " name[t]
            if (tag[t] == "array_type") {
                split(children[t], list, " ")
                return spelled(type[t]) "[" bound[list[1]] + 1 "]"
            }
            if (tag[t] == "subroutine_type") {
                n = split(children[t], list, " ")
                text = spelled(type[t]) " ()("
                for (i = 1; i <= n; i++)
                    text = text (i > 1 ? ", " : "") spelled(type[list[i]])
                return text ")"
            }
            return base(name[t])
        }
        function declared(t, what, text) {
            text = spelled(t)
            if (sub(/\(\*\)/, "(*" what ")", text))
                return text
            return text (text ~ /\*$/ ? "" : " ") what
        }
        function bytes(t) {
            if (tag[t] == "typedef" || tag[t] == "const_type")
                return bytes(type[t])
            return tag[t] == "pointer_type" && size[t] == "" ? 8 : size[t]
        }
        END {
            for (k = 1; k <= tops; k++) {
                t = top[k]
                n = split(children[t], list, " ")
                if (tag[t] == "structure_type" && name[t] ~ /^health_/ && size[t] != "") {
                    print "struct " name[t] ": " size[t] " bytes"
                    for (i = 1; i <= n; i++)
                        print "struct " name[t] " at " offset[list[i]] ", " bytes(type[list[i]]) \
                            " bytes: " declared(type[list[i]], name[list[i]])
                } else if (tag[t] == "typedef" && name[t] ~ /^health_/) {
                    text = spelled(type[t])
                    sub(/\(\)/, name[t], text)
                    print "typedef " text
                } else if (tag[t] == "enumeration_type") {
                    for (i = 1; i <= n; i++)
                        if (name[list[i]] ~ /^HEALTH_/)
                            print "enum " (name[t] != "" ? name[t] ", " size[t] " bytes: " : "") \
                                name[list[i]] " = " value[list[i]]
                }
            }
        }' >"$2"
}

layouts include "$scratch/now"
if [ "${1-}" = --write ]; then
    cp "$scratch/now" "$golden"
    exit 0
fi

# differs <what is there>: Says in which lines it is not the golden file.
differs()
{
    ! diff -u "$golden" "$1" >"$scratch/diff"
}
if differs "$scratch/now"; then
    echo "== include/health/ no longer is what programs were built with (- $golden, + here):"
    grep -E '^[-+][^-+]' "$scratch/diff"
    echo "A field or constant with - is a program that breaks.  New ones are added at the end of theirs;"
    echo "if that is all, sh tests/repo/layouts.sh --write"
    exit 1
fi

# Each public struct and callback is in it.
status=0
for what in $(sed -nE 's/^struct (health_[a-z_]+) \{$/\1/p' include/health/*.h); do
    if ! grep -q "^struct $what: " "$golden"; then
        echo "== $golden: there is no struct $what"
        status=1
    fi
done

# must_differ <what sed does to health.h> <line that is new>: It is noticed, with this line.
must_differ()
{
    rm -rf "$scratch/include"
    cp -R include "$scratch/include"
    sed -E "$1" include/health/health.h >"$scratch/include/health/health.h"
    layouts "$scratch/include" "$scratch/other"
    if ! differs "$scratch/other"; then
        echo "== not noticed: $1"
        status=1
    elif ! grep -qxF "+$2" "$scratch/diff"; then
        echo "== after $1 there is no line: $2"
        cat "$scratch/diff"
        status=1
    fi
}

must_differ '/^struct health_options \{/,/^\};/s/^\};/    unsigned more;\n};/' \
    'struct health_options at 72, 4 bytes: unsigned int more'
must_differ 's/^    unsigned advisory;/    unsigned long advisory;/' \
    'struct health_check at 48, 8 bytes: unsigned long advisory'
must_differ 's/^    const char \*version;/    const char *edition;/' \
    'struct health_options at 24, 8 bytes: const char *edition'
must_differ 's/^    long long time_ms;/    double time_ms;/' \
    'struct health_change at 24, 8 bytes: double time_ms'
must_differ 's/^(    HEALTH_PASS),/\1 = 1,/' 'enum health_status, 4 bytes: HEALTH_WARN = 2'
must_differ 's/^(typedef void health_change_fn)\(const /\1(/' \
    'typedef void health_change_fn(struct health_change *, void *)'

exit "$status"
