/*
 * How often a check has to be bad until it fails, and good until it passes again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/state.h"

#include "one_check.h"

static const struct health__policy on_demand = POLICY(HEALTH__ON_DEMAND, 1000);
static const struct health__policy periodic = POLICY(HEALTH__PERIODIC, 1000);

static struct check with_thresholds(unsigned failures, unsigned successes)
{
    struct check c = registered(&on_demand);

    c.p.failures = failures;
    c.p.successes = successes;
    return c;
}

static void bad_results_in_a_row_make_it_fail(void **unused)
{
    struct check c = with_thresholds(3, 1);

    (void)unused;
    run(&c, HEALTH_WARN, 1000);
    run(&c, HEALTH_FAIL, 2000);
    run(&c, 7, 3000);
    is(c, HEALTH_WARN, 1000);
    assert_int_equal(c.s.bad, 2);
    run(&c, HEALTH_FAIL, 4000);
    is(c, HEALTH_FAIL, 4000);

    /* One good between them, and they are counted anew. */
    run(&c, HEALTH_PASS, 5000);
    run(&c, HEALTH_FAIL, 6000);
    run(&c, HEALTH_FAIL, 7000);
    run(&c, HEALTH_PASS, 8000);
    run(&c, HEALTH_FAIL, 9000);
    run(&c, HEALTH_FAIL, 10000);
    is(c, HEALTH_PASS, 5000);
    assert_int_equal(c.s.said, HEALTH_FAIL);
}

static void a_pending_check_is_pending_until_they_are_enough(void **unused)
{
    struct check c = with_thresholds(2, 3);

    (void)unused;
    run(&c, HEALTH_FAIL, 1000);
    is_pending(c, 100);
    run(&c, HEALTH_FAIL, 2000);
    is(c, HEALTH_FAIL, 2000);

    /* To pass for the first time is no healing. */
    c = with_thresholds(2, 3);
    run(&c, HEALTH_FAIL, 1000);
    run(&c, HEALTH_PASS, 2000);
    is(c, HEALTH_PASS, 2000);
}

static void good_results_in_a_row_heal_it(void **unused)
{
    struct check c = with_thresholds(2, 3);

    (void)unused;
    run(&c, HEALTH_FAIL, 1000);
    run(&c, HEALTH_FAIL, 2000);
    run(&c, HEALTH_PASS, 3000);
    run(&c, HEALTH_WARN, 4000);
    is(c, HEALTH_FAIL, 2000);
    assert_int_equal(c.s.good, 2);
    /* One bad between them, and they are counted anew. */
    run(&c, HEALTH_FAIL, 5000);
    run(&c, HEALTH_PASS, 6000);
    run(&c, HEALTH_PASS, 7000);
    is(c, HEALTH_FAIL, 2000);
    run(&c, HEALTH_WARN, 8000);
    is(c, HEALTH_WARN, 8000);
    /* Healed: from pass to warn and back nothing holds it up. */
    run(&c, HEALTH_PASS, 9000);
    is(c, HEALTH_PASS, 9000);
}

static void overdue_bypasses_failures_and_heals_by_successes(void **unused)
{
    struct check c = with_thresholds(5, 2);

    (void)unused;
    run(&c, HEALTH_PASS, 1000);
    queue(&c, 2000);
    (void)settle(&c, 3000);
    is(c, HEALTH_FAIL, 3000);
    finish(&c, HEALTH_PASS, 3500); /* late: bad */
    run(&c, HEALTH_PASS, 4000);
    is(c, HEALTH_FAIL, 3000);
    run(&c, HEALTH_PASS, 5000);
    is(c, HEALTH_PASS, 5000);
    /* Then the failures are counted from none. */
    run(&c, HEALTH_FAIL, 6000);
    is(c, HEALTH_PASS, 5000);
}

static void stale_bypasses_failures_and_heals_by_successes(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    c.p.failures = 5;
    c.p.successes = 2;
    run(&c, HEALTH_PASS, 1000);
    run(&c, HEALTH_PASS, 2000);
    (void)settle(&c, 20000);
    is(c, HEALTH_FAIL, 13001);
    run(&c, HEALTH_PASS, 20000);
    is(c, HEALTH_FAIL, 13001);
    run(&c, HEALTH_WARN, 21000);
    is(c, HEALTH_WARN, 21000);
}

static void counts_stop_at_their_threshold(void **unused)
{
    struct check c = with_thresholds(2, 2);
    int64_t now = 1000;

    (void)unused;
    for (; now < 10000; now += 1000)
        run(&c, HEALTH_FAIL, now);
    assert_int_equal(c.s.bad, 2);
    for (; now < 20000; now += 1000)
        run(&c, HEALTH_PASS, now);
    assert_int_equal(c.s.good, 2);
    assert_int_equal(c.s.bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_results_in_a_row_make_it_fail),
        cmocka_unit_test(a_pending_check_is_pending_until_they_are_enough),
        cmocka_unit_test(good_results_in_a_row_heal_it),
        cmocka_unit_test(overdue_bypasses_failures_and_heals_by_successes),
        cmocka_unit_test(stale_bypasses_failures_and_heals_by_successes),
        cmocka_unit_test(counts_stop_at_their_threshold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
