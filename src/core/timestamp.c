/*
 * Moments as text.
 *
 * By hand and not by gmtime_r(), which in glibc takes a lock and reads the host's time zone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/timestamp.h"

#define DAY_MS  INT64_C(86400000)
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static void digits(char *to, unsigned value, unsigned count)
{
    while (count > 0) {
        to[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

static int64_t limited(int64_t wall_ms)
{
    return wall_ms < 0 ? 0 : wall_ms > LAST_MS ? LAST_MS : wall_ms;
}

/* "08:15:02" */
static void time_of_day(char *to, unsigned seconds)
{
    digits(to, seconds / 3600, 2);
    to[2] = ':';
    digits(to + 3, seconds / 60 % 60, 2);
    to[5] = ':';
    digits(to + 6, seconds % 60, 2);
}

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in
 * March, so that the leap day is their last; `day` counts from 0000-03-01. */
static void date(char *to, unsigned day)
{
    unsigned era = day / 146097, of_era = day % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned from_march = (5 * of_year + 2) / 153;
    unsigned month = from_march < 10 ? from_march + 3 : from_march - 9;

    digits(to, year + era * 400 + (month <= 2 ? 1 : 0), 4);
    to[4] = '-';
    digits(to + 5, month, 2);
    to[7] = '-';
    digits(to + 8, of_year - (153 * from_march + 2) / 5 + 1, 2);
}

void health__timestamp(char *to, int64_t wall_ms)
{
    int64_t ms = limited(wall_ms);

    date(to, (unsigned)(ms / DAY_MS) + 719468); /* 1970-01-01 */
    to[10] = 'T';
    time_of_day(to + 11, (unsigned)(ms % DAY_MS / 1000));
    to[19] = '.';
    digits(to + 20, (unsigned)(ms % 1000), 3);
    to[23] = 'Z';
    to[24] = '\0';
}

void health__timestamp_short(char *to, int64_t wall_ms)
{
    time_of_day(to, (unsigned)(limited(wall_ms) % DAY_MS / 1000));
    to[8] = 'Z';
    to[9] = '\0';
}
