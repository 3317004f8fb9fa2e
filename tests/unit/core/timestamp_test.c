/*
 * Moments as text, against gmtime_r() for every day there is.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DAY_MS  INT64_C(86400000)
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Whether both texts are what libc makes of the moment; `libc` says what that is. */
static bool agrees(int64_t wall_ms, char libc[64])
{
    char got[HEALTH__TIMESTAMP_BYTES], shown[HEALTH__TIMESTAMP_BYTES];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char seconds_text[32];

    if (gmtime_r(&seconds, &tm) == NULL)
        return false;
    if (strftime(seconds_text, sizeof(seconds_text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return false;
    (void)snprintf(libc, 64, "%s.%03uZ", seconds_text, (unsigned)(wall_ms % 1000));
    health__timestamp(got, wall_ms);
    if (strcmp(got, libc) != 0)
        return false;
    health__timestamp_short(shown, wall_ms);
    return strncmp(shown, libc + 11, 8) == 0 && strcmp(shown + 8, "Z") == 0;
}

static void every_day_from_1970_to_9999(void **unused)
{
    char libc[64];
    /* Under tools that make everything many times as slow, one in 37. */
    int64_t step = getenv("HEALTH_TEST_SLOW") != NULL ? 37 : 1, day;

    (void)unused;
    for (day = 0; day <= LAST_MS / DAY_MS; day += step) {
        /* Another time on each. */
        int64_t first = day * DAY_MS, some = first + (day * INT64_C(7919123)) % DAY_MS;

        if (!agrees(first, libc) || !agrees(first + DAY_MS - 1, libc) || !agrees(some, libc))
            fail_msg("not %s", libc);
    }
}

static void every_second_of_a_day(void **unused)
{
    char libc[64];
    int64_t step = getenv("HEALTH_TEST_SLOW") != NULL ? 37 : 1, second;

    (void)unused;
    for (second = 0; second < 86400; second += step) {
        int64_t moment = INT64_C(20781) * DAY_MS + second * 1000 + second % 1000;

        if (!agrees(moment, libc))
            fail_msg("not %s", libc);
    }
}

static void check(int64_t wall_ms, const char *full, const char *brief)
{
    char got[HEALTH__TIMESTAMP_BYTES];

    health__timestamp(got, wall_ms);
    assert_string_equal(got, full);
    health__timestamp_short(got, wall_ms);
    assert_string_equal(got, brief);
}

static void what_is_outside_is_the_nearest_moment_within(void **unused)
{
    (void)unused;
    check(0, "1970-01-01T00:00:00.000Z", "00:00:00Z");
    check(-1, "1970-01-01T00:00:00.000Z", "00:00:00Z");
    check(INT64_MIN, "1970-01-01T00:00:00.000Z", "00:00:00Z");
    check(LAST_MS, "9999-12-31T23:59:59.999Z", "23:59:59Z");
    check(LAST_MS + 1, "9999-12-31T23:59:59.999Z", "23:59:59Z");
    check(INT64_MAX, "9999-12-31T23:59:59.999Z", "23:59:59Z");
}

static void days_that_are_not_everywhere(void **unused)
{
    (void)unused;
    check(INT64_C(951782400000), "2000-02-29T00:00:00.000Z", "00:00:00Z");
    check(INT64_C(4107542399999), "2100-02-28T23:59:59.999Z", "23:59:59Z");
    check(INT64_C(4107542400000), "2100-03-01T00:00:00.000Z", "00:00:00Z");
    check(INT64_C(1795508102250), "2026-11-24T08:15:02.250Z", "08:15:02Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_from_1970_to_9999),
        cmocka_unit_test(every_second_of_a_day),
        cmocka_unit_test(what_is_outside_is_the_nearest_moment_within),
        cmocka_unit_test(days_that_are_not_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
