/*
 * Numbers as JSON values.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "render/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any double reads back from 17 digits (IEEE 754), most from 15. */
#define MIN_DIGITS 15
#define MAX_DIGITS 17

/* The locale decides what stands between a number's digits: whatever it is, in one or more bytes,
 * becomes a point. */
static void put_point(char *s)
{
    char *point = s + strspn(s, "-0123456789"), *rest;

    if (*point == '\0' || *point == 'e')
        return;
    rest = point + strcspn(point, "0123456789");
    *point = '.';
    memmove(point + 1, rest, strlen(rest) + 1);
}

void health__number(char to[HEALTH__NUMBER_BYTES], double value)
{
    int digits = MIN_DIGITS;

    if (!isfinite(value)) {
        const char *word = value < 0 ? "\"-Infinity\"" : "\"Infinity\"";

        if (isnan(value))
            word = "\"NaN\"";
        memcpy(to, word, strlen(word) + 1);
        return;
    }
    do {
        (void)snprintf(to, HEALTH__NUMBER_BYTES, "%.*g", digits, value);
    } while (strtod(to, NULL) != value && ++digits <= MAX_DIGITS);
    put_point(to);
}
