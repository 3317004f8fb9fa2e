/*
 * How a check that is run is judged: on demand, periodically, late, or never.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/state.h"

#include <limits.h>

#include "one_check.h"

static const struct health__policy on_demand = POLICY(HEALTH__ON_DEMAND, 1000);
static const struct health__policy periodic = POLICY(HEALTH__PERIODIC, 1000);

/* ---- On demand, and what a result is ---- */

static void a_check_is_pending_until_it_was_judged(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    is_pending(c, 100);
    assert_false(health__state_running(&c.s));
    assert_false(settle(&c, 1000000));
    is_pending(c, 100);
    assert_true(until(&c) == HEALTH__NEVER);

    queue(&c, 2000);
    assert_true(health__state_running(&c.s));
    is_pending(c, 100);
    finish(&c, HEALTH_PASS, 2010);
    assert_false(health__state_running(&c.s));
    is(c, HEALTH_PASS, 2010);
    assert_true(c.s.result_at == 2010);
}

static void a_result_is_fresh_until_it_is_older_than_its_maximum_age(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    assert_true(fresh_until(&c) == HEALTH__NOT_YET);
    run(&c, HEALTH_PASS, 2000);
    assert_true(fresh_until(&c) == 3001);
    run(&c, HEALTH_FAIL, 4000);
    assert_true(fresh_until(&c) == 5001);
    c.p.max_age_ms = HEALTH__ANY_AGE;
    assert_true(fresh_until(&c) == HEALTH__NEVER);
}

static void an_old_result_on_demand_stays_what_it_is(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_WARN, 2000);
    assert_true(until(&c) == HEALTH__NEVER);
    assert_false(settle(&c, INT64_C(1) << 50));
    is(c, HEALTH_WARN, 2000);
    /* Also while the next run is in progress and in time. */
    queue(&c, INT64_C(1) << 50);
    assert_false(settle(&c, (INT64_C(1) << 50) + 999));
    is(c, HEALTH_WARN, 2000);
}

static void since_is_the_last_change(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_PASS, 2000);
    run(&c, HEALTH_PASS, 3000);
    is(c, HEALTH_PASS, 2000);
    run(&c, HEALTH_WARN, 4000);
    run(&c, HEALTH_WARN, 5000);
    is(c, HEALTH_WARN, 4000);
    run(&c, HEALTH_FAIL, 6000);
    run(&c, HEALTH_FAIL, 7000);
    is(c, HEALTH_FAIL, 6000);
    assert_true(c.s.result_at == 7000);
    run(&c, HEALTH_PASS, 8000);
    is(c, HEALTH_PASS, 8000);
}

static void what_is_no_status_is_a_fail(void **unused)
{
    static const int returned[] = {3, 7, -1, INT_MAX, INT_MIN};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(returned) / sizeof(returned[0]); i++) {
        struct check c = registered(&on_demand);

        run(&c, returned[i], 2000);
        is(c, HEALTH_FAIL, 2000);
        is_caused_by(c, HEALTH__NO_STATUS, 2000);
        assert_true(c.s.detail == returned[i]);
        assert_int_equal(c.s.said, HEALTH_FAIL);
        run(&c, HEALTH_PASS, 3000);
        is(c, HEALTH_PASS, 3000);
        is_caused_by(c, HEALTH__SAID, 3000);
    }
}

/* ---- Timeout ---- */

static void a_run_is_overdue_from_its_timeout_on(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_PASS, 2000);
    queue(&c, 5000);
    assert_true(until(&c) == 6000);
    assert_false(settle(&c, 5999));
    is(c, HEALTH_PASS, 2000);
    assert_true(settle(&c, 6000));
    assert_true(c.s.overdue);
    is(c, HEALTH_FAIL, 6000);
    is_caused_by(c, HEALTH__OVERDUE, 5000);

    /* And stays so until it returns. */
    assert_true(until(&c) == HEALTH__NEVER);
    assert_false(settle(&c, 60000));
    is(c, HEALTH_FAIL, 6000);
    assert_true(health__state_running(&c.s));
}

static void a_pending_check_fails_when_its_run_is_overdue(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 5000);
    assert_true(settle(&c, 7000));
    is(c, HEALTH_FAIL, 6000);
    is_caused_by(c, HEALTH__OVERDUE, 5000);
}

static void a_late_result_is_a_fail_whatever_it_says(void **unused)
{
    static const int returned[] = {HEALTH_PASS, HEALTH_WARN, HEALTH_FAIL, 7};
    size_t i, settled;

    (void)unused;
    for (settled = 0; settled < 2; settled++)
        for (i = 0; i < 4; i++) {
            struct check c = registered(&on_demand);

            run(&c, HEALTH_PASS, 2000);
            queue(&c, 5000);
            if (settled)
                (void)settle(&c, 6000);
            finish(&c, returned[i], 6500);
            is(c, HEALTH_FAIL, 6000);
            is_caused_by(c, HEALTH__TOOK_LONG, 6500);
            assert_true(c.s.detail == 1500);
            assert_true(c.s.result_at == 6500);
            assert_false(c.s.overdue);
            assert_false(health__state_running(&c.s));
            /* It is a result: the next run heals it. */
            assert_true(fresh_until(&c) == 7501);
            run(&c, HEALTH_PASS, 8000);
            is(c, HEALTH_PASS, 8000);
        }
}

static void the_last_millisecond_is_in_time_and_the_next_is_not(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 5000);
    finish(&c, HEALTH_PASS, 5999);
    is(c, HEALTH_PASS, 5999);
    queue(&c, 7000);
    finish(&c, HEALTH_PASS, 8000);
    is(c, HEALTH_FAIL, 8000);
    assert_true(c.s.detail == 1000);
}

static void a_run_taken_back_leaves_no_trace(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 5000);
    health__state_cancel(&c.s);
    assert_false(health__state_running(&c.s));
    assert_false(settle(&c, 60000));
    is_pending(c, 100);
    assert_true(fresh_until(&c) == HEALTH__NOT_YET);

    /* An overdue one: the fail stays until there is a result, but the next run has its own time. */
    queue(&c, 70000);
    (void)settle(&c, 71000);
    health__state_cancel(&c.s);
    is(c, HEALTH_FAIL, 71000);
    queue(&c, 72000);
    finish(&c, HEALTH_PASS, 72500);
    is(c, HEALTH_PASS, 72500);
}

/* ---- Periodic ---- */

static void a_periodic_result_is_stale_after_two_intervals_and_the_timeout(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    assert_true(fresh_until(&c) == HEALTH__NEVER);
    assert_false(settle(&c, 1000000)); /* nothing there to be stale */
    is_pending(c, 100);
    run(&c, HEALTH_PASS, 2000000);
    assert_true(until(&c) == 2011001);
    assert_false(settle(&c, 2011000));
    assert_true(settle(&c, 2011001));
    is(c, HEALTH_FAIL, 2011001);
    is_caused_by(c, HEALTH__STALE, 2000000);
    assert_true(until(&c) == HEALTH__NEVER);
    assert_false(settle(&c, 3000000));
    run(&c, HEALTH_PASS, 3000000);
    is(c, HEALTH_PASS, 3000000);
    assert_true(c.s.result_at == 3000000);
    assert_true(fresh_until(&c) == HEALTH__NEVER);
}

static void stale_and_overdue_come_in_their_order(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    /* First stale at 13001, then overdue at 14000, both found late. */
    run(&c, HEALTH_PASS, 2000);
    queue(&c, 13000);
    assert_true(settle(&c, 20000));
    is(c, HEALTH_FAIL, 13001);
    is_caused_by(c, HEALTH__OVERDUE, 13000);

    /* First overdue at 31000, so never stale. */
    finish(&c, HEALTH_PASS, 21000);
    run(&c, HEALTH_PASS, 22000);
    queue(&c, 30000);
    assert_true(settle(&c, 60000));
    is(c, HEALTH_FAIL, 31000);
    is_caused_by(c, HEALTH__OVERDUE, 30000);
    assert_false(settle(&c, 70000));

    /* Both in the same millisecond: overdue says more. */
    finish(&c, HEALTH_PASS, 71000);
    run(&c, HEALTH_PASS, 80000);
    queue(&c, 90001);
    assert_true(settle(&c, 91001));
    is(c, HEALTH_FAIL, 91001);
    is_caused_by(c, HEALTH__OVERDUE, 90001);
}

static void a_result_is_stale_beside_a_run_in_time(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    run(&c, HEALTH_PASS, 2000);
    queue(&c, 12500);
    assert_true(settle(&c, 13001));
    is_caused_by(c, HEALTH__STALE, 2000);
    assert_true(until(&c) == 13500);
    finish(&c, HEALTH_PASS, 13100);
    is(c, HEALTH_PASS, 13100);
}

static void queueing_finds_what_was_stale(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    run(&c, HEALTH_PASS, 2000);
    queue(&c, 20000);
    is(c, HEALTH_FAIL, 13001);
}

/* ---- Verdicts ---- */

/* The verdict: as /live counts it, as the others do, and whether it is shown as pending. */
static void verdict_is(
    struct check c, enum health_status live, enum health_status strict, bool pending)
{
    struct health__verdict v = health__state_verdict(&c.s, &c.p);

    assert_int_equal(v.status, live);
    assert_int_equal(v.strict, strict);
    assert_int_equal(v.pending, pending);
}

static void the_verdict_is_the_status_and_pending_counts_as_pass_for_live_alone(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    verdict_is(c, HEALTH_PASS, HEALTH_FAIL, true);
    run(&c, HEALTH_PASS, 1000);
    verdict_is(c, HEALTH_PASS, HEALTH_PASS, false);
    run(&c, HEALTH_WARN, 2000);
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, false);
    run(&c, HEALTH_FAIL, 3000);
    verdict_is(c, HEALTH_FAIL, HEALTH_FAIL, false);
}

static void advisory_is_a_warn_at_worst(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    c.p.advisory = true;
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, true);
    run(&c, HEALTH_PASS, 1000);
    verdict_is(c, HEALTH_PASS, HEALTH_PASS, false);
    run(&c, HEALTH_WARN, 2000);
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, false);
    run(&c, HEALTH_FAIL, 3000);
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, false);
    run(&c, HEALTH_PASS, 4000);
    (void)settle(&c, 20000); /* stale */
    assert_int_equal(c.s.cause, HEALTH__STALE);
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, false);
    queue(&c, 21000);
    (void)settle(&c, 22000); /* overdue */
    assert_int_equal(c.s.cause, HEALTH__OVERDUE);
    verdict_is(c, HEALTH_WARN, HEALTH_WARN, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_is_pending_until_it_was_judged),
        cmocka_unit_test(a_result_is_fresh_until_it_is_older_than_its_maximum_age),
        cmocka_unit_test(an_old_result_on_demand_stays_what_it_is),
        cmocka_unit_test(since_is_the_last_change),
        cmocka_unit_test(what_is_no_status_is_a_fail),
        cmocka_unit_test(a_run_is_overdue_from_its_timeout_on),
        cmocka_unit_test(a_pending_check_fails_when_its_run_is_overdue),
        cmocka_unit_test(a_late_result_is_a_fail_whatever_it_says),
        cmocka_unit_test(the_last_millisecond_is_in_time_and_the_next_is_not),
        cmocka_unit_test(a_run_taken_back_leaves_no_trace),
        cmocka_unit_test(a_periodic_result_is_stale_after_two_intervals_and_the_timeout),
        cmocka_unit_test(stale_and_overdue_come_in_their_order),
        cmocka_unit_test(a_result_is_stale_beside_a_run_in_time),
        cmocka_unit_test(queueing_finds_what_was_stale),
        cmocka_unit_test(the_verdict_is_the_status_and_pending_counts_as_pass_for_live_alone),
        cmocka_unit_test(advisory_is_a_warn_at_worst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
