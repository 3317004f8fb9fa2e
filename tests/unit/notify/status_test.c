/*
 * What an observer is told of the probes: for every state of the gates and whatever the checks are
 * counted as, the table "What each endpoint answers" of docs/design.md, written down a second time;
 * and why, in words.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/gates.h"
#include "engine/runs.h"
#include "notify/notify.h"
#include "notify/status.h"

static struct health__gates gates;
static struct health__server server;
static struct health__engine e;
static struct health__notifier n;

static int open_all(void **unused)
{
    (void)unused;
    memset(&e, 0, sizeof(e));
    if (health__engine_init(&e, &gates, &server, &n.observer, 800, 1) != 0)
        return -1;
    health__notifier_init(&n, &e, false);
    health__runs_begin(&e);
    return 0;
}

static void gone(void *unused)
{
    (void)unused;
}

static int close_all(void **unused)
{
    (void)unused;
    return health__engine_free(&e, gone, NULL);
}

/* ---- The table ---- */

static enum health_status worst_of(const struct health__tally *t)
{
    if (t->of[1 + HEALTH_FAIL] > 0)
        return HEALTH_FAIL;
    return t->of[1 + HEALTH_WARN] > 0 ? HEALTH_WARN : HEALTH_PASS;
}

static enum health_status worse(enum health_status a, enum health_status b)
{
    return a > b ? a : b;
}

static enum health_status expected(enum health__endpoint endpoint, unsigned bits)
{
    bool latched = bits & HEALTH__LATCHED, started = latched || !(bits & HEALTH__NOT_STARTED);
    enum health_status startup = worst_of(&e.tallies[2]);

    switch (endpoint) {
    case HEALTH__AT_LIVE:
        return worst_of(&e.lenient_tallies[0]);
    case HEALTH__AT_READY:
        if (!started || (bits & (HEALTH__NOT_READY | HEALTH__DRAINING)))
            return HEALTH_FAIL;
        return latched ? worst_of(&e.tallies[1]) : worse(startup, worst_of(&e.tallies[1]));
    case HEALTH__AT_STARTUP:
        return latched ? HEALTH_PASS : started ? startup : HEALTH_FAIL;
    default:
        return started ? worst_of(&e.tallies[3]) : HEALTH_FAIL;
    }
}

/* Counts from what is written in the digits of `code`, three for each: none, a warn, a fail and a
 * warn. */
static void count(struct health__tally *t, unsigned digit)
{
    t->of[1 + HEALTH_FAIL] = digit == 2 ? 3 : 0;
    t->of[1 + HEALTH_WARN] = digit > 0 ? digit : 0;
}

static void each_state_of_gates_and_checks(void **unused)
{
    unsigned bits, code, endpoint, i;

    (void)unused;
    for (code = 0; code < 243; code++) {
        unsigned rest = code;

        for (i = 0; i < HEALTH__PROBES; i++, rest /= 3)
            count(&e.tallies[i], rest % 3);
        count(&e.lenient_tallies[0], rest % 3);
        for (bits = 0; bits < HEALTH__GATES; bits++) {
            struct health__gates g = {bits};

            for (endpoint = 0; endpoint < HEALTH__ENDPOINTS; endpoint++)
                assert_int_equal(health__notifier_status(
                                     &n, (enum health__endpoint)endpoint, health__gates_read(&g)),
                    expected((enum health__endpoint)endpoint, bits));
        }
    }
    memset(e.tallies, 0, sizeof(e.tallies));
    memset(e.lenient_tallies, 0, sizeof(e.lenient_tallies));
}

/* ---- Why ---- */

static void add_pushed(const char *name, unsigned probes, unsigned advisory)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.probes = probes;
    check.advisory = advisory;
    assert_int_equal(health__engine_add(&e, &check), 0);
}

static void report(const char *name, enum health_status s, const char *reason)
{
    struct health_result said;

    health__result_init(&said, HEALTH__NEVER);
    if (reason != NULL)
        (void)health_explain(&said, s, "%s", reason);
    assert_int_equal(health__engine_report(&e, name, s, &said), 0);
    e.now = health__now_ms();
    health__mail_read(&e);
}

static void assert_why(enum health__endpoint endpoint, unsigned bits, const char *why)
{
    char to[HEALTH__NOTIFY_REASON_BYTES];

    memset(to, '#', sizeof(to));
    health__notifier_explain(&n, endpoint, bits, health__notifier_status(&n, endpoint, bits), to);
    assert_string_equal(to, why);
}

static void the_gate_is_named_or_the_first_check(void **unused)
{
    (void)unused;
    assert_why(HEALTH__AT_READY, 0, "");
    assert_why(HEALTH__AT_READY, HEALTH__NOT_READY, "not ready");
    assert_why(HEALTH__AT_READY, HEALTH__DRAINING, "draining");
    assert_why(HEALTH__AT_READY, HEALTH__DRAINING | HEALTH__NOT_READY, "draining");
    assert_why(HEALTH__AT_READY, 7, "not started");
    assert_why(HEALTH__AT_STARTUP, 7, "not started");
    assert_why(HEALTH__AT_HEALTH, 7, "not started");
    assert_why(HEALTH__AT_HEALTH, 6, "");
    assert_why(HEALTH__AT_LIVE, 7, "");

    add_pushed("a", HEALTH_READY, 0);
    add_pushed("b", HEALTH_READY | HEALTH_LIVE, 0);
    add_pushed("c", HEALTH_STARTUP, 1);
    report("a", HEALTH_WARN, "slow");
    report("b", HEALTH_FAIL, NULL);
    assert_why(HEALTH__AT_READY, HEALTH__LATCHED, "b");
    assert_why(HEALTH__AT_READY, HEALTH__LATCHED | HEALTH__NOT_READY, "not ready");
    assert_why(HEALTH__AT_LIVE, 0, "b");
    assert_why(HEALTH__AT_HEALTH, 0, "b");
    assert_why(HEALTH__AT_STARTUP, 0, "c: no result yet");
    assert_why(HEALTH__AT_STARTUP, HEALTH__LATCHED, "");
    report("b", HEALTH_PASS, NULL);
    assert_why(HEALTH__AT_READY, HEALTH__LATCHED, "a: slow");
    assert_why(HEALTH__AT_LIVE, 0, "");
    report("c", HEALTH_FAIL, "cold");
    assert_why(HEALTH__AT_STARTUP, 0, "c: cold");
    report("b", HEALTH_FAIL, "\xff");
    assert_why(HEALTH__AT_LIVE, 0, "b: \xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_of_gates_and_checks),
        cmocka_unit_test(the_gate_is_named_or_the_first_check),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
