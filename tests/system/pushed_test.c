/*
 * Pushed checks: what the service reports is what the next request is told, for as long as it may
 * be believed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
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
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add(struct health *h, const char *name, unsigned probes, unsigned max_age_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.probes = probes;
    check.max_age_ms = max_age_ms;
    assert_accepted(health_add_check(h, &check));
}

/* Checks what is shown of "queue". */
static void assert_shown(struct health *h, int code, const char *status, const char *output)
{
    json_t *doc = document_get(service_port(h), "/health/queue", code);

    assert_check(doc, "queue", status, output);
    document_free(doc);
}

static void it_is_pending_until_the_first_report(void **state)
{
    struct health *h = service_start(NULL);
    json_t *doc;
    int code;

    (void)state;
    add(h, "queue", HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP, 0);
    assert_between(asking_takes(service_port(h), "/ready", &code, &doc), 0, QUICK_MS);
    assert_int_equal(code, 503);
    assert_check(doc, "queue", "fail", "no result yet");
    assert_null(document_text(document_check(doc, "queue"), "time"));
    assert_null(json_object_get(document_check(doc, "queue"), "durationMs"));
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    assert_int_equal(client_status(service_port(h), "/health"), 503);
    doc = document_get(service_port(h), "/live?verbose", 200);
    assert_check(doc, "queue", "pass", NULL);
    document_free(doc);

    assert_accepted(health_report(h, "queue", HEALTH_PASS, NULL));
    assert_int_equal(client_status(service_port(h), "/startup"), 200);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_int_equal(client_status(service_port(h), "/health"), 200);
    service_end(h);
}

static void the_next_request_is_told_the_last_report(void **state)
{
    static const char *const statuses[] = {"pass", "warn", "fail"};
    struct health *h = service_start(NULL);
    int64_t reported_at;
    char reason[32];
    json_t *doc;
    int i;

    (void)state;
    add(h, "queue", 0, 0);
    for (i = 0; i < 60; i++) {
        enum health_status status = (enum health_status)(i % 3);

        (void)snprintf(reason, sizeof(reason), "%d jobs wait", i);
        assert_accepted(health_report(h, "queue", HEALTH_FAIL, "not the last"));
        assert_accepted(health_report(h, "queue", status, "%d jobs %s", i, "wait"));
        assert_shown(h, status == HEALTH_FAIL ? 503 : 200, statuses[i % 3],
            status == HEALTH_PASS ? NULL : reason);
    }
    reported_at = document_now_ms();
    assert_accepted(health_report(h, "queue", HEALTH_WARN, NULL));
    doc = document_get(service_port(h), "/health", 200);
    assert_check(doc, "queue", "warn", NULL);
    assert_between(document_time_ms(document_text(document_check(doc, "queue"), "time")),
        reported_at - 50, document_now_ms() + 50);
    document_free(doc);
    service_end(h);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    struct health *h = service_start(NULL);
    char reason[700], cut[HEALTH_REASON_MAX_BYTES + 1];
    size_t i;

    (void)state;
    add(h, "queue", 0, 0);
    memset(reason, 'x', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    memset(cut, 'x', sizeof(cut));
    cut[HEALTH_REASON_MAX_BYTES] = '\0';
    assert_accepted(health_report(h, "queue", HEALTH_FAIL, "%s", reason));
    assert_shown(h, 503, "fail", cut);

    /* Two-byte characters behind one byte: the last one does not fit. */
    for (i = 1; i + 2 < sizeof(reason); i += 2)
        memcpy(reason + i, "\xc3\xa4", 2);
    memcpy(cut, reason, HEALTH_REASON_MAX_BYTES - 1);
    cut[HEALTH_REASON_MAX_BYTES - 1] = '\0';
    assert_accepted(health_report(h, "queue", HEALTH_FAIL, "%s", reason));
    assert_shown(h, 503, "fail", cut);
    service_end(h);
}

static void without_a_limit_a_report_is_believed_for_ever(void **state)
{
    struct health *h = service_start(NULL);

    (void)state;
    add(h, "queue", 0, 0);
    assert_accepted(health_report(h, "queue", HEALTH_PASS, NULL));
    /* Longer than any default. */
    asking_pause(1200);
    assert_shown(h, 200, "pass", NULL);
    service_end(h);
}

static void a_report_older_than_its_limit_fails(void **state)
{
    struct health *h = service_start(NULL);
    int64_t reported_at;
    json_t *doc;

    (void)state;
    add(h, "queue", 0, 300);
    reported_at = client_now_ms();
    assert_accepted(health_report(h, "queue", HEALTH_PASS, NULL));
    assert_shown(h, 200, "pass", NULL);
    doc = asking_until(service_port(h), "/ready", "queue", "fail", LONG_MS);
    assert_between(client_now_ms() - reported_at, 300 - ROUNDING_MS, 300 + QUICK_MS);
    assert_output_since(doc, "queue", "no result since ", "");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/health"), 503);

    assert_accepted(health_report(h, "queue", HEALTH_PASS, NULL));
    assert_shown(h, 200, "pass", NULL);
    service_end(h);
}

static void one_that_was_never_reported_fails_as_well(void **state)
{
    struct health *h = service_start(NULL);
    int64_t added_at;
    json_t *doc;

    (void)state;
    added_at = client_now_ms();
    add(h, "queue", HEALTH_LIVE | HEALTH_READY, 300);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    doc = asking_until(service_port(h), "/live", "queue", "fail", LONG_MS);
    assert_between(client_now_ms() - added_at, 300 - ROUNDING_MS, 300 + QUICK_MS);
    assert_output_since(doc, "queue", "no report since ", "");
    document_free(doc);
    doc = document_get(service_port(h), "/ready", 503);
    assert_output_since(doc, "queue", "no report since ", "");
    document_free(doc);

    assert_accepted(health_report(h, "queue", HEALTH_WARN, "late"));
    assert_shown(h, 200, "warn", "late");
    service_end(h);
}

static void an_advisory_one_warns_at_worst(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = service_start(NULL);
    json_t *doc;

    (void)state;
    check.name = "queue";
    check.advisory = 1;
    check.max_age_ms = 300;
    assert_accepted(health_add_check(h, &check));
    assert_shown(h, 200, "warn", "no result yet");
    assert_accepted(health_report(h, "queue", HEALTH_FAIL, "full"));
    assert_shown(h, 200, "warn", "full");
    assert_accepted(health_report(h, "queue", HEALTH_PASS, NULL));
    doc = asking_until(service_port(h), "/ready", "queue", "warn", LONG_MS);
    assert_output_since(doc, "queue", "no result since ", "");
    document_free(doc);
    service_end(h);
}

static void a_report_before_the_start_counts(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    (void)state;
    options.listen = "127.0.0.1:0";
    assert_accepted(health_new(&h, &options));
    add(h, "queue", 0, 0);
    assert_accepted(health_report(h, "queue", HEALTH_WARN, "early"));
    assert_accepted(health_start(h));
    assert_shown(h, 200, "warn", "early");
    service_end(h);
}

static void nothing_is_left_of_a_removed_one(void **state)
{
    struct health *h = service_start(NULL);

    (void)state;
    add(h, "queue", 0, 0);
    assert_accepted(health_report(h, "queue", HEALTH_FAIL, "full"));
    assert_accepted(health_remove(h, "queue"));
    assert_refused(health_report(h, "queue", HEALTH_PASS, NULL), HEALTH_ENOENT, ENOENT, "queue");
    assert_int_equal(client_status(service_port(h), "/health"), 200);
    add(h, "queue", 0, 0);
    assert_shown(h, 503, "fail", "no result yet");

    /* A report that nobody has read goes with its check. */
    assert_accepted(health_report(h, "queue", HEALTH_FAIL, "unread"));
    assert_accepted(health_remove(h, "queue"));
    service_end(h);
}

/* Reports from many threads, each on a check of its own and on one of all. */
struct reporter {
    pthread_t thread;
    struct health *h;
    char name[16];
    int refused;
};

static void *report(void *arg)
{
    struct reporter *r = arg;
    int i;

    for (i = 0; i <= 1000; i++) {
        r->refused += health_report(r->h, "queue", HEALTH_WARN, "%s: %d", r->name, i) != 0;
        r->refused += health_report(r->h, r->name, HEALTH_WARN, "number %d", i) != 0;
    }
    return NULL;
}

static void many_may_report_at_once(void **state)
{
    static struct reporter reporters[4];
    struct health *h = service_start(NULL);
    json_t *doc;
    size_t i;

    (void)state;
    add(h, "queue", HEALTH_ALL, 0);
    for (i = 0; i < COUNT(reporters); i++) {
        reporters[i].h = h;
        (void)snprintf(reporters[i].name, sizeof(reporters[i].name), "r%zu", i);
        add(h, reporters[i].name, HEALTH_ALL, 0);
    }
    for (i = 0; i < COUNT(reporters); i++)
        assert_int_equal(pthread_create(&reporters[i].thread, NULL, report, &reporters[i]), 0);
    for (i = 0; i < 20; i++)
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
    for (i = 0; i < COUNT(reporters); i++) {
        assert_int_equal(pthread_join(reporters[i].thread, NULL), 0);
        assert_int_equal(reporters[i].refused, 0);
    }
    doc = document_get(service_port(h), "/health", 200);
    for (i = 0; i < COUNT(reporters); i++)
        assert_check(doc, reporters[i].name, "warn", "number 1000");
    assert_non_null(strstr(document_output(doc, "queue"), ": 1000"));
    document_free(doc);
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_pending_until_the_first_report),
        TEST(the_next_request_is_told_the_last_report),
        TEST(a_long_reason_is_cut_between_characters),
        TEST(without_a_limit_a_report_is_believed_for_ever),
        TEST(a_report_older_than_its_limit_fails),
        TEST(one_that_was_never_reported_fails_as_well),
        TEST(an_advisory_one_warns_at_worst),
        TEST(a_report_before_the_start_counts),
        TEST(nothing_is_left_of_a_removed_one),
        TEST(many_may_report_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
