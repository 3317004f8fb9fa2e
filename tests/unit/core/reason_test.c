/*
 * Why a check is not passing, word by word.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/reason.h"

#include <limits.h>
#include <string.h>

#include "one_check.h"

/* Moments in these tests are ms of this day: 2026-11-24T08:15:00Z is 0. */
#define WALL_OFFSET_MS INT64_C(1795508100000)

#define TID 4711 /* of the worker that has begun the run; 0: none has */

static const struct health__policy on_demand = POLICY(HEALTH__ON_DEMAND, 1000);
static const struct health__policy periodic = POLICY(HEALTH__PERIODIC, 1000);
static const struct health__policy pushed = POLICY(HEALTH__PUSHED, 5000);
static const struct health__policy heartbeat = POLICY(HEALTH__HEARTBEAT, 5000);

/* The reason, checked to be as long as it says. */
static const char *reason_of(const struct check *c, const char *own, int tid)
{
    static char text[HEALTH__REASON_BYTES];
    size_t length;

    memset(text, 'X', sizeof(text));
    length = health__reason(text, &c->s, &c->p, own, tid, WALL_OFFSET_MS);
    assert_int_equal(length, strlen(text));
    return text;
}

/* Where neither the worker nor words of its own matter. */
static const char *reason(const struct check *c)
{
    const char *text = reason_of(c, NULL, TID);
    char copy[HEALTH__REASON_BYTES];

    (void)strcpy(copy, text);
    assert_string_equal(reason_of(c, NULL, 0), copy);
    return reason_of(c, NULL, TID);
}

/* ---- The causes ---- */

static void what_the_callback_said(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_FAIL, 2000);
    assert_string_equal(reason_of(&c, "connection refused", 0), "connection refused");
    assert_string_equal(reason(&c), "");
    assert_string_equal(reason_of(&c, "", 0), "");
    run(&c, HEALTH_WARN, 3000);
    assert_string_equal(reason_of(&c, "slow", 0), "slow");
    run(&c, HEALTH_PASS, 4000);
    assert_string_equal(reason(&c), "");
}

static void no_result_yet(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    assert_string_equal(reason(&c), "no result yet");
    queue(&c, 2000);
    assert_string_equal(reason(&c), "no result yet");
    c = registered(&pushed);
    assert_string_equal(reason(&c), "no result yet");
    c = registered(&heartbeat);
    assert_string_equal(reason(&c), "");
}

static void returned_what_is_no_status(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, 7, 2000);
    assert_string_equal(reason(&c), "returned 7");
    assert_string_equal(reason_of(&c, "own words", 0), "returned 7: own words");
    run(&c, INT_MIN, 3000);
    assert_string_equal(reason(&c), "returned -2147483648");
}

static void took_too_long(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 2000);
    finish(&c, HEALTH_PASS, 3500);
    assert_string_equal(reason(&c), "took 1,500 ms, limit 1,000");
    assert_string_equal(reason_of(&c, "connected", 0), "took 1,500 ms, limit 1,000: connected");
}

static void no_answer(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    run(&c, HEALTH_PASS, 1000);
    queue(&c, 2000);
    (void)settle(&c, 10000);
    assert_string_equal(reason_of(&c, NULL, TID), "no answer since 08:15:02Z (thread 4711)");
    assert_string_equal(reason_of(&c, NULL, 0), "not started since 08:15:02Z: no free worker");
    /* What it said before has nothing to do with it. */
    assert_string_equal(
        reason_of(&c, "all is well", TID), "no answer since 08:15:02Z (thread 4711)");
}

static void no_answer_to_the_first_question(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    queue(&c, 2000);
    (void)settle(&c, 10000);
    assert_string_equal(reason_of(&c, NULL, TID), "no answer since 08:15:02Z (thread 4711)");
}

static void no_result_for_long(void **unused)
{
    struct check c = registered(&periodic);

    (void)unused;
    run(&c, HEALTH_WARN, 2000);
    (void)settle(&c, 100000);
    assert_string_equal(reason(&c), "no result since 08:15:02Z");
    assert_string_equal(reason_of(&c, "slow", TID), "no result since 08:15:02Z");
    c = registered(&pushed);
    report(&c, HEALTH_PASS, 61000);
    (void)settle(&c, 100000);
    assert_string_equal(reason(&c), "no result since 08:16:01Z");
}

static void never_reported(void **unused)
{
    struct check c = registered(&pushed);

    (void)unused;
    (void)settle(&c, 100000);
    assert_string_equal(reason(&c), "no report since 08:15:00Z");
}

static void no_beat(void **unused)
{
    static const struct {
        int64_t max_age_ms;
        const char *text;
    } limits[] = {
        {1, "no beat since 08:15:02Z (limit 1 ms)"},
        {999, "no beat since 08:15:02Z (limit 999 ms)"},
        {1000, "no beat since 08:15:02Z (limit 1 s)"},
        {1500, "no beat since 08:15:02Z (limit 1,500 ms)"},
        {5000, "no beat since 08:15:02Z (limit 5 s)"},
        {HEALTH_DURATION_MAX_MS, "no beat since 08:15:02Z (limit 2,678,400 s)"},
        {HEALTH_DURATION_MAX_MS - 1, "no beat since 08:15:02Z (limit 2,678,399,999 ms)"},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct check c = registered(&heartbeat);

        c.p.max_age_ms = (uint32_t)limits[i].max_age_ms;
        read_beat(&c, 2000, INT64_C(4000000000));
        assert_string_equal(reason(&c), limits[i].text);
    }
}

/* ---- Thresholds ---- */

static void so_many_of_so_many_bad_results(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    c.p.failures = 3;
    run(&c, HEALTH_WARN, 1000);
    run(&c, HEALTH_FAIL, 2000);
    assert_string_equal(reason_of(&c, "own words", TID), "1 of 3 bad results: own words");
    run(&c, 7, 3000);
    assert_string_equal(reason(&c), "2 of 3 bad results: returned 7");
    assert_string_equal(
        reason_of(&c, "own words", TID), "2 of 3 bad results: returned 7: own words");
    run(&c, HEALTH_FAIL, 4000);
    assert_string_equal(reason_of(&c, "own words", TID), "own words");

    /* While it is pending. */
    c = registered(&on_demand);
    c.p.failures = 3;
    run(&c, HEALTH_FAIL, 1000);
    assert_string_equal(reason(&c), "1 of 3 bad results");
}

static void so_many_of_so_many_good_results(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    c.p.successes = 3;
    c.p.failures = 2;
    run(&c, HEALTH_FAIL, 1000);
    run(&c, HEALTH_FAIL, 2000);
    run(&c, HEALTH_PASS, 3000);
    assert_string_equal(reason(&c), "1 of 3 good results");
    run(&c, HEALTH_WARN, 4000);
    assert_string_equal(reason_of(&c, "slow", TID), "2 of 3 good results: slow");
    /* Fails already: that it was bad once more is no step on the way there. */
    run(&c, HEALTH_FAIL, 5000);
    assert_string_equal(reason_of(&c, "refused", TID), "refused");
    run(&c, HEALTH_PASS, 6000);
    assert_string_equal(reason(&c), "1 of 3 good results");
}

static void thresholds_have_no_part_in_what_time_has_done(void **unused)
{
    struct check c = registered(&on_demand);

    (void)unused;
    c.p.failures = 5;
    c.p.successes = 2;
    run(&c, HEALTH_PASS, 500);
    queue(&c, 2000);
    (void)settle(&c, 3000);
    assert_string_equal(reason_of(&c, NULL, TID), "no answer since 08:15:02Z (thread 4711)");
    finish(&c, HEALTH_PASS, 3500);
    assert_string_equal(reason(&c), "took 1,500 ms, limit 1,000");
    run(&c, HEALTH_PASS, 4000);
    assert_string_equal(reason(&c), "1 of 2 good results");
}

/* ---- Numbers and lengths ---- */

static void numbers_are_grouped(void **unused)
{
    static const struct {
        int64_t ms;
        const char *text;
    } numbers[] = {
        {0, "took 0 ms, limit 0"},
        {1, "took 1 ms, limit 1"},
        {10, "took 10 ms, limit 10"},
        {999, "took 999 ms, limit 999"},
        {1000, "took 1,000 ms, limit 1,000"},
        {12345, "took 12,345 ms, limit 12,345"},
        {999999, "took 999,999 ms, limit 999,999"},
        {1000000, "took 1,000,000 ms, limit 1,000,000"},
        {INT64_MAX, "took 9,223,372,036,854,775,807 ms, limit 4,294,967,295"},
    };
    struct check c = registered(&on_demand);
    size_t i;

    (void)unused;
    queue(&c, 2000);
    finish(&c, HEALTH_PASS, 3500);
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        c.s.detail = numbers[i].ms;
        c.p.timeout_ms = (uint32_t)numbers[i].ms;
        assert_string_equal(reason(&c), numbers[i].text);
    }
}

/* Everything that can stand there, as long as it can be. */
static void the_longest_fits(void **unused)
{
    static const char prefix[] = "4294967294 of 4294967295 bad results: returned -2147483648: ";
    char own[HEALTH_REASON_MAX_BYTES + 1], expected[HEALTH__REASON_BYTES];
    struct check c = registered(&on_demand);

    (void)unused;
    c.p.failures = UINT_MAX;
    run(&c, INT_MIN, 2000);
    c.s.bad = UINT_MAX - 1;
    memset(own, 'o', sizeof(own) - 1);
    own[sizeof(own) - 1] = '\0';
    memcpy(expected, prefix, sizeof(prefix));
    (void)strcat(expected, own);
    assert_string_equal(reason_of(&c, own, TID), expected);

    c = registered(&on_demand);
    queue(&c, 2000);
    finish(&c, HEALTH_PASS, 3500);
    c.s.detail = INT64_MAX;
    c.p.timeout_ms = UINT32_MAX;
    (void)strcpy(expected, "took 9,223,372,036,854,775,807 ms, limit 4,294,967,295: ");
    (void)strcat(expected, own);
    assert_string_equal(reason_of(&c, own, TID), expected);
}

static void what_is_longer_is_cut(void **unused)
{
    char own[2 * HEALTH__REASON_BYTES];
    struct check c = registered(&on_demand);
    size_t length;

    (void)unused;
    run(&c, HEALTH_FAIL, 2000);
    for (length = HEALTH__REASON_BYTES - 1; length < sizeof(own); length++) {
        const char *text;

        memset(own, 'o', length);
        own[length] = '\0';
        text = reason_of(&c, own, TID);
        assert_int_equal(strlen(text), HEALTH__REASON_BYTES - 1);
        assert_memory_equal(text, own, HEALTH__REASON_BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_callback_said),
        cmocka_unit_test(no_result_yet),
        cmocka_unit_test(returned_what_is_no_status),
        cmocka_unit_test(took_too_long),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(no_answer_to_the_first_question),
        cmocka_unit_test(no_result_for_long),
        cmocka_unit_test(never_reported),
        cmocka_unit_test(no_beat),
        cmocka_unit_test(so_many_of_so_many_bad_results),
        cmocka_unit_test(so_many_of_so_many_good_results),
        cmocka_unit_test(thresholds_have_no_part_in_what_time_has_done),
        cmocka_unit_test(numbers_are_grouped),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_is_longer_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
