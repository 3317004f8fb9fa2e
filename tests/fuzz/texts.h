/*
 * Texts of any bytes, and what the library makes of them: read by value, to be independent of it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FUZZ_TEXTS_H
#define TESTS_FUZZ_TEXTS_H

#include <health/health.h>

#include "fuzz.h"
#include "one_line.h"

#define TEXTS_REPLACEMENT 0xFFFD

/* Copies the characters that are there, without U+FFFD and what is none, to `to`, which has room
 * for all of it. */
static inline void texts_characters(char *to, const char *text)
{
    size_t left = strlen(text), length;
    uint32_t value = 0;

    for (; left > 0; text += length, left -= length) {
        length = one_line_character(text, left, &value);
        if (length > 0 && value != TEXTS_REPLACEMENT) {
            memcpy(to, text, length);
            to += length;
        }
        if (length == 0)
            length = 1;
    }
    *to = '\0';
}

/* Whether it is all UTF-8. */
static inline bool texts_is_utf8(const char *text)
{
    size_t left = strlen(text), length;
    uint32_t value;

    for (; left > 0; text += length, left -= length) {
        length = one_line_character(text, left, &value);
        if (length == 0)
            return false;
    }
    return true;
}

/* Checks that `shown` is what was given, as far as it was UTF-8, and is that itself; of a text that
 * is longer than `max` bytes it is the beginning. */
static inline void texts_check_shown(const char *shown, const char *given, size_t max)
{
    char *ours = malloc(strlen(shown) + 1), *theirs = malloc(strlen(given) + 1);

    FUZZ_CHECK(ours != NULL && theirs != NULL);
    FUZZ_CHECK(texts_is_utf8(shown));
    texts_characters(ours, shown);
    texts_characters(theirs, given);
    if (strlen(given) <= max)
        FUZZ_CHECK(strcmp(ours, theirs) == 0);
    else
        FUZZ_CHECK(strncmp(ours, theirs, strlen(ours)) == 0);
    FUZZ_CHECK(strlen(given) > max || !texts_is_utf8(given) || strcmp(shown, given) == 0);
    free(ours);
    free(theirs);
}

/* Whether a check may be called that. */
static inline bool texts_is_name(const char *text)
{
    size_t left = strlen(text), length;
    uint32_t value = 0;

    if (left == 0 || left > HEALTH_NAME_MAX_BYTES)
        return false;
    for (; left > 0; text += length, left -= length) {
        length = one_line_character(text, left, &value);
        if (length > 0 && (value < 0x20 || (value >= 0x7F && value < 0xA0) || value == '/'))
            return false;
        if (length == 0)
            length = 1;
    }
    return true;
}

#endif
