/*
 * Whether a text is one line of UTF-8: decoded here by value, to be independent of what it judges.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ONE_LINE_H
#define TESTS_ONE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at `s`.  Returns: its length; 0 if it is none. */
static inline size_t one_line_character(const char *s, size_t count, uint32_t *ret_value)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*s;
    uint32_t value;
    size_t length, i;

    if (first < 0x80) {
        *ret_value = first;
        return 1;
    }
    if ((first & 0xE0) == 0xC0)
        length = 2, value = first & 0x1F;
    else if ((first & 0xF0) == 0xE0)
        length = 3, value = first & 0x0F;
    else if ((first & 0xF8) == 0xF0)
        length = 4, value = first & 0x07;
    else
        return 0;
    for (i = 1; i < length; i++) {
        if (i >= count || ((unsigned char)s[i] >> 6) != 2)
            return 0;
        value = value << 6 | ((unsigned char)s[i] & 0x3F);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *ret_value = value;
    return length;
}

/* Whether it is UTF-8, without control characters (C0, C1, DEL) and separators of lines. */
static inline bool one_line_is(const char *s, size_t count)
{
    while (count > 0) {
        uint32_t value = 0;
        size_t length = one_line_character(s, count, &value);

        if (length == 0 || value < 0x20 || (value >= 0x7F && value < 0xA0) || value == 0x2028 ||
            value == 0x2029)
            return false;
        s += length;
        count -= length;
    }
    return true;
}

#endif
