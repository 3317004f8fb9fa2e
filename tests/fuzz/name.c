/*
 * A name is decoded as its escapes say, whole or not at all, and is UTF-8 in the end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include <ctype.h>

#include "base/utf8.h"
#include "fuzz.h"
#include "one_line.h"

/* Decodes it into `to`, which has room for all of it.  Returns: false if it may not be. */
static bool decode(const char *from, char *to)
{
    size_t length = strlen(from), at = 0;

    if (length > 0 && from[length - 1] == '/')
        length--;
    while (at < length) {
        unsigned byte = (unsigned char)from[at++];

        if (byte == '%') {
            char digits[3] = {from[at], from[at] != '\0' ? from[at + 1] : '\0', '\0'};

            if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
                return false;
            byte = (unsigned)strtoul(digits, NULL, 16);
            at += 2;
        }
        if (byte == 0 || byte == '/')
            return false;
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}

static bool is_utf8(const char *s)
{
    size_t count = strlen(s), length;
    uint32_t value;

    for (; count > 0; s += length, count -= length) {
        length = one_line_character(s, count, &value);
        if (length == 0)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size), *decoded = malloc(strlen(text) + 1);
    char name[HEALTH__ROUTE_NAME_BYTES], again[HEALTH__ROUTE_NAME_BYTES];
    bool taken = health__route_name(text, name);

    FUZZ_CHECK(decoded != NULL);
    if (!decode(text, decoded)) {
        FUZZ_CHECK(!taken);
    } else if (taken) {
        FUZZ_CHECK(memchr(name, '\0', sizeof(name)) != NULL);
        FUZZ_CHECK(is_utf8(name));
        FUZZ_CHECK(strchr(name, '/') == NULL);
        FUZZ_CHECK(!is_utf8(decoded) || strcmp(name, decoded) == 0);
        FUZZ_CHECK(health__utf8_clean_length(name) == strlen(name));
        health__utf8_clean(again, name);
        FUZZ_CHECK(strcmp(again, name) == 0);
    } else {
        /* No name that there can be is too long for us. */
        FUZZ_CHECK(strlen(decoded) > HEALTH_NAME_MAX_BYTES);
    }
    free(decoded);
    free(text);
    return 0;
}
