/*
 * What a service may ask for, and what it is told where it may not: checks and
 * heartbeats.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A call failed, and this is what it left. */
#define expect_failure(call, error, cause, sentence)                                               \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, error);                                                             \
        assert_int_equal(errno, cause);                                                            \
        assert_string_equal(health_last_error(), sentence);                                        \
    } while (0)

#define expect_invalid(call, sentence) expect_failure(call, HEALTH_EINVAL, EINVAL, sentence)

/* ---- Checks ---- */

static enum health_status callback(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static struct health_check a_check(void)
{
    struct health_check c = HEALTH_CHECK_INIT;

    c.fn = callback;
    return c;
}

static struct health_check a_pushed_check(void)
{
    struct health_check c = HEALTH_CHECK_INIT;

    return c;
}

static struct health__policy read_check(const struct health_check *c)
{
    struct health__policy p;

    memset(&p, 0x5A, sizeof(p));
    assert_int_equal(health__policy_read(&p, "db", c), 0);
    return p;
}

static void zero_is_the_default(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p = read_check(&c);

    (void)unused;
    assert_int_equal(p.kind, HEALTH__ON_DEMAND);
    assert_true(p.timeout_ms == 1000);
    assert_true(p.max_age_ms == 1000);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_int_equal(p.probes, HEALTH_READY);
    assert_false(p.advisory);

    c = a_pushed_check();
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PUSHED);
    assert_true(p.max_age_ms == HEALTH__ANY_AGE);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_int_equal(p.probes, HEALTH_READY);
}

static void what_is_set_is_taken(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    c.timeout_ms = 2;
    c.max_age_ms = 3;
    c.failures = 4;
    c.successes = 5;
    c.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP | HEALTH_ALL;
    c.advisory = 2;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__ON_DEMAND);
    assert_true(p.timeout_ms == 2);
    assert_true(p.max_age_ms == 3);
    assert_int_equal(p.failures, 4);
    assert_int_equal(p.successes, 5);
    assert_int_equal(p.probes, 15);
    assert_true(p.advisory);

    c.max_age_ms = 0;
    c.interval_ms = 6;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PERIODIC);
    assert_true(p.interval_ms == 6);
    assert_true(p.timeout_ms == 2);

    c = a_pushed_check();
    c.max_age_ms = 7;
    c.probes = HEALTH_ALL;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PUSHED);
    assert_true(p.max_age_ms == 7);
    assert_int_equal(p.probes, HEALTH_ALL);
}

static void durations_go_up_to_31_days(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    c.timeout_ms = c.max_age_ms = HEALTH_DURATION_MAX_MS;
    p = read_check(&c);
    assert_true(p.timeout_ms == INT64_C(31) * 24 * 3600 * 1000);
    assert_true(p.max_age_ms == INT64_C(31) * 24 * 3600 * 1000);
    c.max_age_ms = 0;
    c.interval_ms = HEALTH_DURATION_MAX_MS;
    assert_true(read_check(&c).interval_ms == INT64_C(31) * 24 * 3600 * 1000);

    c = a_check();
    c.timeout_ms = HEALTH_DURATION_MAX_MS + 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: timeout_ms is 2678400001, more than 2678400000");
    c = a_check();
    c.max_age_ms = UINT32_MAX;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: max_age_ms is 4294967295, more than 2678400000");
    c = a_check();
    c.interval_ms = HEALTH_DURATION_MAX_MS + 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: interval_ms is 2678400001, more than 2678400000");
}

static void thresholds_have_no_limit(void **unused)
{
    struct health_check c = a_check();

    (void)unused;
    c.failures = c.successes = UINT32_MAX;
    assert_true(read_check(&c).failures == UINT32_MAX);
    assert_true(read_check(&c).successes == UINT32_MAX);
}

static void probes_are_those_there_are(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    for (c.probes = 1; c.probes < 16; c.probes++)
        assert_int_equal(read_check(&c).probes, c.probes);
    expect_invalid(health__policy_read(&p, "db", &c), "db: probes 0x10 has bits that are no probe");
    c.probes = 0x80000001;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: probes 0x80000001 has bits that are no probe");
}

static void fields_that_do_not_go_together_are_refused(void **unused)
{
    static const struct {
        size_t offset;
        bool pushed;
        const char *sentence;
    } fields[] = {
        {offsetof(struct health_check, timeout_ms), true,
            "db: timeout_ms does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, interval_ms), true,
            "db: interval_ms does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, failures), true,
            "db: failures does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, successes), true,
            "db: successes does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, reserved), true,
            "db: reserved does not go with this version: it must be 0"},
        {offsetof(struct health_check, reserved), false,
            "db: reserved does not go with this version: it must be 0"},
    };
    struct health__policy p, before;
    struct health_check c;
    size_t i;

    (void)unused;
    memset(&p, 0x5A, sizeof(p));
    memcpy(&before, &p, sizeof(p));
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        unsigned one = 1;

        c = fields[i].pushed ? a_pushed_check() : a_check();
        memcpy((char *)&c + fields[i].offset, &one, sizeof(one));
        expect_invalid(health__policy_read(&p, "db", &c), fields[i].sentence);
    }
    c = a_check();
    c.interval_ms = c.max_age_ms = 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: max_age_ms does not go with interval_ms");
    assert_memory_equal(&p, &before, sizeof(p));
}

/* ---- Heartbeats ---- */

static void a_heartbeat_is_for_live_unless_said(void **unused)
{
    struct health__policy p;

    (void)unused;
    assert_int_equal(health__policy_heartbeat(&p, "loop", 5000, 0), 0);
    assert_int_equal(p.kind, HEALTH__HEARTBEAT);
    assert_int_equal(p.probes, HEALTH_LIVE);
    assert_true(p.max_age_ms == 5000);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_false(p.advisory);
    assert_int_equal(health__policy_heartbeat(&p, "loop", 1, HEALTH_READY | HEALTH_ALL), 0);
    assert_int_equal(p.probes, HEALTH_READY | HEALTH_ALL);
    assert_int_equal(health__policy_heartbeat(&p, "loop", HEALTH_DURATION_MAX_MS, 0), 0);
    assert_true(p.max_age_ms == HEALTH_DURATION_MAX_MS);
}

static void a_heartbeat_has_an_age_to_die_at(void **unused)
{
    struct health__policy p, before;

    (void)unused;
    memset(&p, 0x5A, sizeof(p));
    memcpy(&before, &p, sizeof(p));
    expect_invalid(
        health__policy_heartbeat(&p, "loop", 0, 0), "loop: a heartbeat needs a max_age_ms");
    expect_invalid(health__policy_heartbeat(&p, "loop", HEALTH_DURATION_MAX_MS + 1, 0),
        "loop: max_age_ms is 2678400001, more than 2678400000");
    expect_invalid(health__policy_heartbeat(&p, "loop", 1, 32),
        "loop: probes 0x20 has bits that are no probe");
    assert_memory_equal(&p, &before, sizeof(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_is_the_default),
        cmocka_unit_test(what_is_set_is_taken),
        cmocka_unit_test(durations_go_up_to_31_days),
        cmocka_unit_test(thresholds_have_no_limit),
        cmocka_unit_test(probes_are_those_there_are),
        cmocka_unit_test(fields_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_heartbeat_is_for_live_unless_said),
        cmocka_unit_test(a_heartbeat_has_an_age_to_die_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
