/*
 * How a check is judged that the service tells of, by reports and heartbeats; and what a freeze and
 * a start do to any check.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/state.h"

#include "one_check.h"

static const struct health__policy pushed = POLICY(HEALTH__PUSHED, 5000);
static const struct health__policy ageless = POLICY(HEALTH__PUSHED, HEALTH__ANY_AGE);
static const struct health__policy heartbeat = POLICY(HEALTH__HEARTBEAT, 5000);
static const struct health__policy periodic = POLICY(HEALTH__PERIODIC, 1000);
static const struct health__policy on_demand = POLICY(HEALTH__ON_DEMAND, 1000);

/* ---- Reports ---- */

static void a_report_is_the_status(void **unused)
{
    struct check c = registered(&ageless);

    (void)unused;
    is_pending(c, 100);
    assert_true(fresh_until(&c) == HEALTH__NEVER);
    report(&c, HEALTH_WARN, 1000);
    is(c, HEALTH_WARN, 1000);
    report(&c, HEALTH_FAIL, 2000);
    is(c, HEALTH_FAIL, 2000);
    report(&c, HEALTH_PASS, 3000);
    report(&c, HEALTH_PASS, 4000);
    is(c, HEALTH_PASS, 3000);
    assert_true(c.s.result_at == 4000);
    is_caused_by(c, HEALTH__SAID, 4000);
}

static void a_report_has_any_age_unless_it_has_a_maximum(void **unused)
{
    struct check c = registered(&ageless);

    (void)unused;
    assert_false(settle(&c, INT64_C(1) << 60));
    is_pending(c, 100);
    report(&c, HEALTH_PASS, INT64_C(1) << 60);
    assert_true(until(&c) == HEALTH__NEVER);
    assert_false(settle(&c, HEALTH__NEVER - 1));

    c = registered(&pushed);
    report(&c, HEALTH_PASS, 1000);
    assert_true(until(&c) == 6001);
    assert_false(settle(&c, 6000));
    assert_true(settle(&c, 10000));
    is(c, HEALTH_FAIL, 6001);
    is_caused_by(c, HEALTH__STALE, 1000);
    assert_false(settle(&c, 20000));
    report(&c, HEALTH_PASS, 20000);
    is(c, HEALTH_PASS, 20000);
}

static void its_maximum_age_counts_from_registration_too(void **unused)
{
    struct check c = registered(&pushed);

    (void)unused;
    assert_true(until(&c) == 5101);
    assert_false(settle(&c, 5100));
    is_pending(c, 100);
    assert_true(settle(&c, 5101));
    is(c, HEALTH_FAIL, 5101);
    is_caused_by(c, HEALTH__NEVER_REPORTED, 100);
    report(&c, HEALTH_PASS, 7000);
    is(c, HEALTH_PASS, 7000);
    (void)settle(&c, 12001);
    is_caused_by(c, HEALTH__STALE, 7000);
}

/* ---- Heartbeats ---- */

static void adding_a_heartbeat_is_a_beat(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    is(c, HEALTH_PASS, 100);
    assert_true(fresh_until(&c) == HEALTH__NEVER);
    assert_true(until(&c) == 5101);
    assert_false(settle(&c, 5100));
    assert_true(settle(&c, 5101));
    is(c, HEALTH_FAIL, 5101);
    is_caused_by(c, HEALTH__MISSED_BEAT, 100);
}

static void a_beat_older_than_its_maximum_age_is_missed(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    read_beat(&c, 3000, 3001);
    assert_true(until(&c) == 8001);
    read_beat(&c, 3000, 8000);
    is(c, HEALTH_PASS, 100);
    read_beat(&c, 3000, 9000);
    is(c, HEALTH_FAIL, 8001);
    is_caused_by(c, HEALTH__MISSED_BEAT, 3000);
    /* The same beat read again is no new one. */
    read_beat(&c, 3000, 10000);
    is(c, HEALTH_FAIL, 8001);
    /* One heals. */
    read_beat(&c, 11000, 11500);
    is(c, HEALTH_PASS, 11000);
}

static void a_beat_that_is_already_too_old_when_read_is_missed(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    read_beat(&c, 3000, 20000);
    is(c, HEALTH_FAIL, 8001);
    is_caused_by(c, HEALTH__MISSED_BEAT, 3000);
}

static void beats_that_nobody_read_kept_it_alive(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    /* It beats each second, and is asked about once an hour. */
    read_beat(&c, 3600000, 3600500);
    read_beat(&c, 7200000, 7200500);
    is(c, HEALTH_PASS, 100);
}

static void a_beat_of_a_clock_that_lags_or_leads_is_never_in_the_future(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    (void)settle(&c, 6000);
    read_beat(&c, 7010, 7000); /* beaten after the time was read */
    is(c, HEALTH_PASS, 7000);
    assert_true(until(&c) == 12011);

    /* The tick of the coarse clock before registration: registration is what counts. */
    c = registered(&heartbeat);
    read_beat(&c, 96, 101);
    assert_true(until(&c) == 5101);
}

static void an_idle_heartbeat_is_not_judged(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    read_beat(&c, HEALTH__NEVER, 1000);
    is(c, HEALTH_PASS, 100);
    assert_true(until(&c) == HEALTH__NEVER);
    read_beat(&c, HEALTH__NEVER, 1000000);
    is(c, HEALTH_PASS, 100);
    read_beat(&c, 1000000, 1000001);
    assert_true(until(&c) == 1005001);
    is(c, HEALTH_PASS, 100);

    /* Idle after a missed beat is alive. */
    (void)settle(&c, 2000000);
    is(c, HEALTH_FAIL, 1005001);
    read_beat(&c, HEALTH__NEVER, 2000000);
    is(c, HEALTH_PASS, 2000000);
}

/* ---- Freeze ---- */

static void after_a_freeze_ages_count_from_the_thaw(void **unused)
{
    const struct health__policy *policies[] = {&pushed, &heartbeat, &periodic};
    size_t i;

    (void)unused;
    for (i = 0; i < 3; i++) {
        struct check c = registered(policies[i]);
        int64_t limit = 5000;

        if (c.p.kind == HEALTH__HEARTBEAT) {
            read_beat(&c, 2000, 2000);
        } else if (c.p.kind == HEALTH__PUSHED) {
            report(&c, HEALTH_PASS, 2000);
        } else {
            run(&c, HEALTH_PASS, 2000);
            limit = 11000;
        }
        thaw(&c, 3000, 100000);
        assert_false(settle(&c, 100000));
        assert_int_equal(c.s.status, HEALTH_PASS);
        assert_true(until(&c) == 100000 + limit + 1);
        /* When the result was is still told right. */
        assert_true(c.s.result_at == 2000);
        assert_true(settle(&c, 100000 + limit + 1));
        is(c, HEALTH_FAIL, 100000 + limit + 1);
    }
}

static void a_freeze_makes_an_on_demand_result_no_younger(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_PASS, 2000);
    thaw(&c, 2500, 100000);
    assert_true(fresh_until(&c) == 3001);
}

static void running_timeouts_restart_at_the_thaw(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 2000);
    thaw(&c, 2500, 100000);
    assert_false(settle(&c, 100999));
    is_pending(c, 100);
    assert_true(settle(&c, 101000));
    is(c, HEALTH_FAIL, 101000);

    /* It took as long as it was awake. */
    finish(&c, HEALTH_PASS, 101500);
    assert_true(c.s.detail == 1500);
    queue(&c, 102000);
    thaw(&c, 102001, 200000);
    finish(&c, HEALTH_PASS, 200999);
    is(c, HEALTH_PASS, 200999);
}

static void what_was_true_before_the_freeze_stays_true(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    /* Overdue before it, whether that had been found or not. */
    queue(&c, 2000);
    thaw(&c, 3500, 100000);
    is(c, HEALTH_FAIL, 3000);
    assert_true(c.s.overdue);
    finish(&c, HEALTH_PASS, 100001);
    is(c, HEALTH_FAIL, 3000);

    c = registered(&heartbeat);
    read_beat(&c, 2000, 2000);
    thaw(&c, 7500, 100000);
    read_beat(&c, 2000, 100000);
    is(c, HEALTH_FAIL, 7001);
    is_caused_by(c, HEALTH__MISSED_BEAT, 2000);
    read_beat(&c, 100001, 100002);
    is(c, HEALTH_PASS, 100001);

    c = registered(&pushed);
    thaw(&c, 5500, 100000);
    (void)settle(&c, 100000);
    is(c, HEALTH_FAIL, 5101);
    is_caused_by(c, HEALTH__NEVER_REPORTED, 100);
}

static void an_idle_heartbeat_is_idle_after_a_freeze(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    read_beat(&c, HEALTH__NEVER, 2000);
    thaw(&c, 2500, 100000);
    read_beat(&c, HEALTH__NEVER, 100000);
    assert_true(until(&c) == HEALTH__NEVER);
}

static void what_comes_late_from_before_a_freeze_makes_nothing_older(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    /* A thread that was stopped between reading the clock and storing it. */
    thaw(&c, 3000, 100000);
    read_beat(&c, 2990, 100001);
    is(c, HEALTH_PASS, 100);
    assert_true(until(&c) == 105001);

    c = registered(&pushed);
    thaw(&c, 3000, 100000);
    report(&c, HEALTH_PASS, 2990);
    assert_false(settle(&c, 105000));
    assert_true(settle(&c, 105001));
}

/* ---- Start ---- */

static void runs_become_never_run(void **unused)
{
    const struct health__policy *policies[] = {&on_demand, &periodic};
    size_t i;

    (void)unused;
    for (i = 0; i < 2; i++) {
        struct check c = registered(policies[i]), fresh = registered(policies[i]);

        run(&c, HEALTH_WARN, 2000);
        queue(&c, 3000);
        (void)settle(&c, 50000);
        start(&c, 100000);
        is_pending(c, 100000);
        assert_false(health__state_running(&c.s));
        assert_false(c.s.overdue);
        assert_true(c.s.result_at == HEALTH__NOT_YET);
        assert_true(fresh_until(&c) == fresh_until(&fresh));
        assert_false(settle(&c, 10000000));
        run(&c, HEALTH_PASS, 10000000);
        is(c, HEALTH_PASS, 10000000);
    }
}

static void what_was_reported_counts_as_reported_at_the_start(void **unused)
{
    struct check c = registered(&pushed);

    (void)unused;
    report(&c, HEALTH_WARN, 2000);
    start(&c, 100000);
    is(c, HEALTH_WARN, 2000);
    assert_true(c.s.result_at == 2000);
    assert_true(until(&c) == 105001);

    /* Stale before, and not now. */
    (void)settle(&c, 200000);
    is(c, HEALTH_FAIL, 105001);
    start(&c, 300000);
    is(c, HEALTH_WARN, 300000);
    is_caused_by(c, HEALTH__SAID, 300000);

    /* Never reported counts from the start. */
    c = registered(&pushed);
    start(&c, 100000);
    is_pending(c, 100);
    assert_true(until(&c) == 105001);
    (void)settle(&c, 200000);
    start(&c, 300000);
    is_pending(c, 300000);
    assert_true(c.s.result_at == HEALTH__NOT_YET);
}

static void a_heartbeat_beats_at_the_start(void **unused)
{
    struct check c = registered(&heartbeat);

    (void)unused;
    read_beat(&c, 2000, 2000);
    start(&c, 100000);
    is(c, HEALTH_PASS, 100);
    read_beat(&c, 2000, 100000); /* seen before */
    assert_true(until(&c) == 105001);
    read_beat(&c, 2000, 200000);
    is(c, HEALTH_FAIL, 105001);
    start(&c, 300000);
    is(c, HEALTH_PASS, 300000);
    read_beat(&c, 2000, 300000);
    is(c, HEALTH_PASS, 300000);

    /* One that nobody had read yet is older than the start. */
    read_beat(&c, 299000, 300001);
    assert_true(until(&c) == 305001);

    /* Idle stays idle. */
    read_beat(&c, HEALTH__NEVER, 301000);
    start(&c, 400000);
    read_beat(&c, HEALTH__NEVER, 400000);
    assert_true(until(&c) == HEALTH__NEVER);
    is(c, HEALTH_PASS, 300000);
}

static void a_first_start_changes_nothing_that_is_shown(void **unused)
{
    const struct health__policy *policies[] = {&pushed, &heartbeat, &periodic, &on_demand};
    size_t i;

    (void)unused;
    for (i = 0; i < 4; i++) {
        struct check c = registered(policies[i]);
        bool pending = c.s.pending;

        start(&c, 4000);
        assert_int_equal(c.s.pending, pending);
        assert_int_equal(c.s.status, HEALTH_PASS);
        assert_true(c.s.since == 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_the_status),
        cmocka_unit_test(a_report_has_any_age_unless_it_has_a_maximum),
        cmocka_unit_test(its_maximum_age_counts_from_registration_too),
        cmocka_unit_test(adding_a_heartbeat_is_a_beat),
        cmocka_unit_test(a_beat_older_than_its_maximum_age_is_missed),
        cmocka_unit_test(a_beat_that_is_already_too_old_when_read_is_missed),
        cmocka_unit_test(beats_that_nobody_read_kept_it_alive),
        cmocka_unit_test(a_beat_of_a_clock_that_lags_or_leads_is_never_in_the_future),
        cmocka_unit_test(an_idle_heartbeat_is_not_judged),
        cmocka_unit_test(after_a_freeze_ages_count_from_the_thaw),
        cmocka_unit_test(a_freeze_makes_an_on_demand_result_no_younger),
        cmocka_unit_test(running_timeouts_restart_at_the_thaw),
        cmocka_unit_test(what_was_true_before_the_freeze_stays_true),
        cmocka_unit_test(an_idle_heartbeat_is_idle_after_a_freeze),
        cmocka_unit_test(what_comes_late_from_before_a_freeze_makes_nothing_older),
        cmocka_unit_test(runs_become_never_run),
        cmocka_unit_test(what_was_reported_counts_as_reported_at_the_start),
        cmocka_unit_test(a_heartbeat_beats_at_the_start),
        cmocka_unit_test(a_first_start_changes_nothing_that_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
