/*
 * A line of text of limited length.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/line.h"

#include <stdbool.h>
#include <string.h>

/* How many bytes the character at `s` has, by RFC 3629; 0 if it is none. */
static size_t character(const unsigned char *s, size_t count)
{
    size_t length, i;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (length > count)
        return 0;
    for (i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    /* Longer forms than need be, surrogates, and what is beyond U+10FFFF. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

/* Whether the character ends a line, or does what else a terminal does with a control character. */
static bool is_control(const unsigned char *s, size_t length)
{
    if (length == 1)
        return s[0] < 0x20 || s[0] == 0x7F;
    if (length == 2)
        return s[0] == 0xC2 && s[1] < 0xA0; /* U+0080 to U+009F */
    /* U+2028 and U+2029 */
    return length == 3 && s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9);
}

void health__line_add_bytes(struct health__line *line, const char *bytes, size_t count)
{
    while (count > 0 && !line->full) {
        size_t length = character((const unsigned char *)bytes, count), taken = length;
        const char *shown = bytes;

        if (length == 0) {
            shown = "?";
            length = taken = 1;
        } else if (is_control((const unsigned char *)bytes, length)) {
            shown = " ";
            length = 1;
        }
        line->full = line->length + length > HEALTH_PROBE_REASON_MAX_BYTES;
        if (line->full)
            return;
        memcpy(line->text + line->length, shown, length);
        line->length += length;
        line->text[line->length] = '\0';
        bytes += taken;
        count -= taken;
    }
}

void health__line_add(struct health__line *line, const char *s)
{
    health__line_add_bytes(line, s, strlen(s));
}

void health__line_add_number(struct health__line *line, unsigned number)
{
    char digits[12], *p = digits + sizeof(digits);

    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    health__line_add_bytes(line, p, (size_t)(digits + sizeof(digits) - p));
}
