/*
 * The clocks: which one is read, in which unit, and that the coarse one is never ahead.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

/* Times of our own, each of another second, so that taking the wrong clock shows. */
static bool faked;

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    if (!faked)
        return __real_clock_gettime(id, t);
    switch (id) {
    case CLOCK_MONOTONIC:
        *t = (struct timespec){100, 1999999};
        return 0;
    case CLOCK_MONOTONIC_COARSE:
        *t = (struct timespec){99, 999999999};
        return 0;
    case CLOCK_REALTIME:
        *t = (struct timespec){1795508102, 251000000};
        return 0;
    default:
        return -1;
    }
}

static void each_reads_its_own_clock_and_rounds_down(void **unused)
{
    (void)unused;
    faked = true;
    assert_true(health__now_ms() == 100001);
    assert_true(health__now_us() == 100001999);
    assert_true(health__coarse_ms() == 99999);
    assert_true(health__wall_offset_ms() == INT64_C(1795508102251) - 100001);
    faked = false;
}

static void time_does_not_go_backwards(void **unused)
{
    int64_t last_ms = 1, last_us = 1;
    int i;

    (void)unused;
    for (i = 0; i < 10000; i++) {
        int64_t us = health__now_us(), ms = health__now_ms();

        assert_true(us >= last_us);
        assert_true(ms >= last_ms);
        assert_true(ms >= us / 1000);
        last_us = us;
        last_ms = ms;
    }
}

static void milliseconds_are_whole(void **unused)
{
    long ms;

    (void)unused;
    for (ms = 0; ms < 1000; ms++) {
        assert_int_equal(health__ms_of_ns(ms * 1000000), ms);
        assert_int_equal(health__ms_of_ns(ms * 1000000 + 999999), ms);
    }
}

static void the_coarse_clock_is_never_ahead(void **unused)
{
    int i;

    (void)unused;
    for (i = 0; i < 10000; i++) {
        int64_t coarse = health__coarse_ms(), now = health__now_ms();

        assert_true(coarse > 0);
        assert_true(coarse <= now);
    }
}

static void the_offset_leads_to_the_wall_clock(void **unused)
{
    int tries;

    (void)unused;
    /* Three readings are never of one moment: try until they are of about one. */
    for (tries = 0; tries < 1000; tries++) {
        struct timespec before, after;
        int64_t wall;

        (void)__real_clock_gettime(CLOCK_REALTIME, &before);
        wall = health__now_ms() + health__wall_offset_ms();
        (void)__real_clock_gettime(CLOCK_REALTIME, &after);
        if (wall >= (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000 - 1 &&
            wall <= (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000 + 1)
            return;
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reads_its_own_clock_and_rounds_down),
        cmocka_unit_test(time_does_not_go_backwards),
        cmocka_unit_test(milliseconds_are_whole),
        cmocka_unit_test(the_coarse_clock_is_never_ahead),
        cmocka_unit_test(the_offset_leads_to_the_wall_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
