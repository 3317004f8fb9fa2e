/*
 * Periodic checks: they run at once and at their interval with nobody asking, no request ever waits
 * for one, and a result that is too old is none.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* serial */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An instance whose requests would wait for long, if they did. */
static struct health *start(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;

    options.response_ms = 60000;
    return service_start(&options);
}

/* A periodic check of the puppet, which begins anew. */
static struct health_check periodic(
    struct puppet *p, const char *name, unsigned interval_ms, unsigned timeout_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.interval_ms = interval_ms;
    check.timeout_ms = timeout_ms;
    return check;
}

static void add(struct health *h, const struct health_check *check)
{
    assert_accepted(health_add_check(h, check));
}

/* The request is answered with the code, at once. */
static json_t *at_once(int port, const char *target, int code)
{
    json_t *doc;
    int got;

    assert_between(asking_takes(port, target, &got, &doc), 0, QUICK_MS);
    assert_int_equal(got, code);
    return doc;
}

/* ---- When it is run ---- */

static void it_runs_at_once_with_nobody_asking(void **state)
{
    static struct puppet before, after;
    struct health_check check = periodic(&before, "before", 60000, LONG_MS);
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    int64_t started;

    (void)state;
    options.listen = "127.0.0.1:0";
    assert_accepted(health_new(&h, &options));
    add(h, &check);
    asking_pause(50);
    assert_int_equal(puppet_begun(&before), 0);
    started = client_now_ms();
    assert_accepted(health_start(h));
    assert_true(puppet_wait_ended(&before, 1, LONG_MS));
    assert_between(puppet_begun_at(&before, 0) - started, 0, QUICK_MS);

    /* Also one that comes later. */
    check = periodic(&after, "after", 60000, LONG_MS);
    started = client_now_ms();
    add(h, &check);
    assert_true(puppet_wait_ended(&after, 1, LONG_MS));
    assert_between(puppet_begun_at(&after, 0) - started, 0, QUICK_MS);

    document_free(asking_until(service_port(h), "/ready?verbose", "after", "pass", LONG_MS));
    assert_int_equal(puppet_begun(&before), 1);
    assert_int_equal(puppet_begun(&after), 1);
    service_end(h);
}

/* Runs ten checks a few times each.  Returns: whether their intervals are as they should be, but
 * for a fifth of them, in which a busy machine has a say. */
static bool intervals_are_right(void)
{
    static struct puppet puppets[10];
    enum { INTERVAL_MS = 400, RUNS = 7 };
    unsigned i, run, early = 0, sooner = 0, later = 0, late = 0, all = 0;
    struct health *h = start();
    struct health_check check;
    char name[8];

    for (i = 0; i < COUNT(puppets); i++) {
        (void)snprintf(name, sizeof(name), "c%u", i);
        check = periodic(&puppets[i], name, INTERVAL_MS, LONG_MS);
        add(h, &check);
    }
    for (i = 0; i < COUNT(puppets); i++)
        assert_true(puppet_wait_begun(&puppets[i], RUNS, LONG_MS));
    for (i = 0; i < COUNT(puppets); i++)
        for (run = 1; run < RUNS; run++) {
            int64_t gap = puppet_begun_at(&puppets[i], run) - puppet_begun_at(&puppets[i], run - 1);

            all++;
            early += gap < INTERVAL_MS * 9 / 10 - 5;
            sooner += gap < INTERVAL_MS - 10;
            later += gap > INTERVAL_MS + 10;
            late += gap > INTERVAL_MS * 11 / 10 + 5;
        }
    service_end(h);
    return early * 5 < all && late * 5 < all && sooner * 10 > all && later * 10 > all;
}

static void the_interval_varies_by_a_tenth(void **state)
{
    (void)state;
    assert_true(intervals_are_right() || intervals_are_right() || intervals_are_right());
}

static void requests_do_not_run_it(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 60000, LONG_MS);
    struct health *h = start();
    int i;

    (void)state;
    add(h, &check);
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    for (i = 0; i < 25; i++)
        assert_int_equal(client_status(service_port(h), i % 2 ? "/ready" : "/health/db"), 200);
    assert_int_equal(puppet_begun(&p), 1);
    service_end(h);
}

static void one_that_takes_longer_than_its_interval_is_not_run_beside_itself(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 50, LONG_MS);
    struct health *h = start();

    (void)state;
    puppet_takes(&p, 150);
    add(h, &check);
    assert_true(puppet_wait_ended(&p, 4, LONG_MS));
    assert_int_equal(puppet_most(&p), 1);
    service_end(h);
    assert_int_equal(puppet_begun(&p), puppet_ended(&p));
}

/* ---- Who waits for it ---- */

static void no_request_waits_for_it(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 50, LONG_MS);
    struct health *h = start();
    json_t *doc;

    (void)state;
    /* Not for the first run, */
    puppet_hold(&p);
    add(h, &check);
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    doc = at_once(service_port(h), "/ready", 503);
    assert_check(doc, "db", "fail", "no result yet");
    document_free(doc);
    doc = at_once(service_port(h), "/health/db", 503);
    document_free(doc);

    /* and for no other. */
    puppet_let_go(&p);
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    puppet_hold(&p);
    assert_true(puppet_wait_begun(&p, puppet_ended(&p) + 1, LONG_MS));
    doc = at_once(service_port(h), "/ready?verbose", 200);
    assert_check(doc, "db", "pass", NULL);
    document_free(doc);
    puppet_let_go(&p);
    service_end(h);
}

/* ---- How it is judged ---- */

static void results_are_shown_as_they_come(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 30, LONG_MS);
    struct health *h = start();
    json_t *doc;

    (void)state;
    add(h, &check);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    puppet_says(&p, HEALTH_FAIL, "down");
    doc = asking_until(service_port(h), "/health", "db", "fail", LONG_MS);
    assert_check(doc, "db", "fail", "down");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    puppet_says(&p, HEALTH_WARN, "slow");
    doc = asking_until(service_port(h), "/health", "db", "warn", LONG_MS);
    assert_check(doc, "db", "warn", "slow");
    document_free(doc);
    puppet_says(&p, 7, NULL);
    doc = asking_until(service_port(h), "/health", "db", "fail", LONG_MS);
    assert_check(doc, "db", "fail", "returned 7");
    document_free(doc);
    puppet_says(&p, HEALTH_PASS, NULL);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    service_end(h);
}

static void thresholds_count_its_results(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 150, LONG_MS);
    struct health *h = start();
    unsigned ended;
    int64_t failed_at;

    (void)state;
    check.failures = 3;
    check.successes = 3;
    add(h, &check);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));

    ended = puppet_ended(&p);
    puppet_says(&p, HEALTH_FAIL, "down");
    document_free(asking_until(service_port(h), "/health", "db", "fail", LONG_MS));
    assert_true(puppet_ended(&p) >= ended + 3);
    failed_at = client_now_ms();

    ended = puppet_ended(&p);
    puppet_says(&p, HEALTH_PASS, NULL);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    assert_true(puppet_ended(&p) >= ended + 3);
    assert_true(client_now_ms() - failed_at >= 2 * 135 - ROUNDING_MS);
    service_end(h);
}

static void one_that_hangs_is_not_believed_for_longer_than_it_may_be_old(void **state)
{
    static struct puppet p;
    enum { INTERVAL_MS = 200, TIMEOUT_MS = 300 };
    struct health_check check = periodic(&p, "db", INTERVAL_MS, TIMEOUT_MS);
    struct health *h = start();
    int64_t result_at;
    unsigned ended;
    json_t *doc;

    (void)state;
    check.failures = 5;
    check.successes = 2;
    add(h, &check);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));

    puppet_hold(&p);
    assert_true(puppet_wait_begun(&p, puppet_ended(&p) + 1, LONG_MS));
    ended = puppet_ended(&p);
    result_at = puppet_ended_at(&p, ended - 1);
    doc = asking_until(service_port(h), "/health", "db", "fail", LONG_MS);
    assert_between(client_now_ms() - result_at, TIMEOUT_MS - ROUNDING_MS,
        2 * INTERVAL_MS + TIMEOUT_MS + QUICK_MS);
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    assert_int_equal(puppet_begun(&p), ended + 1);

    /* It heals by its threshold: the run that hung, then the first good one, are not enough. */
    puppet_let_go(&p);
    doc = asking_until(service_port(h), "/health", "db", "pass", LONG_MS);
    document_free(doc);
    assert_true(puppet_ended(&p) >= ended + 3);
    assert_int_equal(puppet_most(&p), 1);
    service_end(h);
}

static void an_advisory_one_warns_when_it_hangs(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 50, 100);
    struct health *h = start();
    json_t *doc;

    (void)state;
    check.advisory = 1;
    puppet_hold(&p);
    add(h, &check);
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    for (;;) {
        doc = asking_until(service_port(h), "/ready", "db", "warn", LONG_MS);
        if (strcmp(document_output(doc, "db"), "no result yet") != 0)
            break;
        document_free(doc);
        assert_true(client_now_ms() < puppet_begun_at(&p, 0) + LONG_MS);
        asking_pause(5);
    }
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    document_free(doc);
    puppet_let_go(&p);
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    service_end(h);
}

/* ---- Over a stop ---- */

static void it_stops_and_starts_with_its_instance(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 60000, LONG_MS);
    struct health *h = start();

    (void)state;
    add(h, &check);
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    assert_accepted(health_stop(h, LONG_MS));
    assert_accepted(health_start(h));
    assert_true(puppet_wait_ended(&p, 2, LONG_MS));
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    service_end(h);
}

static void no_run_is_begun_once_it_is_removed(void **state)
{
    static struct puppet p;
    struct health_check check = periodic(&p, "db", 20, LONG_MS);
    struct health *h = start();
    unsigned begun;

    (void)state;
    add(h, &check);
    assert_true(puppet_wait_ended(&p, 3, LONG_MS));
    assert_accepted(health_remove(h, "db"));
    begun = puppet_begun(&p);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    asking_pause(100);
    assert_int_equal(puppet_begun(&p), begun);
    assert_false(puppet_late(&p));
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_at_once_with_nobody_asking),
        cmocka_unit_test(the_interval_varies_by_a_tenth),
        cmocka_unit_test(requests_do_not_run_it),
        cmocka_unit_test(one_that_takes_longer_than_its_interval_is_not_run_beside_itself),
        cmocka_unit_test(no_request_waits_for_it),
        cmocka_unit_test(results_are_shown_as_they_come),
        cmocka_unit_test(thresholds_count_its_results),
        cmocka_unit_test(one_that_hangs_is_not_believed_for_longer_than_it_may_be_old),
        cmocka_unit_test(an_advisory_one_warns_when_it_hangs),
        cmocka_unit_test(it_stops_and_starts_with_its_instance),
        cmocka_unit_test(no_run_is_begun_once_it_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
