/*
 * UTF-8.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* How many bytes the sequence at `s` has, by its first byte and the bounds of its second (RFC 3629,
 * section 4); *ret_valid tells whether it is a character, or the part of one that is broken off.
 * The final NUL ends any sequence. */
static size_t sequence(const unsigned char *s, bool *ret_valid)
{
    unsigned char first = s[0], low = 0x80, high = 0xBF;
    size_t length, i;

    *ret_valid = true;
    if (first < 0x80)
        return 1;
    *ret_valid = false;
    if (first < 0xC2 || first > 0xF4)
        return 1;
    length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first == 0xE0)
        low = 0xA0; /* shorter forms exist */
    else if (first == 0xED)
        high = 0x9F; /* surrogates */
    else if (first == 0xF0)
        low = 0x90; /* shorter forms exist */
    else if (first == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    for (i = 1; i < length; i++) {
        if (s[i] < low || s[i] > high)
            return i;
        low = 0x80;
        high = 0xBF;
    }
    *ret_valid = true;
    return length;
}

size_t health__utf8_cut(const char *s, size_t length, size_t max)
{
    size_t end = max, start;

    if (length <= max)
        return length;
    /* Back over at most three bytes that continue a character; further back is no UTF-8 anyway. */
    for (start = end; start > 0 && end - start < 3 && ((unsigned char)s[start] & 0xC0) == 0x80;)
        start--;
    if (((unsigned char)s[start] & 0xC0) == 0xC0)
        end = start;
    return end;
}

size_t health__utf8_clean_length(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t length = 0;
    bool valid;

    while (*p != '\0') {
        size_t n = sequence(p, &valid);

        length += valid ? n : sizeof(REPLACEMENT) - 1;
        p += n;
    }
    return length;
}

void health__utf8_clean(char *to, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    bool valid;

    while (*p != '\0') {
        size_t n = sequence(p, &valid), out = valid ? n : sizeof(REPLACEMENT) - 1;

        memcpy(to, valid ? (const char *)p : REPLACEMENT, out);
        to += out;
        p += n;
    }
    *to = '\0';
}
