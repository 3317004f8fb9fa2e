/*
 * The document: its members, times, lists, size, text of any bytes, and numbers that are exact in
 * any locale.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t seed = 0x9E3779B97F4A7C15u;

/* xorshift64*: the same numbers in every run. */
static uint64_t next_random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545F4914F6CDD1Du;
}

/* Waits until the clocks show another ms. */
static void let_time_pass(void)
{
    (void)poll(NULL, 0, 12);
}

/* ---- Members ---- */

static void the_root_says_what_the_options_say(void **state)
{
    static const char *const members[] = {"version", "releaseId", "serviceId", "description"};
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    json_t *doc;
    size_t i;

    (void)state;
    h = service_start(NULL);
    doc = document_get(service_port(h), "/health", 200);
    for (i = 0; i < COUNT(members); i++)
        assert_null(json_object_get(doc, members[i]));
    assert_null(json_object_get(doc, "notes"));
    assert_non_null(json_object_get(doc, "gates"));
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    service_end(h);

    options.version = "1";
    options.release_id = "1.2.3-rc \"four\"";
    options.service_id = "7c6e\\\t\x01";
    options.description = "orders \xff, f\xc3\xbcr alle";
    h = service_start(&options);
    for (i = 0; i < 4; i++) {
        static const char *const targets[] = {"/health", "/live", "/startup?verbose", "/ready"};

        doc = document_get(service_port(h), targets[i], 200);
        assert_string_equal(document_text(doc, "version"), "1");
        assert_string_equal(document_text(doc, "releaseId"), "1.2.3-rc \"four\"");
        assert_string_equal(document_text(doc, "serviceId"), "7c6e\\\t\x01");
        assert_string_equal(
            document_text(doc, "description"), "orders \xEF\xBF\xBD, f\xc3\xbcr alle");
        document_free(doc);
    }
    service_end(h);

    /* One alone. */
    options = (struct health_options)HEALTH_OPTIONS_INIT;
    options.service_id = "x";
    h = service_start(&options);
    doc = document_get(service_port(h), "/health", 200);
    assert_string_equal(document_text(doc, "serviceId"), "x");
    assert_int_equal(json_object_size(doc), 4);
    document_free(doc);
    service_end(h);
}

static void an_item_says_what_the_check_said(void **state)
{
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_PASS, .observes = true, .value = 2.5, .unit = "%"};
    int port = service_port(h);
    const json_t *item;
    json_t *doc;

    (void)state;
    service_tell(&told, HEALTH_PASS, "all is well");
    service_add(h, "cpu:utilization", &told, 0);
    doc = document_get(port, "/health", 200);
    item = document_check(doc, "cpu:utilization");
    assert_string_equal(document_text(item, "status"), "pass");
    assert_null(json_object_get(item, "output"));
    assert_non_null(document_text(item, "time"));
    assert_non_null(document_text(item, "since"));
    assert_non_null(json_object_get(item, "durationMs"));
    assert_true(json_number_value(json_object_get(item, "observedValue")) == 2.5);
    assert_string_equal(document_text(item, "observedUnit"), "%");
    document_free(doc);

    service_tell(&told, HEALTH_WARN, "rather busy");
    doc = document_get(port, "/health", 200);
    assert_string_equal(document_status(doc), "warn");
    assert_string_equal(document_check_status(doc, "cpu:utilization"), "warn");
    assert_string_equal(document_output(doc, "cpu:utilization"), "rather busy");
    document_free(doc);

    service_tell(&told, HEALTH_FAIL, "too busy");
    doc = document_get(port, "/health", 503);
    assert_string_equal(document_check_status(doc, "cpu:utilization"), "fail");
    assert_string_equal(document_output(doc, "cpu:utilization"), "too busy");
    document_free(doc);

    /* Without a reason there is none. */
    service_tell(&told, HEALTH_FAIL, NULL);
    doc = document_get(port, "/health", 503);
    assert_null(document_output(doc, "cpu:utilization"));
    document_free(doc);
    service_tell(&told, HEALTH_FAIL, "");
    doc = document_get(port, "/health", 503);
    assert_null(document_output(doc, "cpu:utilization"));
    document_free(doc);

    service_tell(&told, (enum health_status)7, "own words");
    doc = document_get(port, "/health", 503);
    assert_string_equal(document_check_status(doc, "cpu:utilization"), "fail");
    assert_string_equal(document_output(doc, "cpu:utilization"), "returned 7: own words");
    document_free(doc);
    service_end(h);
}

static void a_value_may_have_no_unit(void **state)
{
    struct health *h = service_start(NULL);
    struct told bare = {.status = HEALTH_PASS, .observes = true, .value = 0};
    struct told silent = {.status = HEALTH_PASS};
    json_t *doc;

    (void)state;
    service_add(h, "bare", &bare, 0);
    service_add(h, "silent", &silent, 0);
    doc = document_get(service_port(h), "/health", 200);
    assert_true(json_is_number(json_object_get(document_check(doc, "bare"), "observedValue")));
    assert_null(json_object_get(document_check(doc, "bare"), "observedUnit"));
    assert_null(json_object_get(document_check(doc, "silent"), "observedValue"));
    document_free(doc);
    service_end(h);
}

static void pushed_checks_have_no_duration(void **state)
{
    struct health *h = service_start(NULL);
    const json_t *item;
    json_t *doc;

    (void)state;
    service_add_pushed(h, "queue", 0);
    doc = document_get(service_port(h), "/health", 503);
    item = document_check(doc, "queue");
    assert_string_equal(document_text(item, "output"), "no result yet");
    assert_null(json_object_get(item, "time"));
    assert_null(json_object_get(item, "durationMs"));
    assert_non_null(document_text(item, "since"));
    document_free(doc);

    assert_int_equal(health_report(h, "queue", HEALTH_WARN, "%d %s", 70, "% full"), 0);
    doc = document_get(service_port(h), "/health", 200);
    item = document_check(doc, "queue");
    assert_string_equal(document_text(item, "output"), "70 % full");
    assert_non_null(document_text(item, "time"));
    assert_null(json_object_get(item, "durationMs"));
    document_free(doc);
    service_end(h);
}

static void an_advisory_check_warns_and_says_why(void **state)
{
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_FAIL};
    json_t *doc;

    (void)state;
    service_tell(&told, HEALTH_FAIL, "cache is cold");
    service_add_advisory(h, "cache", &told, 0);
    doc = document_get(service_port(h), "/ready", 200);
    assert_string_equal(document_status(doc), "warn");
    assert_string_equal(document_check_status(doc, "cache"), "warn");
    assert_string_equal(document_output(doc, "cache"), "cache is cold");
    document_free(doc);
    service_end(h);
}

/* A gate that is shut is a fail of no check. */
static void gates_fail_alone(void **state)
{
    struct health *h = service_start(NULL);
    json_t *doc;

    (void)state;
    service_add_pushed(h, "a", 0);
    assert_int_equal(health_report(h, "a", HEALTH_PASS, NULL), 0);
    health_set_ready(h, false);
    doc = document_get(service_port(h), "/ready", 503);
    assert_int_equal(document_count(doc), 0);
    assert_false(document_gate(doc, "ready"));
    document_free(doc);
    doc = document_get(service_port(h), "/ready?verbose", 503);
    assert_string_equal(document_check_status(doc, "a"), "pass");
    document_free(doc);
    service_end(h);
}

/* ---- Times ---- */

static int64_t time_of(int port, int code, const char *name, const char *member)
{
    json_t *doc = document_get(port, "/health", code);
    const char *text = document_text(document_check(doc, name), member);
    int64_t ms;

    assert_non_null(text);
    ms = document_time_ms(text);
    document_free(doc);
    return ms;
}

static void times_are_those_of_the_result(void **state)
{
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_PASS};
    int port = service_port(h);
    int64_t before, after, ms;

    (void)state;
    service_add(h, "a", &told, 0);
    before = document_now_ms();
    ms = time_of(port, 200, "a", "time");
    after = document_now_ms();
    /* The clock that the library reads may be coarse. */
    assert_in_range(ms, before - 20, after + 20);
    assert_in_range(time_of(port, 200, "a", "since"), before - 50, after + 20);

    service_add_pushed(h, "b", 0);
    let_time_pass();
    before = document_now_ms();
    assert_int_equal(health_report(h, "b", HEALTH_PASS, NULL), 0);
    after = document_now_ms();
    assert_in_range(time_of(port, 200, "b", "time"), before - 20, after + 20);
    service_end(h);
}

static void since_is_when_the_status_changed(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);
    int64_t first, since, reported;
    int i;

    (void)state;
    service_add_pushed(h, "a", 0);
    assert_int_equal(health_report(h, "a", HEALTH_FAIL, "one"), 0);
    first = time_of(port, 503, "a", "since");
    reported = time_of(port, 503, "a", "time");
    for (i = 0; i < 3; i++) {
        int64_t again;

        let_time_pass();
        assert_int_equal(health_report(h, "a", HEALTH_FAIL, "another"), 0);
        assert_int_equal(time_of(port, 503, "a", "since"), first);
        again = time_of(port, 503, "a", "time");
        assert_true(again > reported);
        reported = again;
    }
    let_time_pass();
    assert_int_equal(health_report(h, "a", HEALTH_WARN, NULL), 0);
    since = time_of(port, 200, "a", "since");
    assert_true(since > first);
    assert_int_equal(time_of(port, 200, "a", "time"), since);
    let_time_pass();
    assert_int_equal(health_report(h, "a", HEALTH_PASS, NULL), 0);
    assert_true(time_of(port, 200, "a", "since") > since);
    service_end(h);
}

/* Takes 30 ms at least. */
static enum health_status takes_its_time(struct health_result *result, void *arg)
{
    int64_t end = client_deadline(31);

    (void)result;
    (void)arg;
    while (client_now_ms() < end)
        (void)poll(NULL, 0, 1);
    return HEALTH_PASS;
}

static void durations_are_those_of_the_run(void **state)
{
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_PASS};
    struct health_check check = HEALTH_CHECK_INIT;
    json_t *doc;
    double ms;

    (void)state;
    check.name = "slow";
    check.fn = takes_its_time;
    check.timeout_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);
    service_add(h, "quick", &told, 0);
    doc = document_get(service_port(h), "/health", 200);
    ms = json_number_value(json_object_get(document_check(doc, "slow"), "durationMs"));
    assert_true(ms >= 30 && ms < 10000);
    ms = json_number_value(json_object_get(document_check(doc, "quick"), "durationMs"));
    assert_true(ms >= 0 && ms < 10000);
    document_free(doc);
    service_end(h);
}

/* It tells times, not ages: what stays as it is, stays to the byte. */
static void documents_stay_the_same(void **state)
{
    static const char *const targets[] = {"/health", "/ready", "/live", "/startup",
        "/health?verbose", "/ready?verbose", "/health/b", "/ready?exclude=a"};
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_PASS};
    struct health_check check = HEALTH_CHECK_INIT;
    struct response first, again;
    size_t i;

    (void)state;
    service_add_pushed(h, "a", 0);
    service_add_pushed(h, "b", HEALTH_LIVE);
    assert_int_equal(health_report(h, "b", HEALTH_WARN, "as ever"), 0);
    check.name = "c";
    check.fn = service_told;
    check.arg = &told;
    check.max_age_ms = 3600000;
    assert_int_equal(health_add_check(h, &check), 0);
    check.name = "d";
    check.max_age_ms = 0;
    check.interval_ms = 3600000;
    assert_int_equal(health_add_check(h, &check), 0);
    while (atomic_load(&told.runs) < 2)
        assert_int_equal(client_status(service_port(h), "/health"), 503);
    let_time_pass();
    for (i = 0; i < COUNT(targets); i++) {
        client_get(service_port(h), targets[i], &first);
        let_time_pass();
        client_get(service_port(h), targets[i], &again);
        assert_string_equal(first.body, again.body);
        response_free(&first);
        response_free(&again);
    }
    service_end(h);
}

/* ---- Lists ---- */

static void short_lists_are_of_what_does_not_pass(void **state)
{
    static const char *const endpoints[] = {"/live", "/startup", "/ready"};
    static const char *const health[] = {"/health", "/health?verbose", "/healthz/"};
    struct health *h = service_start(NULL);
    char target[64];
    json_t *doc;
    size_t i;

    (void)state;
    for (i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        enum health_status status = i == 3 ? HEALTH_WARN : i == 4 ? HEALTH_FAIL : HEALTH_PASS;

        service_add_pushed(h, name, HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP);
        assert_int_equal(health_report(h, name, status, "so"), 0);
    }
    service_add_pushed(h, "other", HEALTH_ALL);
    for (i = 0; i < COUNT(endpoints); i++) {
        doc = document_get(service_port(h), endpoints[i], 503);
        assert_int_equal(document_count(doc), 2);
        assert_string_equal(document_check_status(doc, "d"), "warn");
        assert_string_equal(document_check_status(doc, "e"), "fail");
        document_free(doc);
        (void)snprintf(target, sizeof(target), "%s?verbose", endpoints[i]);
        doc = document_get(service_port(h), target, 503);
        assert_int_equal(document_count(doc), 5);
        assert_string_equal(document_check_status(doc, "a"), "pass");
        document_free(doc);
    }
    for (i = 0; i < COUNT(health); i++) {
        doc = document_get(service_port(h), health[i], 503);
        assert_int_equal(document_count(doc), 6);
        document_free(doc);
    }
    service_end(h);
}

/* What Consul, podman and others keep of an answer is short. */
static void the_usual_answer_is_short(void **state)
{
    static const char *const targets[] = {"/live", "/startup", "/ready", "/"};
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    struct response r;
    char name[48];
    size_t i;

    (void)state;
    options.version = "1";
    options.release_id = "1.14.2+build.2217";
    options.service_id = "7c6e4a1e-2f0a-4f6c-9f1c-0d6b1c5b8a11";
    options.description = "takes orders and passes them on";
    h = service_start(&options);
    for (i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof(name), "upstream-%zu:latency", i);
        service_add_pushed(h, name, HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP);
        assert_int_equal(health_report(h, name, i < 28 ? HEALTH_PASS : HEALTH_FAIL,
                             "connect to 10.0.0.%zu:5432: Connection refused", i),
            0);
    }
    for (i = 0; i < COUNT(targets); i++) {
        client_get(service_port(h), targets[i], &r);
        document_free(document_of(&r));
        assert_in_range(r.body_length, 1, 1024);
        response_free(&r);
    }
    service_end(h);
}

static void a_long_answer_is_whole(void **state)
{
    struct health *h = service_start(NULL);
    char name[48], reason[HEALTH_REASON_MAX_BYTES + 1];
    json_t *doc;
    int i;

    (void)state;
    memset(reason, '"', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    for (i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        service_add_pushed(h, name, 0);
        assert_int_equal(health_report(h, name, HEALTH_WARN, "%s", reason), 0);
    }
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 2000);
    for (i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        assert_string_equal(document_output(doc, name), reason);
    }
    document_free(doc);
    for (i = 0; i < 2000; i += 2) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        assert_int_equal(health_remove(h, name), 0);
    }
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 1000);
    document_free(doc);
    service_end(h);
}

/* ---- Text ---- */

/* What is to be made of bytes: U+FFFD for each maximal subpart of a sequence that is no UTF-8, by
 * table 3-7 of the Unicode Standard, "Well-Formed UTF-8 Byte Sequences". */
static void clean(char *to, const char *from)
{
    static const struct {
        unsigned char first[2], second[2];
        size_t length;
    } table[] = {{{0x01, 0x7F}, {0, 0}, 1}, {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
        {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
        {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
        {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
        {{0xF4, 0xF4}, {0x80, 0x8F}, 4}};
    const unsigned char *p = (const unsigned char *)from;

    while (*p != '\0') {
        size_t n = 0, row;

        for (row = 0; row < COUNT(table); row++) {
            if (p[0] < table[row].first[0] || p[0] > table[row].first[1])
                continue;
            n = 1;
            if (table[row].length > 1 && p[1] >= table[row].second[0] &&
                p[1] <= table[row].second[1]) {
                for (n = 2; n < table[row].length && p[n] >= 0x80 && p[n] <= 0xBF;)
                    n++;
            }
            break;
        }
        if (row < COUNT(table) && n == table[row].length) {
            memcpy(to, p, n);
            to += n;
            p += n;
        } else {
            memcpy(to, "\xEF\xBF\xBD", 3);
            to += 3;
            p += n > 0 ? n : 1;
        }
    }
    *to = '\0';
}

static void expect_output(const json_t *doc, const char *name, const char *reason)
{
    char cleaned_name[3 * HEALTH_NAME_MAX_BYTES + 1], cleaned[3 * HEALTH_REASON_MAX_BYTES + 1];
    const char *output;

    clean(cleaned_name, name);
    clean(cleaned, reason);
    output = document_output(doc, cleaned_name);
    if (output == NULL)
        fail_msg("no output of %s", cleaned_name);
    assert_string_equal(output, cleaned);
}

static void any_byte_may_be_in_a_reason(void **state)
{
    struct health *h = service_start(NULL);
    char name[48], reason[16];
    json_t *doc;
    int i;

    (void)state;
    for (i = 1; i < 256; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        (void)snprintf(reason, sizeof(reason), "a%cz", i);
        service_add_pushed(h, name, 0);
        assert_int_equal(health_report(h, name, HEALTH_FAIL, "%s", reason), 0);
    }
    doc = document_get(service_port(h), "/health", 503);
    for (i = 1; i < 256; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        (void)snprintf(reason, sizeof(reason), "a%cz", i);
        expect_output(doc, name, reason);
    }
    document_free(doc);
    service_end(h);
}

/* The same by way of a callback, where the byte is also the last one, and the whole. */
static void any_byte_may_be_explained(void **state)
{
    struct health *h = service_start(NULL);
    static char reasons[3][256][4];
    static struct told told[3][256];
    char name[48];
    json_t *doc;
    int i, n;

    (void)state;
    for (i = 1; i < 256; i++) {
        for (n = 0; n < 3; n++) {
            struct health_check check = HEALTH_CHECK_INIT;

            /* "?", "x?" and "?x" */
            if (n > 0)
                memset(reasons[n][i], 'x', 2);
            reasons[n][i][n == 1 ? 1 : 0] = (char)i;
            atomic_store(&told[n][i].reason, reasons[n][i]);
            atomic_store(&told[n][i].status, HEALTH_WARN);
            (void)snprintf(name, sizeof(name), "c%d %d", n, i);
            check.name = name;
            check.fn = service_told;
            check.arg = &told[n][i];
            check.timeout_ms = 60000;
            check.max_age_ms = 60000;
            assert_int_equal(health_add_check(h, &check), 0);
        }
    }
    int64_t deadline = client_deadline(30000);
    while (client_status(service_port(h), "/health") != 200)
        assert_true(client_now_ms() < deadline);
    doc = document_get(service_port(h), "/health", 200);
    for (i = 1; i < 256; i++) {
        for (n = 0; n < 3; n++) {
            (void)snprintf(name, sizeof(name), "c%d %d", n, i);
            expect_output(doc, name, reasons[n][i]);
        }
    }
    document_free(doc);
    service_end(h);
}

static void any_byte_may_be_in_a_name(void **state)
{
    struct health *h = service_start(NULL);
    char name[48], cleaned[64];
    json_t *doc;
    int i;

    (void)state;
    for (i = 1; i < 256; i++) {
        struct health_check check = HEALTH_CHECK_INIT;

        (void)snprintf(name, sizeof(name), "%d a%cz", i, i);
        check.name = name;
        if (i < 0x20 || i == 0x7F || i == '/') {
            assert_int_equal(health_add_check(h, &check), HEALTH_EINVAL);
            continue;
        }
        assert_int_equal(health_add_check(h, &check), 0);
        assert_int_equal(health_report(h, name, HEALTH_WARN, "%d", i), 0);
    }
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 255 - 31 - 2);
    for (i = 1; i < 256; i++) {
        (void)snprintf(name, sizeof(name), "%d a%cz", i, i);
        clean(cleaned, name);
        if (i < 0x20 || i == 0x7F || i == '/')
            assert_null(document_check(doc, cleaned));
        else
            assert_string_equal(document_check_status(doc, cleaned), "warn");
    }
    document_free(doc);
    service_end(h);
}

/* Bytes as they come, and some that are nearly UTF-8. */
static void random_text(char *to, size_t max, bool for_name)
{
    static const char *const parts[] = {"\xF0\x9F\x98\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
        "\xE2\x82", "\xC0\xAF", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xC3\xBC", "\xEF\xBF\xBF",
        "\xF8\x88", "\xE2\x80\xA8", "\\", "\"", "\xFE\xFF", "\xF1\x80\x80", "\xEF\xBB\xBF"};
    size_t length = 1 + next_random() % max, i = 0;

    while (i < length) {
        if (next_random() % 3 == 0) {
            const char *part = parts[next_random() % COUNT(parts)];

            while (*part != '\0' && i < length)
                to[i++] = *part++;
        } else {
            unsigned char byte = (unsigned char)(1 + next_random() % 255);

            /* Nor the controls beyond ASCII, U+0080 to U+009F. */
            if (for_name && (byte < 0x20 || byte == 0x7F || byte == '/' ||
                                (i > 0 && to[i - 1] == '\xC2' && byte >= 0x80 && byte < 0xA0)))
                byte = '_';
            to[i++] = (char)byte;
        }
    }
    to[i] = '\0';
}

static void any_bytes_may_be_anywhere(void **state)
{
    static char names[300][HEALTH_NAME_MAX_BYTES + 1], reasons[300][HEALTH_REASON_MAX_BYTES + 1];
    int round;

    (void)state;
    for (round = 0; round < 10; round++) {
        struct health *h = service_start(NULL);
        json_t *doc;
        size_t i;

        for (i = 0; i < COUNT(names); i++) {
            /* The number keeps names apart whose bytes look alike once replaced. */
            (void)snprintf(names[i], sizeof(names[i]), "%zu ", i);
            random_text(names[i] + strlen(names[i]), i % 10 == 0 ? 120 : 12, true);
            random_text(reasons[i], i % 10 == 0 ? HEALTH_REASON_MAX_BYTES - 4 : 12, false);
            service_add_pushed(h, names[i], 0);
            assert_int_equal(health_report(h, names[i], HEALTH_WARN, "%s", reasons[i]), 0);
        }
        doc = document_get(service_port(h), "/health", 200);
        assert_int_equal(document_count(doc), COUNT(names));
        for (i = 0; i < COUNT(names); i++)
            expect_output(doc, names[i], reasons[i]);
        document_free(doc);
        service_end(h);
    }
}

static void long_reasons_are_cut_between_characters(void **state)
{
    struct health *h = service_start(NULL);
    char reason[2000];
    json_t *doc;
    size_t before;

    (void)state;
    service_add_pushed(h, "a", 0);
    for (before = 505; before <= 513; before++) {
        size_t length = before;

        /* An emoji of four bytes across the limit, and more behind it. */
        memset(reason, 'x', before);
        (void)snprintf(
            reason + before, sizeof(reason) - before, "%s%s", "\xF0\x9F\x98\x80", "and so on");
        assert_int_equal(health_report(h, "a", HEALTH_FAIL, "%s", reason), 0);
        if (before + 4 <= HEALTH_REASON_MAX_BYTES)
            length = HEALTH_REASON_MAX_BYTES;
        if (length > HEALTH_REASON_MAX_BYTES)
            length = HEALTH_REASON_MAX_BYTES;
        reason[length] = '\0';
        doc = document_get(service_port(h), "/health", 503);
        assert_string_equal(document_output(doc, "a"), reason);
        document_free(doc);
    }
    /* All of it bytes that triple when they are replaced. */
    memset(reason, '\xFF', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    assert_int_equal(health_report(h, "a", HEALTH_FAIL, "%s", reason), 0);
    doc = document_get(service_port(h), "/health", 503);
    assert_int_equal(strlen(document_output(doc, "a")), 3 * HEALTH_REASON_MAX_BYTES);
    document_free(doc);
    service_end(h);
}

static void units_are_text_too(void **state)
{
    static const struct {
        const char *unit, *shown;
    } cases[] = {{"\xC2\xB0"
                  "C",
                     "\xC2\xB0"
                     "C"},
        {"\"", "\""}, {"a\xFFz", "a\xEF\xBF\xBDz"},
        {"1234567890123456789012345678901", "1234567890123456789012345678901"},
        {"12345678901234567890123456789012", "1234567890123456789012345678901"},
        {"123456789012345678901234567890\xC2\xB0", "123456789012345678901234567890"}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct health *h = service_start(NULL);
        struct told told = {.status = HEALTH_PASS, .observes = true, .unit = cases[i].unit};
        json_t *doc;

        service_add(h, "a", &told, 0);
        doc = document_get(service_port(h), "/health", 200);
        assert_string_equal(
            document_text(document_check(doc, "a"), "observedUnit"), cases[i].shown);
        document_free(doc);
        service_end(h);
    }
}

/* A name that is no UTF-8 goes by its cleaned form. */
static void names_are_known_by_their_cleaned_form(void **state)
{
    struct health *h = service_start(NULL);
    struct health_check check = HEALTH_CHECK_INIT;
    int port = service_port(h);
    char name[HEALTH_NAME_MAX_BYTES + 2], cleaned[3 * HEALTH_NAME_MAX_BYTES + 1];
    json_t *doc;

    (void)state;
    service_add_pushed(h, "disk \xFF", 0);
    check.name = "disk \xFE";
    assert_int_equal(health_add_check(h, &check), HEALTH_EEXIST);
    check.name = "disk \xEF\xBF\xBD";
    assert_int_equal(health_add_check(h, &check), HEALTH_EEXIST);
    assert_int_equal(health_report(h, "disk \x80", HEALTH_WARN, "one"), 0);
    doc = document_get(port, "/health/disk%20%EF%BF%BD", 200);
    assert_string_equal(document_output(doc, "disk \xEF\xBF\xBD"), "one");
    document_free(doc);
    assert_int_equal(health_report(h, "disk \xEF\xBF\xBD", HEALTH_FAIL, "two"), 0);
    doc = document_get(port, "/health/disk%20%F8", 503);
    assert_string_equal(document_output(doc, "disk \xEF\xBF\xBD"), "two");
    document_free(doc);
    assert_int_equal(client_status(port, "/ready?exclude=disk+%C0"), 200);
    assert_int_equal(health_remove(h, "disk \xC0"), 0);
    assert_int_equal(client_status(port, "/health/disk%20%EF%BF%BD"), 404);
    assert_int_equal(health_remove(h, "disk \xFF"), HEALTH_ENOENT);

    /* The limit is on what is passed in. */
    memset(name, '\xFF', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    check.name = name;
    assert_int_equal(health_add_check(h, &check), HEALTH_EINVAL);
    name[HEALTH_NAME_MAX_BYTES] = '\0';
    assert_int_equal(health_add_check(h, &check), 0);
    clean(cleaned, name);
    doc = document_get(port, "/health", 503);
    assert_string_equal(document_check_status(doc, cleaned), "fail");
    document_free(doc);
    assert_int_equal(health_report(h, cleaned, HEALTH_PASS, NULL), 0);
    assert_int_equal(client_status(port, "/health"), 200);
    assert_int_equal(health_remove(h, cleaned), 0);
    service_end(h);
}

/* ---- Numbers ---- */

/* Whether the text is a number as RFC 8259, section 6, has it. */
static bool is_json_number(const char *p)
{
    p += *p == '-';
    if (*p == '0')
        p++;
    else if (*p >= '1' && *p <= '9')
        p += strspn(p, "0123456789");
    else
        return false;
    if (*p == '.') {
        if (strspn(p + 1, "0123456789") == 0)
            return false;
        p += 1 + strspn(p + 1, "0123456789");
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (strspn(p, "0123456789") == 0)
            return false;
        p += strspn(p, "0123456789");
    }
    return *p == '\0';
}

/* The bytes of the check's observedValue, as they are in the body. */
static void raw_value(const char *body, const char *name, char *to, size_t size)
{
    char key[64];
    const char *p;
    size_t length;

    (void)snprintf(key, sizeof(key), "\"%s\":[{", name);
    p = strstr(body, key);
    assert_non_null(p);
    p = strstr(p, "\"observedValue\":");
    assert_non_null(p);
    p += strlen("\"observedValue\":");
    length = strcspn(p, ",}");
    assert_in_range(length, 1, size - 1);
    memcpy(to, p, length);
    to[length] = '\0';
}

static void expect_number(const char *text, double value, locale_t c_locale)
{
    double read;

    if (isnan(value)) {
        assert_string_equal(text, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        assert_string_equal(text, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (!is_json_number(text))
        fail_msg("%a is shown as %s, which is no number", value, text);
    read = strtod_l(text, NULL, c_locale);
    /* -0 is not 0.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
    if (memcmp(&read, &value, sizeof(read)) != 0)
        fail_msg("%a is shown as %s, which is %a", value, text, read);
}

static double random_double(void)
{
    uint64_t bits = next_random();
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* All of them at once, each by a check of its own. */
static void expect_exact(const double *values, size_t count)
{
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    struct told *told = calloc(count, sizeof(*told));
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(30000);
    struct response r;
    char name[48], text[512];
    size_t i;

    assert_non_null(told);
    assert_true(c_locale != (locale_t)0);
    for (i = 0; i < count; i++) {
        struct health_check check = HEALTH_CHECK_INIT;

        told[i].observes = true;
        told[i].value = values[i];
        told[i].unit = "x";
        (void)snprintf(name, sizeof(name), "n%zu", i);
        check.name = name;
        check.fn = service_told;
        check.arg = &told[i];
        check.timeout_ms = 60000;
        check.max_age_ms = 600000;
        assert_int_equal(health_add_check(h, &check), 0);
    }
    while (client_status(service_port(h), "/health") != 200)
        assert_true(client_now_ms() < deadline);
    client_get(service_port(h), "/health", &r);
    document_free(document_of(&r));
    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "n%zu", i);
        raw_value(r.body, name, text, sizeof(text));
        expect_number(text, values[i], c_locale);
    }
    response_free(&r);
    service_end(h);
    free(told);
    freelocale(c_locale);
}

static const double special[] = {0.0, -0.0, 1, -1, 0.5, 0.1, 0.2, 0.3, 1.0 / 3, 100, 1e10,
    123456789, 2147483647, 2147483648.0, -2147483648.0, 4294967296.0, 9007199254740991.0,
    9007199254740992.0, -9007199254740991.0, 9007199254740994.0, 1e15, 1.7e15, 1e16, 1e17, 1e21,
    1e22, 1e23, 1e100, 1.5e300, DBL_MAX, -DBL_MAX, DBL_MIN, DBL_EPSILON, 4.9406564584124654e-324,
    -4.9406564584124654e-324, 2.2250738585072011e-308, 1e-5, 1e-7, 123456.789, 0.30000000000000004,
    5e-324, 1.7976931348623155e308, 9223372036854775807.0, 18446744073709551616.0, 99.99, 2.5e-10,
    NAN, INFINITY, -INFINITY};

static void numbers_are_exact(void **state)
{
    static double values[1000];
    size_t i;

    (void)state;
    expect_exact(special, COUNT(special));
    for (i = 0; i < COUNT(values); i++)
        values[i] = i % 2 == 0 ? random_double() : (double)(int64_t)(next_random() >> 8) / 1000;
    expect_exact(values, COUNT(values));
}

/* A locale with a decimal comma, made if it is not there; false: it cannot be had. */
static bool set_german(void)
{
    char directory[] = "/tmp/health-locale-XXXXXX", command[512];
    bool set;

    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL || setlocale(LC_ALL, "de_DE.utf8") != NULL)
        return true;
    if (mkdtemp(directory) == NULL)
        return false;
    (void)snprintf(command, sizeof(command),
        "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", directory, directory);
    set = system(command) == 0 && setenv("LOCPATH", directory, 1) == 0 &&
          setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    if (!set)
        print_message("NOT TESTED: no locale de_DE.UTF-8, and no way to make one\n");
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        print_message("%s stays behind\n", directory);
    return set;
}

static void numbers_are_exact_in_any_locale(void **state)
{
    struct health *h;
    struct health_check check = HEALTH_CHECK_INIT;
    json_t *doc;

    (void)state;
    if (!set_german())
        skip();
    assert_string_equal(localeconv()->decimal_point, ",");
    expect_exact(special, COUNT(special));

    /* And so are the numbers and reasons that are not the callback's. */
    h = service_start(NULL);
    check.name = "slow";
    check.fn = takes_its_time;
    check.timeout_ms = 1;
    assert_int_equal(health_add_check(h, &check), 0);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    for (;;) {
        const char *output;

        doc = document_get(service_port(h), "/health", 503);
        output = document_output(doc, "slow");
        assert_non_null(output);
        if (strncmp(output, "took ", 5) == 0)
            break;
        document_free(doc);
        assert_true(client_now_ms() < deadline);
    }
    assert_non_null(strstr(document_output(doc, "slow"), " ms, limit 1"));
    assert_non_null(json_object_get(document_check(doc, "slow"), "durationMs"));
    document_free(doc);
    service_end(h);

    /* The library leaves it as it was. */
    assert_string_equal(localeconv()->decimal_point, ",");
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_says_what_the_options_say),
        cmocka_unit_test(an_item_says_what_the_check_said),
        cmocka_unit_test(a_value_may_have_no_unit),
        cmocka_unit_test(pushed_checks_have_no_duration),
        cmocka_unit_test(an_advisory_check_warns_and_says_why),
        cmocka_unit_test(gates_fail_alone),
        cmocka_unit_test(times_are_those_of_the_result),
        cmocka_unit_test(since_is_when_the_status_changed),
        cmocka_unit_test(durations_are_those_of_the_run),
        cmocka_unit_test(documents_stay_the_same),
        cmocka_unit_test(short_lists_are_of_what_does_not_pass),
        cmocka_unit_test(the_usual_answer_is_short),
        cmocka_unit_test(a_long_answer_is_whole),
        cmocka_unit_test(any_byte_may_be_in_a_reason),
        cmocka_unit_test(any_byte_may_be_explained),
        cmocka_unit_test(any_byte_may_be_in_a_name),
        cmocka_unit_test(any_bytes_may_be_anywhere),
        cmocka_unit_test(long_reasons_are_cut_between_characters),
        cmocka_unit_test(units_are_text_too),
        cmocka_unit_test(names_are_known_by_their_cleaned_form),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(numbers_are_exact_in_any_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
